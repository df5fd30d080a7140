//! A device behind a probe while it runs: what it has come to, found out without stopping it, and
//! what it asks its debugger for. A device that is stopped here has ended its boot.

use super::catch;
use super::connect::{self, HALT, PC, failed};
use super::serve::{After, serve};
use super::session::{ProbeSession, State, attached, core};
use super::watch;
use crate::target::{BenchError, Boundary, Session as _, Wait};
use probe_rs::{
    BreakpointCause, Core, CoreDump, CoreStatus, HaltReason, MemoryInterface as _, RegisterId,
};

/// The file of a core dump in a bundle.
const DUMP_FILE: &str = "core.coredump";
const XPSR: RegisterId = RegisterId(16);
/// The number of the exception in xPSR; 0 is none.
const EXCEPTION: u32 = 0x1FF;

impl ProbeSession {
    /// A reset that keeps RAM; the core stands before its first instruction, and will after each
    /// further one.
    pub(super) fn reset_to_start(&mut self) -> Result<(), BenchError> {
        connect::reset_to_start(attached(&mut self.probe)?, self.start)?;
        self.state.is_running = false;
        self.state.is_at_start = true;
        self.state.met = None;
        self.state.lockup_ram = None;
        self.state.is_locked_up = false;
        Ok(())
    }

    /// Looks at a device that runs, and serves what it asks for. What it came to is kept.
    pub(super) fn look(&mut self) -> Result<(), BenchError> {
        while self.state.is_running {
            let Self { probe, state, start, rtt, watchdog, .. } = self;
            let mut core = core(probe)?;
            let status = core.status().map_err(|error| failed("look at the core", &error))?;
            rtt.iter_mut().for_each(|rtt| rtt.drain(&mut core));
            let command = match status {
                CoreStatus::Running | CoreStatus::Sleeping | CoreStatus::Unknown => return Ok(()),
                CoreStatus::LockedUp => {
                    drop(core);
                    return self.locked_up();
                }
                CoreStatus::Halted(HaltReason::Breakpoint(BreakpointCause::Semihosting(call))) => {
                    call
                }
                CoreStatus::Halted(reason) => {
                    let mut met = stopped(&mut core, reason, *start, state)?;
                    state.is_at_start = met == Wait::Boundary(Boundary::Reset);
                    if state.is_at_start && was_watchdog(&mut core, *watchdog)? {
                        met = Wait::Boundary(Boundary::Watchdog);
                    }
                    state.is_running = false;
                    state.met = Some(met);
                    return Ok(());
                }
            };
            match serve(command, &mut core, &mut state.logs)? {
                After::GoesOn => core.run().map_err(|error| failed("let it go on", &error))?,
                After::Left(status) => {
                    state.is_running = false;
                    state.met = Some(Wait::Boundary(Boundary::Exit { status }));
                }
            }
        }
        Ok(())
    }

    fn locked_up(&mut self) -> Result<(), BenchError> {
        let mut core = core(&mut self.probe)?;
        // Halting is the one way out; registers can be read then.
        core.halt(HALT).map_err(|error| failed("halt a core that has locked up", &error))?;
        let mut text = "the core has locked up (DHCSR.S_LOCKUP)".to_owned();
        for (name, number) in [("pc", 15), ("sp", 13), ("lr", 14), ("xpsr", 16)] {
            if let Ok(value) = core.read_core_reg::<u32>(RegisterId(number)) {
                text.push_str(&format!(", {name} {value:08x}"));
            }
        }
        drop(core);
        self.dump();
        self.state.is_running = false;
        self.state.is_locked_up = true;
        if self.keeps_lockup_ram {
            let mut kept = Vec::new();
            for (start, size) in self.ram.clone() {
                let mut bytes = vec![0; size as usize];
                self.read(start, &mut bytes)?;
                kept.push(bytes);
            }
            self.state.lockup_ram = Some(kept);
        }
        self.state.met = Some(Wait::Boundary(Boundary::Lockup { text }));
        Ok(())
    }

    /// Keeps what a debugger wants of a core that came to no good end: registers and RAM, in
    /// probe-rs's format. What cannot be had is left out: it is no evidence, only help.
    fn dump(&mut self) {
        let end = |&(start, size): &(u32, u32)| u64::from(start) + u64::from(size);
        let ranges = self.ram.iter().map(|range| u64::from(range.0)..end(range)).collect();
        let Ok(mut core) = core(&mut self.probe) else { return };
        if let Ok(dump) = CoreDump::dump_core(&mut core, ranges) {
            let _ = dump.store(&self.folder.join(DUMP_FILE));
        }
    }

    /// Stops a device whose time is up; what it came to meanwhile counts.
    pub(super) fn hang(&mut self, limit: &str) -> Result<Wait, BenchError> {
        self.look()?;
        if let Some(met) = self.state.met.take() {
            return Ok(met);
        }
        let mut core = core(&mut self.probe)?;
        core.halt(HALT).map_err(|error| failed("halt", &error))?;
        let pc = core.read_core_reg::<u32>(PC).ok();
        drop(core);
        self.dump();
        self.state.is_running = false;
        Ok(Wait::Boundary(Boundary::Hang { limit: limit.to_owned(), pc }))
    }
}

/// Whether it was a watchdog that has reset the chip, where somebody wants to know: the register
/// and its flags. Programs clear them, or the next reset would be taken for one of a watchdog, too.
fn was_watchdog(core: &mut Core<'_>, flags: Option<(u32, u32)>) -> Result<bool, BenchError> {
    let Some((register, flags)) = flags else { return Ok(false) };
    let word = core.read_word_32(u64::from(register));
    Ok(word.map_err(|error| failed("read why the chip was reset", &error))? & flags != 0)
}

/// What a core has halted for that asks for nothing.
fn stopped(
    core: &mut Core<'_>,
    reason: HaltReason,
    start: u32,
    state: &State,
) -> Result<Wait, BenchError> {
    let pc: u32 = core.read_core_reg(PC).map_err(|error| failed("read pc", &error))?;
    if state.breakpoints.contains(&pc) {
        return Ok(Wait::Breakpoint { address: pc });
    }
    let xpsr: u32 = core.read_core_reg(XPSR).map_err(|error| failed("read xpsr", &error))?;
    if pc == start && xpsr & EXCEPTION == 0 {
        return Ok(Wait::Boundary(Boundary::Reset));
    }
    if state.catches_faults && catch::is_it(reason, xpsr & EXCEPTION) {
        return Ok(Wait::Breakpoint { address: pc });
    }
    if let Some(number) = watch::matched(core, state.watched.len())? {
        let address = state.watched.get(number).copied().unwrap_or_default();
        return Ok(Wait::Breakpoint { address });
    }
    Err(BenchError(format!("the core stopped at {pc:#010x} where nobody asked: {reason:?}")))
}

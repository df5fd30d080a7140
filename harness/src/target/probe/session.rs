//! One device behind a probe, seen through the ordinary interface of probe-rs.
//!
//! The core is caught at every reset before its first instruction: that is where RAM is read. A
//! device that runs is looked at without being stopped; it stops itself where it asks its debugger
//! for something (see `serve`). Must never happen here: flash programmed between a crash and the
//! reading of its record; a wait without a deadline.

use super::clock::Clock;
use super::connect::failed;
use super::registers;
use super::serve::{After, serve};
use super::watch::{self, Accesses};
use crate::noise::filled;
use crate::scenario::Fill;
use crate::target::{
    BenchError, Boundary, BusWrite, Deadline, Logs, Session, Store, TARGET_TIME, Wait,
};
use probe_rs::{
    BreakpointCause, Core, CoreStatus, HaltReason, MemoryInterface as _, RegisterId,
    VectorCatchCondition,
};
use std::any::Any;
use std::time::{Duration, Instant};

/// How long a core may take to halt.
const HALT: Duration = Duration::from_secs(1);
/// How long between two looks at a device that runs.
const POLL: Duration = Duration::from_micros(300);
const NVIC_SET_PENDING: u64 = 0xE000_E200;
const ICSR: u64 = 0xE000_ED04;
const SET_NMI_PENDING: u32 = 1 << 31;
const PC: RegisterId = RegisterId(15);
const XPSR: RegisterId = RegisterId(16);

/// See [`Session`].
pub(super) struct ProbeSession {
    pub probe: probe_rs::Session,
    pub ram: Vec<(u32, u32)>,
    pub clock: Clock,
    /// The address of the first instruction.
    pub start: u32,
    /// Whether RAM of a core that has locked up can be believed.
    pub keeps_lockup_ram: bool,
    pub command_line: Vec<String>,
    pub state: State,
    /// What ends with the session: a lease of a board. Dropped behind the probe.
    pub _held: Box<dyn Any>,
}

/// What is known of the device.
#[derive(Default)]
pub(super) struct State {
    is_running: bool,
    /// It stands before its first instruction, after a reset of its own.
    is_at_start: bool,
    /// What it came to while it was looked at for another reason.
    met: Option<Wait>,
    breakpoints: Vec<u32>,
    /// Watched ranges by comparator, by first address.
    watched: Vec<u32>,
    logs: Logs,
    lockup_ram: Option<Vec<Vec<u8>>>,
}

impl ProbeSession {
    /// A reset that keeps RAM; the core stands before its first instruction, and will after each
    /// further one.
    pub(super) fn reset_to_start(&mut self) -> Result<(), BenchError> {
        let start = self.start;
        let mut core = core(&mut self.probe)?;
        core.reset_and_halt(HALT).map_err(|error| failed("reset and halt", &error))?;
        core.enable_vector_catch(VectorCatchCondition::CoreReset)
            .map_err(|error| failed("catch resets", &error))?;
        let pc: u32 = core.read_core_reg(PC).map_err(|error| failed("read pc", &error))?;
        if pc != start {
            return Err(BenchError(format!(
                "reset and halt: found the core at {pc:#010x}, expected its first instruction at \
                 {start:#010x}"
            )));
        }
        self.state.is_running = false;
        self.state.is_at_start = true;
        self.state.met = None;
        self.state.lockup_ram = None;
        Ok(())
    }

    /// Looks at a device that runs, and serves what it asks for. What it came to is kept.
    fn look(&mut self) -> Result<(), BenchError> {
        while self.state.is_running {
            let Self { probe, state, start, .. } = self;
            let mut core = core(probe)?;
            let status = core.status().map_err(|error| failed("look at the core", &error))?;
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
                    let met = stopped(&mut core, reason, *start, state)?;
                    state.is_at_start = met == Wait::Boundary(Boundary::Reset);
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
        self.state.is_running = false;
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

    /// Stops a device whose time is up; what it came to meanwhile counts.
    fn hang(&mut self, limit: &str) -> Result<Wait, BenchError> {
        self.look()?;
        if let Some(met) = self.state.met.take() {
            return Ok(met);
        }
        let mut core = core(&mut self.probe)?;
        core.halt(HALT).map_err(|error| failed("halt", &error))?;
        let pc = core.read_core_reg::<u32>(PC).ok();
        self.state.is_running = false;
        Ok(Wait::Boundary(Boundary::Hang { limit: limit.to_owned(), pc }))
    }
}

/// The core, for some accesses.
fn core(probe: &mut probe_rs::Session) -> Result<Core<'_>, BenchError> {
    probe.core(0).map_err(|error| failed("reach the core", &error))
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
    if pc == start && xpsr & 0x1FF == 0 {
        return Ok(Wait::Boundary(Boundary::Reset));
    }
    if let Some(number) = watch::matched(core, state.watched.len())? {
        let address = state.watched.get(number).copied().unwrap_or_default();
        return Ok(Wait::Breakpoint { address });
    }
    Err(BenchError(format!("the core stopped at {pc:#010x} where nobody asked: {reason:?}")))
}

impl Session for ProbeSession {
    fn power_on(&mut self, fill: Fill, seed: u64, _battery: bool) -> Result<(), BenchError> {
        self.reset_to_start()?;
        for (start, bytes) in filled(fill, seed, &self.ram) {
            self.write(start, &bytes)?;
        }
        Ok(())
    }

    fn reset_warm(&mut self) -> Result<(), BenchError> {
        if self.state.is_at_start { Ok(()) } else { self.reset_to_start() }
    }

    fn resume(&mut self) -> Result<(), BenchError> {
        self.state.met = None;
        self.state.is_at_start = false;
        self.state.is_running = true;
        core(&mut self.probe)?.run().map_err(|error| failed("let the core run", &error))
    }

    fn wait(&mut self, deadline: &Deadline) -> Result<Wait, BenchError> {
        self.clock.restart();
        let began = Instant::now();
        loop {
            self.look()?;
            if let Some(met) = self.state.met.take() {
                return Ok(met);
            }
            let logs = &self.state.logs;
            if (logs.frames.len() + logs.console.len()) as u64 > deadline.log_bytes {
                return self.hang("log bytes");
            }
            if self.clock.elapsed_ms() >= deadline.target_ms {
                return self.hang(TARGET_TIME);
            }
            if began.elapsed() >= deadline.wall {
                return self.hang("wall time");
            }
            std::thread::sleep(POLL);
        }
    }

    fn pause(&mut self, target_ms: u64, deadline: &Deadline) -> Result<Wait, BenchError> {
        self.clock.restart();
        let began = Instant::now();
        while self.clock.elapsed_ms() < target_ms && began.elapsed() < deadline.wall {
            self.look()?;
            if self.state.met.is_some() {
                break;
            }
            std::thread::sleep(POLL);
        }
        Ok(Wait::Running)
    }

    fn read(&mut self, address: u32, bytes: &mut [u8]) -> Result<(), BenchError> {
        self.look()?;
        let size = bytes.len();
        core(&mut self.probe)?
            .read(u64::from(address), bytes)
            .map_err(|error| failed(&format!("read {size} bytes at {address:#010x}"), &error))
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), BenchError> {
        self.look()?;
        let size = bytes.len();
        core(&mut self.probe)?
            .write(u64::from(address), bytes)
            .map_err(|error| failed(&format!("write {size} bytes at {address:#010x}"), &error))
    }

    fn read_backup(&mut self, _: u32, _: u32) -> Result<Option<Vec<u8>>, BenchError> {
        Ok(None)
    }

    fn write_backup(&mut self, address: u32, _: &[u8]) -> Result<(), BenchError> {
        Err(BenchError(format!("write {address:#010x}: a probe does not open the backup domain")))
    }

    fn set_breakpoint(&mut self, address: u32) -> Result<(), BenchError> {
        if self.state.breakpoints.contains(&address) {
            return Ok(());
        }
        core(&mut self.probe)?
            .set_hw_breakpoint(u64::from(address))
            .map_err(|error| failed(&format!("set a breakpoint at {address:#010x}"), &error))?;
        self.state.breakpoints.push(address);
        Ok(())
    }

    fn watch_stores(&mut self, address: u32, size_bytes: u32) -> Result<(), BenchError> {
        self.watch(address, size_bytes, Accesses::Stores)
    }

    fn watch_loads(&mut self, address: u32, size_bytes: u32) -> Result<(), BenchError> {
        self.watch(address, size_bytes, Accesses::Loads)
    }

    fn step(&mut self, instructions: u64) -> Result<bool, BenchError> {
        let start = self.start;
        let mut core = core(&mut self.probe)?;
        for _ in 0..instructions {
            let stopped = core.step().map_err(|error| failed("step", &error))?;
            if stopped.pc == u64::from(start) {
                self.state.is_at_start = true;
                return Ok(false);
            }
        }
        self.state.is_at_start = false;
        Ok(true)
    }

    fn log_stores(&mut self, _: u32, _: u32) -> Result<(), BenchError> {
        Err(BenchError("log stores: a probe does not see them".to_owned()))
    }

    fn stores(&mut self) -> Result<Vec<Store>, BenchError> {
        self.log_stores(0, 0).map(|()| Vec::new())
    }

    fn bus_writes(&mut self) -> Result<Vec<BusWrite>, BenchError> {
        Ok(Vec::new())
    }

    fn clear_breakpoints(&mut self) -> Result<(), BenchError> {
        let breakpoints = std::mem::take(&mut self.state.breakpoints);
        let watched = std::mem::take(&mut self.state.watched);
        let mut core = core(&mut self.probe)?;
        for address in breakpoints {
            core.clear_hw_breakpoint(u64::from(address))
                .map_err(|error| failed("clear a breakpoint", &error))?;
        }
        (0..watched.len()).try_for_each(|number| watch::clear(&mut core, number))
    }

    fn register(&mut self, name: &str) -> Result<Option<u32>, BenchError> {
        let Some(place) = registers::place(name) else { return Ok(None) };
        let value = core(&mut self.probe)?.read_core_reg::<u32>(RegisterId(place.number));
        Ok(Some(place.get(value.map_err(|error| failed("read a register", &error))?)))
    }

    fn write_register(&mut self, name: &str, value: u32) -> Result<bool, BenchError> {
        let Some(place) = registers::place(name) else { return Ok(false) };
        let id = RegisterId(place.number);
        let mut core = core(&mut self.probe)?;
        let old = core.read_core_reg::<u32>(id).map_err(|error| failed("read a register", &error));
        core.write_core_reg(id, place.put(old?, value))
            .map_err(|error| failed("write a register", &error))?;
        Ok(true)
    }

    fn raise_interrupt(&mut self, number: u16) -> Result<(), BenchError> {
        let at = NVIC_SET_PENDING + u64::from(number / 32) * 4;
        core(&mut self.probe)?
            .write_word_32(at, 1 << (number % 32))
            .map_err(|error| failed("raise an interrupt", &error))
    }

    fn raise_nmi(&mut self) -> Result<(), BenchError> {
        core(&mut self.probe)?
            .write_word_32(ICSR, SET_NMI_PENDING)
            .map_err(|error| failed("raise the NMI", &error))
    }

    fn core_word(&mut self, address: u32) -> Result<u32, BenchError> {
        core(&mut self.probe)?
            .read_word_32(u64::from(address))
            .map_err(|error| failed(&format!("read {address:#010x}"), &error))
    }

    fn write_core_word(&mut self, address: u32, value: u32) -> Result<(), BenchError> {
        core(&mut self.probe)?
            .write_word_32(u64::from(address), value)
            .map_err(|error| failed(&format!("write {address:#010x}"), &error))
    }

    fn logs(&mut self) -> Result<Logs, BenchError> {
        Ok(std::mem::take(&mut self.state.logs))
    }

    fn lockup_ram(&self) -> Result<Option<Vec<Vec<u8>>>, BenchError> {
        Ok(self.state.lockup_ram.clone())
    }

    fn instructions(&mut self) -> Result<Option<u64>, BenchError> {
        match &self.state.met {
            None => Ok(None),
            Some(_) => Err(BenchError("count instructions: the device has stopped".to_owned())),
        }
    }

    fn ram(&self) -> &[(u32, u32)] {
        &self.ram
    }

    fn command_line(&self) -> Vec<String> {
        self.command_line.clone()
    }
}

impl ProbeSession {
    fn watch(&mut self, address: u32, size: u32, accesses: Accesses) -> Result<(), BenchError> {
        let number = self.state.watched.len();
        watch::set(&mut core(&mut self.probe)?, number, address, size, accesses)?;
        self.state.watched.push(address);
        Ok(())
    }
}

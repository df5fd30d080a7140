//! A session with the emulator: one QEMU, and a new one in its place after each lockup.
//!
//! A lockup ends QEMU. Where the observer has kept RAM, the next start gets that RAM: to the image
//! it is a reset from outside, as the pin of a chip that has locked up would be.
//!
//! **Decided here.** A watchdog with a clock of its own goes on counting while the core is locked
//! up, and then resets the chip, whatever the core is doing (RM0090 chapter 21, from memory, not
//! checked). So where one was started and RAM was kept, a lockup is no end of its own: the boot
//! ends by the watchdog, and the next start is the one behind that reset. RAM is that of the
//! lockup, since nothing writes to it in between; a transfer of DMA that goes on beside a core that
//! has locked up is not modelled, and flash is that of the image again.
//!
//! Must never happen here: memory of a new QEMU that is taken for what the device has kept.

use super::super::facts::command_line;
use super::super::{
    BenchError, Boundary, BusWrite, Deadline, Logs, Session, Store, TARGET_TIME, Wait,
};
use super::kept;
use crate::noise::filled;
use crate::scenario::Fill;
use crashrig_qemu::gdb::{Access, Token};
use crashrig_qemu::models::Reset;
use crashrig_qemu::{Emulator, Launch, Limits, Mark, RamRange, Stop};
use std::path::Path;
use std::time::{Duration, Instant};

/// Registers, streams and refusals of RAM on this side of a start take less than this each.
const POLL: Duration = Duration::from_millis(1);

/// See [`Session`].
pub(super) struct EmulatorSession {
    emulator: Emulator,
    ram: Vec<(u32, u32)>,
    running_since_start: bool,
    breakpoints: Vec<(Token, u32)>,
    mark: Mark,
    /// How the emulator was started.
    launch: Launch,
    /// How often.
    starts: u32,
}

impl EmulatorSession {
    /// A session with an emulator that was just started.
    pub(super) fn new(emulator: Emulator, launch: Launch, ram: Vec<(u32, u32)>) -> Self {
        Self {
            emulator,
            ram,
            running_since_start: false,
            breakpoints: Vec::new(),
            mark: Mark::default(),
            launch,
            starts: 1,
        }
    }

    /// Instructions in some milliseconds of target time.
    fn instructions_in(&self, target_ms: u64) -> u64 {
        (target_ms * 1_000_000) >> self.launch.instruction_shift.unwrap_or_default()
    }

    fn limits(&self, deadline: &Deadline) -> Limits {
        Limits {
            instructions: Some(self.instructions_in(deadline.target_ms)),
            wall: deadline.wall,
            output_bytes: deadline.log_bytes,
            log_bytes: deadline.witness_bytes,
        }
    }

    /// Starts a new emulator in place of one that a lockup has ended.
    fn start_again(&mut self) -> Result<(), BenchError> {
        self.starts += 1;
        let mut launch = self.launch.clone();
        launch.output_folder = self.launch.output_folder.join(format!("start-{}", self.starts));
        std::fs::create_dir_all(&launch.output_folder).map_err(BenchError::of)?;
        let devices = self.emulator.detach_all().map_err(BenchError::of)?;
        self.emulator = Emulator::start(&launch).map_err(BenchError::of)?;
        for device in devices {
            self.emulator.attach(device).map_err(BenchError::of)?;
        }
        self.running_since_start = false;
        self.breakpoints.clear();
        self.mark = Mark::default();
        Ok(())
    }

    /// RAM as a lockup has left it which a watchdog ends; nothing anywhere else.
    fn watched_lockup(&self) -> Result<Option<&[Vec<u8>]>, BenchError> {
        let kept = self.emulator.lockup_ram().filter(|_| self.emulator.is_watchdog_armed());
        kept.transpose().map_err(BenchError::of)
    }

    fn hang(&mut self, limit: &str) -> Wait {
        let pc = self.emulator.registers().ok().map(|registers| registers.pc);
        Wait::Boundary(Boundary::Hang { limit: limit.to_owned(), pc })
    }
}

impl Session for EmulatorSession {
    fn power_on(&mut self, fill: Fill, seed: u64, battery: bool) -> Result<(), BenchError> {
        if self.lockup_ram()?.is_some() {
            self.start_again()?;
        } else if self.running_since_start {
            self.emulator.reset_warm().map_err(BenchError::of)?;
        }
        let reset = if battery { Reset::PowerOnWithBattery } else { Reset::PowerOn };
        self.emulator.reset_models(reset).map_err(BenchError::of)?;
        for (start, bytes) in filled(fill, seed, &self.ram) {
            self.write(start, &bytes)?;
        }
        Ok(())
    }

    fn read_backup(&mut self, address: u32, size: u32) -> Result<Option<Vec<u8>>, BenchError> {
        let mut bytes = vec![0; size as usize];
        Ok(self.emulator.peek(address, &mut bytes).then_some(bytes))
    }

    fn write_backup(&mut self, address: u32, bytes: &[u8]) -> Result<(), BenchError> {
        if self.emulator.poke(address, bytes) {
            return Ok(());
        }
        Err(BenchError(format!("write {address:#010x}: no device with memory there is supplied")))
    }

    fn reset_warm(&mut self) -> Result<(), BenchError> {
        if let Some(kept) = self.lockup_ram()? {
            let by_watchdog = self.emulator.is_watchdog_armed();
            self.start_again()?;
            let reset = if by_watchdog { Reset::Watchdog } else { Reset::Pin };
            self.emulator.reset_models(reset).map_err(BenchError::of)?;
            for ((start, _), bytes) in self.ram.clone().into_iter().zip(kept) {
                self.write(start, &bytes)?;
            }
            return Ok(());
        }
        self.emulator.reset_warm().map_err(BenchError::of)
    }

    fn resume(&mut self) -> Result<(), BenchError> {
        self.running_since_start = true;
        self.emulator.resume().map_err(BenchError::of)
    }

    fn wait(&mut self, deadline: &Deadline) -> Result<Wait, BenchError> {
        let stop = self.emulator.wait(&self.limits(deadline)).map_err(BenchError::of)?;
        let is_lockup = stop.is_lockup();
        Ok(match stop {
            Stop::Reset => Wait::Boundary(Boundary::Reset),
            Stop::Watchdog => Wait::Boundary(Boundary::Watchdog),
            Stop::Exit { code } => Wait::Boundary(Boundary::Exit { status: code }),
            Stop::Killed { .. } if is_lockup && self.watched_lockup()?.is_some() => {
                Wait::Boundary(Boundary::Watchdog)
            }
            Stop::Killed { text, .. } if is_lockup => Wait::Boundary(Boundary::Lockup { text }),
            Stop::Killed { signal, text } => {
                return Err(BenchError(format!("QEMU was ended by signal {signal}: {text}")));
            }
            Stop::Breakpoint { token } => {
                let point = self.breakpoints.iter().find(|(known, _)| *known == token);
                let (_, address) = point
                    .ok_or_else(|| BenchError("QEMU stopped where nobody asked".to_owned()))?;
                Wait::Breakpoint { address: *address }
            }
            Stop::InstructionLimit => self.hang(TARGET_TIME),
            Stop::WallLimit => self.hang("wall time"),
            Stop::OutputLimit => self.hang("log bytes"),
        })
    }

    fn pause(&mut self, target_ms: u64, deadline: &Deadline) -> Result<Wait, BenchError> {
        let instructions = self.instructions_in(target_ms);
        let end = Instant::now() + deadline.wall;
        let start = self.instructions()?.unwrap_or(0);
        while Instant::now() < end {
            self.emulator.attend().map_err(BenchError::of)?;
            // A device that has ended meanwhile answers no more; its boundary comes from `wait`.
            match self.emulator.instructions() {
                Ok(Some(now)) if now.saturating_sub(start) < instructions => {
                    std::thread::sleep(POLL);
                }
                _ => break,
            }
        }
        Ok(Wait::Running)
    }

    fn sleep_on(&mut self) -> Result<bool, BenchError> {
        let is_watched = self.emulator.is_watchdog_armed();
        if is_watched {
            self.emulator.run_watchdog_out().map_err(BenchError::of)?;
        }
        Ok(is_watched)
    }

    fn read(&mut self, address: u32, bytes: &mut [u8]) -> Result<(), BenchError> {
        if let Some(kept) = self.watched_lockup()? {
            return kept::read(&self.ram, kept, address, bytes);
        }
        self.emulator.read(address, bytes).map_err(BenchError::of)
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), BenchError> {
        self.emulator.write(address, bytes).map_err(BenchError::of)
    }

    fn set_breakpoint(&mut self, address: u32) -> Result<(), BenchError> {
        let token = self.emulator.break_at(address).map_err(BenchError::of)?;
        self.breakpoints.push((token, address));
        Ok(())
    }

    fn watch_stores(&mut self, address: u32, size_bytes: u32) -> Result<(), BenchError> {
        let token =
            self.emulator.watch(address, size_bytes, Access::Write).map_err(BenchError::of)?;
        self.breakpoints.push((token, address));
        Ok(())
    }

    fn watch_loads(&mut self, address: u32, size_bytes: u32) -> Result<(), BenchError> {
        let token =
            self.emulator.watch(address, size_bytes, Access::Read).map_err(BenchError::of)?;
        self.breakpoints.push((token, address));
        Ok(())
    }

    fn step(&mut self, instructions: u64) -> Result<bool, BenchError> {
        self.running_since_start = true;
        self.emulator.step(instructions).map_err(BenchError::of)
    }

    fn log_stores(&mut self, address: u32, size_bytes: u32) -> Result<(), BenchError> {
        let range = RamRange { address, size_bytes };
        self.emulator.watch_stores(&[range]).map_err(BenchError::of)
    }

    fn stores(&mut self) -> Result<Vec<Store>, BenchError> {
        let log = self.emulator.stores().map_err(BenchError::of)?;
        let store = |it: crashrig_qemu::Store| {
            let crashrig_qemu::Store { instruction, pc, address, .. } = it;
            Store { instruction, pc, address }
        };
        Ok(log.stores.into_iter().map(store).collect())
    }

    fn bus_writes(&mut self) -> Result<Vec<BusWrite>, BenchError> {
        let shift = self.launch.instruction_shift.unwrap_or_default();
        let write = |it: crashrig_qemu::models::BusWrite| BusWrite {
            stream: it.stream,
            start: it.start,
            end: it.end,
            instruction: it.since_ns >> shift,
        };
        Ok(self.emulator.take_bus_writes().into_iter().map(write).collect())
    }

    fn clear_breakpoints(&mut self) -> Result<(), BenchError> {
        if self.watched_lockup()?.is_some() {
            // They have ended with the emulator.
            self.breakpoints.clear();
        }
        for (token, _) in self.breakpoints.drain(..) {
            self.emulator.remove(token).map_err(BenchError::of)?;
        }
        Ok(())
    }

    fn register(&mut self, name: &str) -> Result<Option<u32>, BenchError> {
        let hub = self.emulator.gdb().map_err(BenchError::of)?;
        let value = hub.read_register(name).map_err(BenchError::of)?;
        Ok(value.and_then(|value| u32::try_from(value).ok()))
    }

    fn write_register(&mut self, name: &str, value: u32) -> Result<bool, BenchError> {
        let hub = self.emulator.gdb().map_err(BenchError::of)?;
        hub.write_register(name, u64::from(value)).map_err(BenchError::of)
    }

    fn raise_interrupt(&mut self, number: u16) -> Result<(), BenchError> {
        self.emulator.raise_interrupt(number).map_err(BenchError::of)
    }

    fn raise_nmi(&mut self) -> Result<(), BenchError> {
        self.emulator.raise_nmi().map_err(BenchError::of)
    }

    fn core_word(&mut self, address: u32) -> Result<u32, BenchError> {
        self.emulator.core_word(address).map_err(BenchError::of)
    }

    fn write_core_word(&mut self, address: u32, value: u32) -> Result<(), BenchError> {
        self.emulator.write_core_word(address, value).map_err(BenchError::of)
    }

    fn write_program(&mut self, address: u32, bytes: &[u8]) -> Result<(), BenchError> {
        let hub = self.emulator.gdb().map_err(BenchError::of)?;
        hub.write_program(address, bytes).map_err(BenchError::of)
    }

    fn logs(&mut self) -> Result<Logs, BenchError> {
        let files = self.emulator.files().clone();
        let mark = files.mark().map_err(BenchError::of)?;
        let read = |path: &Path, from: u64, to: u64| {
            if from == to {
                return Ok(Vec::new());
            }
            crashrig_qemu::output::read_from(path, from, to.saturating_sub(from))
                .map_err(BenchError::of)
        };
        let logs = Logs {
            frames: read(&files.stdout, self.mark.stdout_bytes, mark.stdout_bytes)?,
            console: read(&files.console, self.mark.console_bytes, mark.console_bytes)?,
            messages: read(&files.stderr, self.mark.stderr_bytes, mark.stderr_bytes)?,
            witness: read(&files.log, self.mark.log_bytes, mark.log_bytes)?,
        };
        self.mark = mark;
        Ok(logs)
    }

    fn lockup_ram(&self) -> Result<Option<Vec<Vec<u8>>>, BenchError> {
        let kept = self.emulator.lockup_ram().transpose().map_err(BenchError::of)?;
        Ok(kept.map(<[Vec<u8>]>::to_vec))
    }

    fn instructions(&mut self) -> Result<Option<u64>, BenchError> {
        if self.watched_lockup()?.is_some() {
            return Ok(Some(0));
        }
        self.emulator.instructions().map_err(BenchError::of)
    }

    fn ram(&self) -> &[(u32, u32)] {
        &self.ram
    }

    fn command_line(&self) -> Vec<String> {
        command_line(&self.launch)
    }
}

//! The emulator as a target: one QEMU per session, RAM read over resets, everything kept as files.

use super::facts::{command_line, running_map, used_ram};
use super::{BenchError, Boundary, Deadline, Lack, Logs, Session, TARGET_TIME, Target, Wait};
use crate::agree::{Range, differences};
use crate::image::{Flash, Image};
use crate::noise::Noise;
use crate::scenario::Fill;
use crashrig_layout::Need;
use crashrig_layout::parse::{Board, ChipResetCause, ExpectedKind};
use crashrig_qemu::command::Loaded;
use crashrig_qemu::gdb::{Access, Token};
use crashrig_qemu::{Emulator, KeeperProgram, Launch, Limits, Mark, Program, Stop};
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes of witness log that a boot may cause before it counts as one that never ends.
const WITNESS_LIMIT_BYTES: u64 = 16 << 20;

/// The application's flash in a bundle, as it was put behind a bootloader.
const APPLICATION_FILE: &str = "application.bin";

/// Registers, streams and refusals of RAM on this side of a start take less than this each.
const POLL: Duration = Duration::from_millis(1);

/// A board under QEMU.
pub struct EmulatorTarget {
    board: Board,
    program: Program,
    version: String,
    machine: String,
    shift: u8,
    /// Memory that the emulator must have: the chip's, after the declared deviations.
    declared: Vec<Range>,
    keeper: KeeperProgram,
}

impl EmulatorTarget {
    /// A board under one QEMU.
    ///
    /// # Errors
    /// The board has no emulator, or its file does not declare this version of QEMU.
    pub fn new(board: Board, program: Program) -> Result<Self, BenchError> {
        let version = program.version.to_string();
        let declared = board
            .expected_map(key(&program))
            .map_err(|error| BenchError(format!("use QEMU {version} as {}: {error}", board.name)))?
            .into_iter()
            .filter(|range| range.kind != ExpectedKind::Stub)
            .map(|range| Range {
                start: u64::from(range.start),
                end: u64::from(range.start) + u64::from(range.size_bytes),
                writable: range.kind == ExpectedKind::Ram,
                name: range.name,
            })
            .collect();
        let (machine, shift) = board
            .emulator()
            .map(|emulator| (emulator.machine.clone(), emulator.icount_shift))
            .unwrap_or_default();
        let keeper = KeeperProgram::default();
        Ok(Self { board, program, version, machine, shift, declared, keeper })
    }

    /// The register for causes of resets, if the emulator keeps what is written to it.
    fn reset_cause(&self) -> Option<&ChipResetCause> {
        self.board.chip.reset_cause.as_ref().filter(|_| self.has(Need::ResetCause).is_ok())
    }

    /// The same with another program as keeper: for programs whose `main` is not ours.
    #[must_use]
    pub fn with_keeper(mut self, path: &Path) -> Self {
        self.keeper = KeeperProgram { path: Some(path.to_owned()) };
        self
    }
}

/// The version as board files name it.
const fn key(program: &Program) -> (u32, u32) {
    (program.version.major, program.version.minor)
}

impl Target for EmulatorTarget {
    fn name(&self) -> &'static str {
        "qemu"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn board(&self) -> &Board {
        &self.board
    }

    fn has(&self, need: Need) -> Result<(), Lack> {
        match self.board.lacks(key(&self.program), need) {
            None => Ok(()),
            Some(reason) => Err(Lack { reason: format!("needs {need}: {reason}") }),
        }
    }

    fn has_witness(&self) -> bool {
        true
    }

    fn open(
        &self,
        image: &Image,
        application: Option<&Flash>,
        folder: &Path,
    ) -> Result<Box<dyn Session>, BenchError> {
        let mut launch = Launch::new(self.program.clone(), &self.machine, folder);
        launch.keeper = self.keeper.clone();
        launch.image = Some(image.bootloader().unwrap_or(image).origin().to_owned());
        if let Some(application) = application {
            let path = folder.join(APPLICATION_FILE);
            std::fs::write(&path, &application.bytes).map_err(BenchError::of)?;
            launch.loaded.push(Loaded { path, address: application.start });
        }
        launch.instruction_shift = Some(self.shift);
        let mut emulator = Emulator::start(&launch).map_err(BenchError::of)?;
        let running = running_map(&emulator.memory_map().map_err(BenchError::of)?);
        let differences = differences(&self.declared, &running);
        if !differences.is_empty() {
            let list: Vec<_> = differences.iter().map(ToString::to_string).collect();
            return Err(BenchError(format!(
                "QEMU {} is not what board {} declares: {}",
                self.version,
                self.board.name,
                list.join("; ")
            )));
        }
        Ok(Box::new(EmulatorSession {
            emulator,
            shift: self.shift,
            ram: used_ram(&self.board, &self.declared),
            reset_cause: self.reset_cause().cloned(),
            running_since_start: false,
            breakpoints: Vec::new(),
            mark: Mark::default(),
            command_line: command_line(&launch),
        }))
    }
}

struct EmulatorSession {
    emulator: Emulator,
    shift: u8,
    ram: Vec<(u32, u32)>,
    /// The register that a reset leaves its flags in, where the emulator keeps what is written.
    reset_cause: Option<ChipResetCause>,
    running_since_start: bool,
    breakpoints: Vec<(Token, u32)>,
    mark: Mark,
    command_line: Vec<String>,
}

impl EmulatorSession {
    fn limits(&self, deadline: &Deadline) -> Limits {
        Limits {
            instructions: Some((deadline.target_ms * 1_000_000) >> self.shift),
            wall: deadline.wall,
            output_bytes: deadline.log_bytes,
            log_bytes: WITNESS_LIMIT_BYTES,
        }
    }

    /// What nobody has cleared of the register for causes of resets.
    fn left_causes(&mut self) -> Result<u32, BenchError> {
        let Some(cause) = self.reset_cause.clone() else { return Ok(0) };
        let mut bytes = [0; 4];
        self.read(cause.register, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes) & cause.mask())
    }

    /// Puts there what the chip would: the emulator clears it and sets nothing.
    fn show_cause(&mut self, flags: impl Fn(&ChipResetCause) -> u32) -> Result<(), BenchError> {
        let Some(cause) = self.reset_cause.clone() else { return Ok(()) };
        self.write(cause.register, &flags(&cause).to_le_bytes())
    }

    fn hang(&mut self, limit: &str) -> Wait {
        let pc = self.emulator.registers().ok().map(|registers| registers.pc);
        Wait::Boundary(Boundary::Hang { limit: limit.to_owned(), pc })
    }
}

impl Session for EmulatorSession {
    fn power_on(&mut self, fill: Fill, seed: u64) -> Result<(), BenchError> {
        if self.running_since_start {
            self.emulator.reset_warm().map_err(BenchError::of)?;
        }
        let mut noise = Noise::new(seed);
        for (start, size) in self.ram.clone() {
            let mut bytes = vec![0; size as usize];
            if fill == Fill::Noise {
                noise.fill(&mut bytes);
            }
            self.write(start, &bytes)?;
        }
        self.show_cause(|cause| cause.after_power_on)
    }

    fn reset_warm(&mut self) -> Result<(), BenchError> {
        let left = self.left_causes()?;
        self.emulator.reset_warm().map_err(BenchError::of)?;
        self.show_cause(|cause| cause.after_software | left)
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
            Stop::Exit { code } => Wait::Boundary(Boundary::Exit { status: code }),
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
        let instructions = (target_ms * 1_000_000) >> self.shift;
        let end = Instant::now() + deadline.wall;
        let start = self.instructions()?.unwrap_or(0);
        while Instant::now() < end {
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

    fn read(&mut self, address: u32, bytes: &mut [u8]) -> Result<(), BenchError> {
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

    fn clear_breakpoints(&mut self) -> Result<(), BenchError> {
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

    fn core_word(&mut self, address: u32) -> Result<u32, BenchError> {
        let hub = self.emulator.gdb().map_err(BenchError::of)?;
        hub.read_word_as_core(address).map_err(BenchError::of)
    }

    fn write_core_word(&mut self, address: u32, value: u32) -> Result<(), BenchError> {
        let hub = self.emulator.gdb().map_err(BenchError::of)?;
        hub.write_word_as_core(address, value).map_err(BenchError::of)
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

    fn instructions(&mut self) -> Result<Option<u64>, BenchError> {
        self.emulator.instructions().map_err(BenchError::of)
    }

    fn ram(&self) -> &[(u32, u32)] {
        &self.ram
    }

    fn command_line(&self) -> Vec<String> {
        self.command_line.clone()
    }
}

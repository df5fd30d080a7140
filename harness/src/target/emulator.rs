//! The emulator as a target: one QEMU per session, RAM read over resets, everything kept as files.

mod host_models;
mod kept;
mod session;
mod virtual_board;

use self::host_models::HostModels;
pub use self::host_models::dma_controllers;
use self::session::EmulatorSession;
pub use self::virtual_board::{breakpoint_sites, identification};
use super::facts::{running_map, used_ram};
use super::observer::ObserverSource;
use super::{BenchError, Lack, Session, Target};
use crate::agree::{Range, differences};
use crate::image::{Flash, Image};
use crashrig_layout::Need;
use crashrig_layout::parse::{Board, ExpectedKind};
use crashrig_qemu::command::Loaded;
use crashrig_qemu::models::MmioModel;
use crashrig_qemu::{Emulator, KeeperProgram, Launch, Program, RamRange};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The application's flash in a bundle, as it was put behind a bootloader.
const APPLICATION_FILE: &str = "application.bin";

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
    observer: Option<Arc<ObserverSource>>,
    /// Whether its cores may run wild.
    is_wild: bool,
    /// The processor of the host that emulators stay on.
    host_processor: Option<usize>,
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
        Ok(Self {
            board,
            program,
            version,
            machine,
            shift,
            declared,
            keeper,
            observer: None,
            is_wild: false,
            host_processor: None,
        })
    }

    /// The same with another program as keeper: for programs whose `main` is not ours.
    #[must_use]
    pub fn with_keeper(mut self, path: &Path) -> Self {
        self.keeper = KeeperProgram { path: Some(path.to_owned()) };
        self
    }

    /// The same with a plug-in that observes sessions which need it.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<ObserverSource>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The same for cores that may run wild: no semihosting, by which one could reach files of
    /// this machine, and no record of exceptions, which one could let grow without end. Emulators
    /// stay on one processor of the host, where that is given.
    #[must_use]
    pub const fn for_wild_cores(mut self, host_processor: Option<usize>) -> Self {
        self.is_wild = true;
        self.host_processor = host_processor;
        self
    }

    /// The emulator with an image, and with an application behind it where the image's bootloader
    /// is what starts; nothing is started. Files that it needs go into a folder.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn launch(
        &self,
        image: &Image,
        application: Option<&Flash>,
        folder: &Path,
    ) -> Result<Launch, BenchError> {
        let mut launch = Launch::new(self.program.clone(), &self.machine, folder);
        launch.keeper = self.keeper.clone();
        launch.image = Some(image.bootloader().unwrap_or(image).origin().to_owned());
        if let Some(application) = application {
            let path = folder.join(APPLICATION_FILE);
            std::fs::write(&path, &application.bytes).map_err(BenchError::of)?;
            launch.loaded.push(Loaded { path, address: application.start });
        }
        launch.instruction_shift = Some(self.shift);
        launch.host_processor = self.host_processor;
        if self.is_wild {
            launch.semihosting = None;
            launch.log = false;
        }
        Ok(launch)
    }

    /// RAM that programs of the board use, as `(start, size in bytes)`, lowest first.
    #[must_use]
    pub fn ram(&self) -> Vec<(u32, u32)> {
        used_ram(&self.board, &self.declared)
    }

    /// Whether needs are satisfied by devices of the host.
    #[must_use]
    pub fn has_host_models(&self, needs: &[Need]) -> bool {
        !HostModels::new(&self.board, needs).is_empty()
    }

    /// Those devices, as after a power-on.
    #[must_use]
    pub fn host_models(&self, needs: &[Need]) -> Vec<Box<dyn MmioModel>> {
        HostModels::new(&self.board, needs).devices()
    }

    /// The plug-in's file, or a phrase that says why there is none.
    fn observer(&self) -> Result<&Path, &str> {
        let source = self.observer.as_ref().ok_or("this target was made without an observer")?;
        source.file().map(PathBuf::as_path)
    }

    /// Refuses an emulator whose memory is not what the board file declares.
    fn check_memory(&self, emulator: &mut Emulator) -> Result<(), BenchError> {
        let running = running_map(&emulator.memory_map().map_err(BenchError::of)?);
        let differences = differences(&self.declared, &running);
        if differences.is_empty() {
            return Ok(());
        }
        let list: Vec<_> = differences.iter().map(ToString::to_string).collect();
        Err(BenchError(format!(
            "QEMU {} is not what board {} declares: {}",
            self.version,
            self.board.name,
            list.join("; ")
        )))
    }

    fn lack(&self, need: Need) -> Option<String> {
        let declared = self.board.lacks(key(&self.program), need);
        declared.or_else(|| match need {
            Need::LockupRam | Need::StoreLog => self.observer().err().map(str::to_owned),
            _ => None,
        })
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
        match self.lack(need) {
            None => Ok(()),
            Some(reason) => Err(Lack { reason: format!("needs {need}: {reason}") }),
        }
    }

    fn has_witness(&self) -> bool {
        !self.is_wild
    }

    fn open(
        &self,
        image: &Image,
        application: Option<&Flash>,
        needs: &[Need],
        folder: &Path,
    ) -> Result<Box<dyn Session>, BenchError> {
        let mut launch = self.launch(image, application, folder)?;
        let ram = self.ram();
        if needs.iter().any(|need| [Need::LockupRam, Need::StoreLog].contains(need)) {
            launch.observer = Some(self.observer().map_err(BenchError::of)?.to_owned());
            launch.ram = ram
                .iter()
                .map(|(address, size_bytes)| RamRange {
                    address: *address,
                    size_bytes: *size_bytes,
                })
                .collect();
        }
        let mut emulator = Emulator::start(&launch).map_err(BenchError::of)?;
        self.check_memory(&mut emulator)?;
        for device in self.host_models(needs) {
            emulator.attach(device).map_err(BenchError::of)?;
        }
        Ok(Box::new(EmulatorSession::new(emulator, launch, ram)))
    }
}

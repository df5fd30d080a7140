//! A virtual board of this machine, plugged in under a name of its own.

use crate::program::{Program, START};
use crashrig_harness::image::Image;
use crashrig_harness::rig::Rig;
use crashrig_harness::target::emulator::{EmulatorTarget, breakpoint_sites};
use crashrig_harness::target::observer::ObserverSource;
use crashrig_harness::target::probe::driver::{self, SharedBoard};
use crashrig_harness::target::probe::driver_chip::{chip_name, description};
use crashrig_layout::parse::Board;
use crashrig_qemu::discover;
use crashrig_qemu::probe::{Trouble, VirtualBoard};

use probe_rs::config::Registry;
use probe_rs::flashing::{DownloadOptions, FlashError};
use probe_rs::probe::list::Lister;
use probe_rs::probe::{DebugProbeError, DebugProbeSelector, Probe};
use probe_rs::{Permissions, Session};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const BOARD: &str = "netduinoplus2";

/// A board and what belongs to it.
pub struct Bench {
    name: String,
    pub shared: SharedBoard,
    pub board: Board,
    _folder: tempfile::TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        driver::unplug(&self.name);
    }
}

/// The test image of the board.
pub fn image() -> Image {
    let file = Rig::here().image(BOARD, &[]).expect("an image");
    Image::parse(std::fs::read(&file).unwrap(), &file).expect("an image")
}

impl Bench {
    /// A board with power and erased flash.
    pub fn blank() -> Self {
        Self::new(|_| ())
    }

    /// A board with power and a program in flash.
    pub fn running(program: &Program) -> Self {
        Self::new(|chip| {
            assert!(chip.program(START, &program.bytes));
            chip.set_breakpoint_sites(program.breakpoints.clone());
        })
    }

    /// A board with power, after something was done to it without.
    pub fn new(prepare: impl FnOnce(&mut VirtualBoard)) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let rig = Rig::here();
        let board = Board::load(&rig.boards(), BOARD).expect("a board");
        let folder = tempfile::tempdir().unwrap();
        let keeper = Path::new(env!("CARGO_BIN_EXE_crashrig"));
        let program = discover::find().expect("an emulator");
        let Rig { workspace, target_folder } = rig;
        let observer = Arc::new(ObserverSource::new(program.clone(), workspace, target_folder));
        let target = EmulatorTarget::new(board.clone(), program).expect("a target");
        let target = target.with_keeper(keeper).with_observer(observer);
        let mut chip = target.virtual_board(folder.path()).expect("a chip");
        prepare(&mut chip);
        chip.power_on(&[]).expect("power");
        let name = format!("{BOARD}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let shared = driver::plug_in(&name, chip);
        Self { name, shared, board, _folder: folder }
    }

    pub fn trouble(&self, troubles: &[Trouble]) {
        self.shared.lock().unwrap().set_troubles(troubles.to_vec()).unwrap();
    }

    pub fn open(&self) -> Result<Probe, DebugProbeError> {
        let selector: DebugProbeSelector = driver::selector(&self.name).parse().unwrap();
        Lister::new().open(selector)
    }

    pub fn attach(&self) -> Result<Session, probe_rs::Error> {
        let (name, registry) = (chip_name(&self.board), registry(&self.board));
        self.open()?.attach_with_registry(name, Permissions::default(), &registry)
    }

    pub fn attach_under_reset(&self) -> Result<Session, probe_rs::Error> {
        let (name, registry) = (chip_name(&self.board), registry(&self.board));
        self.open()?.attach_under_reset_with_registry(name, Permissions::default(), &registry)
    }

    /// Programs and verifies an image.
    pub fn flash(&self, session: &mut Session, image: &Image) -> Result<(), FlashError> {
        let mut loader = session.target().flash_loader();
        let flash = crashrig_harness::image::Flash::of(image.bytes()).expect("segments");
        loader.add_data(u64::from(flash.start), &flash.bytes).expect("data");
        let mut options = DownloadOptions::default();
        options.verify = true;
        self.shared.lock().unwrap().set_breakpoint_sites(breakpoint_sites(image.bytes()));
        loader.commit(session, options)
    }
}

pub fn registry(board: &Board) -> Registry {
    let mut registry = Registry::from_builtin_families();
    registry.add_target_family_from_yaml(&description(board).unwrap()).expect("a description");
    registry
}

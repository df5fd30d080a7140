//! A virtual board of this machine, plugged in under a name of its own.

use crashrig_harness::image::Image;
use crashrig_harness::rig::Rig;
use crashrig_harness::target::emulator::{EmulatorTarget, breakpoint_sites};
use crashrig_harness::target::probe::driver::{self, SharedBoard};
use crashrig_harness::target::probe::driver_chip::{chip_name, description};
use crashrig_layout::parse::Board;
use crashrig_qemu::discover;
use probe_rs::config::Registry;
use probe_rs::flashing::{DownloadOptions, FlashError};
use probe_rs::probe::list::Lister;
use probe_rs::probe::{DebugProbeSelector, Probe};
use probe_rs::{Permissions, Session};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

const BOARD: &str = "netduinoplus2";

/// A board and what belongs to it.
pub struct Bench {
    pub name: String,
    #[expect(dead_code, reason = "tests of troubles come next")]
    pub shared: SharedBoard,
    pub board: Board,
    pub image: Image,
    _folder: tempfile::TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        driver::unplug(&self.name);
    }
}

impl Bench {
    /// A board with power and erased flash.
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let rig = Rig::here();
        let board = Board::load(&rig.boards(), BOARD).expect("a board");
        let file = rig.image(BOARD, &[]).expect("an image");
        let image = Image::parse(std::fs::read(&file).unwrap(), &file).expect("an image");
        let folder = tempfile::tempdir().unwrap();
        let keeper = Path::new(env!("CARGO_BIN_EXE_crashrig"));
        let program = discover::find().expect("an emulator");
        let target = EmulatorTarget::new(board.clone(), program).expect("a target");
        let mut chip = target.with_keeper(keeper).virtual_board(folder.path()).expect("a chip");
        chip.set_breakpoint_sites(breakpoint_sites(image.bytes()));
        chip.power_on(&[]).expect("power");
        let name = format!("{BOARD}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let shared = driver::plug_in(&name, chip);
        Self { name, shared, board, image, _folder: folder }
    }

    pub fn probe(&self) -> Probe {
        let selector: DebugProbeSelector = driver::selector(&self.name).parse().unwrap();
        Lister::new().open(selector).expect("the probe")
    }

    pub fn attach(&self) -> Result<Session, probe_rs::Error> {
        self.probe().attach_with_registry(
            chip_name(&self.board),
            Permissions::default(),
            &registry(&self.board),
        )
    }

    /// Programs and verifies the image.
    pub fn flash(&self, session: &mut Session) -> Result<(), FlashError> {
        let mut loader = session.target().flash_loader();
        let flash = crashrig_harness::image::Flash::of(self.image.bytes()).expect("segments");
        loader.add_data(u64::from(flash.start), &flash.bytes).expect("data");
        let mut options = DownloadOptions::default();
        options.verify = true;
        loader.commit(session, options)
    }
}

pub fn registry(board: &Board) -> Registry {
    let mut registry = Registry::from_builtin_families();
    registry.add_target_family_from_yaml(&description(board).unwrap()).expect("a description");
    registry
}

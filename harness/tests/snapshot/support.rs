//! A workload of a scenario of this repository, on the default board.

use crashrig_harness::execute::load_image;
use crashrig_harness::image::Image;
use crashrig_harness::rig::{DEFAULT_BOARD, DEFAULT_SEED, Rig};
use crashrig_harness::scenario::Scenario;
use crashrig_harness::scenario::check::parse;
use crashrig_harness::sweep::engine::plugin::PluginEngine;
use crashrig_harness::sweep::engine::snapshot::SnapshotEngine;
use crashrig_harness::sweep::fault::{Effect, Fault, Link, Scope};
use crashrig_harness::sweep::workload::Workload;
use crashrig_harness::target::emulator::EmulatorTarget;
use crashrig_layout::parse::Board;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How often a run is repeated; `cargo ci determinism` asks for more.
pub fn repetitions(by_default: usize) -> usize {
    let asked = std::env::var("CRASHRIG_REPETITIONS").ok();
    asked.map_or(by_default, |number| number.parse().expect("a number"))
}

/// A workload, the image it is of, and a folder for its files.
pub struct Bench {
    pub workload: Arc<Workload>,
    pub image: Image,
    folder: tempfile::TempDir,
}

impl Bench {
    /// That of a scenario file, named from the folder of scenarios.
    pub fn of(file: &str) -> Self {
        let rig = Rig::here();
        let path = rig.workspace.join("scenarios").join(file);
        Self::with(std::fs::read_to_string(&path).unwrap(), &path)
    }

    /// That of a scenario's text, as if it stood at a path.
    pub fn with(text: String, path: &Path) -> Self {
        let rig = Rig::here();
        let board = Board::load(&rig.boards(), DEFAULT_BOARD).unwrap();
        let scenario: Scenario = parse(path, text).expect("a sound scenario");
        let program = crashrig_qemu::discover::find().unwrap();
        let keeper = Path::new(env!("CARGO_BIN_EXE_crashrig"));
        let target = EmulatorTarget::new(board, program).unwrap().with_keeper(keeper);
        let target = target.for_wild_cores(None);
        let image = load_image(&rig.image(DEFAULT_BOARD, &[]).unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let workload =
            Workload::new(&target, &image, &scenario, DEFAULT_SEED, folder.path()).unwrap();
        Self { workload: Arc::new(workload), image, folder }
    }

    pub fn engine(&self) -> SnapshotEngine {
        self.engine_on(0)
    }

    /// One whose QEMU stays on a processor of the host.
    pub fn engine_on(&self, processor: usize) -> SnapshotEngine {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.path().join(format!("engine-{number}"));
        SnapshotEngine::new(Arc::clone(&self.workload), &folder, processor)
    }

    /// The engine inside of QEMU, on the same workload.
    pub fn inside(&self) -> PluginEngine {
        let observer = Rig::here().observer().unwrap();
        let plugin = observer.file().unwrap();
        let folder = self.folder.path().join("inside");
        PluginEngine::new(Arc::clone(&self.workload), plugin, &folder, 0)
    }

    pub fn address(&self, symbol: &str) -> u32 {
        self.image.symbol(symbol).expect(symbol).address
    }

    /// A fault so many instructions after a function of the image begins for the first time.
    pub fn after(&self, symbol: &str, instructions: u64, effect: Effect) -> Fault {
        let place = Link::Address { address: self.address(symbol), count: 1 };
        let trigger = vec![place, Link::Instructions { count: instructions }];
        Fault { boot: 1, trigger, effect, scope: Scope::Once, seed: 1, second: None }
    }
}

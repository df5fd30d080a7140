//! Trouble on the bench, on purpose: each is a verdict about the bench and never one about the
//! firmware; none is a hang; a board of the bench that stays in trouble is broken.
#![expect(clippy::unwrap_used, reason = "a test may stop anywhere")]

use crashrig_harness::boards::lock::Locks;
use crashrig_harness::boards::{Bench, BenchBoard};
use crashrig_harness::rig::Rig;
use crashrig_harness::suite::{Test, scenarios, tests};
use crashrig_harness::target::Target;
use crashrig_harness::target::emulator::EmulatorTarget;
use crashrig_harness::target::probe::target::ProbeTarget;
use crashrig_harness::verdict::VerdictKind;
use crashrig_layout::parse::Board;
use crashrig_qemu::discover;
use crashrig_qemu::probe::Trouble;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const BOARD: &str = "netduinoplus2";
const SCENARIO: &str = "fault::undefined_instruction";
/// More than any of them takes on a busy machine; a hang would be longer.
const LONGEST: Duration = Duration::from_secs(120);

struct Place {
    folder: tempfile::TempDir,
    rig: Rig,
    target: Arc<ProbeTarget>,
}

impl Place {
    /// A board of a bench, held by this process once it is used.
    fn new() -> Self {
        let (rig, folder) = (Rig::here(), tempfile::tempdir().unwrap());
        let board = Board::load(&rig.boards(), BOARD).unwrap();
        let keeper = Path::new(env!("CARGO_BIN_EXE_crashrig"));
        let emulator = || {
            let program = discover::find().unwrap();
            EmulatorTarget::new(board.clone(), program).unwrap().with_keeper(keeper)
        };
        let target = ProbeTarget::of_virtual(emulator(), emulator()).unwrap();
        let locks = Locks::in_folder(&folder.path().join("locks"));
        let target = Arc::new(target.at_place(bench_board(&board), locks));
        Self { folder, rig, target }
    }

    fn test(&self) -> Test {
        let all = scenarios(&self.rig.workspace.join("scenarios")).unwrap();
        let wanted = all.into_iter().filter(|scenario| scenario.name == SCENARIO).collect();
        let target: Arc<dyn Target> = Arc::clone(&self.target) as _;
        tests(wanted, &[target]).unwrap().remove(0)
    }

    /// Runs the scenario; the verdict, and what it is about.
    fn run(&self) -> (VerdictKind, String) {
        let outcome = self.rig.execute(&self.test(), &[], self.folder.path(), 1).unwrap();
        let found = outcome.verdict.mismatches.first().map(|it| it.found.clone());
        (outcome.verdict.kind, found.unwrap_or_default())
    }
}

fn bench_board(port: &Board) -> BenchBoard {
    let text =
        format!("[[board]]\nname = \"v\"\nport = \"{BOARD}\"\nprobe = \"virtual:{BOARD}\"\n");
    let bench = Bench::parse(Path::new("boards.toml"), &text, std::slice::from_ref(port)).unwrap();
    bench.boards.into_iter().next().unwrap()
}

/// A trouble that no recovery mends: an infrastructure verdict that says what it is, then a board
/// that is broken.
fn check(trouble: Trouble, expected: &[&str]) {
    let (place, began) = (Place::new(), Instant::now());
    place.target.set_troubles(&[trouble]);
    let (kind, found) = place.run();
    assert_eq!(kind, VerdictKind::Infrastructure, "{trouble}: {found}");
    for part in expected {
        assert!(found.contains(part), "{trouble}: {part:?} in: {found}");
    }
    assert!(began.elapsed() < LONGEST, "{trouble}: {:?}", began.elapsed());
    assert!(place.target.broken().is_some(), "{trouble}: the board is broken");
}

#[test]
fn a_probe_that_leaves_the_bus() {
    check(Trouble::DropOff(20), &["probe"]);
}

#[test]
fn a_probe_that_leaves_the_bus_while_a_scenario_runs() {
    let place = Place::new();
    place.target.set_troubles(&[Trouble::DropOff(200_000)]);
    // Whether it comes to that depends on how often a device that runs is looked at.
    let (kind, found) = place.run();
    assert!([VerdictKind::Infrastructure, VerdictKind::Pass].contains(&kind), "{kind:?}: {found}");
}

#[test]
fn a_port_that_answers_wait_for_ever() {
    check(Trouble::Wait(u64::MAX), &["attach to"]);
}

#[test]
fn a_port_that_answers_fault_for_ever() {
    check(Trouble::Fault(u64::MAX), &["attach to"]);
}

#[test]
fn another_chip_than_the_board_file_names() {
    check(Trouble::ChipId(0x1000_6411), &["found device 0x411, expected 0x413"]);
}

#[test]
fn a_reset_line_that_is_held_low() {
    check(Trouble::ResetLow, &[]);
}

#[test]
fn flash_that_does_not_take_what_is_written() {
    check(Trouble::FlashWorn, &["program flash"]);
}

#[test]
fn a_probe_that_somebody_else_has() {
    check(Trouble::Busy, &["open probe", "somebody else has the probe"]);
}

#[test]
fn power_that_is_lost_is_given_back_by_the_switch() {
    let place = Place::new();
    place.target.set_troubles(&[Trouble::PowerLost(20)]);
    let (kind, found) = place.run();
    assert!([VerdictKind::Infrastructure, VerdictKind::Pass].contains(&kind), "{kind:?}: {found}");
}

#[test]
fn a_board_without_trouble_passes_and_is_not_broken() {
    let place = Place::new();
    let (kind, found) = place.run();
    assert_eq!(kind, VerdictKind::Pass, "{found}");
    assert_eq!(place.target.broken(), None);
}

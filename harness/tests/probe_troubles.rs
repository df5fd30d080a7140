//! Trouble on the bench, on purpose: each is a verdict about the bench and never one about the
//! firmware; none is a hang; a board of the bench that stays in trouble is broken.
#![expect(clippy::unwrap_used, reason = "a test may stop anywhere")]

use crashrig_harness::boards::lock::Locks;
use crashrig_harness::boards::{Bench, BenchBoard};
use crashrig_harness::evidence;
use crashrig_harness::execute::Outcome;
use crashrig_harness::rig::Rig;
use crashrig_harness::suite::{Test, scenarios, tests};
use crashrig_harness::target::Target;
use crashrig_harness::target::emulator::EmulatorTarget;
use crashrig_harness::target::probe::ladder::{Help, LADDER, Rung};
use crashrig_harness::target::probe::target::ProbeTarget;
use crashrig_harness::verdict::VerdictKind;
use crashrig_layout::parse::Board;
use crashrig_qemu::discover;
use crashrig_qemu::probe::Trouble;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const BOARD: &str = "netduinoplus2";
/// With a crash: it is run a second time and stopped there, and a third time without a probe.
const CRASH: &str = "fault::undefined_instruction";
/// One run, one boot.
const BOOT: &str = "boot::clean";
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
        Self::with_rungs(LADDER)
    }

    /// The same with other means against trouble.
    fn with_rungs(rungs: &'static [Rung]) -> Self {
        let (rig, folder) = (Rig::here(), tempfile::tempdir().unwrap());
        let board = Board::load(&rig.boards(), BOARD).unwrap();
        let keeper = Path::new(env!("CARGO_BIN_EXE_crashrig"));
        let emulator = || {
            let program = discover::find().unwrap();
            EmulatorTarget::new(board.clone(), program).unwrap().with_keeper(keeper)
        };
        let target = ProbeTarget::of_virtual(emulator(), emulator()).unwrap();
        let locks = Locks::in_folder(&folder.path().join("locks"));
        let target = Arc::new(target.at_place(bench_board(&board), locks).with_rungs(rungs));
        Self { folder, rig, target }
    }

    fn test(&self, scenario: &str) -> Test {
        let all = scenarios(&self.rig.workspace.join("scenarios")).unwrap();
        let wanted = all.into_iter().filter(|it| it.name == scenario).collect();
        let target: Arc<dyn Target> = Arc::clone(&self.target) as _;
        tests(wanted, &[target]).unwrap().remove(0)
    }

    fn execute(&self, scenario: &str) -> Outcome {
        // The emulator of a board goes on to write where it was started: each run has a folder.
        let folder = tempfile::tempdir_in(self.folder.path()).unwrap().keep();
        self.rig.execute(&self.test(scenario), &[], &folder, 1).unwrap()
    }

    /// Runs a scenario; the verdict, and what it is about.
    fn run(&self, scenario: &str) -> (VerdictKind, String) {
        let verdict = self.execute(scenario).verdict;
        let found = verdict.mismatches.first().map(|it| it.found.clone());
        (verdict.kind, found.unwrap_or_default())
    }

    /// The same twice, the second time in trouble: with a board whose flash holds the image.
    fn run_in_trouble(&self, trouble: Trouble) -> (VerdictKind, String, Outcome) {
        assert_eq!(self.run(BOOT).0, VerdictKind::Pass);
        self.target.set_troubles(&[trouble]);
        let outcome = self.execute(BOOT);
        let found = outcome.verdict.mismatches.first().map(|it| it.found.clone());
        (outcome.verdict.kind, found.unwrap_or_default(), outcome)
    }
}

fn bench_board(port: &Board) -> BenchBoard {
    let text =
        format!("[[board]]\nname = \"v\"\nport = \"{BOARD}\"\nprobe = \"virtual:{BOARD}\"\n");
    let bench = Bench::parse(Path::new("boards.toml"), &text, std::slice::from_ref(port)).unwrap();
    bench.boards.into_iter().next().unwrap()
}

/// A trouble that no recovery mends: an infrastructure verdict that says what it is and that every
/// rung was tried, then a board that is broken.
fn check(trouble: Trouble, expected: &[&str]) {
    let (place, began) = (Place::new(), Instant::now());
    place.target.set_troubles(&[trouble]);
    let (kind, found) = place.run(BOOT);
    println!("{trouble}: {found}");
    assert_eq!(kind, VerdictKind::Infrastructure, "{trouble}: {found}");
    let rungs = LADDER.iter().map(|rung| format!("after {}: ", rung.help));
    for part in expected.iter().map(|part| (*part).to_owned()).chain(rungs) {
        assert!(found.contains(&part), "{trouble}: {part:?} in: {found}");
    }
    assert!(began.elapsed() < LONGEST, "{trouble}: {:?}", began.elapsed());
    assert!(place.target.broken().is_some(), "{trouble}: the board is broken");
    // It stays so, whatever becomes of the trouble.
    place.target.set_troubles(&[]);
    let (kind, found) = place.run(BOOT);
    assert_eq!(kind, VerdictKind::Infrastructure, "{trouble}: {found}");
    assert!(found.starts_with("use a board that is broken: "), "{trouble}: {found}");
}

/// A trouble that one rung mends, and no other.
fn check_rung(trouble: Trouble, help: Help, expected: &str) {
    let with = |is_taken: &dyn Fn(&Rung) -> bool| -> &'static [Rung] {
        LADDER.iter().copied().filter(is_taken).collect::<Vec<_>>().leak()
    };
    for rungs in [LADDER, with(&|rung| rung.help == help)] {
        let place = Place::with_rungs(rungs);
        let (kind, found, outcome) = place.run_in_trouble(trouble);
        assert_eq!(kind, VerdictKind::Pass, "{trouble}: {found}");
        assert_eq!(place.target.broken(), None, "{trouble}");
        let recovery = outcome.evidence.recovery.clone().unwrap();
        println!("{trouble}: {recovery}");
        assert_eq!(recovery.helped, help, "{trouble}");
        assert!(recovery.trouble.contains(expected), "{trouble}: {}", recovery.trouble);
        assert!(outcome.summary().ends_with(&format!("recovered by {help}")), "{trouble}");
        let stored = evidence::read(&outcome.bundle).unwrap();
        assert_eq!(stored.recovery.as_ref(), Some(&recovery), "{trouble}");
        assert_eq!(outcome.report.recovery, Some(recovery), "{trouble}");
    }
    let place = Place::with_rungs(with(&|rung| rung.help != help));
    let (kind, found, outcome) = place.run_in_trouble(trouble);
    assert_eq!(kind, VerdictKind::Infrastructure, "{trouble}: {found}");
    assert!(found.contains(expected), "{trouble}: {found}");
    assert_eq!(outcome.evidence.recovery, None, "{trouble}");
    assert!(place.target.broken().is_some(), "{trouble}: the board is broken");
}

#[test]
fn pins_that_a_program_took_are_had_back_under_reset() {
    check_rung(Trouble::PinsTaken(40), Help::UnderReset, "attach to");
}

#[test]
fn power_that_is_lost_is_given_back_by_the_switch() {
    check_rung(Trouble::PowerLost(20), Help::PowerCycle, "attach to");
}

#[test]
fn cells_that_were_programmed_in_part_are_mended_by_programming_all() {
    check_rung(Trouble::FlashWeak, Help::ProgramAll, "expected its first instruction at");
}

#[test]
fn flash_that_holds_the_image_is_not_programmed() {
    let place = Place::new();
    // What wears out would be seen.
    let (kind, found, outcome) = place.run_in_trouble(Trouble::FlashWorn);
    assert_eq!(kind, VerdictKind::Pass, "{found}");
    assert_eq!(outcome.evidence.recovery, None);
}

#[test]
fn a_probe_that_leaves_the_bus() {
    check(Trouble::DropOff(20), &["attach to", "the probe has left the bus"]);
}

#[test]
fn a_probe_that_leaves_the_bus_while_a_scenario_runs() {
    let place = Place::new();
    let (kind, found, outcome) = place.run_in_trouble(Trouble::DropOffRunning(2));
    assert_eq!(kind, VerdictKind::Infrastructure, "{found}");
    assert!(found.contains("the probe has left the bus"), "{found}");
    assert_eq!(outcome.evidence.recovery, None);
    // The session had begun. What is tried with the board is the next one's.
    assert_eq!(place.target.broken(), None);
}

#[test]
fn a_port_that_answers_wait_for_ever() {
    check(Trouble::Wait(u64::MAX), &["attach to", "WAIT"]);
}

#[test]
fn a_port_that_answers_fault_for_ever() {
    check(Trouble::Fault(u64::MAX), &["attach to", "FAULT"]);
}

#[test]
fn another_chip_than_the_board_file_names() {
    check(Trouble::ChipId(0x1000_6411), &["found device 0x411, expected 0x413"]);
}

#[test]
fn a_reset_line_that_is_held_low() {
    check(Trouble::ResetLow, &["something holds the chip's reset line low"]);
}

#[test]
fn flash_that_does_not_take_what_is_written() {
    check(Trouble::FlashWorn, &["program flash", "verif"]);
}

#[test]
fn a_probe_that_somebody_else_has() {
    check(Trouble::Busy, &["open probe", "somebody else has the probe"]);
}

#[test]
fn a_board_without_trouble_passes_and_is_not_broken() {
    let place = Place::new();
    let outcome = place.execute(CRASH);
    assert_eq!(outcome.verdict.kind, VerdictKind::Pass, "{:?}", outcome.verdict);
    assert_eq!(outcome.evidence.recovery, None);
    assert_eq!(place.target.broken(), None);
}

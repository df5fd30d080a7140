//! The memory map of a real emulator against a board file that does not fit it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop anywhere")]

use crashrig_harness::execute::{Setting, execute};
use crashrig_harness::rig::Rig;
use crashrig_harness::suite::{scenarios, tests};
use crashrig_harness::target::Target;
use crashrig_harness::target::emulator::EmulatorTarget;
use crashrig_harness::verdict::{Verdict, VerdictKind};
use crashrig_layout::parse::Board;
use crashrig_qemu::discover;
use std::path::Path;
use std::sync::Arc;

/// The verdict of a clean boot under this machine's emulator, taken for another version of itself.
fn verdict_if_taken_for(version: Option<(u32, u32)>) -> Verdict {
    let rig = Rig::here();
    let mut program = discover::find().expect("an emulator");
    if let Some((major, minor)) = version {
        (program.version.major, program.version.minor) = (major, minor);
    }
    let board = Board::load(&rig.boards(), "netduinoplus2").expect("a board");
    let keeper = Path::new(env!("CARGO_BIN_EXE_crashrig"));
    let target: Arc<dyn Target> =
        Arc::new(EmulatorTarget::new(board, program).expect("a target").with_keeper(keeper));
    let all: Vec<_> = scenarios(&rig.workspace.join("scenarios"))
        .expect("scenarios")
        .into_iter()
        .filter(|scenario| scenario.name == "boot::clean")
        .collect();
    let test = tests(all, &[target]).expect("tests").into_iter().next().unwrap();
    let image = rig.image("netduinoplus2", &[]).expect("an image");
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting { image: &image, run_folder: folder.path(), seed: 1 };
    execute(&test, &setting).expect("an outcome").verdict
}

#[test]
fn the_declared_map_is_the_running_one() {
    assert_eq!(verdict_if_taken_for(None).kind, VerdictKind::Pass);
}

#[test]
fn an_undeclared_difference_is_a_bench_failure_that_names_the_region() {
    let real = discover::find().expect("an emulator").version;
    let other = if real.major >= 8 { (7, 2) } else { (10, 0) };
    let verdict = verdict_if_taken_for(Some(other));
    assert_eq!(verdict.kind, VerdictKind::Infrastructure);
    let text = format!("{verdict:?}");
    assert!(text.contains("is not what board netduinoplus2 declares"), "{text}");
    assert!(text.contains("0x10000000..=0x1000ffff"), "the CCM is named: {text}");
}

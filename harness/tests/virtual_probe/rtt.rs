//! An image that logs through RTT: all of it is in the bundle, reset after reset, and nothing of it
//! has a part in what the session says.

use crashrig_harness::decode::log::LogDecoder;
use crashrig_harness::decode::symbols::Symbols;
use crashrig_harness::firmware::{Request, rtt_image};
use crashrig_harness::image::Image;
use crashrig_harness::rig::Rig;
use crashrig_harness::scenario::Fill;
use crashrig_harness::target::emulator::EmulatorTarget;
use crashrig_harness::target::probe::target::ProbeTarget;
use crashrig_harness::target::{Boundary, Deadline, Logs, Session, Target, Wait};
use crashrig_layout::parse::Board;
use crashrig_qemu::discover;
use std::path::Path;

/// Lines that the image logs.
const LINES: usize = 100;

fn image(rig: &Rig, board: &Board) -> Image {
    let (workspace, target_folder) = (&rig.workspace, &rig.target_folder);
    let path = rtt_image(&Request { workspace, target_folder, board, features: &[] }).unwrap();
    Image::parse(std::fs::read(&path).unwrap(), &path).unwrap()
}

/// Lets the image run to its end.
fn run(session: &mut dyn Session) {
    session.resume().unwrap();
    let deadline = Deadline::default();
    let wait = loop {
        match session.wait(&deadline).unwrap() {
            Wait::Running => {}
            other => break other,
        }
    };
    assert_eq!(wait, Wait::Boundary(Boundary::Exit { status: 0 }));
    // It came another way.
    assert_eq!(session.logs().unwrap(), Logs::default());
}

#[test]
fn what_an_image_says_through_rtt_is_kept_over_resets() {
    let (rig, folder) = (Rig::here(), tempfile::tempdir().unwrap());
    let board = Board::load(&rig.boards(), "netduinoplus2").unwrap();
    let image = image(&rig, &board);
    let emulator = || {
        let keeper = Path::new(env!("CARGO_BIN_EXE_crashrig"));
        EmulatorTarget::new(board.clone(), discover::find().unwrap()).unwrap().with_keeper(keeper)
    };
    let target = ProbeTarget::of_virtual(emulator(), emulator()).unwrap();
    let mut session = target.open(&image, None, &[], folder.path()).unwrap();
    // RAM is noise at first: no control block is there before start-up code has put it there.
    session.power_on(Fill::Noise, 1, false).unwrap();
    let symbols = Symbols::new(&image);
    let decoder = LogDecoder::new(&symbols);
    for runs in 1..=3 {
        run(session.as_mut());
        let bytes = std::fs::read(folder.path().join("rtt.bin")).unwrap();
        let log = decoder.decode(&bytes);
        assert_eq!(log.lines.len(), runs * LINES, "run {runs}: {:?}", log.lines.last());
        for (line, number) in log.lines.iter().zip((1..=LINES).cycle()) {
            assert_eq!(line.message, format!("line {number} of {LINES}"));
        }
        session.reset_warm().unwrap();
    }
}

//! One virtual board of a bench, and many processes that want it for a scenario each.
#![expect(clippy::unwrap_used, reason = "a test may stop anywhere")]

use crashrig_harness::boards::FILE_VARIABLE;
use crashrig_harness::boards::ProbeSelector;
use crashrig_harness::boards::lock::{FOLDER_VARIABLE, LockState, Locks};
use crashrig_harness::exit;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PROBE: &str = "virtual:netduinoplus2";
const TEST: &str = "probe::netduinoplus2::boot::clean";
/// Longer than ten scenarios take, however busy the machine is.
const LONG: Duration = Duration::from_secs(300);

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let list =
            format!("[[board]]\nname = \"v\"\nport = \"netduinoplus2\"\nprobe = \"{PROBE}\"\n");
        std::fs::write(folder.path().join("boards.toml"), list).unwrap();
        Self { folder }
    }

    fn locks(&self) -> Locks {
        Locks::in_folder(&self.folder.path().join("locks"))
    }

    fn start(&self, words: &[&str]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crashrig"));
        command.args(words).env(FOLDER_VARIABLE, self.locks().folder());
        command.env(FILE_VARIABLE, self.folder.path().join("boards.toml"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn run(&self) -> Child {
        self.start(&["run", "--target", "probe:v", "--exact", TEST])
    }

    fn is_held(&self) -> bool {
        let probe: ProbeSelector = PROBE.parse().unwrap();
        matches!(self.locks().state(&probe).unwrap(), LockState::Held(_))
    }
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

fn passes(child: Child) {
    let output = child.wait_with_output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(i32::from(exit::PASS)), "{text}");
    assert!(text.contains(&format!("test {TEST} ... ok")), "{text}");
}

#[test]
fn ten_processes_get_the_board_one_after_another_and_each_result_is_right() {
    let (place, began) = (Place::new(), Instant::now());
    let children: Vec<_> = (0..10).map(|_| place.run()).collect();
    children.into_iter().for_each(passes);
    assert!(began.elapsed() < LONG, "{:?}", began.elapsed());
    assert!(!place.is_held());
}

#[test]
fn killing_the_run_that_holds_the_board_frees_it() {
    let place = Place::new();
    let mut holder = place.run();
    let end = Instant::now() + LONG;
    while !place.is_held() {
        assert!(Instant::now() < end, "the run never came to hold the board");
        std::thread::sleep(Duration::from_millis(1));
    }
    holder.kill().unwrap();
    holder.wait().unwrap();
    passes(place.run());
}

#[test]
fn a_board_is_sound_when_it_passes_what_is_known_to() {
    let place = Place::new();
    let probe: ProbeSelector = PROBE.parse().unwrap();
    place.locks().mark_broken(&probe, "it was in trouble once").unwrap();
    let output = place.start(&["boards"]).wait_with_output().unwrap();
    assert!(said(&output).contains("broken when it was last used: it was in trouble once"));
    let output = place.start(&["health"]).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(i32::from(exit::PASS)), "{}", said(&output));
    assert!(said(&output).contains("v  sound: boot::memory_over_resets passes"));
    assert_eq!(place.locks().broken(&probe), None);
}

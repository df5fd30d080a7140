//! The list of a bench's boards, and the locks that processes fight for.
#![expect(clippy::unwrap_used, reason = "a test may stop anywhere")]

use crashrig_harness::boards::holder::{Holder, Purpose};
use crashrig_harness::boards::lock::{FOLDER_VARIABLE, LockError, LockState, Locks};
use crashrig_harness::boards::template::{self, AttachedProbe};
use crashrig_harness::boards::{Bench, EXAMPLE_FILE, FILE_VARIABLE, ProbeSelector};
use crashrig_harness::exit;
use crashrig_harness::rig::Rig;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const PATH: &str = "some/boards.toml";
const BOARD: &str = "name = \"a\"\nport = \"stm32f4-discovery\"\nprobe = \"0483:374b:1\"\n";
/// Longer than anything here takes, however busy the machine is.
const LONG: Duration = Duration::from_secs(120);

fn parse(text: &str) -> Result<Bench, String> {
    let ports = Rig::here().all_boards().unwrap();
    Bench::parse(Path::new(PATH), text, &ports).map_err(|error| error.to_string())
}

/// A list of one board, a line of it replaced or added.
fn refused(line: &str, expected: &[&str]) {
    let key = line.split(' ').next().unwrap();
    let rest = BOARD.lines().filter(|it| !it.starts_with(&format!("{key} ")));
    let text: Vec<_> = std::iter::once("[[board]]").chain(rest).chain([line]).collect();
    let error = parse(&text.join("\n")).unwrap_err();
    for part in [&[PATH], expected].concat() {
        assert!(error.contains(part), "{part:?} in: {error}");
    }
}

#[test]
fn the_example_is_a_list_of_boards() {
    let text = std::fs::read_to_string(Rig::here().workspace.join(EXAMPLE_FILE)).unwrap();
    let bench = parse(&text).unwrap();
    let board = bench.board("discovery-1").unwrap();
    assert_eq!((board.speed_khz, board.connect_under_reset), (Some(4000), true));
    assert_eq!(board.power.as_ref().unwrap().off_time, Duration::from_secs(1));
    assert_eq!(bench.boards.len(), 3);
}

#[test]
fn bad_input_is_named_with_file_key_found_and_expected() {
    let key = |name: &str| format!("board[0].{name}: found ");
    refused("name = \"auto\"", &[&key("name"), "\"auto\", expected letters"]);
    refused(
        "port = \"nucleo\"",
        &[&key("port"), "\"nucleo\", expected one of", "stm32f4-discovery"],
    );
    refused("probe = \"0483:374b\"", &[&key("probe"), "\"0483:374b\", expected VID:PID:SERIAL"]);
    refused("probe = \"virtual:netduinoplus2\"", &[&key("probe"), "virtual:stm32f4-discovery"]);
    refused("probe = \"virtual:stm32f4-discovery\"", &[&key("probe"), "no emulator"]);
    refused("speed_khz = 1", &[&key("speed_khz"), "1, expected 10 to 50000"]);
    refused("disabled = \" \"", &[&key("disabled"), "nothing, expected the reason"]);
    refused("fixtures = [\"a b\"]", &["board[0].fixtures[0]: found \"a b\""]);
    refused("power = { off = [], on = [\"x\"] }", &[&key("power.off"), "no program"]);
    refused("power = { off = [\"x\"], on = [\"x\"], off_ms = 9999999 }", &[&key("power.off_ms")]);
    refused("remote = { host = \"-oProxyCommand=x\" }", &[&key("remote.host"), "as ssh takes it"]);
    refused("sped_khz = 1", &["unknown field `sped_khz`", "expected one of"]);
}

#[test]
fn boards_do_not_share_names_or_probes() {
    let error = parse(&format!("[[board]]\n{BOARD}[[board]]\n{BOARD}")).unwrap_err();
    assert!(error.contains("board[1].name: found \"a\" once more"), "{error}");
    assert!(error.contains("board[1].probe: found \"0483:374b:1\", the probe of a too"), "{error}");
    let other = BOARD.replace("\"a\"", "\"b\"");
    parse(&format!("[[board]]\n{BOARD}[[board]]\n{other}disabled = \"gone\"\n")).unwrap();
}

#[test]
fn what_init_writes_is_a_list_of_boards() {
    let probe = |selector: &str, is_accessible| AttachedProbe {
        name: "STLink\nV2".to_owned(),
        selector: selector.to_owned(),
        is_accessible,
    };
    let attached = [probe("0483:374b:1", true), probe("0483:374b:2", false), probe("1:2", true)];
    let ports = Rig::here().all_boards().unwrap();
    let bench = parse(&template::text(&attached, &[], &ports)).unwrap();
    assert_eq!(bench.boards.len(), 2, "one has no serial, so nothing can select it");
    assert!(bench.boards.iter().all(|board| board.disabled.is_some()), "the port is a guess");
    let again = template::text(&attached, &bench.boards, &ports);
    assert!(parse(&again).unwrap().boards.is_empty(), "listed ones are not listed again");
}

/// A bench with one virtual board, and locks of its own.
struct Place {
    folder: tempfile::TempDir,
    locks: Locks,
    probe: ProbeSelector,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let probe: ProbeSelector = "virtual:netduinoplus2".parse().unwrap();
        let text =
            format!("[[board]]\nname = \"v\"\nport = \"netduinoplus2\"\nprobe = \"{probe}\"\n");
        std::fs::write(folder.path().join("boards.toml"), text).unwrap();
        Self { locks: Locks::in_folder(&folder.path().join("locks")), folder, probe }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crashrig"));
        command.args(words).env(FOLDER_VARIABLE, self.locks.folder());
        command.env(FILE_VARIABLE, self.list()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn list(&self) -> PathBuf {
        self.folder.path().join("boards.toml")
    }

    fn said(&self, words: &[&str]) -> (u8, String) {
        said(self.command(words).output().unwrap())
    }

    /// A process that holds the board, once it does.
    fn hold(&self, reason: &str) -> Child {
        let child = self.command(&["lock", "v", "--reason", reason]).spawn().unwrap();
        let holds = || match self.locks.state(&self.probe).unwrap() {
            LockState::Held(Some(holder)) => holder.reason == reason,
            _ => false,
        };
        wait_for(holds);
        child
    }

    fn acquire(&self, patience: Duration) -> Result<impl Drop + use<>, LockError> {
        let holder = Holder::this_process(Purpose::Run, "a test");
        self.locks.acquire(&self.probe, &holder, patience, &mut |_| {})
    }
}

fn said(output: Output) -> (u8, String) {
    let code = u8::try_from(output.status.code().unwrap()).unwrap();
    let text = [output.stdout, output.stderr].concat();
    (code, String::from_utf8_lossy(&text).into_owned())
}

fn wait_for(is_so: impl Fn() -> bool) {
    let end = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < end, "it did not come to that in {LONG:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn ten_processes_get_the_lock_one_after_another() {
    let place = Place::new();
    let lock = place.acquire(LONG).unwrap();
    let words = ["lock", "v", "--minutes", "0", "--patience", "120"];
    let children: Vec<_> = (0..10).map(|_| place.command(&words).spawn().unwrap()).collect();
    drop(lock);
    for child in children {
        let (code, text) = said(child.wait_with_output().unwrap());
        assert_eq!(code, exit::PASS, "{text}");
    }
    assert_eq!(place.locks.state(&place.probe).unwrap(), LockState::Free);
}

#[test]
fn no_two_hold_the_lock_at_once() {
    let (place, inside) = (Place::new(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                let lock = place.acquire(LONG).unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                std::thread::sleep(Duration::from_millis(2));
                assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                drop(lock);
            });
        }
    });
}

#[test]
fn who_waits_in_vain_is_told_by_whom_it_is_held() {
    let place = Place::new();
    let mut child = place.hold("solder work");
    let (code, text) = place.said(&["lock", "v", "--patience", "0"]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(code, exit::INFRASTRUCTURE, "{text}");
    let expected = format!("failed to lock {}: busy, held by process {}", place.probe, child.id());
    assert!(text.contains(&expected) && text.contains("solder work; waited"), "{text}");
}

#[test]
fn the_death_of_its_holder_frees_a_board() {
    let place = Place::new();
    let mut child = place.hold("about to be killed");
    assert!(matches!(place.acquire(Duration::ZERO), Err(LockError::Busy { .. })));
    // SIGKILL: nothing of the holder runs any more.
    child.kill().unwrap();
    child.wait().unwrap();
    drop(place.acquire(LONG).unwrap());
}

#[test]
fn unlock_ends_the_hold_of_a_person_and_of_nothing_else() {
    let place = Place::new();
    let child = place.hold("lunch");
    let (code, text) = place.said(&["unlock", "v"]);
    assert!(code == exit::PASS && text.contains("v is free: was held by"), "{text}");
    let (code, text) = said(child.wait_with_output().unwrap());
    assert!(code == exit::PASS && text.contains("v is free"), "{text}");
    let lock = place.acquire(LONG).unwrap();
    let (code, text) = place.said(&["unlock", "v"]);
    assert!(code == exit::INFRASTRUCTURE && text.contains("a run is ended by its user"), "{text}");
    drop(lock);
}

#[test]
fn boards_are_listed_with_their_holders() {
    let place = Place::new();
    let lock = place.acquire(LONG).unwrap();
    let (code, text) = place.said(&["boards"]);
    assert!(code == exit::PASS && text.contains("v  netduinoplus2  virtual:"), "{text}");
    assert!(text.contains("held by process") && text.contains(": a test"), "{text}");
    drop(lock);
    let output = place.command(&["boards", "--json"]).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json.pointer("/boards/0/is_held").unwrap(), false, "{json}");
    assert_eq!(json.pointer("/boards/0/port").unwrap(), "netduinoplus2");
}

#[test]
fn a_bad_list_and_an_unknown_board_have_exit_codes() {
    let place = Place::new();
    let (code, text) = place.said(&["lock", "w"]);
    assert!(code == exit::USAGE && text.contains("found \"w\", expected one of"), "{text}");
    std::fs::write(place.list(), "[[board]]\nname = 1\n").unwrap();
    let (code, text) = place.said(&["boards"]);
    assert_eq!(code, exit::BAD_INPUT, "{text}");
    assert!(text.contains("failed to parse boards in") && text.contains("line 2"), "{text}");
    std::fs::remove_file(place.list()).unwrap();
    let (code, text) = place.said(&["boards"]);
    assert!(code == exit::PASS && text.contains("is not there; boards.example.toml"), "{text}");
}

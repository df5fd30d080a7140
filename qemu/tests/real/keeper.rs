//! No QEMU outlives its harness, however the harness ends: real processes, told apart by id.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{COUNT, launch, on_each, start};

/// Tells this test binary, started again, which image to run and to wait for ever.
const VICTIM_VARIABLE: &str = "CRASHRIG_TEST_VICTIM";

/// Longest time that a process may stay after its harness is gone.
const GONE_DEADLINE: Duration = Duration::from_secs(1);

/// Whether a process runs; a process that nobody has collected yet does not.
pub fn is_alive(pid: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn parent(pid: u32) -> u32 {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = state.rsplit_once(") ").unwrap();
    rest.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Waits for the end of a process.
pub fn check_gone(pid: u32, what: &str) {
    let began = Instant::now();
    while is_alive(pid) {
        assert!(began.elapsed() < GONE_DEADLINE, "{what} {pid} is still there");
        std::thread::sleep(Duration::from_millis(2));
    }
    eprintln!("{what} was gone after {:?}", began.elapsed());
}

#[test]
fn qemu_is_gone_after_a_drop() {
    on_each(|program| {
        let mut rig = start(program, COUNT);
        let pid = rig.emulator.process_id();
        assert!(is_alive(pid));
        rig.emulator.resume().unwrap();
        drop(rig);
        assert!(!is_alive(pid), "a drop waits for the end");
    });
}

/// The harness that is killed. Does nothing in a normal run of the tests.
#[test]
fn victim() {
    if std::env::var_os(VICTIM_VARIABLE).is_none() {
        return;
    }
    on_each(|program| {
        let mut rig = start(program, COUNT);
        rig.emulator.resume().unwrap();
        println!("pid {}", rig.emulator.process_id());
        loop {
            std::thread::park();
        }
    });
}

#[test]
fn qemu_is_gone_after_its_harness_was_killed() {
    on_each(|program| {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "keeper::victim", "--nocapture"])
            .env(VICTIM_VARIABLE, "1")
            .env(crashrig_qemu::discover::OVERRIDE_VARIABLE, &program.path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let mut lines = lines.map(Result::unwrap);
        let line = lines.find(|line| line.contains("pid ")).unwrap();
        let pid: u32 = line.rsplit_once(' ').unwrap().1.parse().unwrap();
        let keeper = parent(pid);
        assert!(is_alive(pid) && is_alive(keeper));
        assert_ne!(keeper, victim.id(), "the keeper stands between");
        victim.kill().unwrap();
        victim.wait().unwrap();
        check_gone(pid, "QEMU");
        check_gone(keeper, "the keeper");
    });
}

#[test]
fn no_core_file_is_allowed() {
    on_each(|program| {
        let rig = start(program, COUNT);
        let path = format!("/proc/{}/limits", rig.emulator.process_id());
        let limits = std::fs::read_to_string(path).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(line.split_whitespace().nth(4), Some("0"), "{line}");
    });
}

#[test]
fn qemu_stays_on_the_processor_it_was_given() {
    on_each(|program| {
        let folder = tempfile::tempdir().unwrap();
        let mut launch = launch(program, COUNT, folder.path());
        launch.host_processor = Some(0);
        let emulator = crashrig_qemu::Emulator::start(&launch).unwrap();
        let path = format!("/proc/{}/status", emulator.process_id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("Cpus_allowed_list")).unwrap();
        assert_eq!(line.split_whitespace().nth(1), Some("0"), "{line}");
    });
}

#[test]
fn a_keeper_that_cannot_start_says_so() {
    on_each(|program| {
        let folder = tempfile::tempdir().unwrap();
        let mut launch = launch(program, COUNT, folder.path());
        launch.output_folder = Path::new("/no/such/folder").to_path_buf();
        let message = crashrig_qemu::Emulator::start(&launch).err().unwrap().to_string();
        assert!(message.contains("create /no/such/folder/qemu.stdout"), "{message}");
    });
}

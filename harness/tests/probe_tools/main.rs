//! The unmodified `probe-rs` command and gdb-multiarch on a virtual board behind `probe-server`.
//!
//! The command is that of the published crate; `cargo ci probe-tools` installs it and says where.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop")]

mod bench;

use bench::{Server, image, rtt_image, words};
use crashrig_harness::decode::records::slots;
use crashrig_wire::command::{MAILBOX_SYMBOL, Mailbox};
use crashrig_wire::{Detector, Fault};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long the firmware has to write its record and come up again.
const PATIENCE: Duration = Duration::from_secs(20);
const RUN: u32 = 0xC0FF_EE01;

#[test]
fn a_crash_record_is_read_after_the_firmware_has_reset_itself() {
    let (path, image) = image();
    let server = Server::start(&path);
    server.probe_rs(&["download", "--verify"], &[path.to_str().unwrap()]);
    server.probe_rs(&["verify"], &[path.to_str().unwrap()]);
    server.probe_rs(&["reset"], &[]);
    let address = |name: &str| image.symbol(name).expect("a symbol").address;
    let mailbox = Mailbox {
        run_id: RUN,
        ticket: 1,
        fault: Fault::BusRead,
        flags: 0,
        seed: 1,
        parameters: [0; 4],
        without: 0,
    };
    let bytes: Vec<_> = mailbox.to_bytes().iter().map(u8::to_string).collect();
    let place = format!("{:#x}", address(MAILBOX_SYMBOL));
    let arguments: Vec<_> =
        ["b8", &place].into_iter().chain(bytes.iter().map(String::as_str)).collect();
    server.probe_rs(&["write"], &arguments);
    server.probe_rs(&["reset"], &[]);
    let start = format!("{:#x}", address("__crashrig_crash_start"));
    let size = address("__crashrig_crash_size_bytes").to_string();
    let end = Instant::now() + PATIENCE;
    let record = loop {
        let region = words(&server.probe_rs(&["read"], &["b8", &start, &size]));
        assert_eq!(region.len().to_string(), size);
        if let Some(record) = slots(&region).into_iter().find_map(|slot| slot.record) {
            break record;
        }
        assert!(Instant::now() < end, "no record");
    };
    assert_eq!((record.run_id, record.detector), (RUN, Detector::BusError));
}

#[test]
fn a_program_runs_with_its_log() {
    let path = rtt_image();
    let server = Server::start(&path);
    let output = server.probe_rs(&["run"], &[path.to_str().unwrap()]);
    for line in [1, 50, 100] {
        let wanted = format!("line {line} of 100");
        assert!(output.contains(&wanted), "no {wanted:?} in {output}");
    }
    // Where a line was logged comes from the debug information.
    assert!(output.contains("rtt/src/main.rs"), "{output}");
}

#[test]
fn gdb_connects_and_a_second_client_is_told() {
    let (path, _) = image();
    let server = Server::start(&path);
    server.probe_rs(&["download"], &[path.to_str().unwrap()]);
    // A port that is free now.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let place = format!("127.0.0.1:{port}");
    let mut command = server.command(&["gdb"], &["--gdb-connection-string", &place]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let is_up = lines.map_while(Result::ok).any(|line| line.contains("Firing up GDB stub"));
    assert!(is_up, "no GDB server");
    let began = Instant::now();
    let second = server.command(&["read"], &["b32", "0x08000000", "1"]).output().unwrap();
    assert!(!second.status.success());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let mut gdb = Command::new("gdb-multiarch");
    gdb.args(["-nx", "-batch", "-ex", "set tcp connect-timeout 20"]);
    gdb.args(["-ex", &format!("target remote {place}"), "-ex", "monitor reset halt"]);
    gdb.args(["-ex", "stepi", "-ex", "info registers pc", "-ex", "x/2xw 0x08000000"]);
    let output = gdb.arg(&path).output().expect("gdb-multiarch");
    child.kill().unwrap();
    child.wait().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("pc "), "{text} {}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("0x20020000"), "the vector table: {text}");
}

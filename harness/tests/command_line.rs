//! The command as a user types it: what it says of good and of bad input, and how it exits.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may stop anywhere"
)]

use crashrig_harness::exit;
use crashrig_harness::rig::Rig;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

struct Said {
    code: u8,
    out: String,
    error: String,
}

fn crashrig(arguments: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_crashrig")).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = u8::try_from(output.status.code().expect("an exit, not a signal")).unwrap();
    let said = Said { code, out: text(&output.stdout), error: text(&output.stderr) };
    assert!(!said.error.contains("panicked"), "{arguments:?}: {}", said.error);
    said
}

fn check(arguments: &[&str], code: u8, expected: &str) {
    let said = crashrig(arguments);
    assert_eq!(said.code, code, "{arguments:?}: {}{}", said.out, said.error);
    let text = format!("{}{}", said.out, said.error);
    assert!(text.contains(expected), "{arguments:?} says:\n{text}");
}

/// A bundle of the recursion overflow, made once for all tests of this file.
fn bundle() -> PathBuf {
    static BUNDLE: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    BUNDLE
        .get_or_init(|| {
            let results = tempfile::NamedTempFile::new().unwrap();
            let file = results.path().display().to_string();
            let test = "qemu::netduinoplus2::overflow::main_recursion_mpu_guard";
            let said = crashrig(&["run", "overflow::main_recursion_mpu_guard", "--json", &file]);
            assert_eq!(said.code, exit::PASS, "{}{}", said.out, said.error);
            let json: serde_json::Value =
                serde_json::from_slice(&std::fs::read(results.path()).unwrap()).unwrap();
            assert_eq!(json["complete"], true);
            let tests = json["tests"].as_array().unwrap();
            let row = tests.iter().find(|row| row["test"] == test).unwrap();
            PathBuf::from(row["bundle"].as_str().unwrap())
        })
        .clone()
}

fn file(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

#[test]
fn a_bundle_is_explained_with_owner_registers_and_symbols() {
    let said = crashrig(&["explain", &bundle().display().to_string()]);
    assert_eq!(said.code, exit::PASS, "{}", said.error);
    for part in [
        "stack-overflow noticed by mpu-guard, thread main",
        "in main-stack-guard",
        "cfsr 00000092",
        "0  pc lost",
        "crashrig_image::faults::overflow::recurse",
        "MSTKERR",
    ] {
        assert!(said.out.contains(part), "{part} in\n{}", said.out);
    }
    assert!(said.out.contains("… the same "), "a recursion is shown once: {}", said.out);
    let json = crashrig(&["explain", &bundle().display().to_string(), "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    let crash = &json["boots"][0]["crash"];
    assert_eq!(crash["record"]["detector"], "mpu-guard");
    let frames = crash["backtrace"].as_array().expect("a backtrace");
    let in_recursion = |frame: &&serde_json::Value| {
        frame["function"] == "crashrig_image::faults::overflow::recurse"
    };
    assert_eq!(frames[0]["address"], serde_json::Value::Null);
    assert!(frames.iter().filter(in_recursion).count() >= 3, "{} frames", frames.len());
}

#[test]
fn a_record_a_region_and_a_dump_are_explained_with_their_image() {
    let bundle = bundle();
    let elf = bundle.join("image.elf").display().to_string();
    let region = std::fs::read(bundle.join("boot-1.region-after.bin")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let record = file(folder.path(), "record.bin", &region[0x100..0x200]);
    let slot = file(folder.path(), "slot.bin", &region[0x100..0x500]);
    let whole = bundle.join("boot-1.region-after.bin").display().to_string();
    let dump = bundle.join("boot-1.ram-20000000.bin").display().to_string();
    let expected = "stack-overflow noticed by mpu-guard";
    // Sections are shown wherever the bytes behind the record are.
    for arguments in [
        &["explain", &bundle.display().to_string()][..],
        &["explain", &slot, "--elf", &elf],
        &["explain", &whole, "--elf", &elf],
        &["explain", &dump, "--elf", &elf, "--base", "0x20000000"],
    ] {
        check(arguments, exit::PASS, "  irq     active");
        check(arguments, exit::PASS, "  <- sp");
    }
    assert!(!crashrig(&["explain", &record, "--elf", &elf]).out.contains("<- sp"));
    // Of a region that was cut short, the slots lie where they did.
    let half = file(folder.path(), "half.bin", &region[..region.len() / 2]);
    check(&["explain", &half, "--elf", &elf], exit::PASS, expected);
    check(&["explain", &half, "--elf", &elf], exit::PASS, "found 2048 bytes of a region of 4096");
    check(&["explain", &record, "--elf", &elf], exit::PASS, expected);
    check(&["explain", &whole, "--elf", &elf], exit::PASS, expected);
    check(&["explain", &dump, "--elf", &elf, "--base", "0x20000000"], exit::PASS, expected);
    check(
        &["explain", &dump, "--elf", &elf, "--base", "0x30000000"],
        exit::BAD_INPUT,
        "find the crash region",
    );
}

#[test]
fn bad_input_is_named_and_never_a_panic() {
    let bundle = bundle();
    let elf = bundle.join("image.elf").display().to_string();
    let region = std::fs::read(bundle.join("boot-1.region-after.bin")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let garbage = file(here, "garbage.bin", &[0xA5; 256]);
    let short = file(here, "short.bin", &region[0x100..0x180]);
    let mut flipped = region[0x100..0x200].to_vec();
    flipped[80] ^= 4;
    let flipped = file(here, "flipped.bin", &flipped);
    let record = file(here, "record.bin", &region[0x100..0x200]);
    let not_elf = file(here, "not.elf", b"\x7FELF and then nothing");
    let image = std::fs::read(&elf).unwrap();
    let half_elf = file(here, "half.elf", &image[..image.len() / 2]);
    let bad = exit::BAD_INPUT;
    check(
        &["explain", &garbage, "--elf", &elf],
        bad,
        "slot first: found a5 a5 a5 a5, no record's magic",
    );
    let blank = file(here, "blank.bin", &[0; 256]);
    check(&["explain", &blank, "--elf", &elf], bad, "no record: slot first is blank");
    check(&["explain", "/dev/zero", "--elf", &elf], bad, "expected an ordinary file");
    check(&["explain", &here.display().to_string()], bad, "a folder without evidence.json");
    check(
        &["explain", &short, "--elf", &elf],
        bad,
        "found 128 bytes, expected a record of 256 bytes",
    );
    check(&["explain", &flipped, "--elf", &elf], bad, "CRC-32");
    check(&["explain", &record, "--elf", &not_elf], bad, "read image");
    check(&["explain", &record, "--elf", &half_elf], bad, "half.elf");
    check(&["explain", &record], bad, "pass --elf");
    check(&["explain", "no/such/file", "--elf", &elf], bad, "no/such/file");
    check(&["judge", &here.display().to_string()], bad, "evidence.json");
    let broken = here.join("bundle");
    std::fs::create_dir(&broken).unwrap();
    file(&broken, "evidence.json", b"{\"schema\": 1, \"tset\": 3}");
    check(&["judge", &broken.display().to_string()], bad, "unknown field `tset`");
    file(&broken, "evidence.json", b"{\"schema\": 99}");
    check(&["judge", &broken.display().to_string()], bad, "found schema 99, expected 1");
}

#[test]
fn a_record_of_another_build_is_refused() {
    let other = Rig::here().image("netduinoplus2-crash-sram2", &[]).expect("another build");
    let region = bundle().join("boot-1.region-after.bin").display().to_string();
    let other = other.display().to_string();
    check(&["explain", &region, "--elf", &other], exit::BAD_INPUT, "it is of build");
    let bundle = bundle().display().to_string();
    check(&["explain", &bundle, "--elf", &other], exit::BAD_INPUT, "it is of build");
}

fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

#[test]
fn a_truncated_bundle_is_refused_with_the_file_and_both_lengths() {
    let copy = tempfile::tempdir().unwrap();
    let second = copy.path().join("at-entry");
    copy_files(&bundle(), copy.path());
    copy_files(&bundle().join("at-entry"), &second);
    check(&["judge", &copy.path().display().to_string()], exit::PASS, "ok");
    for folder in [second.as_path(), copy.path()] {
        std::fs::write(folder.join("boot-1.ram-20000000.bin"), [0; 100]).unwrap();
        let expected = format!(
            "{}/boot-1.ram-20000000.bin: found 100 bytes, expected 131072",
            folder.display()
        );
        check(&["judge", &copy.path().display().to_string()], exit::BAD_INPUT, &expected);
    }
}

#[test]
fn a_second_run_that_did_not_stop_at_the_entry_is_no_pass() {
    let copy = tempfile::tempdir().unwrap();
    let second = copy.path().join("at-entry");
    copy_files(&bundle(), copy.path());
    copy_files(&bundle().join("at-entry"), &second);
    let file = second.join("evidence.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut evidence: serde_json::Value = serde_json::from_str(&text).unwrap();
    let entry = evidence.pointer_mut("/boots/0/entry").expect("a reading of the crashed boot");
    *entry = serde_json::Value::Null;
    std::fs::write(&file, evidence.to_string()).unwrap();
    let expected = "a stop where the capture begins";
    check(&["judge", &copy.path().display().to_string()], exit::FAIL, expected);
}

#[test]
fn an_empty_selection_and_an_unknown_word_have_exit_codes_of_their_own() {
    check(&["run", "no-such-test"], exit::NOTHING_SELECTED, "nothing matches no-such-test");
    check(&["frobnicate"], exit::USAGE, "frobnicate");
    check(&["--help"], exit::PASS, "Exit codes");
    check(&["run", ""], exit::USAGE, "found an empty filter");
    check(&["run", "--target", "qemu::nope"], exit::USAGE, "qemu::netduinoplus2");
    let whole = "qemu::netduinoplus2::boot::clean";
    check(&["run", "--exact", "boot::clean"], exit::NOTHING_SELECTED, whole);
}

#[test]
fn a_missing_emulator_is_a_bench_failure_that_names_the_remedy() {
    let output = Command::new(env!("CARGO_BIN_EXE_crashrig"))
        .args(["run", "boot::clean"])
        .env("CRASHRIG_QEMU", "/no/such/qemu-system-arm")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(i32::from(exit::INFRASTRUCTURE)), "{text}");
    assert!(text.contains("/no/such/qemu-system-arm"), "{text}");
}

/// Whoever reads only the first lines changes neither the verdict nor the file of results.
#[test]
fn a_run_whose_output_nobody_reads_ends_with_its_verdict() {
    let results = tempfile::NamedTempFile::new().unwrap();
    let file = results.path().display().to_string();
    let mut run = Command::new(env!("CARGO_BIN_EXE_crashrig"))
        .args(["run", "qemu::netduinoplus2::boot::clean", "--json", &file])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(run.stdout.take());
    assert_eq!(run.wait().unwrap().code(), Some(i32::from(exit::PASS)));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("\"complete\": true"), "{text}");
}

/// Whoever stops a run loses nothing of what it has found out.
#[test]
fn a_run_that_is_told_to_stop_says_what_it_has() {
    let results = tempfile::NamedTempFile::new().unwrap();
    let file = results.path().display().to_string();
    let mut run = Command::new(env!("CARGO_BIN_EXE_crashrig"))
        .args(["run", "--target", "qemu::netduinoplus2", "overflow", "--json", &file])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.find(|line| line.ends_with(')')).expect("a line of the first test");
    let told = Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap();
    assert!(told.success());
    let summary = lines.last().unwrap();
    assert!(summary.contains("passed") && summary.contains("interrupted: "), "{summary}");
    assert_eq!(run.wait().unwrap().code(), Some(i32::from(exit::INTERRUPTED)));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("\"complete\": false"), "{text}");
}

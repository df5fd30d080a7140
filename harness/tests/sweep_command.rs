//! `crashrig sweep` as a user types it: what it says of bad input, and how it exits.
#![expect(clippy::unwrap_used, reason = "a test may stop anywhere")]

mod fake;

use crashrig_harness::exit;
use crashrig_harness::rig::Rig;
use crashrig_harness::sweep::schedule::{Orders, run};
use crashrig_harness::sweep::shard::Shard;
use crashrig_harness::sweep::work::Extent;
use fake::FakeWork;
use std::fs;
use std::path::Path;
use std::process::Command;

struct Said {
    code: u8,
    out: String,
    error: String,
}

/// Variables of the cluster that the tests may run on are none of theirs.
const CLUSTER_VARIABLES: [&str; 3] =
    ["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX", "CRASHRIG_SHARDS"];

fn sweep(arguments: &[&str], variables: &[(&str, &str)]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crashrig"));
    command.arg("sweep").args(arguments);
    CLUSTER_VARIABLES.iter().for_each(|name| {
        command.env_remove(name);
    });
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = u8::try_from(output.status.code().unwrap()).unwrap();
    let said = Said { code, out: text(&output.stdout), error: text(&output.stderr) };
    assert!(!said.error.contains("panicked"), "{arguments:?}: {}", said.error);
    said
}

fn check(arguments: &[&str], code: u8, expected: &str) {
    let said = sweep(arguments, &[]);
    assert!(said.error.contains(expected), "{arguments:?} says:\n{}", said.error);
    assert_eq!((said.code, said.out.as_str()), (code, ""), "{arguments:?}");
}

fn file(family: &str, name: &str) -> String {
    Rig::here().workspace.join("scenarios").join(family).join(name).display().to_string()
}

#[test]
fn bad_input_is_named_and_changes_nothing() {
    let record_bits = file("sweep", "record_bits.toml");
    let sweep = record_bits.as_str();
    check(&[], exit::USAGE, "<FILE>...");
    check(&[sweep, "--shard", "0/4"], exit::USAGE, "found \"0/4\", expected I/N");
    check(&[sweep, "--jobs", "0"], exit::USAGE, "--jobs");
    check(&[sweep, "--scope", "once"], exit::USAGE, "--only");
    check(&[sweep, "--only", "1", "--shard", "1/2"], exit::USAGE, "cannot be used with");
    check(&[sweep, "--only", "1", "--scope", "twice"], exit::USAGE, "found \"twice\", expected");
    let text = "--only: found 0, expected a point from 1 to ";
    check(&[sweep, "--only", "0"], exit::USAGE, text);
    let text = "--scope: expected one of once";
    check(&[sweep, "--only", "1", "--scope", "window-3"], exit::USAGE, text);
    let text = "--only: found several files, expected one";
    check(&[sweep, sweep, "--only", "1"], exit::USAGE, text);
    check(&["no_such.toml"], exit::BAD_INPUT, "read scenario no_such.toml");
    check(&[&file("boot", "clean.toml")], exit::BAD_INPUT, "found no [sweep], expected one");
    let text = "found board \"abacus\", expected one of ";
    check(&[sweep, "--board", "abacus"], exit::BAD_INPUT, text);
}

#[test]
fn variables_of_a_cluster_that_make_no_shard_are_refused() {
    let record_bits = file("sweep", "record_bits.toml");
    let said = sweep(&[&record_bits], &[("JOB_COMPLETION_INDEX", "0")]);
    assert_eq!(said.code, exit::USAGE);
    assert!(said.error.contains("found no CRASHRIG_SHARDS, expected a number"), "{}", said.error);
}

#[test]
fn results_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("notes.txt"), "some notes\nand more").unwrap();
    fs::create_dir(path("empty")).unwrap();
    let text = "No such file";
    check(&["report", &path("none.sqlite")], exit::BAD_INPUT, text);
    check(&["report", &path("notes.txt")], exit::INFRASTRUCTURE, "not a database");
    let text = "found no file shard-I-of-N.jsonl, expected at least one";
    check(&["report", &path("empty")], exit::BAD_INPUT, text);
    check(&["merge", &path("all.sqlite"), &path("none")], exit::BAD_INPUT, "No such file");
    let text = "notes.txt, line 1: found no header of a sweep";
    check(&["merge", &path("all.sqlite"), &path("notes.txt")], exit::BAD_INPUT, text);
    check(&["merge", &path("all.sqlite")], exit::USAGE, "<RESULTS>...");
}

/// Runs a shard of a sweep without a device.
fn run_shard(work: &FakeWork, folder: &Path, shard: Shard) {
    let orders = Orders { shard, processors: &[0, 0], is_stop_asked: &|| false };
    run(work, folder, &orders, &mut |_| {}).unwrap();
}

#[test]
fn shards_are_merged_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let work = FakeWork::new(Extent::Exhaustive { count: 60 }, [0, 0]);
    for number in 1..=2 {
        let place = folder.path().join(number.to_string());
        run_shard(&work, &place, Shard::new(number, 2).unwrap());
    }
    let one = sweep(&["report", &path("1")], &[]);
    let text = "no verdict yet: 60 injections are left; go on with `cargo rig sweep";
    assert!(one.out.contains(text), "{}", one.out);
    assert_eq!(one.code, exit::INTERRUPTED);
    for _ in 0..2 {
        let said = sweep(&["merge", &path("all.sqlite"), &path("1"), &path("2")], &[]);
        assert_eq!((said.code, said.error.as_str()), (exit::PASS, ""));
        assert!(said.out.starts_with("sweep::fake: passed\nmerged into "), "{}", said.out);
    }
    let all = sweep(&["report", &path("all.sqlite")], &[]);
    assert!(all.out.ends_with("passed\n"), "{}", all.out);
    assert_eq!(all.code, exit::PASS);
    let json = sweep(&["report", "--json", &path("all.sqlite")], &[]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json.pointer("/sweeps/0/scopes/1/activated"), Some(&60.into()));
    let table = sweep(&["report", "--markdown", &path("all.sqlite"), &path("1")], &[]).out;
    assert!(table.starts_with("| sweep | scope | points | masked | latent |"), "{table}");
    assert_eq!(table.lines().count(), 6);
}

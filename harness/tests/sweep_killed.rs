//! A campaign that is killed ten times, at random moments and without warning, ends with the table
//! of one that was left alone, and has run nothing twice that was over.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop anywhere")]

mod fake;

use crashrig_harness::noise::Noise;
use crashrig_harness::rig::seed;
use crashrig_harness::sweep::schedule::{End, Orders, run};
use crashrig_harness::sweep::shard::Shard;
use crashrig_harness::sweep::store::shard_files;
use crashrig_harness::sweep::store::table::Table;
use crashrig_harness::sweep::work::Extent;
use fake::FakeWork;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

/// Where the child that runs the campaign keeps its results; only it has this variable.
const FOLDER_VARIABLE: &str = "CRASHRIG_TEST_CAMPAIGN";
const KILLS: usize = 10;

#[test]
fn a_sweep_whose_end_is_known() {
    check("a_sweep_whose_end_is_known", Extent::Exhaustive { count: 1_000 });
}

#[test]
fn a_sweep_whose_end_is_found() {
    check("a_sweep_whose_end_is_found", Extent::Open);
}

fn check(test: &str, extent: Extent) {
    let mut work = FakeWork::new(extent, [1_200, 700]);
    work.duration = Duration::from_millis(2);
    if let Some(folder) = env::var_os(FOLDER_VARIABLE) {
        assert_eq!(campaign(&work, Path::new(&folder)), End::Complete);
        return;
    }
    let (killed, alone) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let seed = seed().unwrap();
    println!("seed {seed:#x}");
    let (mut noise, mut lengths) = (Noise::new(seed), vec![0]);
    for _ in 0..KILLS {
        let mut child = child(test, killed.path());
        thread::sleep(Duration::from_millis(20 + u64::from(noise.below(100))));
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9), "it was over before it was killed");
        lengths.push(result_lines(killed.path()));
    }
    assert!(lengths.is_sorted(), "results were lost: {lengths:?}");
    assert!(lengths[KILLS] > 0, "no child came to a result: {lengths:?}");
    assert!(child(test, killed.path()).wait().unwrap().success());
    work.duration = Duration::ZERO;
    assert_eq!(campaign(&work, alone.path()), End::Complete);
    let table = table(killed.path());
    assert_eq!(table, self::table(alone.path()));
    // Points behind the end of an open sweep are run, one for each worker that did not know it yet.
    let surplus = result_lines(killed.path()) - table.len();
    assert!(surplus == 0 || extent == Extent::Open && surplus <= 2 * WORKERS, "{surplus} doubles");
}

const WORKERS: usize = 2;

fn campaign(work: &FakeWork, folder: &Path) -> End {
    let processors = [0; WORKERS];
    let orders = Orders { shard: Shard::WHOLE, processors: &processors, is_stop_asked: &|| false };
    run(work, folder, &orders, &mut |_| {}).unwrap()
}

/// This program once more, with this test alone.
fn child(test: &str, folder: &Path) -> std::process::Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", test])
        .env(FOLDER_VARIABLE, folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Whole lines with results.
fn result_lines(folder: &Path) -> usize {
    let Some(path) = shard_files(folder).unwrap().pop() else { return 0 };
    let text = fs::read(path).unwrap();
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    lines.filter(|line| line.starts_with(b"{\"result\"") && line.ends_with(b"\n")).count()
}

fn table(folder: &Path) -> Vec<String> {
    let mut table = Table::in_memory().unwrap();
    table.merge_folder(folder).unwrap();
    let mut rows = Vec::new();
    for sweep in table.sweeps().unwrap() {
        let mut keep = |result| {
            rows.push(format!("{result:?}"));
            Ok(())
        };
        table.each_result(&sweep.id, &mut keep).unwrap();
    }
    rows
}

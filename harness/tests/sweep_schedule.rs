//! A sweep that is cut into shards, run by any number of workers, stopped, killed and gone on with
//! ends with the table of one that was left alone.
#![expect(clippy::unwrap_used, reason = "a test may stop anywhere")]

mod fake;

use crashrig_harness::sweep::outcome::Outcome;
use crashrig_harness::sweep::result::InjectionResult;
use crashrig_harness::sweep::schedule::{End, Orders, ScheduleError, run};
use crashrig_harness::sweep::shard::Shard;
use crashrig_harness::sweep::store::shard_files;
use crashrig_harness::sweep::store::table::Table;
use crashrig_harness::sweep::work::{Extent, OPEN_LIMIT};
use fake::FakeWork;
use proptest::prelude::*;
use proptest::sample::Index;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs a shard, and asks it to stop after some injections have begun.
fn session(
    work: &FakeWork,
    folder: &Path,
    shard: Shard,
    workers: usize,
    stop_after: u64,
) -> Result<End, ScheduleError> {
    let begun = AtomicU64::new(0);
    let is_stop_asked = || begun.fetch_add(1, Ordering::Relaxed) >= stop_after;
    let processors = vec![0; workers];
    let orders = Orders { shard, processors: &processors, is_stop_asked: &is_stop_asked };
    run(work, folder, &orders, &mut |_| {})
}

fn table(folder: &Path) -> Vec<InjectionResult> {
    let mut table = Table::in_memory().unwrap();
    table.merge_folder(folder).unwrap();
    let mut rows = Vec::new();
    for sweep in table.sweeps().unwrap() {
        let mut keep = |result| {
            rows.push(result);
            Ok(())
        };
        table.each_result(&sweep.id, &mut keep).unwrap();
    }
    rows
}

fn left_alone(work: &FakeWork) -> Vec<InjectionResult> {
    let folder = tempfile::tempdir().unwrap();
    let end = session(work, folder.path(), Shard::WHOLE, 1, u64::MAX).unwrap();
    assert_eq!(end, End::Complete);
    table(folder.path())
}

/// What a campaign goes through.
#[derive(Debug, Clone)]
enum Blow {
    /// It is told to stop after some injections.
    Stop { shard: Index, workers: usize, after: u64 },
    /// It is killed: a file ends somewhere.
    Kill { file: Index, at: Index },
}

fn blow() -> impl Strategy<Value = Blow> {
    prop_oneof![
        (any::<Index>(), 1..4_usize, 0..40_u64).prop_map(|(shard, workers, after)| Blow::Stop {
            shard,
            workers,
            after
        }),
        (any::<Index>(), any::<Index>()).prop_map(|(file, at)| Blow::Kill { file, at }),
    ]
}

fn extent() -> impl Strategy<Value = Extent> {
    prop_oneof![
        Just(Extent::Open),
        (0..50_u64).prop_map(|count| Extent::Exhaustive { count }),
        (1..50_u64).prop_map(|count| Extent::Sampled { count, population: Some(99) }),
    ]
}

proptest! {
    // Each case waits for the disk some dozen times.
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_to_it_the_table_is_the_same(
        extent in extent(),
        ends in [0..30_u64, 0..30_u64],
        shards in 1..5_u64,
        together in 1..9_usize,
        blows in prop::collection::vec(blow(), 0..6),
    ) {
        let mut work = FakeWork::new(extent, ends);
        work.together = together;
        let folder = tempfile::tempdir().unwrap();
        let shards: Vec<_> = (1..=shards).map(|i| Shard::new(i, shards).unwrap()).collect();
        for blow in blows {
            match blow {
                Blow::Stop { shard, workers, after } => {
                    session(&work, folder.path(), *shard.get(&shards), workers, after).unwrap();
                }
                Blow::Kill { file, at } => {
                    let files = shard_files(folder.path()).unwrap();
                    if files.is_empty() { continue }
                    let path = file.get(&files);
                    let bytes = fs::read(path).unwrap();
                    fs::write(path, &bytes[..at.index(bytes.len() + 1)]).unwrap();
                }
            }
        }
        for shard in &shards {
            let end = session(&work, folder.path(), *shard, 3, u64::MAX).unwrap();
            prop_assert_eq!(end, End::Complete);
        }
        prop_assert_eq!(table(folder.path()), left_alone(&work));
    }
}

#[test]
fn nothing_is_run_twice() {
    let work = FakeWork::new(Extent::Exhaustive { count: 40 }, [0, 0]);
    let folder = tempfile::tempdir().unwrap();
    let lines = || {
        let text = fs::read_to_string(&shard_files(folder.path()).unwrap()[0]).unwrap();
        text.lines().filter(|line| line.starts_with("{\"result\"")).count()
    };
    let end = session(&work, folder.path(), Shard::WHOLE, 1, 30).unwrap();
    assert_eq!((end, lines()), (End::Interrupted, 30));
    for _ in 0..2 {
        let end = session(&work, folder.path(), Shard::WHOLE, 2, u64::MAX).unwrap();
        assert_eq!((end, lines()), (End::Complete, 80));
    }
}

#[test]
fn an_open_sweep_runs_few_points_behind_its_end() {
    let work = FakeWork::new(Extent::Open, [20, 5]);
    let folder = tempfile::tempdir().unwrap();
    session(&work, folder.path(), Shard::WHOLE, 1, u64::MAX).unwrap();
    let rows = table(folder.path());
    assert_eq!(rows.len(), 21 + 6);
    let ends = rows.iter().filter(|row| row.outcome == Outcome::NotActivated);
    assert_eq!(ends.map(|row| row.point.0).collect::<Vec<_>>(), [6, 21]);
}

#[test]
fn an_injection_whose_bench_fails_is_written_down_and_run_again() {
    // Alone, and among others that it was handed out with.
    for together in [1, 7] {
        fails_and_is_run_again(together);
    }
}

fn fails_and_is_run_again(together: usize) {
    let mut work = FakeWork::new(Extent::Exhaustive { count: 20 }, [0, 0]);
    work.together = together;
    work.failing = |point| point == 13;
    let folder = tempfile::tempdir().unwrap();
    let end = session(&work, folder.path(), Shard::WHOLE, 2, u64::MAX).unwrap();
    assert_eq!(end, End::Complete);
    let rows = table(folder.path());
    let failed: Vec<_> = rows.iter().filter(|row| row.outcome == Outcome::HarnessError).collect();
    assert_eq!((rows.len(), failed.len()), (40, 2));
    assert!(failed.iter().all(|row| row.detail == "point 13 is not for me"));
    work.failing = |_| false;
    session(&work, folder.path(), Shard::WHOLE, 2, u64::MAX).unwrap();
    assert_eq!(table(folder.path()), left_alone(&work));
}

#[test]
fn a_bench_that_always_fails_ends_the_session_and_keeps_what_there_is() {
    let mut work = FakeWork::new(Extent::Open, [1_000, 0]);
    work.failing = |point| point > 10;
    let folder = tempfile::tempdir().unwrap();
    let error = session(&work, folder.path(), Shard::WHOLE, 2, u64::MAX).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("inject: the bench failed 8 times in a row, last: point "), "{text}");
    let rows = table(folder.path());
    let good = rows.iter().filter(|row| row.outcome != Outcome::HarnessError);
    assert_eq!(good.count(), 10);
}

#[test]
fn an_open_sweep_without_an_end_is_run_to_its_most_points() {
    let mut work = FakeWork::new(Extent::Open, [u64::MAX; 2]);
    work.identity.scopes.truncate(1);
    let folder = tempfile::tempdir().unwrap();
    let shard = Shard::new(7, OPEN_LIMIT / 10).unwrap();
    let end = session(&work, folder.path(), shard, 1, u64::MAX).unwrap();
    assert_eq!(end, End::Complete);
    let rows = table(folder.path());
    assert_eq!((rows.len(), rows.last().unwrap().point.0), (10, 7 + 9 * (OPEN_LIMIT / 10)));
}

#[test]
fn nobody_can_run_a_sweep_without_workers() {
    let work = FakeWork::new(Extent::Open, [1, 1]);
    let folder = tempfile::tempdir().unwrap();
    let error = session(&work, folder.path(), Shard::WHOLE, 0, u64::MAX);
    assert!(matches!(error, Err(ScheduleError::NoWorkers)));
}

#[test]
fn what_a_worker_said_since_it_last_repeated_itself_is_run_again() {
    let mut work = FakeWork::new(Extent::Exhaustive { count: 400 }, [0, 0]);
    work.good_checks = 2;
    let folder = tempfile::tempdir().unwrap();
    let error = session(&work, folder.path(), Shard::WHOLE, 1, u64::MAX).unwrap_err();
    assert!(matches!(error, ScheduleError::Unrepeatable(_)), "{error}");
    // Two hundred were checked. A merge before the void line is corrected by one behind it.
    assert_eq!(table(folder.path()).len(), 200);
    let path = &shard_files(folder.path()).unwrap()[0];
    let whole = fs::read(path).unwrap();
    let before: Vec<_> = whole
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| !line.starts_with(b"{\"void\""))
        .collect();
    let early = folder.path().join("early.jsonl");
    fs::write(&early, before.concat()).unwrap();
    let mut merged = Table::in_memory().unwrap();
    merged.merge_file(&early).unwrap();
    merged.merge_file(path).unwrap();
    let mut rows = 0;
    let mut count = |_| {
        rows += 1;
        Ok(())
    };
    merged.each_result(&work.identity.id, &mut count).unwrap();
    assert_eq!(rows, 200);
    work.good_checks = u64::MAX;
    let end = session(&work, folder.path(), Shard::WHOLE, 2, u64::MAX).unwrap();
    assert_eq!(end, End::Complete);
    assert_eq!(table(folder.path()), left_alone(&work));
}

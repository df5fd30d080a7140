//! Results on disk: what a kill leaves is cut off, what else is broken is an error, and a database
//! has each result once, whatever was merged into it and how often.
#![expect(clippy::unwrap_used, reason = "a test may stop anywhere")]

use crashrig_harness::sweep::fault::Scope;
use crashrig_harness::sweep::outcome::Outcome;
use crashrig_harness::sweep::result::{InjectionResult, PointNumber};
use crashrig_harness::sweep::shard::Shard;
use crashrig_harness::sweep::store::append::Store;
use crashrig_harness::sweep::store::line::Line;
use crashrig_harness::sweep::store::read::scan;
use crashrig_harness::sweep::store::table::{Table, TableError};
use crashrig_harness::sweep::store::{StoreError, row};
use crashrig_harness::sweep::work::{Extent, Identity, SweepId};
use std::fs;
use std::path::{Path, PathBuf};

fn identity(extent: Extent) -> Identity {
    Identity {
        id: SweepId::of(&[b"a sweep", format!("{extent:?}").as_bytes()]),
        name: "sweep::sample".to_owned(),
        file: "scenarios/sweep/sample.toml".to_owned(),
        image: "0123".to_owned(),
        target: "qemu 0".to_owned(),
        seed: 7,
        sources: "ab".to_owned(),
        extent,
        scopes: vec![Scope::Once, Scope::FromThenOn],
        allowed: Vec::new(),
        forbidden: Vec::new(),
    }
}

fn result(point: u64, outcome: Outcome) -> InjectionResult {
    InjectionResult {
        point: PointNumber(point),
        scope: Scope::Once,
        place: format!("bit {point}"),
        outcome,
        detail: String::new(),
        pc: Some(0x0800_0000),
        instructions: 100 + point,
        evidence_hash: u64::MAX - point,
    }
}

fn results(points: &[(u64, Outcome)]) -> Vec<Line> {
    points.iter().map(|(point, outcome)| Line::Result(result(*point, *outcome))).collect()
}

/// A file of results in a folder of its own.
fn file(folder: &Path, name: &str, sweep: &Identity, points: &[(u64, Outcome)]) -> PathBuf {
    let (mut store, _) = Store::open(&folder.join(name), sweep, Shard::WHOLE).unwrap();
    store.append(&results(points)).unwrap();
    store.path().to_owned()
}

fn rows(table: &Table) -> Vec<InjectionResult> {
    let mut found = Vec::new();
    for sweep in table.sweeps().unwrap() {
        table
            .each_result(&sweep.id, |result| {
                found.push(result);
                Ok(())
            })
            .unwrap();
    }
    found
}

const ALL: Extent = Extent::Exhaustive { count: 9 };
const THREE: [(u64, Outcome); 3] =
    [(1, Outcome::Masked), (2, Outcome::Hang), (3, Outcome::DetectedRight)];

#[test]
fn a_file_cut_at_any_byte_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = identity(ALL);
    let whole = fs::read(file(folder.path(), "whole", &sweep, &THREE)).unwrap();
    let path = folder.path().join("cut/shard-1-of-1.jsonl");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let header = whole.iter().position(|byte| *byte == b'\n').unwrap();
    let end = whole.len();
    // Each cut waits for the disk a few times: some bytes stand for all but those beside line ends.
    for length in (0..end).step_by(7).chain([header, header + 1, header + 2, end - 1, end]) {
        fs::write(&path, &whole[..length]).unwrap();
        let (mut store, done) = Store::open(path.parent().unwrap(), &sweep, Shard::WHOLE).unwrap();
        let lines = whole[..length].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(done.count_in(Shard::WHOLE), lines.saturating_sub(1) as u64, "cut at {length}");
        let left: Vec<_> =
            THREE.into_iter().filter(|(point, _)| !done.has(Scope::Once, *point)).collect();
        store.append(&results(&left)).unwrap();
        store.synchronise().unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole, "cut at {length}");
    }
}

#[test]
fn a_broken_line_is_an_error_unless_it_is_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = identity(ALL);
    let path = file(folder.path(), "results", &sweep, &THREE);
    let lines: Vec<String> =
        fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    let check = |texts: &[&str], expected: Result<u64, &str>| {
        fs::write(&path, texts.concat()).unwrap();
        let found = Store::open(path.parent().unwrap(), &sweep, Shard::WHOLE);
        let found =
            found.map(|(_, done)| done.count_in(Shard::WHOLE)).map_err(|error| error.to_string());
        match expected {
            Ok(count) => assert_eq!(found, Ok(count)),
            Err(text) => {
                let error = found.unwrap_err();
                let prefix = format!("read {}, ", path.display());
                assert_eq!(error.strip_prefix(&prefix), Some(text), "{error}");
                assert_eq!(fs::read_to_string(&path).unwrap(), texts.concat());
            }
        }
    };
    let (header, one) = (format!("{}\n", lines[0]), format!("{}\n", lines[1]));
    check(&[&header, &one, "{\"result\":{\n"], Ok(1));
    check(&[&header, &one, "\0\0\0\n"], Ok(1));
    let problem = "line 2: EOF while parsing an object at line 2 column 0";
    check(&[&header, "{\"result\":{\n", &one], Err(problem));
    check(&[&header, &one, &header], Err("line 3: found a second header"));
    check(&[&one, &one], Err("line 1: found no header of a sweep"));
    // Somebody's notes, however they end.
    check(&["notes\n"], Err("line 1: found no header of a sweep"));
    check(&["notes"], Err("line 1: found no header of this sweep"));
    let newer = header.replacen("\"version\":1", "\"version\":2", 1);
    let problem = "line 1: found version 2 of the format, expected 1";
    check(&[&newer, &one], Err(problem));
}

#[test]
fn the_folder_of_another_sweep_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "results", &identity(ALL), &THREE);
    let before = fs::read(&path).unwrap();
    for shard in ["1/1", "2/4"] {
        let shard = shard.parse().unwrap();
        let error = Store::open(path.parent().unwrap(), &identity(Extent::Open), shard);
        assert!(matches!(error, Err(StoreError::OtherSweep { .. })), "{error:?}");
    }
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn one_process_at_a_time_runs_a_shard_and_another_one_another() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = identity(ALL);
    let first = Store::open(folder.path(), &sweep, Shard::WHOLE).unwrap();
    let second = Store::open(folder.path(), &sweep, Shard::WHOLE);
    assert!(matches!(second, Err(StoreError::Locked(_))), "{second:?}");
    Store::open(folder.path(), &sweep, "2/2".parse().unwrap()).unwrap();
    drop(first);
    Store::open(folder.path(), &sweep, Shard::WHOLE).unwrap();
}

#[test]
fn what_other_shards_have_done_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = identity(ALL);
    file(folder.path(), "", &sweep, &THREE);
    let (_, done) = Store::open(folder.path(), &sweep, "2/2".parse().unwrap()).unwrap();
    assert!(done.has(Scope::Once, 2) && !done.has(Scope::FromThenOn, 2));
}

#[test]
fn merging_is_repeatable_and_doubles_must_be_equal() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = identity(ALL);
    let mut table = Table::open(&folder.path().join("table.sqlite")).unwrap();
    let path = file(folder.path(), "one", &sweep, &THREE);
    table.merge_file(&path).unwrap();
    table.merge_folder(path.parent().unwrap()).unwrap();
    let expected: Vec<_> = THREE.iter().map(|(point, outcome)| result(*point, *outcome)).collect();
    assert_eq!(rows(&table), expected);
    // The first line of the file is new, the second is not what it was: neither comes in.
    let other = [(4, Outcome::Masked), (2, Outcome::Masked)];
    let other = file(folder.path(), "other", &sweep, &other);
    let error = table.merge_file(&other).unwrap_err();
    let TableError::Differ { line, found, expected: there, .. } = &error else { panic!("{error}") };
    assert_eq!(*line, 3);
    assert!(found.contains("masked") && there.contains("hang"), "{error}");
    assert_eq!(rows(&table), expected);
    // Read anew, it is the same.
    drop(table);
    assert_eq!(rows(&Table::open(&folder.path().join("table.sqlite")).unwrap()), expected);
}

#[test]
fn what_a_failed_bench_left_is_replaced_and_replaces_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = identity(ALL);
    let failed = file(folder.path(), "failed", &sweep, &[(1, Outcome::HarnessError)]);
    let good = file(folder.path(), "good", &sweep, &[(1, Outcome::Latent)]);
    let (_, done) = Store::open(failed.parent().unwrap(), &sweep, Shard::WHOLE).unwrap();
    assert!(!done.has(Scope::Once, 1), "it is run again");
    for order in [[&failed, &good], [&good, &failed]] {
        let mut table = Table::in_memory().unwrap();
        order.iter().try_for_each(|path| table.merge_file(path)).unwrap();
        assert_eq!(rows(&table), [result(1, Outcome::Latent)]);
    }
}

#[test]
fn an_open_sweep_ends_at_its_first_point_that_is_not_activated() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = identity(Extent::Open);
    let none = Outcome::NotActivated;
    let early = file(folder.path(), "early", &sweep, &[(4, none), (1, Outcome::Masked)]);
    let late = file(folder.path(), "late", &sweep, &[(2, Outcome::Masked), (3, none), (5, none)]);
    let expected = [result(1, Outcome::Masked), result(2, Outcome::Masked), result(3, none)];
    for order in [[&early, &late, &early], [&late, &early, &late]] {
        let mut table = Table::in_memory().unwrap();
        order.iter().try_for_each(|path| table.merge_file(path)).unwrap();
        assert_eq!(rows(&table), expected);
    }
    let wrong = file(folder.path(), "wrong", &sweep, &[(3, none), (6, Outcome::Hang)]);
    let error = Table::in_memory().unwrap().merge_file(&wrong).unwrap_err();
    let text = "merge sweep sweep::sample: point 6, once, was activated, though point 3 before it \
                was not";
    assert_eq!(error.to_string(), text);
}

#[test]
fn a_database_of_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.sqlite");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE result (a)").unwrap();
    assert!(matches!(Table::open(&path), Err(TableError::Foreign(_))));
    fs::write(&path, "no database, but long enough to be looked at").unwrap();
    assert!(matches!(Table::open(&path), Err(TableError::Database { .. })));
    let empty = Table::in_memory().unwrap().merge_folder(folder.path());
    assert!(matches!(empty, Err(TableError::Store(StoreError::Empty(_)))));
}

#[test]
fn every_outcome_has_a_name_that_is_read_again() {
    for outcome in Outcome::ALL {
        assert_eq!(row::outcome_of(outcome.name()), Some(outcome));
        assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.name());
    }
}

#[test]
fn a_file_can_be_read_while_it_grows() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "", &identity(ALL), &THREE);
    let before = fs::read(&path).unwrap();
    fs::write(&path, [&before[..], b"{\"res"].concat()).unwrap();
    let mut count = 0;
    let sound = scan(&path, |_, _, _| {
        count += 1;
        Ok::<(), StoreError>(())
    })
    .unwrap();
    assert_eq!((count, sound.length_bytes), (3, before.len() as u64));
}

//! What a sweep came to, in words, numbers and exit codes.
#![expect(clippy::unwrap_used, reason = "a test may stop anywhere")]

mod fake;

use crashrig_harness::exit;
use crashrig_harness::sweep::fault::Scope;
use crashrig_harness::sweep::outcome::Outcome;
use crashrig_harness::sweep::report::{Report, markdown_table};
use crashrig_harness::sweep::result::{InjectionResult, PointNumber};
use crashrig_harness::sweep::shard::Shard;
use crashrig_harness::sweep::store::append::Store;
use crashrig_harness::sweep::store::line::{Line, Spent, WorkerStart};
use crashrig_harness::sweep::store::table::Table;
use crashrig_harness::sweep::work::{Extent, InsteadOf, OPEN_LIMIT};
use fake::FakeWork;
use std::collections::BTreeSet;

use Outcome::{
    DetectedRight, Hang, HarnessError, Latent, Masked, NotActivated, SilentDataCorruption,
};

/// The report of results, given as point, scope and outcome.
fn report(extent: Extent, shard: &str, rows: &[(u64, Scope, Outcome)]) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let work = FakeWork::new(extent, [0, 0]);
    let (mut store, _) = Store::open(folder.path(), &work.identity, Shard::WHOLE).unwrap();
    let mut lines: Vec<_> = rows.iter().map(|row| Line::Result(result(*row))).collect();
    let session = "1-1".to_owned();
    let engine = "snapshot".to_owned();
    let reason = "steer from inside: devices of the host are needed".to_owned();
    let instead_of = Some(InsteadOf { engine: "plugin".to_owned(), reason });
    let worker = WorkerStart { session: session.clone(), number: 1, engine, instead_of };
    lines.push(Line::Worker(worker));
    let (milliseconds, workers, injections) = (2_500, 2, 5_000);
    let (sequence, pruned) = (1, 16);
    let spent = Spent { session, sequence, milliseconds, workers, injections, pruned };
    lines.push(Line::Spent(spent));
    store.append(&lines).unwrap();
    let mut table = Table::in_memory().unwrap();
    table.merge_folder(folder.path()).unwrap();
    Report::of(&table, &work.identity, shard.parse().unwrap()).unwrap()
}

fn result((point, scope, outcome): (u64, Scope, Outcome)) -> InjectionResult {
    let detail = if outcome == Masked { String::new() } else { "word 3 differs".to_owned() };
    InjectionResult {
        point: PointNumber(point),
        scope,
        place: format!("bit {point} of byte 0"),
        outcome,
        detail,
        pc: Some(0x0800_1234),
        instructions: 1_000,
        evidence_hash: point,
    }
}

/// Rows of both scopes, point after point.
fn both(outcomes: &[Outcome]) -> Vec<(u64, Scope, Outcome)> {
    let points = outcomes.iter().zip(1..);
    let scopes = [Scope::Once, Scope::FromThenOn];
    points.flat_map(|(it, point)| scopes.map(|scope| (point, scope, *it))).collect()
}

#[test]
fn the_exit_code_says_what_there_is_to_say() {
    let three = Extent::Exhaustive { count: 3 };
    let check = |extent, shard, rows: &[_], code, verdict: &str| {
        let report = report(extent, shard, rows);
        assert_eq!((report.exit_code(), report.verdict().as_str()), (code, verdict));
        assert!(report.to_string().ends_with(verdict));
    };
    let good = both(&[Masked, DetectedRight, Latent]);
    check(three, "1/1", &good, exit::PASS, "passed");
    let verdict = "FAILED: 2 injections came to what is not allowed";
    check(three, "1/1", &both(&[Masked, Hang, HarnessError]), exit::FAIL, verdict);
    // What is not allowed is said of a part as well.
    check(three, "1/1", &both(&[SilentDataCorruption]), exit::FAIL, verdict);
    let verdict = "no verdict: the bench failed in 2 injections; they are run again";
    check(three, "1/1", &both(&[Masked, HarnessError]), exit::INFRASTRUCTURE, verdict);
    let verdict = "no verdict yet: 1 injections are left; go on with \
                   `cargo rig sweep scenarios/sweep/fake.toml`";
    check(three, "1/1", &good[..5], exit::INTERRUPTED, verdict);
    let verdict = "no verdict yet: the end is not reached; go on with \
                   `cargo rig sweep scenarios/sweep/fake.toml`";
    check(Extent::Open, "1/1", &good, exit::INTERRUPTED, verdict);
    check(Extent::Open, "1/1", &both(&[Masked, NotActivated]), exit::PASS, "passed");
    let endless = [(OPEN_LIMIT, Scope::Once, Masked)];
    check(Extent::Open, "1/1", &endless, exit::FAIL, "FAILED: no end within 1,000,000 points");
    let endless = [(OPEN_LIMIT - 1, Scope::Once, Masked)];
    check(Extent::Open, "1/2", &endless, exit::FAIL, "FAILED: no end within 1,000,000 points");
    let verdict = "no verdict: nothing was injected, the trigger was never met";
    check(Extent::Open, "1/1", &both(&[NotActivated]), exit::NOTHING_SELECTED, verdict);
    check(three, "1/1", &both(&[NotActivated; 3]), exit::NOTHING_SELECTED, verdict);
}

#[test]
fn a_shard_speaks_of_its_own_points() {
    let rows = both(&[Masked, Hang, Latent]);
    let of = |shard| report(Extent::Exhaustive { count: 3 }, shard, &rows);
    assert_eq!((of("1/2").exit_code(), of("2/2").exit_code()), (exit::PASS, exit::FAIL));
    assert_eq!(of("2/2").instructions, 2_000);
    // It has no point, and that is no failure.
    assert_eq!(of("4/4").exit_code(), exit::PASS);
    // The end may have been found by another one.
    let rows = both(&[Masked, Masked, NotActivated]);
    let of = |shard, rows: &[_]| report(Extent::Open, shard, rows).exit_code();
    assert_eq!(of("2/2", &rows), exit::PASS);
    let without_two: Vec<_> = rows.iter().copied().filter(|row| row.0 != 2).collect();
    assert_eq!(of("2/2", &without_two), exit::INTERRUPTED);
    assert_eq!(of("1/2", &without_two), exit::PASS);
}

#[test]
fn people_read_counts_examples_and_commands() {
    let rows = both(&[Masked, Latent, Hang, Hang]);
    let text = report(Extent::Exhaustive { count: 4 }, "1/1", &rows).to_string();
    let expected = "\
sweep sweep::fake (scenarios/sweep/fake.toml)
  none 0, image 00ff, seed 0x1
  exhaustive: 4 points

  outcome                                         once                from-then-on
  masked                                             1                           1
  latent                                             1                           1
  hang                                               2                           2
  all activated                                      4                           4

latent, 2 times, allowed: it is no device
  first: bit 2 of byte 0, at 0x08001234
    word 3 differs
  cargo rig sweep scenarios/sweep/fake.toml --only 2 --scope once

hang, 4 times, not allowed
  first: bit 3 of byte 0, at 0x08001234
    word 3 differs
  cargo rig sweep scenarios/sweep/fake.toml --only 3 --scope once

8,000 instructions in all
16 pruned: nobody reads what they flip before it is overwritten
5,000 injections in 2.500 s: 1,000 a second and worker; engine snapshot (1 started)
engine snapshot in place of plugin: steer from inside: devices of the host are needed
FAILED: 4 injections came to what is not allowed";
    assert_eq!(text, expected);
}

#[test]
fn machines_read_why_another_engine_was_used() {
    let report = report(Extent::Exhaustive { count: 1 }, "1/1", &both(&[Masked]));
    let json = serde_json::to_value(&report).unwrap();
    let instead_of = json.pointer("/cost/replacements/0/instead_of").unwrap();
    assert_eq!(instead_of.pointer("/engine").unwrap(), "plugin");
    let reason = instead_of.pointer("/reason").unwrap().as_str().unwrap();
    assert!(reason.ends_with("devices of the host are needed"), "{reason}");
}

#[test]
fn a_sample_says_how_sure_it_is() {
    let extent = Extent::Sampled { count: 20, population: Some(32_768) };
    let outcomes: Vec<_> = (0..20).map(|i| if i == 0 { Latent } else { Masked }).collect();
    let report = report(extent, "1/1", &both(&outcomes));
    let text = report.to_string();
    assert!(text.contains("sampled: 20 of 32,768 points, drawn by the seed"), "{text}");
    assert!(text.contains("1 (0.9 % to 23.6 %)"), "{text}");
    let expected = "\
| sweep | scope | points | masked | latent |
| --- | --- | --- | --- | --- |
| `sweep::fake` | once | 20 of 32,768, seed 0x1 | 19 (76.4 % to 99.1 %) | 1 (0.9 % to 23.6 %) |
| `sweep::fake` | from-then-on | 20 of 32,768, seed 0x1 | 19 (76.4 % to 99.1 %) | \
1 (0.9 % to 23.6 %) |

`sweep::fake`: engine snapshot in place of plugin: steer from inside: devices of the host are needed
";
    assert_eq!(markdown_table(&[report]), expected);
}

#[test]
fn documents_say_what_was_not_run() {
    let all = Extent::Exhaustive { count: 4 };
    let reports = [
        report(all, "1/1", &both(&[Masked, HarnessError])),
        report(Extent::Open, "1/1", &both(&[Masked, NotActivated])),
        report(Extent::Open, "1/1", &[]),
    ];
    let table = markdown_table(&reports);
    let points: BTreeSet<_> = table.lines().filter_map(|line| line.split('|').nth(3)).collect();
    let expected = [" --- ", " points ", " all 1 ", " all 4, 3 not run ", " end not reached "];
    assert_eq!(points, BTreeSet::from(expected));
}

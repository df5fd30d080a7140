//! Sweeps against the image they are about: their plans, and some of their points under QEMU.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test may stop anywhere")]

mod agreement;
mod engines;
mod process;

use crashrig_harness::execute::load_image;
use crashrig_harness::image::Image;
use crashrig_harness::rig::{DEFAULT_BOARD, DEFAULT_SEED, Rig};
use crashrig_harness::scenario::Scenario;
use crashrig_harness::scenario::check::parse;
use crashrig_harness::suite::scenarios;
use crashrig_harness::sweep::fault::{Effect, Fault, Link, Scope};
use crashrig_harness::sweep::plan::Plan;
use crashrig_harness::sweep::result::PointNumber;
use crashrig_wire::command::Mailbox;
use std::path::Path;

fn image() -> Image {
    let path = Rig::here().image(DEFAULT_BOARD, &[]).expect("the image is built");
    load_image(&path).expect("an image")
}

/// A shipped sweep.
fn shipped(name: &str) -> Scenario {
    let all = scenarios(&Rig::here().workspace.join("scenarios")).expect("scenarios");
    all.into_iter().find(|scenario| scenario.name == name).expect("a shipped sweep")
}

/// A scenario of two boots with the lines of a sweep.
fn sweep(lines: &str) -> Scenario {
    let text = format!(
        "timeline = [\"1. a step\"]\ntitle = \"t\"\n[[boot]]\nstart = \"cold\"\nend = \
         \"clean\"\n[[boot]]\nstart = \"warm\"\nend = \"clean\"\n[sweep]\nsubject = \
         \"other\"\nboot = 2\n{lines}\n"
    );
    parse(Path::new("sweep/test.toml"), text).expect("a scenario")
}

fn plan(lines: &str) -> Result<Plan, String> {
    Plan::new(&sweep(lines), &image(), DEFAULT_SEED).map_err(|error| error.to_string())
}

fn point(plan: &Plan, number: u64, scope: Scope) -> (Fault, String) {
    plan.point(PointNumber(number), scope).expect("a point")
}

#[test]
fn every_shipped_sweep_has_a_plan() {
    let all = scenarios(&Rig::here().workspace.join("scenarios")).expect("scenarios");
    let sweeps: Vec<_> = all.iter().filter(|scenario| scenario.sweep.is_some()).collect();
    assert!(sweeps.len() >= 3, "{}", sweeps.len());
    let image = image();
    for scenario in sweeps {
        let plan = Plan::new(scenario, &image, DEFAULT_SEED).expect("a plan");
        for scope in plan.scopes() {
            point(&plan, 1, *scope);
        }
        let behind = plan.count().map(|count| PointNumber(count + 1));
        assert!(behind.is_none_or(|number| plan.point(number, Scope::Once).is_none()));
    }
}

#[test]
fn bits_are_those_of_the_memory_that_is_named() {
    let lines = "trigger = [{ at = \"boot\" }]\npoints = \"bits\"\neffect = { do = \"flip\" }\n\
                 scopes = [\"once\"]\nmemory = { region = \"record-first\", offset = 2, size = 3 }";
    let plan = plan(lines).expect("a plan");
    assert_eq!(plan.count(), Some(24));
    let start = image().symbol("__crashrig_crash_start").expect("a symbol").address + 0x100;
    for (number, address, bit) in [(1, start, 16), (9, start, 24), (24, start + 4, 7)] {
        let (fault, place) = point(&plan, number, Scope::Once);
        let expected = Effect::Word { address, flip: 1 << bit, set: 0, clear: 0 };
        assert_eq!((fault.effect, fault.trigger), (expected, vec![Link::Boot]), "{place}");
    }
    let (_, place) = point(&plan, 9, Scope::Once);
    assert_eq!(place, "bit 0 of byte 0x001 of record-first+0x2 at the start of the boot");
}

#[test]
fn hits_and_instructions_are_counted_at_the_last_link() {
    let links = "trigger = [{ symbol = \"crashrig_main\" }, { symbol = \"crashrig_mark\" }]\n\
                 effect = { do = \"skip\" }\n";
    let hits = plan(&format!("{links}points = \"hits\"\nscopes = [\"from-then-on\"]"));
    let (fault, place) = point(&hits.expect("a plan"), 3, Scope::FromThenOn);
    let address = |name: &str| image().symbol(name).expect("a symbol").address & !1;
    let main = Link::Address { address: address("crashrig_main"), count: 1 };
    let mark = |count| Link::Address { address: address("crashrig_mark"), count };
    assert_eq!(fault.trigger, [main.clone(), mark(3)]);
    assert_eq!(place, "time 3 of crashrig_main, then crashrig_mark");
    let steps = plan(&format!("{links}points = \"instructions\"\nscopes = [\"once\"]"));
    let (fault, place) = point(&steps.expect("a plan"), 3, Scope::Once);
    assert_eq!(fault.trigger, [main, mark(1), Link::Instructions { count: 2 }]);
    assert_eq!(place, "instruction 3 from crashrig_main, then crashrig_mark");
}

#[test]
fn a_value_is_a_whole_command() {
    let lines = "trigger = [{ at = \"boot\" }]\npoints = \"values\"\nscopes = [\"once\"]\n\
                 values = { from = 10, to = 31, step = 10 }";
    let plan = plan(lines).expect("a plan");
    assert_eq!(plan.count(), Some(3));
    let parameter = |number| match point(&plan, number, Scope::Once).0.effect {
        Effect::Bytes { bytes, .. } => Mailbox::read(&bytes).map(|it| it.parameters[0]),
        other => panic!("{other:?}"),
    };
    assert_eq!([1, 2, 3].map(parameter), [Some(10), Some(20), Some(30)]);
}

#[test]
fn a_name_that_the_image_lacks_is_named() {
    let rest = "effect = { do = \"skip\" }\nscopes = [\"once\"]\npoints = \"instructions\"\n";
    let error = plan(&format!("{rest}trigger = [{{ symbol = \"nowhere\" }}]")).unwrap_err();
    assert!(error.starts_with("find symbol nowhere in "), "{error}");
    let load = "trigger = [{ load = { region = \"attic\" } }]";
    let error = plan(&format!("{rest}{load}")).unwrap_err();
    assert!(error.contains("find region attic") && error.contains("record-first"), "{error}");
    let load = "trigger = [{ load = { region = \"ledger\", offset = 128 } }]";
    let error = plan(&format!("{rest}{load}")).unwrap_err();
    assert!(error.contains("from offset 128 of ledger: it has 128"), "{error}");
}

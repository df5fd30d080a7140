//! Scenario files that must be refused, each with what the message must say (`.err` beside it).
#![expect(clippy::expect_used, clippy::panic, reason = "a test may stop anywhere")]

use crashrig_harness::scenario::check::parse;
use std::path::Path;

/// What parsing a file says.
fn message(path: &Path) -> String {
    let text = std::fs::read_to_string(path).expect("a file of this folder");
    match parse(path, text) {
        Ok(_) => panic!("{} was accepted", path.display()),
        Err(error) => error.to_string(),
    }
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad")
}

#[test]
fn every_bad_file_is_refused_with_its_message() {
    let mut count = 0;
    for entry in std::fs::read_dir(folder()).expect("tests/bad") {
        let path = entry.expect("an entry").path();
        if path.extension() != Some("toml".as_ref()) {
            continue;
        }
        let expected = std::fs::read_to_string(path.with_extension("err")).expect("an .err file");
        let found = message(&path);
        assert!(found.contains(expected.trim()), "{}:\n{found}", path.display());
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(found.contains(&name), "the message names the file: {found}");
        count += 1;
    }
    assert!(count >= 25, "{count} files");
}

#[test]
fn all_problems_are_reported_at_once() {
    let found = message(&folder().join("several-problems.toml"));
    for part in ["timeline[0]", "boot[1].fault", "boot[1].end"] {
        assert!(found.contains(part), "{part} in {found}");
    }
}

#[test]
fn a_control_must_say_how_it_is_judged() {
    let text =
        "timeline = [\"1. a step\"]\ntitle = \"t\"\n[[boot]]\nstart = \"cold\"\nend = \"clean\"\n";
    let path = Path::new("control/nothing.toml");
    let error = parse(path, text.to_owned()).expect_err("a control without a judgement");
    assert!(error.to_string().contains("control: found nothing, expected how"), "{error}");
    let judged = |verdict: &str, mismatches: &str| {
        let control =
            format!("control = {{ verdict = \"{verdict}\", mismatches = {mismatches} }}\n");
        let text = text.replacen("[[boot]]", &format!("{control}[[boot]]"), 1);
        parse(path, text).map(|_| ()).map_err(|error| error.to_string())
    };
    assert!(judged("pass", "[\"end\"]").is_err_and(|text| text.contains("other than pass")));
    assert!(judged("crash", "[]").is_err_and(|text| text.contains("control.mismatches")));
    assert!(judged("crahs", "[\"end\"]").is_err_and(|text| text.contains("one of infrastructure")));
    assert_eq!(judged("crash", "[\"end\"]"), Ok(()));
}

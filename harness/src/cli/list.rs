//! `crashrig list`: the tests of this machine.

use super::CommandError;
use super::say::say;
use crate::exit;
use crate::rig::Rig;
use serde_json::json;

/// Arguments of `list`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn list(arguments: &Arguments) -> Result<u8, CommandError> {
    let tests = Rig::here().tests()?;
    if arguments.json {
        let rows: Vec<_> = tests
            .iter()
            .map(|test| {
                json!({
                    "test": test.name,
                    "title": test.scenario.title,
                    "scenario": test.scenario.path,
                    "target": test.target.name(),
                    "version": test.target.version(),
                    "board": test.target.board().name,
                    "ignored": test.ignored,
                })
            })
            .collect();
        say!("{:#}", json!({ "schema": crate::output::json::SCHEMA, "tests": rows }));
    } else {
        for test in &tests {
            let note = test
                .ignored
                .as_ref()
                .map_or(String::new(), |reason| format!("  ignored, {reason}"));
            say!("{}{note}", test.name);
        }
    }
    Ok(exit::PASS)
}

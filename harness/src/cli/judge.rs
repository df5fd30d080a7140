//! `crashrig judge`: stored bundles, without a device; the same verdicts as in the run.

use super::CommandError;
use crate::execute::judge_bundle;
use crate::exit;
use crate::rig::Rig;
use crate::verdict::VerdictKind;
use std::path::PathBuf;

/// Arguments of `judge`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folders with an evidence.json.
    #[arg(required = true, value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,
    /// Print the verdicts as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn judge(arguments: &Arguments) -> Result<u8, CommandError> {
    let boards = Rig::here().boards();
    let mut code = exit::PASS;
    let mut rows = Vec::new();
    for bundle in &arguments.bundles {
        let outcome = judge_bundle(bundle, &boards)?;
        code = match outcome.verdict.kind {
            VerdictKind::Pass => code,
            VerdictKind::Infrastructure if code == exit::PASS => exit::INFRASTRUCTURE,
            VerdictKind::Infrastructure => code,
            _ => exit::FAIL,
        };
        if arguments.json {
            rows.push(serde_json::json!({
                "test": outcome.evidence.test,
                "bundle": bundle,
                "verdict": outcome.verdict,
            }));
        } else if outcome.verdict.is_pass() {
            println!("judge {} ... ok ({})", outcome.evidence.test, outcome.summary());
        } else {
            println!("judge {} ... FAILED\n\n{}", outcome.evidence.test, outcome.failure());
        }
    }
    if arguments.json {
        println!(
            "{:#}",
            serde_json::json!({ "schema": crate::output::json::SCHEMA, "bundles": rows })
        );
    }
    Ok(code)
}

//! `crashrig judge`: stored bundles, without a device; the same verdicts as in the run.

use super::CommandError;
use super::say::say;
use crate::evidence::EVIDENCE_FILE;
use crate::execute::judge_bundle;
use crate::exit;
use crate::rig::Rig;
use crate::verdict::VerdictKind;
use std::path::PathBuf;

/// Arguments of `judge`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folders with an evidence.json, or folders of such folders.
    #[arg(required = true, value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,
    /// Print the verdicts as JSON.
    #[arg(long)]
    json: bool,
}

/// The folders that were named, or for a run's folder the bundles in it.
fn bundles(named: &[PathBuf]) -> Vec<PathBuf> {
    let is_bundle = |folder: &PathBuf| folder.join(EVIDENCE_FILE).is_file();
    let mut bundles = Vec::new();
    for folder in named {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut inside: Vec<_> = entries.map(|entry| entry.path()).filter(is_bundle).collect();
        inside.sort();
        if is_bundle(folder) || inside.is_empty() {
            inside = vec![folder.clone()];
        }
        bundles.extend(inside);
    }
    bundles
}

pub(super) fn judge(arguments: &Arguments) -> Result<u8, CommandError> {
    let boards = Rig::here().boards();
    let mut code = exit::PASS;
    let mut rows = Vec::new();
    for bundle in &bundles(&arguments.bundles) {
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
            say!("judge {} ... ok ({})", outcome.evidence.test, outcome.summary());
        } else {
            say!("judge {} ... FAILED\n\n{}", outcome.evidence.test, outcome.failure());
        }
    }
    if arguments.json {
        say!("{:#}", serde_json::json!({ "schema": crate::output::json::SCHEMA, "bundles": rows }));
    }
    Ok(code)
}

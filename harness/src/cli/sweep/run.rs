//! Injects: the golden run first, then what is left of a shard.

use super::progress::ProgressLine;
use super::results::json;
use super::{Run, SweepError, worst};
use crate::cli::CommandError;
use crate::cli::interrupt::Interrupt;
use crate::cli::say::{complain, say};
use crate::execute::shown;
use crate::exit;
use crate::rig::{Rig, seed};
use crate::sweep::SWEEPS_FOLDER;
use crate::sweep::campaign::Campaign;
use crate::sweep::outcome::Outcome;
use crate::sweep::result::{InjectionResult, PointNumber};
use crate::sweep::schedule::processors::processors;
use crate::sweep::schedule::{End, Orders};
use crate::sweep::session::{Conclusion, conduct};
use crate::sweep::shard::{Shard, environment};
use crate::sweep::work::Work;

pub(super) fn run(arguments: &Run) -> Result<u8, CommandError> {
    let (rig, seed) = (Rig::here(), seed()?);
    let shard = match arguments.shard {
        Some(shard) => shard,
        None => environment::shard(|name| std::env::var(name).ok())
            .map_err(SweepError::from)?
            .unwrap_or(Shard::WHOLE),
    };
    // Every file is read before anything is run.
    let mut campaigns = Vec::new();
    for file in &arguments.files {
        let Run { board, engine, .. } = arguments;
        let campaign = Campaign::open(&rig, file, board.as_deref(), *engine, seed);
        let campaign = campaign.map_err(SweepError::from)?;
        // Of one point that is run again, somebody wants to see the run.
        let runs_all = arguments.no_prune || arguments.only.is_some();
        campaigns.push(if runs_all { campaign.without_pruning() } else { campaign });
    }
    if let Some(point) = arguments.only {
        return only(arguments, PointNumber(point), &campaigns);
    }
    let interrupt = Interrupt::listen()?;
    let out = match &arguments.out {
        Some(folder) => folder.clone(),
        None => rig.target_folder.join(SWEEPS_FOLDER),
    };
    let processors = processors(arguments.jobs.map(usize::from), shard);
    let is_stop_asked = || interrupt.is_asked();
    let orders = Orders { shard, processors: &processors, is_stop_asked: &is_stop_asked };
    let (mut codes, mut reports) = (Vec::new(), Vec::new());
    for campaign in &campaigns {
        let line = ProgressLine::new();
        let concluded = conduct(&rig, campaign, &out, &orders, &mut |now| line.show(now));
        line.clear();
        match concluded.map_err(SweepError::from)? {
            Conclusion::NotGolden(failure) => {
                let name = &campaign.test.name;
                complain!("sweep {name}: the golden run fails, so nothing is injected");
                say!("\n{failure}");
                codes.push(exit::FAIL);
            }
            Conclusion::Injected { end, folder, report } => {
                if !arguments.json {
                    say!("{report}\n");
                }
                codes.push(report.exit_code());
                reports.push(*report);
                if end == End::Interrupted {
                    complain!("stopped; results are kept in {}. To go on:", shown(&folder));
                    complain!("  {}", command());
                    codes.push(exit::INTERRUPTED);
                    break;
                }
            }
        }
    }
    if arguments.json {
        say!("{}", json(&reports));
    }
    if let Some(path) = &arguments.report {
        std::fs::write(path, json(&reports))
            .map_err(|source| CommandError::Output { path: path.clone(), source })?;
    }
    Ok(worst(codes))
}

/// One point, again.
fn only(arguments: &Run, point: PointNumber, campaigns: &[Campaign]) -> Result<u8, CommandError> {
    let [campaign] = campaigns else {
        let text = "--only: found several files, expected one".to_owned();
        return Err(CommandError::Usage(text));
    };
    let sweep = campaign.identity();
    let is_point = point.0 >= 1 && sweep.extent.last().is_none_or(|last| point.0 <= last);
    if !is_point {
        let last = sweep.extent.last().map_or(String::new(), |last| format!(" to {last}"));
        let text = format!("--only: found {}, expected a point from 1{last}", point.0);
        return Err(CommandError::Usage(text));
    }
    let first = sweep.scopes.first().copied();
    let Some(scope) = arguments.scope.or(first).filter(|scope| sweep.scopes.contains(scope)) else {
        let known: Vec<_> = sweep.scopes.iter().map(ToString::to_string).collect();
        let text = format!("--scope: expected one of {}", known.join(", "));
        return Err(CommandError::Usage(text));
    };
    let processor = processors(Some(1), Shard::WHOLE).into_iter().next().unwrap_or(0);
    let result = campaign.worker(processor).and_then(|mut worker| worker.run(point, scope));
    let result = result.map_err(crate::rig::RigError::from)?;
    say_result(&result, arguments.json);
    Ok(match result.outcome {
        Outcome::HarnessError => exit::INFRASTRUCTURE,
        Outcome::NotActivated => exit::NOTHING_SELECTED,
        outcome if sweep.allows(outcome) => exit::PASS,
        _ => exit::FAIL,
    })
}

fn say_result(result: &InjectionResult, is_json: bool) {
    if is_json {
        say!("{}", serde_json::to_string(result).unwrap_or_else(|error| error.to_string()));
        return;
    }
    let InjectionResult { point, scope, place, outcome, detail, .. } = result;
    say!("point {}, {scope}: {place}", point.0);
    say!("  {}", outcome.name());
    detail.lines().for_each(|line| say!("  {line}"));
    if let Some(pc) = result.pc {
        say!("  the effect came at {pc:#010x}");
    }
    say!("  {} instructions, evidence {:016x}", result.instructions, result.evidence_hash);
}

/// The command line of this process, as one would type it.
fn command() -> String {
    let words = std::env::args().skip(1).map(|word| match word.contains(char::is_whitespace) {
        true => format!("'{word}'"),
        false => word,
    });
    std::iter::once("cargo rig".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

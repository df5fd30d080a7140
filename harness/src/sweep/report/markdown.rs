//! Reports as one table for a document. Only what is the same in every run stands in it.

use super::text::replaced;
use super::{Report, ScopeReport};
use crate::sweep::outcome::Outcome;
use crate::sweep::words::thousands;
use crate::sweep::work::Extent;

/// A row for each sweep and scope, a column for each outcome that any of them has.
#[must_use]
pub fn table(reports: &[Report]) -> String {
    let is_there = |outcome: &Outcome| reports.iter().any(|report| report.count(*outcome) > 0);
    let outcomes: Vec<_> = Outcome::ALL.into_iter().filter(is_there).collect();
    let mut rows = vec![
        ["sweep", "scope", "points"]
            .into_iter()
            .chain(outcomes.iter().map(|outcome| outcome.name()))
            .map(str::to_owned)
            .collect::<Vec<_>>(),
    ];
    rows.push(rows.iter().flatten().map(|_| "---".to_owned()).collect());
    for report in reports {
        for scope in &report.scopes {
            let name = format!("`{}`", report.sweep.name);
            let mut cells = vec![name, scope.scope.clone(), points(report, scope)];
            cells.extend(outcomes.iter().map(|outcome| cell(scope, *outcome)));
            rows.push(cells);
        }
    }
    let mut text: String =
        rows.iter().map(|cells| format!("| {} |\n", cells.join(" | "))).collect();
    for report in reports {
        for replacement in &report.cost.replacements {
            text += &format!("\n`{}`: {}\n", report.sweep.name, replaced(replacement));
        }
    }
    text
}

fn points(report: &Report, scope: &ScopeReport) -> String {
    let missing = match scope.missing {
        0 => String::new(),
        missing => format!(", {} not run", thousands(missing)),
    };
    let text = match (report.sweep.extent, scope.points) {
        (Extent::Sampled { count, population }, _) => {
            let of = population.map_or("unknown many".to_owned(), thousands);
            format!("{} of {of}, seed {:#x}", thousands(count), report.sweep.seed)
        }
        (Extent::Exhaustive { count }, _) => format!("all {}", thousands(count)),
        (Extent::Open, Some(end)) => format!("all {}", thousands(end.saturating_sub(1))),
        (Extent::Open, None) if scope.is_endless => "no end".to_owned(),
        (Extent::Open, None) => "end not reached".to_owned(),
    };
    text + &missing
}

fn cell(scope: &ScopeReport, outcome: Outcome) -> String {
    let found = scope.counts.iter().find(|count| count.outcome == outcome);
    found.map_or("0".to_owned(), ToString::to_string)
}

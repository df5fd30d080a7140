//! Results of sweeps that were run: merged, and reported.

use super::{Merge, SweepError, worst};
use crate::cli::say::say;
use crate::execute::shown;
use crate::sweep::report::{Report, markdown_table};
use crate::sweep::shard::Shard;
use crate::sweep::store::table::{Table, TableError};
use std::path::Path;

pub(super) fn merge(arguments: &Merge) -> Result<u8, SweepError> {
    let mut table = Table::open(&arguments.database)?;
    for place in &arguments.results {
        merge_place(&mut table, place)?;
    }
    let reports = reports(&table)?;
    for report in &reports {
        say!("{}: {}", report.sweep.name, report.verdict());
    }
    say!("merged into {}", shown(&arguments.database));
    Ok(crate::exit::PASS)
}

pub(super) fn report(arguments: &super::Report) -> Result<u8, SweepError> {
    let mut all = Vec::new();
    for place in &arguments.places {
        all.extend(match place.is_dir() {
            true => {
                let mut table = Table::in_memory()?;
                table.merge_folder(place)?;
                reports(&table)?
            }
            false => reports(&Table::open_existing(place)?)?,
        });
    }
    if arguments.json {
        say!("{}", json(&all));
    } else if arguments.markdown {
        say!("{}", markdown_table(&all).trim_end());
    } else {
        let texts: Vec<_> = all.iter().map(ToString::to_string).collect();
        say!("{}", texts.join("\n\n"));
    }
    Ok(worst(all.iter().map(Report::exit_code)))
}

/// Reports as JSON, of which the form is versioned like all others.
pub(super) fn json(reports: &[Report]) -> String {
    format!("{:#}", serde_json::json!({ "schema": 1, "sweeps": reports }))
}

fn merge_place(table: &mut Table, place: &Path) -> Result<(), TableError> {
    match place.is_dir() {
        true => table.merge_folder(place),
        false => table.merge_file(place),
    }
}

fn reports(table: &Table) -> Result<Vec<Report>, TableError> {
    let sweeps = table.sweeps()?;
    sweeps.iter().map(|sweep| Report::of(table, sweep, Shard::WHOLE)).collect()
}

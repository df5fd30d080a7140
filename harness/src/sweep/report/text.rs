//! A report as people read it.

use super::{Count, Example, Report, ScopeReport};
use crate::sweep::outcome::Outcome;
use crate::sweep::shard::Shard;
use crate::sweep::store::table::Replacement;
use crate::sweep::words::{share, thousands};
use crate::sweep::work::{Extent, InsteadOf, OPEN_LIMIT};
use std::fmt::{self, Display, Formatter};

impl Display for Report {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let sweep = &self.sweep;
        writeln!(out, "sweep {} ({})", sweep.name, sweep.file)?;
        let (target, image, seed) = (&sweep.target, &sweep.image, sweep.seed);
        writeln!(out, "  {target}, image {image}, seed {seed:#x}")?;
        writeln!(out, "  {}", self.extent())?;
        self.write_counts(out)?;
        for example in &self.examples {
            write_example(out, example, self.count(example.result.outcome))?;
        }
        self.write_cost(out)?;
        write!(out, "{}", self.verdict())
    }
}

impl Report {
    /// How much of how much.
    fn extent(&self) -> String {
        let kind = match self.sweep.extent {
            Extent::Open => "open: each scope ends at the first point that is not activated".into(),
            Extent::Exhaustive { count } => format!("exhaustive: {} points", thousands(count)),
            Extent::Sampled { count, population } => {
                let of = population.map_or("unknown many".to_owned(), thousands);
                format!("sampled: {} of {of} points, drawn by the seed", thousands(count))
            }
        };
        match self.shard {
            Shard::WHOLE => kind,
            shard => format!("{kind}; this is shard {shard} alone"),
        }
    }

    fn write_counts(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let cells: Vec<_> = self.scopes.iter().map(|scope| scope.scope.clone()).collect();
        writeln!(out)?;
        write_row(out, "outcome", &cells)?;
        for outcome in Outcome::ALL.into_iter().filter(|outcome| self.count(*outcome) > 0) {
            let cell = |scope: &ScopeReport| {
                let found = scope.counts.iter().find(|count| count.outcome == outcome);
                found.map_or("0".to_owned(), Count::to_string)
            };
            write_row(out, outcome.name(), &self.scopes.iter().map(cell).collect::<Vec<_>>())?;
        }
        let activated = |scope: &ScopeReport| thousands(scope.activated);
        write_row(out, "all activated", &self.scopes.iter().map(activated).collect::<Vec<_>>())
    }

    fn write_cost(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(out, "\n{} instructions in all", thousands(self.instructions))?;
        let cost = &self.cost;
        if cost.pruned > 0 {
            let pruned = thousands(cost.pruned);
            writeln!(out, "{pruned} pruned: nobody reads what they flip before it is overwritten")?;
        }
        let Some(rate) = cost.per_second_and_worker() else { return Ok(()) };
        let engines: Vec<_> = cost
            .engines
            .iter()
            .map(|(engine, count)| format!("{engine} ({} started)", thousands(*count)))
            .collect();
        writeln!(
            out,
            "{} injections in {}.{:03} s: {} a second and worker; engine {}",
            thousands(cost.injections),
            cost.milliseconds / 1_000,
            cost.milliseconds % 1_000,
            thousands(rate),
            engines.join(", ")
        )?;
        cost.replacements.iter().try_for_each(|it| writeln!(out, "{}", replaced(it)))
    }

    /// One line.
    #[must_use]
    pub fn verdict(&self) -> String {
        let file = &self.sweep.file;
        let (bad, failed) = (self.not_allowed(), self.count(Outcome::HarnessError));
        if bad > 0 {
            format!("FAILED: {} injections came to what is not allowed", thousands(bad))
        } else if self.is_endless() {
            format!("FAILED: no end within {} points", thousands(OPEN_LIMIT))
        } else if failed > 0 {
            let failed = thousands(failed);
            format!("no verdict: the bench failed in {failed} injections; they are run again")
        } else if !self.is_complete() {
            let missing: u64 = self.scopes.iter().map(|scope| scope.missing).sum();
            let left = match self.scopes.iter().any(|scope| scope.points.is_none()) {
                true => "the end is not reached".to_owned(),
                false => format!("{} injections are left", thousands(missing)),
            };
            format!("no verdict yet: {left}; go on with `cargo rig sweep {file}`")
        } else if self.shard != Shard::WHOLE {
            format!("shard {} is complete; `cargo rig sweep merge` joins all", self.shard)
        } else if self.activated() == 0 {
            "no verdict: nothing was injected, the trigger was never met".to_owned()
        } else {
            "passed".to_owned()
        }
    }
}

impl Display for Count {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(&thousands(self.injections))?;
        match self.interval {
            None => Ok(()),
            Some((low, high)) => write!(out, " ({} to {})", share(low), share(high)),
        }
    }
}

fn write_row(out: &mut Formatter<'_>, name: &str, cells: &[String]) -> fmt::Result {
    write!(out, "  {name:<24}")?;
    for cell in cells {
        write!(out, "  {cell:>26}")?;
    }
    writeln!(out)
}

fn write_example(out: &mut Formatter<'_>, example: &Example, count: u64) -> fmt::Result {
    let result = &example.result;
    let (name, count) = (result.outcome.name(), thousands(count));
    writeln!(out)?;
    match &example.allowed {
        Some(reason) => writeln!(out, "{name}, {count} times, allowed: {reason}")?,
        None => writeln!(out, "{name}, {count} times, not allowed")?,
    }
    write!(out, "  first: {}", result.place)?;
    if let Some(pc) = result.pc {
        write!(out, ", at {pc:#010x}")?;
    }
    writeln!(out)?;
    for line in result.detail.lines() {
        writeln!(out, "    {line}")?;
    }
    writeln!(out, "  {}", example.command)
}

/// Which engine was used in place of which, and why.
pub(super) fn replaced(it: &Replacement) -> String {
    let InsteadOf { engine, reason } = &it.instead_of;
    format!("engine {} in place of {engine}: {reason}", it.engine)
}

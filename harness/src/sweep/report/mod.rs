//! What a sweep came to: counts, how much of it was run, the first example of each outcome that is
//! not what one hopes for, and what it cost. Made from its table and nothing else, so that it can
//! be had again at any time.

pub mod interval;
mod markdown;
mod text;

pub use markdown::table as markdown_table;

use super::fault::Scope;
use super::outcome::Outcome;
use super::result::InjectionResult;
use super::shard::Shard;
use super::store::table::{Cost, Table, TableError};
use super::work::{Extent, Identity, OPEN_LIMIT};
use crate::exit;
use crate::scenario::sweep::always_good;
use serde::Serialize;

/// What a sweep, or one shard of it, came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The sweep.
    pub sweep: Identity,
    /// The part of it that was looked at.
    pub shard: Shard,
    /// Each scope, in the order of the sweep.
    pub scopes: Vec<ScopeReport>,
    /// The first of each outcome that a file must allow, or that it does not.
    pub examples: Vec<Example>,
    /// Instructions of all injections together.
    pub instructions: u64,
    /// What it cost, as far as it was written down.
    pub cost: Cost,
}

/// One scope.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScopeReport {
    /// The scope, in a word.
    pub scope: String,
    /// Injections that were activated. Shares are shares of these.
    pub activated: u64,
    /// Points that are to be run; `None` while the end of an open sweep is not found.
    pub points: Option<u64>,
    /// Whether an open sweep came to its most points without an end.
    pub is_endless: bool,
    /// Points that are still to be run, as far as that is known.
    pub missing: u64,
    /// The outcomes there are, in the order of [`Outcome::ALL`].
    pub counts: Vec<Count>,
}

/// One outcome in one scope.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Count {
    /// The outcome.
    pub outcome: Outcome,
    /// How often.
    pub injections: u64,
    /// In a sample: Wilson's interval of 95 % for its share in all points.
    pub interval: Option<(f64, f64)>,
}

/// The first injection with an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Why the sweep allows it; `None` if it does not.
    pub allowed: Option<String>,
    /// The injection: no point before it came to this outcome.
    pub result: InjectionResult,
    /// What runs it again.
    pub command: String,
}

impl Report {
    /// The report of a sweep in a table, or of one shard of it.
    ///
    /// # Errors
    /// The table cannot be read.
    pub fn of(table: &Table, sweep: &Identity, shard: Shard) -> Result<Self, TableError> {
        let mut report = Self {
            sweep: sweep.clone(),
            shard,
            scopes: Vec::new(),
            examples: Vec::new(),
            instructions: 0,
            cost: table.cost(&sweep.id)?,
        };
        let mut tallies = vec![Tally::default(); sweep.scopes.len()];
        table.each_result(&sweep.id, |result| {
            let index = sweep.scopes.iter().position(|scope| *scope == result.scope);
            if let Some(tally) = index.and_then(|index| tallies.get_mut(index)) {
                tally.add(&result, shard);
            }
            if shard.has(result.point.0) {
                report.instructions += result.instructions;
                report.look_at(result);
            }
            Ok(())
        })?;
        let scopes = sweep.scopes.iter().zip(&tallies);
        report.scopes = scopes.map(|(scope, tally)| tally.report(*scope, sweep, shard)).collect();
        report.examples.sort_by_key(|example| example.result.outcome);
        Ok(report)
    }

    /// Keeps a result if it is the first of an outcome that needs one.
    fn look_at(&mut self, result: InjectionResult) {
        let outcome = result.outcome;
        let is_first = self.examples.iter().all(|example| example.result.outcome != outcome);
        if is_first && (!always_good(outcome) || self.sweep.forbidden.contains(&outcome)) {
            let allowance = self.sweep.allowed.iter().find(|entry| entry.outcome == outcome);
            let allowed = allowance.map(|entry| entry.reason.clone());
            let command = self.sweep.replay(result.point, result.scope);
            self.examples.push(Example { allowed, result, command });
        }
    }

    /// Whether all points were run.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.scopes.iter().all(|scope| scope.points.is_some() && scope.missing == 0)
    }

    /// How often an outcome came, in all scopes.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> u64 {
        let counts = self.scopes.iter().flat_map(|scope| &scope.counts);
        counts.filter(|count| count.outcome == outcome).map(|count| count.injections).sum()
    }

    /// Injections that came to what the sweep does not allow. A bench that failed is none.
    #[must_use]
    pub fn not_allowed(&self) -> u64 {
        Outcome::ALL
            .into_iter()
            .filter(|outcome| *outcome != Outcome::HarnessError && !self.sweep.allows(*outcome))
            .map(|outcome| self.count(outcome))
            .sum()
    }

    /// Whether a scope of an open sweep came to [`OPEN_LIMIT`] without an end.
    #[must_use]
    pub fn is_endless(&self) -> bool {
        self.scopes.iter().any(|scope| scope.is_endless)
    }

    /// Injections that were activated.
    #[must_use]
    pub fn activated(&self) -> u64 {
        self.scopes.iter().map(|scope| scope.activated).sum()
    }

    /// The exit code. A sweep in which nothing was injected never passes; of a shard that happens
    /// to have no point of its own, nothing can be said.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.not_allowed() > 0 || self.is_endless() {
            exit::FAIL
        } else if self.count(Outcome::HarnessError) > 0 {
            exit::INFRASTRUCTURE
        } else if !self.is_complete() {
            exit::INTERRUPTED
        } else if self.activated() == 0 && self.shard == Shard::WHOLE {
            exit::NOTHING_SELECTED
        } else {
            exit::PASS
        }
    }
}

/// One scope, while results are counted.
#[derive(Debug, Clone, Default)]
struct Tally {
    counts: [u64; Outcome::ALL.len()],
    /// The first point that was not activated, of whatever shard.
    end: Option<u64>,
    /// The last point of the shard that has a result.
    last: u64,
    /// Results of the shard, without those of a failed bench.
    done: u64,
}

impl Tally {
    fn add(&mut self, result: &InjectionResult, shard: Shard) {
        let (outcome, point) = (result.outcome, result.point.0);
        if outcome == Outcome::NotActivated {
            self.end = Some(self.end.map_or(point, |end| end.min(point)));
        }
        if !shard.has(point) {
            return;
        }
        self.last = self.last.max(point);
        self.done += u64::from(outcome != Outcome::HarnessError);
        for (count, other) in self.counts.iter_mut().zip(Outcome::ALL) {
            *count += u64::from(other == outcome);
        }
    }

    fn report(&self, scope: Scope, sweep: &Identity, shard: Shard) -> ScopeReport {
        // Neither was injected: the trigger was not met, or the bench failed.
        let is_none = |outcome| matches!(outcome, Outcome::NotActivated | Outcome::HarnessError);
        let all = || self.counts.iter().copied().zip(Outcome::ALL);
        let activated = all().filter(|(_, it)| !is_none(*it)).map(|(count, _)| count).sum();
        let is_sample = matches!(sweep.extent, Extent::Sampled { .. });
        let last = if sweep.extent == Extent::Open { self.end } else { sweep.extent.last() };
        let points = last.map(|last| shard.points_to(last));
        let counts =
            all().filter(|(injections, _)| *injections > 0).map(|(injections, outcome)| {
                let interval = (is_sample && !is_none(outcome))
                    .then(|| interval::wilson(injections, activated));
                Count { outcome, injections, interval }
            });
        ScopeReport {
            scope: scope.to_string(),
            activated,
            points,
            is_endless: last.is_none() && self.last.saturating_add(shard.step()) > OPEN_LIMIT,
            missing: points.map_or(0, |points| points.saturating_sub(self.done)),
            counts: counts.collect(),
        }
    }
}

//! One injection after another, or many at once: plan, engine and classifier brought together.
//!
//! What injections are judged by is not the undisturbed run but one that is stopped where the
//! trigger is met and in which nothing is done: a stop lets an emulator's clock jump, so the two
//! may differ in when clock ticks come. It is repeated again and again as a canary: an engine that
//! comes to something else is not used any more, and nothing that it said since is a result.

use super::classify::{Classifier, Judgement};
use super::engine::{Engine, Trace};
use super::fault::{Fault, Scope};
use super::outcome::Outcome;
use super::plan::Plan;
use super::prune::Pruning;
use super::result::{InjectionResult, PointNumber};
use super::work::{InsteadOf, Worker};
use crate::target::{BenchError, Boundary};

/// The place of a point that a plan does not have.
const BEHIND: &str = "behind the last point";

/// An engine at work on a plan.
pub struct Runner<'a> {
    plan: &'a Plan,
    engine: Box<dyn Engine + 'a>,
    golden: Trace,
    /// The engine in whose place this one is used.
    instead_of: Option<InsteadOf>,
    /// Flips that need no run.
    pruning: Pruning,
    /// How many there were since somebody asked.
    pruned: u64,
    /// How many points there are before where the sweep says that they end.
    limit: Option<u64>,
}

impl<'a> Runner<'a> {
    /// An engine that has shown that it repeats itself.
    ///
    /// # Errors
    /// The bench failed, the engine does not repeat itself, or the stops of the trigger alone
    /// change how the run ends.
    pub fn new(plan: &'a Plan, mut engine: Box<dyn Engine + 'a>) -> Result<Self, BenchError> {
        let undisturbed = engine.run(None)?;
        let golden = golden(plan, engine.as_mut(), undisturbed)?;
        let limit = limit(plan, engine.as_mut(), &golden)?;
        let (instead_of, pruning) = (None, Pruning::default());
        let mut runner = Self { plan, engine, golden, instead_of, pruning, pruned: 0, limit };
        runner.check()?;
        Ok(runner)
    }

    /// The same, in place of an engine that cannot be used.
    #[must_use]
    pub fn instead_of(mut self, other: Option<InsteadOf>) -> Self {
        self.instead_of = other;
        self
    }

    /// The same without runs of flips that are overwritten before they are read.
    ///
    /// # Errors
    /// The bench failed.
    pub fn pruning(mut self) -> Result<Self, BenchError> {
        if self.golden.fired > 0 {
            self.pruning = Pruning::of(self.plan, self.engine.as_mut())?;
        }
        Ok(self)
    }

    /// The run by which injections are judged.
    #[must_use]
    pub const fn golden(&self) -> &Trace {
        &self.golden
    }

    /// The fault of a point and where it is in words; why there is none where the plan does not
    /// have the point, which is not activated then.
    fn planned(&self, point: PointNumber, scope: Scope) -> Result<(Fault, String), String> {
        if let Some(limit) = self.limit.filter(|limit| point.0 > *limit) {
            return Err(format!("behind the last of {limit} instructions"));
        }
        self.plan.point(point, scope).ok_or_else(|| BEHIND.to_owned())
    }
}

impl Worker for Runner<'_> {
    fn engine(&self) -> &str {
        self.engine.name()
    }

    fn instead_of(&self) -> Option<&InsteadOf> {
        self.instead_of.as_ref()
    }

    fn run(&mut self, point: PointNumber, scope: Scope) -> Result<InjectionResult, BenchError> {
        let result = self.run_all(&[(point, scope)])?.pop();
        result.ok_or_else(|| BenchError(format!("inject at point {}: no result", point.0)))
    }

    fn together(&self) -> usize {
        self.engine.together()
    }

    fn take_pruned(&mut self) -> u64 {
        std::mem::take(&mut self.pruned)
    }

    fn run_all(
        &mut self,
        injections: &[(PointNumber, Scope)],
    ) -> Result<Vec<InjectionResult>, BenchError> {
        let planned = injections.iter().map(|(point, scope)| self.planned(*point, *scope));
        let planned: Vec<_> = planned.collect();
        let (mut faults, mut are_dead) = (Vec::new(), Vec::new());
        for (fault, _) in planned.iter().flatten() {
            let is_dead = self.pruning.is_dead(fault, self.engine.as_mut(), &self.golden)?;
            are_dead.push(is_dead);
            faults.extend((!is_dead).then(|| fault.clone()));
        }
        self.pruned += are_dead.iter().filter(|is_dead| **is_dead).count() as u64;
        let (mut traces, mut are_dead) =
            (self.engine.run_all(&faults)?.into_iter(), are_dead.into_iter());
        let region = self.plan.crash_region.clone();
        let classifier = Classifier::new(&self.plan.sweep, region, &self.golden);
        let mut results = Vec::with_capacity(injections.len());
        for ((point, scope), planned) in injections.iter().zip(planned) {
            results.push(match planned {
                Err(place) => nowhere(*point, *scope, place),
                Ok((fault, place)) if are_dead.next() == Some(true) => {
                    judged(&classifier, *point, &fault, place, &self.golden)
                }
                Ok((fault, place)) => {
                    let lost = || BenchError(format!("inject at point {}: no trace", point.0));
                    let trace = traces.next().ok_or_else(lost)?;
                    judged(&classifier, *point, &fault, place, &trace)
                }
            });
        }
        Ok(results)
    }

    fn check(&mut self) -> Result<(), BenchError> {
        let again = match self.plan.neutral().filter(|_| self.golden.fired > 0) {
            Some(fault) => self.engine.run(Some(&fault))?,
            None => self.engine.run(None)?,
        };
        if again == self.golden {
            return Ok(());
        }
        let name = self.engine.name();
        Err(BenchError(format!("repeat the golden run: engine {name} came to another one")))
    }
}

/// One injection, judged. A point that the plan does not have is not activated.
///
/// # Errors
/// The bench failed.
pub fn run_point(
    plan: &Plan,
    engine: &mut dyn Engine,
    golden: &Trace,
    point: PointNumber,
    scope: Scope,
) -> Result<InjectionResult, BenchError> {
    let Some((fault, place)) = plan.point(point, scope) else {
        return Ok(nowhere(point, scope, BEHIND.to_owned()));
    };
    let trace = engine.run(Some(&fault))?;
    let classifier = Classifier::new(&plan.sweep, plan.crash_region.clone(), golden);
    Ok(judged(&classifier, point, &fault, place, &trace))
}

fn judged(
    classifier: &Classifier<'_>,
    point: PointNumber,
    fault: &Fault,
    place: String,
    trace: &Trace,
) -> InjectionResult {
    let Judgement { outcome, detail, evidence_hash } = classifier.judge(fault, trace);
    let instructions = trace.boots.iter().map(|boot| boot.instructions).sum();
    let (scope, pc) = (fault.scope, trace.fired_at);
    InjectionResult { point, scope, place, outcome, detail, pc, instructions, evidence_hash }
}

/// A point that there is not.
fn nowhere(point: PointNumber, scope: Scope, place: String) -> InjectionResult {
    InjectionResult {
        point,
        scope,
        place,
        outcome: Outcome::NotActivated,
        detail: String::new(),
        pc: None,
        instructions: 0,
        evidence_hash: 0,
    }
}

/// How many points a sweep has that says where they end: the instructions from its trigger to
/// there, as the golden run executes them.
fn limit(plan: &Plan, engine: &mut dyn Engine, golden: &Trace) -> Result<Option<u64>, BenchError> {
    let Some(fault) = plan.neutral_end() else { return Ok(None) };
    let end = engine.run(Some(&fault))?;
    match (golden.fired_after, end.fired_after) {
        (Some(first), Some(last)) if end.fired > 0 && last > first => Ok(Some(last - first)),
        _ => Err(BenchError(
            "count the points of a sweep: the golden run does not come from its trigger to where \
             they end"
                .to_owned(),
        )),
    }
}

/// The run that is stopped where the trigger is met; the undisturbed one where it never is.
fn golden(plan: &Plan, engine: &mut dyn Engine, alone: Trace) -> Result<Trace, BenchError> {
    let Some(fault) = plan.neutral() else { return Ok(alone) };
    let stopped = engine.run(Some(&fault))?;
    if stopped.fired == 0 {
        return Ok(alone);
    }
    let ends = |trace: &Trace| -> Vec<Boundary> {
        trace.boots.iter().map(|boot| boot.boundary.clone()).collect()
    };
    if ends(&stopped) == ends(&alone) {
        return Ok(stopped);
    }
    let (found, expected) = (ends(&stopped), ends(&alone));
    Err(BenchError(format!(
        "stop the golden run at its trigger: found ends {found:?}, expected {expected:?}"
    )))
}

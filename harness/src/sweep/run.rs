//! One injection after another: plan, engine and classifier brought together.
//!
//! What injections are judged by is not the undisturbed run but one that is stopped where the
//! trigger is met and in which nothing is done: a stop lets an emulator's clock jump, so the two
//! may differ in when clock ticks come. It is repeated again and again as a canary: an engine that
//! comes to something else is not used any more, and nothing that it said since is a result.

use super::classify::{Classifier, Judgement};
use super::engine::{Engine, Trace};
use super::fault::Scope;
use super::outcome::Outcome;
use super::plan::Plan;
use super::result::{InjectionResult, PointNumber};
use super::work::Worker;
use crate::target::{BenchError, Boundary};

/// Injections from one canary to the next.
pub const CANARY_INTERVAL: u64 = 100;

/// An engine at work on a plan.
pub struct Runner<'a> {
    plan: &'a Plan,
    engine: Box<dyn Engine + 'a>,
    golden: Trace,
    /// How many points there are before where the sweep says that they end.
    limit: Option<u64>,
    /// Injections since the last canary.
    since_canary: u64,
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
        let mut runner = Self { plan, engine, golden, limit, since_canary: 0 };
        runner.canary()?;
        Ok(runner)
    }

    /// The run by which injections are judged.
    #[must_use]
    pub const fn golden(&self) -> &Trace {
        &self.golden
    }

    fn canary(&mut self) -> Result<(), BenchError> {
        self.since_canary = 0;
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

impl Worker for Runner<'_> {
    fn engine(&self) -> &str {
        self.engine.name()
    }

    fn run(&mut self, point: PointNumber, scope: Scope) -> Result<InjectionResult, BenchError> {
        if let Some(limit) = self.limit.filter(|limit| point.0 > *limit) {
            return Ok(nowhere(point, scope, format!("behind the last of {limit} instructions")));
        }
        if self.since_canary == CANARY_INTERVAL {
            self.canary()?;
        }
        self.since_canary += 1;
        run_point(self.plan, self.engine.as_mut(), &self.golden, point, scope)
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
        return Ok(nowhere(point, scope, "behind the last point".to_owned()));
    };
    let trace = engine.run(Some(&fault))?;
    let classifier = Classifier::new(&plan.sweep, plan.crash_region.clone(), golden);
    let Judgement { outcome, detail, evidence_hash } = classifier.judge(&fault, &trace);
    let instructions = trace.boots.iter().map(|boot| boot.instructions).sum();
    let pc = trace.fired_at;
    Ok(InjectionResult { point, scope, place, outcome, detail, pc, instructions, evidence_hash })
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

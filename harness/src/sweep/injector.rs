//! A worker that injects into firmware: point → fault → engine → trace → outcome.
//!
//! In front of its first injection, and of every hundredth, stands the golden run. If it is not
//! that of all workers, the bench does not repeat itself, and no result of it means anything: the
//! campaign ends, and no new worker is let in.

use super::classify::Classifier;
use super::engine::{Engine, Trace};
use super::fault::Scope;
use super::plan::Plan;
use super::result::{InjectionResult, PointNumber};
use super::work::Worker;
use crate::run::Places;
use crate::target::BenchError;
use std::sync::OnceLock;

/// Injections between two golden runs.
const CANARY_EVERY: u32 = 100;

/// The golden run of a campaign, or why there is none any more.
#[derive(Debug, Default)]
pub struct Golden {
    trace: OnceLock<Trace>,
    broken: OnceLock<String>,
}

impl Golden {
    /// The golden run, which is that of whoever asks first. Everybody else must find the same.
    fn checked(&self, engine: &mut dyn Engine) -> Result<&Trace, BenchError> {
        if let Some(broken) = self.broken.get() {
            return Err(BenchError(broken.clone()));
        }
        let trace = engine.run(None)?;
        let golden = self.trace.get_or_init(|| trace.clone());
        if trace == *golden {
            return Ok(golden);
        }
        let differs = trace.boots.iter().zip(&golden.boots).position(|(boot, other)| boot != other);
        let boot = differs.unwrap_or(golden.boots.len().min(trace.boots.len())) + 1;
        let name = engine.name();
        let text = format!("repeat the golden run on engine {name}: boot {boot} is another one");
        Err(BenchError(self.broken.get_or_init(|| text).clone()))
    }
}

/// A worker with an engine.
pub struct Injector<'a> {
    plan: &'a Plan,
    golden: &'a Golden,
    engine: Box<dyn Engine>,
    classifier: Classifier<'a>,
    /// Injections until the next golden run.
    canary_in: u32,
}

impl<'a> Injector<'a> {
    /// A worker for a plan, after its golden run.
    ///
    /// # Errors
    /// The bench failed, or the golden run is another one than that of the workers before.
    pub fn new(
        plan: &'a Plan,
        places: Places,
        golden: &'a Golden,
        mut engine: Box<dyn Engine>,
    ) -> Result<Self, BenchError> {
        let trace = golden.checked(engine.as_mut())?;
        let classifier = Classifier::new(&plan.sweep, places, trace);
        Ok(Self { plan, golden, engine, classifier, canary_in: CANARY_EVERY })
    }
}

impl Worker for Injector<'_> {
    fn engine(&self) -> &str {
        self.engine.name()
    }

    fn run(&mut self, point: PointNumber, scope: Scope) -> Result<InjectionResult, BenchError> {
        if self.canary_in == 0 {
            self.golden.checked(self.engine.as_mut())?;
            self.canary_in = CANARY_EVERY;
        }
        self.canary_in -= 1;
        let planned = self.plan.point(point, scope);
        let (fault, place) = planned.ok_or_else(|| BenchError(format!("no point {}", point.0)))?;
        let trace = self.engine.run(Some(&fault))?;
        let judgement = self.classifier.judge(&fault, &trace);
        Ok(InjectionResult {
            point,
            scope,
            place,
            outcome: judgement.outcome,
            detail: judgement.detail,
            pc: trace.fired_at,
            instructions: trace.boots.iter().map(|boot| boot.instructions).sum(),
            evidence_hash: judgement.evidence_hash,
        })
    }
}

//! A sweep without a device, for tests of what runs sweeps and keeps their results: its outcomes
//! come from a hash of point and scope. What injects into real firmware has tests of its own.

use crashrig_harness::noise::Noise;
use crashrig_harness::sweep::fault::Scope;
use crashrig_harness::sweep::outcome::Outcome;
use crashrig_harness::sweep::result::{InjectionResult, PointNumber};
use crashrig_harness::sweep::work::{Allowance, Extent, Identity, SweepId, Work, Worker};
use crashrig_harness::target::BenchError;
use std::time::Duration;

/// The sweep.
pub struct FakeWork {
    pub identity: Identity,
    /// The last point that is activated, for each scope, if the sweep is open.
    pub ends: Vec<u64>,
    /// How long an injection takes.
    pub duration: Duration,
    /// Injections that always fail for the bench.
    pub failing: fn(u64) -> bool,
    /// How many injections are handed to a worker at once.
    pub together: usize,
    /// How many checks of each worker are passed.
    pub good_checks: u64,
}

impl FakeWork {
    /// One with points that are known before, or that end behind `ends`.
    pub fn new(extent: Extent, ends: [u64; 2]) -> Self {
        let text = format!("{extent:?} {ends:?}");
        let allow = |outcome| Allowance { outcome, reason: "it is no device".to_owned() };
        Self {
            identity: Identity {
                id: SweepId::of(&[text.as_bytes()]),
                name: "sweep::fake".to_owned(),
                file: "scenarios/sweep/fake.toml".to_owned(),
                image: "00ff".to_owned(),
                target: "none 0".to_owned(),
                seed: 1,
                sources: "ab".to_owned(),
                extent,
                scopes: vec![Scope::Once, Scope::FromThenOn],
                allowed: vec![allow(Outcome::Latent), allow(Outcome::DetectedLate)],
                forbidden: Vec::new(),
            },
            ends: ends.to_vec(),
            duration: Duration::ZERO,
            failing: |_| false,
            together: 1,
            good_checks: u64::MAX,
        }
    }

    fn result(&self, point: u64, scope: Scope) -> InjectionResult {
        let index = self.identity.scopes.iter().position(|it| *it == scope).unwrap();
        let mut noise = Noise::new(point << 8 | index as u64);
        let is_end = self.identity.extent == Extent::Open
            && self.ends.get(index).is_some_and(|end| point > *end);
        let outcome = match noise.below(8) {
            _ if is_end => Outcome::NotActivated,
            0..=4 => Outcome::Masked,
            5 => Outcome::Latent,
            6 => Outcome::DetectedRight,
            _ => Outcome::DetectedLate,
        };
        InjectionResult {
            point: PointNumber(point),
            scope,
            place: format!("place {point}"),
            outcome,
            detail: String::new(),
            pc: point.is_multiple_of(2).then_some(0x0800_0000),
            instructions: u64::from(noise.below(1_000)),
            evidence_hash: noise.next_word(),
        }
    }
}

impl Work for FakeWork {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn worker(&self, _processor: usize) -> Result<Box<dyn Worker + '_>, BenchError> {
        Ok(Box::new(FakeWorker(self, 0)))
    }
}

/// The sweep, and how many checks there were.
struct FakeWorker<'a>(&'a FakeWork, u64);

impl Worker for FakeWorker<'_> {
    fn engine(&self) -> &str {
        "none"
    }

    fn together(&self) -> usize {
        self.0.together
    }

    fn run(&mut self, point: PointNumber, scope: Scope) -> Result<InjectionResult, BenchError> {
        std::thread::sleep(self.0.duration);
        match (self.0.failing)(point.0) {
            true => Err(BenchError(format!("point {} is not for me", point.0))),
            false => Ok(self.0.result(point.0, scope)),
        }
    }

    fn check(&mut self) -> Result<(), BenchError> {
        self.1 += 1;
        match self.1 > self.0.good_checks {
            true => Err(BenchError("repeat the golden run: no".to_owned())),
            false => Ok(()),
        }
    }
}

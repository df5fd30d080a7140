//! What is to be injected, as the scale part sees it: numbered points, scopes, and workers that
//! each carry out one injection after another. It knows nothing of faults and plans, so that
//! shards, results and reports are tested without a device.

use super::fault::Scope;
use super::hash::Fnv;
use super::outcome::Outcome;
use super::result::{InjectionResult, PointNumber};
use crate::scenario::sweep::always_good;
use crate::target::BenchError;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};

/// A hash over the sources of this program, made by its build script.
pub const SOURCES: &str = env!("CRASHRIG_SOURCES");

/// Names a sweep: a hash over all that decides its results. Engine, shards and number of workers
/// are no part of it, because they must not decide anything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SweepId(String);

impl SweepId {
    /// The id of parts, in their order: text of the sweep, build id of the image, name and version
    /// of the target, seed, sources of this program.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Fnv::default();
        parts.iter().for_each(|part| hash.add_part(part));
        Self(format!("{:016x}", hash.value()))
    }
}

impl Display for SweepId {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Most points of a scope whose number nobody knows before. One that has no end by then is taken
/// to have none: the sweep is red.
pub const OPEN_LIMIT: u64 = 1_000_000;

/// How many points each scope of a sweep has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Extent {
    /// Nobody knows before: a scope ends at its first point that is not activated, and must do so
    /// within [`OPEN_LIMIT`] points.
    Open,
    /// So many, all of which are run.
    Exhaustive {
        /// Number of points.
        count: u64,
    },
    /// So many, drawn by the seed.
    Sampled {
        /// Number of points that are run.
        count: u64,
        /// Number of points that there are, where it is known.
        population: Option<u64>,
    },
}

impl Extent {
    /// The last point, where it is known before.
    #[must_use]
    pub const fn last(self) -> Option<u64> {
        match self {
            Self::Open => None,
            Self::Exhaustive { count } | Self::Sampled { count, .. } => Some(count),
        }
    }
}

/// An outcome that does not make a sweep red, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Allowance {
    /// The outcome.
    pub outcome: Outcome,
    /// Why it is allowed.
    pub reason: String,
}

/// What a sweep is. It opens each file of results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Identity {
    /// Results belong together if, and only if, their ids are equal.
    pub id: SweepId,
    /// Name for people, e.g. `sweep::record_bits`.
    pub name: String,
    /// What is handed to `cargo rig sweep` to run it, e.g. `scenarios/sweep/record_bits.toml`.
    pub file: String,
    /// Build id of the image, in hex.
    pub image: String,
    /// The target and its version, e.g. `qemu 10.0.2 netduinoplus2`.
    pub target: String,
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// A hash over the sources of the program that injects and judges ([`SOURCES`]).
    pub sources: String,
    /// How many points there are.
    pub extent: Extent,
    /// The scopes, in the order in which they are run.
    pub scopes: Vec<Scope>,
    /// Outcomes that are allowed beside those that always are ([`always_good`]).
    pub allowed: Vec<Allowance>,
    /// Outcomes that are not, of those that elsewhere always are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forbidden: Vec<Outcome>,
}

impl Identity {
    /// Whether an outcome leaves the sweep green.
    #[must_use]
    pub fn allows(&self, outcome: Outcome) -> bool {
        (always_good(outcome) && !self.forbidden.contains(&outcome))
            || self.allowed.iter().any(|entry| entry.outcome == outcome)
    }

    /// The command that runs one injection again.
    #[must_use]
    pub fn replay(&self, point: PointNumber, scope: Scope) -> String {
        format!("cargo rig sweep {} --only {} --scope {scope}", self.file, point.0)
    }
}

/// A sweep that can be run.
pub trait Work: Sync {
    /// What it is.
    fn identity(&self) -> &Identity;

    /// A worker with an engine of its own, which runs on one processor of the host. It is called
    /// in the thread that the worker stays in.
    ///
    /// # Errors
    /// No engine can be had; the sweep cannot be run here.
    fn worker(&self, processor: usize) -> Result<Box<dyn Worker + '_>, BenchError>;
}

/// The engine that was wanted first, and why another one is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct InsteadOf {
    /// Its name.
    pub engine: String,
    /// What stood in its way.
    pub reason: String,
}

/// Carries out injections of one sweep. The same point and scope always give the same result,
/// whichever worker is asked.
pub trait Worker {
    /// Name of the engine, for the report: `process`, `snapshot` or `plugin`.
    fn engine(&self) -> &str;

    /// The engine in whose place it is used, if there is one.
    fn instead_of(&self) -> Option<&InsteadOf> {
        None
    }

    /// One injection.
    ///
    /// # Errors
    /// The bench failed; the worker is not used any more.
    fn run(&mut self, point: PointNumber, scope: Scope) -> Result<InjectionResult, BenchError>;

    /// How many injections are best handed to it together, at least 1.
    fn together(&self) -> usize {
        1
    }

    /// How many of the injections since it was last asked needed no run.
    fn take_pruned(&mut self) -> u64 {
        0
    }

    /// Many injections, in their order: what [`Worker::run`] says of each.
    ///
    /// # Errors
    /// The bench failed in one of them, and nobody knows in which; the worker is not used any more.
    fn run_all(
        &mut self,
        injections: &[(PointNumber, Scope)],
    ) -> Result<Vec<InjectionResult>, BenchError> {
        injections.iter().map(|(point, scope)| self.run(*point, *scope)).collect()
    }

    /// Shows that the worker still comes to the golden run. It is asked now and then, and behind
    /// its last injection; what it said since it was last asked rests on the answer.
    ///
    /// # Errors
    /// It comes to another run, or the bench failed.
    fn check(&mut self) -> Result<(), BenchError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(SweepId::of(&[b"ab", b"c"]), SweepId::of(&[b"a", b"bc"]));
        assert_eq!(SweepId::of(&[b"ab", b"c"]), SweepId::of(&[b"ab", b"c"]));
    }
}

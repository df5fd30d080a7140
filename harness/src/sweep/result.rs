//! One injection that is over. Its line of JSON is all that is kept of it: everything else can be
//! had again, since the same fault on the same image gives the same run.

use super::fault::Scope;
use super::outcome::Outcome;
use serde::{Deserialize, Serialize};

/// The number of a point within its sweep, from 1, the same in every plan of the same sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PointNumber(pub u64);

/// One injection that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct InjectionResult {
    /// The point.
    pub point: PointNumber,
    /// How often the effect was to come.
    pub scope: Scope,
    /// The point in words, e.g. `instruction 17 after crashrig_fault_entry`.
    pub place: String,
    /// What became of it.
    pub outcome: Outcome,
    /// What differed or was reported, in words; empty for what is masked.
    pub detail: String,
    /// Program counter where the effect came.
    pub pc: Option<u32>,
    /// Instructions of all boots together.
    pub instructions: u64,
    /// FNV-1a over everything the verdict rests on: equal for equal runs.
    pub evidence_hash: u64,
}

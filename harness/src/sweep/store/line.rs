//! The lines of a file of results, each an object with one key that says what it is. Only lines
//! `result` are the table of a sweep; the others say what it belongs to and what it cost.

use crate::sweep::fault::Scope;
use crate::sweep::result::{InjectionResult, PointNumber};
use crate::sweep::shard::Shard;
use crate::sweep::work::{Identity, InsteadOf};
use serde::{Deserialize, Serialize};

/// The version of the format. Readers refuse every other.
pub const VERSION: u32 = 1;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// The first line, and no other.
    Header(Header),
    /// A worker began.
    Worker(WorkerStart),
    /// Time that went by.
    Spent(Spent),
    /// An injection that is over.
    Result(InjectionResult),
    /// Results above that are none.
    Void(Void),
}

/// What the file belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Header {
    /// [`VERSION`].
    pub version: u32,
    /// The sweep.
    pub sweep: Identity,
    /// Which part of it.
    pub shard: Shard,
}

/// A worker that began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WorkerStart {
    /// Names one run of the command, however often the sweep is gone on with.
    pub session: String,
    /// Its number within the session, from 1; engines that replace a failed one count on.
    pub number: u64,
    /// Its engine.
    pub engine: String,
    /// The engine that is used wherever it can be, and why it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<InsteadOf>,
}

/// Results of a worker that did not come to the golden run any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Void {
    /// The injections.
    pub injections: Vec<(PointNumber, Scope)>,
}

/// What a session used since its line before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Spent {
    /// The session.
    pub session: String,
    /// Number of the line within the session, from 1.
    pub sequence: u64,
    /// Time on the wall.
    pub milliseconds: u64,
    /// Workers that ran in it.
    pub workers: u64,
    /// Injections that were over in it.
    pub injections: u64,
    /// Those of them that needed no run: of bytes that are overwritten before they are read.
    pub pruned: u64,
}

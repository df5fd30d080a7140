//! Sweeps: one fault at every point of a run, each run judged, until no point is left.
//!
//! A sweep file is a scenario file with a `[sweep]` table. The scenario is the golden run: it must
//! pass before anything is injected. The table says what is broken, and which points there are.
//!
//! ```text
//! scenario + [sweep] ─► plan ─► shards ─► engine ─► trace ─► outcome ─► results ─► report
//! ```
//!
//! * [`fault`]: trigger chain, effect, scope, as plain data.
//! * [`plan`]: which fault each point is, resolved against an image.
//! * [`engine`]: what carries one injection out, and what it saw; [`workload`]: what it runs.
//! * [`classify`]: what became of it, by its trace and the golden run's; [`run`]: one by one.
//! * `prune`: which flips need no run, since nobody reads what they flip.
//! * [`outcome`]: the closed list of what can become of an injection.
//! * [`result`]: one injection that is over, as a line of JSON.
//! * [`campaign`]: a sweep's file, image and engine as work; [`session`]: from its golden run to
//!   its report.
//! * [`work`]: a sweep as numbered points and workers, which is all that the rest knows of it:
//!   [`shard`], which points one process runs; [`schedule`], what runs them; [`store`], results on
//!   disk; [`report`], what it came to.

pub mod bench;
pub mod campaign;
pub mod classify;
pub mod commands;
pub mod engine;
pub mod fault;
pub mod hash;
pub mod outcome;
pub mod plan;
mod prune;
pub mod report;
pub mod result;
pub mod run;
pub mod schedule;
pub mod scope;
pub mod session;
pub mod shard;
pub mod store;
pub mod words;
pub mod work;
pub mod workload;

/// Folder of the results of all sweeps, below that of build products, unless somebody names
/// another.
pub const SWEEPS_FOLDER: &str = "crashrig/sweeps";

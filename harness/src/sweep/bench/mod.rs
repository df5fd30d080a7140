//! How many injections a second the engines carry out, verdicts included, as ratios in one run.
//!
//! Rates of a machine say little, and neighbours on it change them while they are measured. So
//! the ways to inject take turns, in short batches, and each ratio is one of medians.

pub mod inside;
pub mod snapshot;

use super::engine::Trace;
use super::workload::Workload;
use crate::decode::records::slots;
use crate::image::Image;
use crate::scenario::check::parse;
use crate::target::BenchError;
use crate::target::emulator::EmulatorTarget;
use crashrig_wire::EndMarker;
use std::path::Path;
use std::time::Duration;

/// Where an injection comes: the function, and which time.
type Place = (&'static str, u64);

/// One boot that crashes: the record is written, and nothing follows.
const CRASH: &str = r#"timeline = [
  "1. the main thread loads from nowhere: the record is written, reset",
]
title = "a boot that crashes, for figures"

[[boot]] # 1
start = "cold"
fault = "bus-read"
end = "crash"

[[crash]]
boot = 1
kind = "bus-fault"
detector = "bus-error"
thread = "main"
address = { region = "unmapped" }
"#;

/// A boot that computes, some 0.9 million instructions.
const COMPUTE: &str = r#"timeline = [
  "1. the main thread computes; clean end",
]
title = "a boot that computes, for figures"

[[boot]] # 1
start = "cold"
fault = "compute"
end = "clean"
observed = ["computed"]
"#;

/// The workload of a scenario's text, with a folder of its own.
fn workload(
    target: &EmulatorTarget,
    image: &Image,
    text: String,
    seed: u64,
    folder: &Path,
) -> Result<Workload, BenchError> {
    std::fs::create_dir_all(folder).map_err(BenchError::of)?;
    let scenario = parse(&folder.join("figures.toml"), text).map_err(BenchError::of)?;
    Workload::new(target, image, &scenario, seed, folder)
}

fn address(image: &Image, (function, _): Place) -> Result<u32, BenchError> {
    let address = image.symbol(function).map(|symbol| symbol.address);
    address.ok_or_else(|| BenchError(format!("find symbol {function}")))
}

/// Instructions from the injection to the end of a run.
fn tail_of(trace: &Trace) -> u64 {
    trace.boots.iter().map(|boot| boot.instructions).sum::<u64>() - trace.fired_after.unwrap_or(0)
}

/// Reads what a run has left, as judging does; a run that left nothing is none of these.
fn judged(trace: &Trace) -> Result<(), BenchError> {
    let Some(last) = trace.boots.last() else {
        return Err(BenchError("judge an injection: no boot".to_owned()));
    };
    let has_record = slots(&last.region).iter().any(|slot| slot.record.is_some());
    if has_record || EndMarker::read(&last.marker).is_some() {
        return Ok(());
    }
    Err(BenchError("judge an injection: neither record nor end marker".to_owned()))
}

/// In seconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64()
}

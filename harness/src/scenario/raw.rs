//! A scenario file as it is written. Unknown keys are errors; what the values mean is not decided
//! here.

use super::raw_sweep::RawSweep;
use serde::Deserialize;

/// The file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawScenario {
    /// The numbered timeline; the first key of the file.
    pub timeline: Vec<String>,
    /// One sentence: what must hold.
    pub title: String,
    /// Names of needs.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Names of boards, at least one.
    pub boards: Option<Vec<String>>,
    /// What is done to the application in flash: a name, default `good`.
    pub application: Option<String>,
    /// Names of measurements.
    #[serde(default)]
    pub measure: Vec<String>,
    /// The boots.
    #[serde(default)]
    pub boot: Vec<RawBoot>,
    /// The crashes.
    #[serde(default)]
    pub crash: Vec<RawCrash>,
    /// What is asked of heaps.
    #[serde(default)]
    pub script: Vec<RawScript>,
    /// Only in `control/`.
    pub control: Option<RawControl>,
    /// What is broken besides, and where: the scenario is the golden run of a sweep.
    pub sweep: Option<RawSweep>,
}

/// One `[[boot]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawBoot {
    /// `cold`, `warm` or `battery`.
    pub start: String,
    /// For a cold start: `noise` (default) or `zero`.
    pub fill: Option<String>,
    /// Name of a fault; default `none`.
    pub fault: Option<String>,
    /// For `await`: name of the fault that follows.
    pub then: Option<String>,
    /// First parameter of the command.
    pub parameter: Option<u32>,
    /// For `stack-overflow`: name of a context that has a stack.
    pub stack: Option<String>,
    /// For `stack-overflow`: name of a way.
    pub way: Option<String>,
    /// For `heap-corrupt`: name of a damage.
    pub damage: Option<String>,
    /// For `heap-exhaustion`, `heap-fragmentation` and `heap-rounds`: names of capabilities.
    pub capabilities: Option<Vec<String>>,
    /// Names of detectors that are switched off.
    #[serde(default)]
    pub without: Vec<String>,
    /// Whether records are marked as read.
    #[serde(default)]
    pub acknowledge: bool,
    /// What to do to a record before the boot.
    pub tamper: Option<RawTamper>,
    /// How the boot ends.
    pub end: String,
    /// For `exit`: the status.
    pub status: Option<i32>,
    /// Observations.
    #[serde(default)]
    pub observed: Vec<String>,
    /// Observations.
    #[serde(default)]
    pub missing: Vec<String>,
    /// A finding.
    pub first: Option<String>,
    /// A finding.
    pub last: Option<String>,
    /// Texts in the log.
    #[serde(default)]
    pub log: Vec<String>,
    /// Texts that are not in the log.
    #[serde(default)]
    pub log_without: Vec<String>,
    /// Faults counted while records were written.
    pub nested: Option<u32>,
    /// The slot of the history in which a bit is flipped.
    pub damaged_history: Option<usize>,
    /// Crashes as the ledger counts them.
    pub crashes: Option<u32>,
    /// Boots of the records in the history, the oldest first.
    pub history: Option<Vec<u32>>,
    /// Boots in a row that crashed or had no end, as the ledger counts them.
    pub crashes_in_a_row: Option<u16>,
    /// How many boots before this one leave neither marker nor record.
    #[serde(default)]
    pub silent_boots: usize,
    /// Whether the ledger says that the device is in safe mode.
    pub safe_mode: Option<bool>,
    /// Texts on the console.
    #[serde(default)]
    pub console: Vec<String>,
}

/// The `tamper` of a boot.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawTamper {
    /// `resembling`, `flip-bits`, `other-version` or `other-build`.
    pub kind: String,
    /// For `flip-bits`: how many, 1 to 64.
    pub count: Option<u32>,
    /// `first` (default) or `last`.
    pub slot: Option<String>,
}

/// One `[[crash]]`. Everything that says which crash it is must be there; the checker says so in
/// words.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawCrash {
    /// The boot, from 1.
    pub boot: Option<u32>,
    /// Name of a kind.
    pub kind: Option<String>,
    /// Name of a detector.
    pub detector: Option<String>,
    /// Name of a thread.
    pub thread: Option<String>,
    /// The name that the thread was given.
    pub thread_name: Option<String>,
    /// A status, as a number or in words.
    pub status: Option<String>,
    /// Where the address lies.
    pub address: Option<RawPlace>,
    /// Where the program counter lies.
    pub pc: Option<RawPlace>,
    /// A function in the backtrace.
    pub within: Option<String>,
    /// Names of sections behind the record.
    #[serde(default)]
    pub sections: Vec<String>,
    /// Names of sections that are not there.
    #[serde(default)]
    pub sections_without: Vec<String>,
    /// Names of sections that are cut short.
    #[serde(default)]
    pub sections_cut_short: Vec<String>,
    /// Causes of the last resets, this boot's first.
    #[serde(default)]
    pub reset_causes: Vec<String>,
    /// What stands in the word of the heap that is named as wrong.
    pub broken_word: Option<u32>,
    /// The stream that changed the heap's broken word, as `2.0`.
    pub bus_master: Option<String>,
    /// The allocation that failed last.
    pub failed_allocation: Option<RawFailedAllocation>,
    /// DMA transfers, oldest first.
    #[serde(default)]
    pub transfers: Vec<String>,
    /// Frames of the backtrace.
    #[serde(default)]
    pub frames_at_least: usize,
    /// `first` (default) or `last`.
    pub slot: Option<String>,
    /// Whether only phase one holds.
    #[serde(default)]
    pub partial: bool,
}

/// An allocation that failed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawFailedAllocation {
    /// Bytes asked for.
    pub size: u32,
    /// Names of capabilities asked for.
    pub capabilities: Vec<String>,
    /// The largest size that would have been given; anything, if this is not stated.
    pub largest_free: Option<u32>,
}

/// One `[[script]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawScript {
    /// The boot, from 1.
    pub boot: u32,
    /// Name of a level of checks.
    pub level: String,
    /// The regions of the heap.
    pub regions: Vec<RawRegion>,
    /// What is asked, in order.
    pub steps: Vec<RawStep>,
}

/// A region of the heap of a script.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawRegion {
    /// Where it begins; default: behind the one before.
    pub offset: Option<u32>,
    /// Bytes.
    pub size: u32,
    /// Names of capabilities, a list for each priority.
    pub caps: Vec<Vec<String>>,
}

/// One step of a script.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawStep {
    /// Name of an operation.
    #[serde(rename = "do")]
    pub operation: String,
    /// The block.
    pub slot: Option<u16>,
    /// Bytes.
    pub size: Option<u32>,
    /// Names of capabilities.
    pub caps: Option<Vec<String>>,
    /// Of the address; default 8.
    pub alignment: Option<u32>,
    /// Name of the outcome it must have.
    pub expect: Option<String>,
}

/// A place: exactly one of the two.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawPlace {
    /// A function.
    pub symbol: Option<String>,
    /// An area or region.
    pub region: Option<String>,
}

/// How a control must be judged.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawControl {
    /// Name of a verdict.
    pub verdict: String,
    /// Subjects of mismatches.
    pub mismatches: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::super::raw_sweep::{
        RawAllowed, RawEffect, RawExpected, RawLink, RawMemory, RawSample, RawValues,
    };
    use super::*;
    use serde::de::DeserializeOwned;

    /// The keys of a table, as the parser names them where it meets one it does not know.
    fn keys<T: DeserializeOwned>() -> Vec<String> {
        let error = toml::from_str::<T>("no-such-key = 1").err().map(|error| error.to_string());
        let error = error.unwrap_or_default();
        let known = error.split("expected").nth(1).unwrap_or_default().to_owned();
        known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn every_key_stands_in_the_document() {
        let document = include_str!("../../../docs/scenario.md");
        let tables = [
            keys::<RawScenario>(),
            keys::<RawBoot>(),
            keys::<RawTamper>(),
            keys::<RawCrash>(),
            keys::<RawControl>(),
            keys::<RawScript>(),
            keys::<RawRegion>(),
            keys::<RawStep>(),
            keys::<RawSweep>(),
            keys::<RawLink>(),
            keys::<RawMemory>(),
            keys::<RawValues>(),
            keys::<RawEffect>(),
            keys::<RawExpected>(),
            keys::<RawAllowed>(),
            keys::<RawSample>(),
        ];
        for table in tables {
            assert!(table.len() > 1, "the parser names the keys it knows");
            for key in table {
                let is_there = [format!("`{key}`"), format!("{key} =")];
                let is_there = is_there.iter().any(|text| document.contains(text.as_str()))
                    || document.contains(&format!("[[{key}]]"));
                assert!(is_there, "docs/scenario.md does not have the key {key}");
            }
        }
    }
}

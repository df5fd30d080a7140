//! Chip and board files as they are written, before any rule is checked.
//!
//! Names of closed lists are plain text here, so that all unknown ones are reported at once.

use serde::Deserialize;
use std::collections::BTreeMap;

/// A chip file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawChip {
    pub family: String,
    pub core: String,
    pub interrupts: u32,
    pub mpu_regions: u32,
    pub unmapped_address: u32,
    pub main_ram: Vec<String>,
    pub part: Vec<RawPart>,
    pub region: Vec<RawRegion>,
    #[serde(default)]
    pub alias: Vec<RawAlias>,
    pub boot_remap: Option<RawBootRemap>,
    #[serde(default)]
    pub boot_mode: Vec<RawBootMode>,
    #[serde(default)]
    pub clock_enable: Vec<RawClockEnable>,
    pub reset_cause: Option<RawResetCause>,
    pub backup: Option<RawBackup>,
    #[serde(default)]
    pub device: Vec<RawDevice>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPart {
    pub name: String,
    pub flash_bytes: u32,
    pub lacks_masters: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRegion {
    pub name: String,
    pub kind: String,
    pub start: u32,
    pub size_bytes: u32,
    #[serde(default)]
    pub sectors: Vec<RawSectors>,
    pub capabilities: Option<Vec<String>>,
    pub heap_capabilities: Option<Vec<Vec<String>>>,
    #[serde(default)]
    pub startup_stack: bool,
    pub dma_alignment_bytes: Option<u32>,
    pub masters: Vec<String>,
    pub retained_over: Vec<String>,
    pub source: String,
    pub reach_source: String,
    pub retention_source: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSectors {
    pub count: u32,
    pub size_bytes: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAlias {
    pub name: String,
    pub kind: String,
    pub start: u32,
    #[serde(default)]
    pub targets: Vec<String>,
    pub covers: Option<RawRange>,
    pub source: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRange {
    pub start: u32,
    pub size_bytes: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBootRemap {
    pub alias: String,
    pub register: u32,
    pub source: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBootMode {
    pub boot0: Option<bool>,
    pub boot1: Option<bool>,
    pub region: String,
    pub mem_mode: u8,
    pub source: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawClockEnable {
    pub name: String,
    pub region: String,
    pub register: u32,
    pub bit: u8,
    pub ready: Option<RawBit>,
    pub at_boot: bool,
    pub source: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBit {
    pub register: u32,
    pub bit: u8,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawDevice {
    pub name: String,
    pub start: u32,
    pub source: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawResetCause {
    pub register: u32,
    pub shift: u8,
    pub clear_bit: u8,
    pub flags: BTreeMap<String, u8>,
    pub power_on: Vec<String>,
    #[serde(default)]
    pub watchdog: Vec<String>,
    pub source: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBackup {
    pub region: String,
    pub registers: u32,
    pub register_count: u32,
    pub history_bytes: u32,
    pub source: String,
}

/// A board file. Everything is optional here, because a file with a base states only what differs.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBoard {
    pub base: Option<String>,
    pub chip: Option<String>,
    pub part: Option<String>,
    pub core_clock_hz: Option<u32>,
    pub ram_bytes: Option<BTreeMap<String, u32>>,
    pub crash_region: Option<RawCrashRegion>,
    pub stacks: Option<RawStacks>,
    pub executable: Option<RawExecutable>,
    pub bootloader: Option<RawBootloader>,
    pub image_features: Option<Vec<String>>,
    pub emulator: Option<RawEmulator>,
    pub probe: Option<RawProbe>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCrashRegion {
    pub place: String,
    pub size_bytes: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawStacks {
    pub main_bytes: u32,
    pub timer_bytes: u32,
    pub idle_bytes: u32,
    pub isr_bytes: u32,
    pub guard_bytes: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawExecutable {
    pub region: String,
    pub start: u32,
    pub size_bytes: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBootloader {
    pub bytes: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawEmulator {
    pub machine: String,
    pub icount_shift: u8,
    #[serde(default)]
    pub host_models: Vec<String>,
    pub models: Vec<String>,
    #[serde(default)]
    pub lack: Vec<RawLack>,
    #[serde(default)]
    pub deviation: Vec<RawDeviation>,
    #[serde(default)]
    pub probe_difference: Vec<RawProbeDifference>,
    pub version: Vec<RawVersion>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawProbeDifference {
    pub scenario: String,
    pub subjects: Vec<String>,
    pub reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawVersion {
    pub min: String,
    pub below: Option<String>,
    pub models: Vec<String>,
    #[serde(default)]
    pub lack: Vec<RawLack>,
    #[serde(default)]
    pub deviation: Vec<RawDeviation>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLack {
    pub need: String,
    pub reason: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawDeviation {
    pub region: String,
    pub kind: String,
    pub start: Option<u32>,
    pub size_bytes: Option<u32>,
    pub reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawProbe {
    pub chip: String,
    pub models: Vec<String>,
    #[serde(default)]
    pub lack: Vec<RawLack>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;

    /// The keys of a table, as the parser names them where it meets one it does not know.
    fn check<T: DeserializeOwned>() {
        let document = include_str!("../../../../docs/porting.md");
        let error = toml::from_str::<T>("no-such-key = 1").err().map(|error| error.to_string());
        let error = error.unwrap_or_default();
        let known = error.split("expected").nth(1).unwrap_or_default();
        assert!(!known.is_empty(), "the parser names the keys it knows");
        for key in known.split('`').skip(1).step_by(2) {
            let is_there = [format!("`{key}`"), format!("[{key}]"), format!(".{key}]")];
            let is_there = is_there.iter().any(|text| document.contains(text.as_str()));
            assert!(is_there, "docs/porting.md does not have the key {key}");
        }
    }

    #[test]
    fn every_key_stands_in_the_document() {
        check::<RawChip>();
        check::<RawPart>();
        check::<RawRegion>();
        check::<RawSectors>();
        check::<RawAlias>();
        check::<RawRange>();
        check::<RawBootRemap>();
        check::<RawBootMode>();
        check::<RawClockEnable>();
        check::<RawBit>();
        check::<RawDevice>();
        check::<RawResetCause>();
        check::<RawBackup>();
        check::<RawBoard>();
        check::<RawCrashRegion>();
        check::<RawStacks>();
        check::<RawExecutable>();
        check::<RawBootloader>();
        check::<RawEmulator>();
        check::<RawVersion>();
        check::<RawLack>();
        check::<RawDeviation>();
        check::<RawProbeDifference>();
        check::<RawProbe>();
    }
}

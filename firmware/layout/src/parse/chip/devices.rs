//! Rules of devices whose registers drivers use.

use super::ChipRegion;
use super::start::{check_register, check_source};
use crate::Device;
use crate::parse::problem::{Problems, quoted};
use crate::parse::raw::RawDevice;

/// Checks the devices: known names, each once, outside of memory, and where the fact is from.
pub(super) fn check(
    raw: &[RawDevice],
    regions: &[ChipRegion],
    problems: &mut Problems<'_>,
) -> Vec<Device> {
    let mut devices: Vec<Device> = Vec::new();
    for (index, device) in raw.iter().enumerate() {
        let key = |name: &str| format!("device[{index}].{name}");
        check_register(device.start, &key("start"), regions, problems);
        check_source(&device.source, &key("source"), problems);
        let Some(name) = problems.name(key("name"), &device.name) else { continue };
        let is_new = devices.iter().all(|other| other.name != name);
        problems.require(is_new, key("name"), quoted(&device.name), "each device once");
        devices.push(Device { name, start: device.start });
    }
    devices
}

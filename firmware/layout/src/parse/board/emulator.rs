//! The emulator behind a board: its machine, and per version what is modelled and each deviation.

use super::host_models::{self, HostModel};
use super::map;
use super::support::{Answers, Support};
use crate::parse::chip::Chip;
use crate::parse::problem::{Problems, listed, quoted};
use crate::parse::range::AddressRange;
use crate::parse::raw::{RawDeviation, RawEmulator, RawProbeDifference, RawVersion};
use std::collections::BTreeSet;
use std::fmt;

crate::names::closed_list! {
    /// How an emulator deviates from the chip.
    DeviationKind, "kind of deviation";
    /// Nothing is there; accesses end as in unmapped space.
    Absent = "absent";
    /// Memory is there, but larger or smaller.
    Size = "size";
    /// Something is there that keeps nothing: reads as zero, ignores writes.
    Stub = "stub";
    /// RAM that the chip does not have.
    Extra = "extra";
}

/// Version of an emulator. Patch levels never change a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
}

/// An emulated machine.
#[derive(Debug, Clone)]
pub struct Emulator {
    /// Name of the machine.
    pub machine: String,
    /// Nanoseconds of target time for one instruction, as a power of two; 0 to 10.
    pub icount_shift: u8,
    /// Devices that it has not and the host supplies.
    pub host_models: Vec<HostModel>,
    /// What is known to be different behind a virtual probe.
    pub probe_differences: Vec<ProbeDifference>,
    /// Ranges of versions, lowest first; they never overlap.
    pub versions: Vec<VersionRange>,
}

/// What holds for a range of versions.
#[derive(Debug, Clone)]
pub struct VersionRange {
    /// First version.
    pub min: Version,
    /// First version that is meant no longer; nothing if the range is open.
    pub below: Option<Version>,
    /// What these versions have and lack.
    pub support: Support,
    /// How their memory deviates from the chip.
    pub deviations: Vec<Deviation>,
}

/// One declared difference from the chip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deviation {
    /// The region it is about; a new name if it is extra.
    pub region: String,
    /// How it differs.
    pub kind: DeviationKind,
    /// Where the emulator has it.
    pub actual: AddressRange,
    /// Why, in words.
    pub reason: String,
}

/// The declared differences between a scenario in the emulator and the same behind a virtual probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeDifference {
    /// The scenario, as `family/name`.
    pub scenario: String,
    /// What differs: fields of the record, `section NAME`, `register NAME`, `boundary` or
    /// `uptime_ms`; at least one.
    pub subjects: Vec<String>,
    /// Why, in words.
    pub reason: String,
}

/// A version that the board file says nothing about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("version {version} is not declared in the board file; declared: {known}")]
pub struct UnknownVersion {
    /// The version that was asked for.
    pub version: Version,
    /// The declared ranges, in words.
    pub known: String,
}

impl Emulator {
    /// What holds for a version, given as (major, minor).
    ///
    /// # Errors
    /// No declared range has the version.
    pub fn version(&self, version: (u32, u32)) -> Result<&VersionRange, UnknownVersion> {
        let version = Version::from(version);
        self.versions.iter().find(|range| range.contains(version)).ok_or_else(|| {
            let known: Vec<String> = self.versions.iter().map(ToString::to_string).collect();
            UnknownVersion { version, known: known.join(", ") }
        })
    }
}

impl VersionRange {
    /// Whether a version lies in the range.
    #[must_use]
    pub fn contains(&self, version: Version) -> bool {
        self.min <= version && self.below.is_none_or(|below| version < below)
    }
}

impl From<(u32, u32)> for Version {
    fn from((major, minor): (u32, u32)) -> Self {
        Self { major, minor }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.below {
            Some(below) => write!(f, "{} to below {below}", self.min),
            None => write!(f, "{} and later", self.min),
        }
    }
}

/// Checks the table `emulator` of a board file.
pub(super) fn check(raw: &RawEmulator, chip: &Chip, problems: &mut Problems<'_>) -> Emulator {
    problems.require(!raw.machine.is_empty(), "emulator.machine", "nothing", "a machine's name");
    problems.require(
        raw.icount_shift <= 10,
        "emulator.icount_shift",
        raw.icount_shift,
        "0 to 10, as QEMU takes",
    );
    problems.require(
        !raw.version.is_empty(),
        "emulator.version",
        "nothing",
        "at least one range of versions",
    );
    let mut common = Answers::default();
    common.add("emulator", &raw.models, &raw.lack, problems);
    let shared = check_deviations("emulator", &raw.deviation, &[], chip, problems);
    let mut versions: Vec<VersionRange> = Vec::new();
    for (index, raw) in raw.version.iter().enumerate() {
        let key = format!("emulator.version[{index}]");
        let mut answers = common.clone();
        answers.add(&key, &raw.models, &raw.lack, problems);
        let support = answers.finish(&key, problems);
        let deviations = check_deviations(&key, &raw.deviation, &shared, chip, problems);
        let before = versions.last();
        map::check(chip, &deviations, &key, problems);
        let Some((min, below)) = check_range(raw, &key, before, problems) else { continue };
        versions.push(VersionRange { min, below, support, deviations });
    }
    Emulator {
        machine: raw.machine.clone(),
        icount_shift: raw.icount_shift,
        probe_differences: check_probe_differences(raw, problems),
        host_models: host_models::check(&raw.host_models, &versions, chip, problems),
        versions,
    }
}

fn check_probe_differences(raw: &RawEmulator, problems: &mut Problems<'_>) -> Vec<ProbeDifference> {
    let mut differences: Vec<ProbeDifference> = Vec::new();
    for (index, raw) in raw.probe_difference.iter().enumerate() {
        let key = |name: &str| format!("emulator.probe_difference[{index}].{name}");
        let is_name = raw.scenario.split('/').filter(|part| !part.is_empty()).count() == 2;
        problems.require(is_name, key("scenario"), quoted(&raw.scenario), "family/name");
        problems.require(!raw.reason.trim().is_empty(), key("reason"), "nothing", "words");
        let is_told =
            !raw.subjects.is_empty() && raw.subjects.iter().all(|it| !it.trim().is_empty());
        problems.require(is_told, key("subjects"), "nothing", "what differs, at least one");
        let is_twice = differences.iter().any(|other| other.scenario == raw.scenario);
        problems.require(!is_twice, key("scenario"), quoted(&raw.scenario), "each once");
        let once: BTreeSet<_> = raw.subjects.iter().collect();
        let is_once = once.len() == raw.subjects.len();
        problems.require(is_once, key("subjects"), raw.subjects.join(", "), "each once");
        let RawProbeDifference { scenario, subjects, reason } = raw.clone();
        differences.push(ProbeDifference { scenario, subjects, reason });
    }
    differences
}

fn check_range(
    raw: &RawVersion,
    key: &str,
    before: Option<&VersionRange>,
    problems: &mut Problems<'_>,
) -> Option<(Version, Option<Version>)> {
    let min = check_version(&raw.min, &format!("{key}.min"), problems);
    let below = match &raw.below {
        Some(below) => Some(check_version(below, &format!("{key}.below"), problems)?),
        None => None,
    };
    let min = min?;
    problems.require(
        below.is_none_or(|below| min < below),
        format!("{key}.below"),
        raw.below.as_deref().unwrap_or_default(),
        format!("a version after {min}"),
    );
    if let Some(before) = before {
        problems.require(
            before.below.is_some_and(|below| below <= min),
            format!("{key}.min"),
            min,
            format!("a version behind the range before, {before}"),
        );
    }
    Some((min, below))
}

fn check_version(text: &str, key: &str, problems: &mut Problems<'_>) -> Option<Version> {
    let version = text
        .split_once('.')
        .and_then(|(major, minor)| Some(Version::from((major.parse().ok()?, minor.parse().ok()?))));
    if version.is_none() {
        problems.add(key, quoted(text), "a version such as `10.0`");
    }
    version
}

/// Checks deviations; the result also holds those that all versions share.
fn check_deviations(
    key: &str,
    raw: &[RawDeviation],
    shared: &[Deviation],
    chip: &Chip,
    problems: &mut Problems<'_>,
) -> Vec<Deviation> {
    let mut deviations = shared.to_vec();
    for (index, raw) in raw.iter().enumerate() {
        let key = format!("{key}.deviation[{index}]");
        problems.require(
            !raw.reason.is_empty(),
            format!("{key}.reason"),
            "nothing",
            "what the emulator does instead",
        );
        problems.require(
            deviations.iter().all(|other| other.region != raw.region),
            format!("{key}.region"),
            quoted(&raw.region),
            "one deviation for each region and version",
        );
        let Some(kind) = problems.name(format!("{key}.kind"), &raw.kind) else { continue };
        let Some(actual) = check_actual(raw, kind, &key, chip, problems) else { continue };
        deviations.push(Deviation {
            region: raw.region.clone(),
            kind,
            actual,
            reason: raw.reason.clone(),
        });
    }
    deviations
}

fn check_actual(
    raw: &RawDeviation,
    kind: DeviationKind,
    key: &str,
    chip: &Chip,
    problems: &mut Problems<'_>,
) -> Option<AddressRange> {
    let region = chip.region(&raw.region);
    if kind == DeviationKind::Extra {
        problems.require(
            region.is_none(),
            format!("{key}.region"),
            quoted(&raw.region),
            "a name that no region of the chip has",
        );
    } else if region.is_none() {
        let known = listed(chip.regions.iter().map(|region| region.name.as_str()));
        problems.add(
            format!("{key}.region"),
            quoted(&raw.region),
            format!("a region of the chip, one of {known}"),
        );
        return None;
    }
    let start = raw.start.or(region.map(|region| region.range.start));
    let size_bytes = match kind {
        DeviationKind::Absent => region.map(|region| region.range.size_bytes),
        _ => raw.size_bytes.filter(|size| *size > 0),
    };
    let stray = kind == DeviationKind::Absent && (raw.start.is_some() || raw.size_bytes.is_some());
    problems.require(!stray, key, "an address or a size", "neither, as nothing is there");
    let (Some(start), Some(size_bytes)) = (start, size_bytes) else {
        let field = if start.is_none() { "start" } else { "size_bytes" };
        problems.add(format!("{key}.{field}"), "nothing", "what the emulator has there");
        return None;
    };
    Some(AddressRange { start, size_bytes })
}

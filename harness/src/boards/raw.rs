//! `boards.toml` as it is written: plain values, nothing checked but keys and types.

use serde::Deserialize;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBench {
    #[serde(default)]
    pub board: Vec<RawBoard>,
}

/// One `[[board]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBoard {
    pub name: String,
    pub port: String,
    pub probe: String,
    pub speed_khz: Option<u32>,
    #[serde(default)]
    pub connect_under_reset: bool,
    pub power: Option<RawPower>,
    pub remote: Option<RawRemote>,
    #[serde(default)]
    pub fixtures: Vec<String>,
    pub disabled: Option<String>,
}

/// `power`: two commands and how long the supply takes to fall.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPower {
    pub off: Vec<String>,
    pub on: Vec<String>,
    pub off_ms: Option<u64>,
    pub settle_ms: Option<u64>,
}

/// `remote`: the machine that the probe hangs on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRemote {
    pub host: String,
    pub place: Option<String>,
}

//! What the tests ask of every core: its registers for debuggers, and how long it may take.
//!
//! Numbers and addresses: DDI0403E B3.2, C1.6 and C1.8, from memory, not checked.

use probe_rs::RegisterId;
use std::time::Duration;

pub const TIMEOUT: Duration = Duration::from_secs(5);

pub const SP: RegisterId = RegisterId(13);
pub const PC: RegisterId = RegisterId(15);
pub const XPSR: RegisterId = RegisterId(16);

/// Which faults have handlers of their own.
pub const SHCSR: u64 = 0xE000_ED24;
pub const DFSR: u64 = 0xE000_ED30;
pub const DHCSR: u64 = 0xE000_EDF0;
pub const DEMCR: u64 = 0xE000_EDFC;
/// The first comparator for data; each takes 16 bytes.
pub const COMPARATORS: u64 = 0xE000_1020;

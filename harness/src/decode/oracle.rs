//! The emulator's own log of one boot, `-d int,guest_errors,unimp`, as events.
//!
//! QEMU writes down what its model of the core does: which exceptions it takes, which fault status
//! bits it sets, and which devices it has none of. That makes it a witness that shares nothing with
//! the firmware under test; [`super::witness`] compares the two. The lines are those of QEMU 7.2
//! and 10.0, which are equal (samples of ARMv7-M and ARMv8-M in `tests/data/oracle`). A line that
//! is not known is kept as a remark, so that a newer QEMU loses nothing silently.

use crashrig_wire::cfsr;
use std::collections::BTreeMap;
use std::fmt;

/// Events that are kept; of more, the oldest half is dropped.
pub const MAXIMUM_EVENTS: usize = 100_000;
/// Distinct accesses to devices that are not modelled.
pub const MAXIMUM_UNMODELLED: usize = 8192;
/// Characters of a remark that are kept.
const MAXIMUM_REMARK: usize = 200;

/// One thing that the emulator wrote down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OracleEvent {
    /// Something asked for an exception, by QEMU's name for it, e.g. `Data Abort`.
    Raised {
        /// The name.
        name: String,
    },
    /// Fault status bits were set.
    Status {
        /// CFSR bits (DDI0403E B3.2.15), the valid bit of an address register included.
        cfsr: u32,
        /// The address that went into MMFAR.
        mmfar: Option<u32>,
        /// The address that went into BFAR.
        bfar: Option<u32>,
    },
    /// The vector table could not be read, which makes any exception a HardFault.
    VectorTableError,
    /// An exception was taken.
    Taken {
        /// Its number: 3 HardFault, 4 MemManage, 5 BusFault, 6 UsageFault, 7 SecureFault,
        /// 15 SysTick, 16 and up interrupts.
        exception: u32,
    },
    /// An exception handler returned.
    Returned {
        /// Its number.
        exception: u32,
    },
    /// AFSR was read, which this emulator has not: nothing but a capture of fault registers does
    /// so.
    AuxiliaryStatusRead,
    /// The core locked up; the emulator ended.
    Lockup {
        /// QEMU's reason.
        text: String,
    },
    /// Anything else that QEMU found worth a line: errors of the guest, and lines not known here.
    Remark {
        /// The line.
        text: String,
    },
}

/// Whether a device was read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Read: the emulator answered 0.
    Read,
    /// Written: the emulator ignored it.
    Write,
}

/// Accesses of one kind to one place of a device that is not modelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmodelled {
    /// The emulator's name of the device.
    pub device: String,
    /// Read or written.
    pub access: Access,
    /// From the start of the device, in bytes.
    pub offset: u64,
    /// Bytes of each access.
    pub size_bytes: u32,
    /// The value that was written last.
    pub value: Option<u64>,
    /// How often.
    pub count: u64,
}

/// The log of one boot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Oracle {
    /// What happened, in order.
    pub events: Vec<OracleEvent>,
    /// Accesses to devices that are not modelled, by device, kind, place and size.
    pub unmodelled: Vec<Unmodelled>,
    /// Events and accesses that were left out because of the limits.
    pub left_out: u64,
}

impl Oracle {
    /// Accesses to devices that are not modelled, one line for each device and kind.
    #[must_use]
    pub fn unmodelled_lines(&self) -> Vec<String> {
        let mut groups: BTreeMap<(&str, Access), (u64, u64, u64)> = BTreeMap::new();
        for access in &self.unmodelled {
            let key = (access.device.as_str(), access.access);
            let (count, low, high) = groups.entry(key).or_insert((0, u64::MAX, 0));
            *count = count.saturating_add(access.count);
            *low = access.offset.min(*low);
            *high = access.offset.max(*high);
        }
        let line = |((device, access), (count, low, high)): ((&str, Access), (u64, u64, u64))| {
            let place = if low == high {
                format!("offset {low:#05x}")
            } else {
                format!("offsets {low:#05x} to {high:#05x}")
            };
            let plural = if count == 1 { "" } else { "s" };
            format!("{device}: {count} {access}{plural} at {place}")
        };
        groups.into_iter().map(line).collect()
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// Reads the log of one boot. Any bytes give an answer.
#[must_use]
pub fn parse(log: &[u8]) -> Oracle {
    let mut reader = LogReader::default();
    for line in log.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        reader.line(line.trim_end());
        if matches!(reader.oracle.events.last(), Some(OracleEvent::Lockup { .. })) {
            // A dump of registers follows, then nothing.
            break;
        }
    }
    let mut oracle = reader.oracle;
    oracle.unmodelled = reader.unmodelled.into_values().collect();
    oracle
}

/// Device, kind, offset and size of an access.
type AccessKey = (String, Access, u64, u32);

#[derive(Default)]
struct LogReader {
    oracle: Oracle,
    unmodelled: BTreeMap<AccessKey, Unmodelled>,
}

impl LogReader {
    fn line(&mut self, line: &str) {
        if let Some(access) = unmodelled_access(line) {
            return self.count(access);
        }
        if let Some(rest) = line.strip_prefix("Taking exception ") {
            let name = between(rest, "[", "]").unwrap_or(rest);
            self.push(OracleEvent::Raised { name: cut(name) });
            let cfsr = usage_fault_of(name);
            if cfsr != 0 {
                self.push(OracleEvent::Status { cfsr, mmfar: None, bfar: None });
            }
        } else if let Some(rest) = line.strip_prefix("...") {
            // QEMU forgets to end one of these lines, and what it says next goes on behind it.
            for event in rest.split("...").filter_map(continuation) {
                self.push(event);
            }
        } else if let Some(rest) = line.strip_prefix("Exception return: ") {
            if let Some(exception) = number_after(rest, "previous exception ") {
                self.push(OracleEvent::Returned { exception });
            }
        } else if line == "Aux Fault status registers unimplemented" {
            self.push(OracleEvent::AuxiliaryStatusRead);
        } else if let Some((_, text)) = line.split_once("fatal: Lockup: ") {
            self.push(OracleEvent::Lockup { text: cut(text) });
        } else if !line.is_empty() && !line.starts_with("Loaded reset ") {
            self.push(OracleEvent::Remark { text: cut(line) });
        }
    }

    fn push(&mut self, event: OracleEvent) {
        let events = &mut self.oracle.events;
        if events.len() == MAXIMUM_EVENTS {
            let half = MAXIMUM_EVENTS / 2;
            events.drain(..half);
            self.oracle.left_out += half as u64;
        }
        events.push(event);
    }

    fn count(&mut self, access: Unmodelled) {
        let key = (access.device.clone(), access.access, access.offset, access.size_bytes);
        let is_full = self.unmodelled.len() >= MAXIMUM_UNMODELLED;
        if is_full && !self.unmodelled.contains_key(&key) {
            self.oracle.left_out += 1;
            return;
        }
        let value = access.value;
        let known = self.unmodelled.entry(key).or_insert(access);
        known.count += 1;
        known.value = value;
    }
}

/// The lines that follow a raised exception, without their three dots.
fn continuation(rest: &str) -> Option<OracleEvent> {
    if let Some(exception) = rest.strip_prefix("taking pending ").and_then(|rest| {
        // One word says which security state takes it: `nonsecure` on ARMv7-M, which has one, and
        // `secure` on ARMv8-M as it is used here.
        number_after(rest, "secure exception ")
    }) {
        return Some(OracleEvent::Taken { exception });
    }
    if rest.starts_with("derived exception on vector table load") {
        return Some(OracleEvent::VectorTableError);
    }
    let mut cfsr = named_status(rest);
    if rest.contains("INVPC UsageFault") || rest.contains("failed exception return integrity check")
    {
        cfsr |= bit("INVPC");
    } else if rest.starts_with("taking UsageFault") && rest.contains("CPACR") {
        cfsr |= bit("NOCP");
    } else if rest.starts_with("STKOF ") {
        cfsr |= bit("STKOF");
    }
    let mmfar = number_after(rest, " and MMFAR ");
    let bfar = number_after(rest, " and BFAR ");
    cfsr |= if mmfar.is_some() { cfsr::MMARVALID } else { 0 };
    cfsr |= if bfar.is_some() { cfsr::BFARVALID } else { 0 };
    (cfsr != 0).then_some(OracleEvent::Status { cfsr, mmfar, bfar })
}

/// The bit that a line names as `CFSR.NAME`, or by the part of CFSR as `BFSR.NAME`.
fn named_status(rest: &str) -> u32 {
    let named = ["CFSR.", "BFSR.", "UFSR."].iter().find_map(|register| rest.split_once(register));
    let word = named.and_then(|(_, name)| name.split(|c: char| !c.is_ascii_alphanumeric()).next());
    word.map_or(0, bit)
}

fn bit(name: &str) -> u32 {
    cfsr::NAMED.iter().find(|(known, _)| *known == name).map_or(0, |(_, bit)| *bit)
}

/// The UsageFault bit that QEMU's name of an exception stands for; it writes no status line for
/// these.
fn usage_fault_of(name: &str) -> u32 {
    if name == "Undefined Instruction" {
        return bit("UNDEFINSTR");
    }
    let middle = name.strip_suffix(" UsageFault").and_then(|rest| rest.split_once(' '));
    middle.map_or(0, |(_core, name)| bit(name))
}

/// `NAME: unimplemented device write (size 4, offset 0x030, value 0x00100000)`
fn unmodelled_access(line: &str) -> Option<Unmodelled> {
    let (device, rest) = line.split_once(": unimplemented device ")?;
    let access = match rest.split_whitespace().next()? {
        "read" => Access::Read,
        "write" => Access::Write,
        _ => return None,
    };
    Some(Unmodelled {
        device: cut(device),
        access,
        offset: hexadecimal(after(rest, "offset ")?)?,
        size_bytes: number_after(rest, "size ")?,
        value: after(rest, "value ").and_then(hexadecimal),
        count: 0,
    })
}

fn between<'t>(text: &'t str, open: &str, close: &str) -> Option<&'t str> {
    Some(after(text, open)?.split_once(close)?.0)
}

fn after<'t>(text: &'t str, mark: &str) -> Option<&'t str> {
    text.split_once(mark).map(|(_, rest)| rest)
}

/// The number after a mark: hexadecimal with `0x`, decimal without.
fn number_after(text: &str, mark: &str) -> Option<u32> {
    let rest = after(text, mark)?;
    if rest.starts_with("0x") {
        return u32::try_from(hexadecimal(rest)?).ok();
    }
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn hexadecimal(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x")?.split(|c: char| !c.is_ascii_hexdigit()).next()?;
    u64::from_str_radix(digits, 16).ok()
}

fn cut(text: &str) -> String {
    text.chars().take(MAXIMUM_REMARK).collect()
}

//! What the emulator itself saw: its log of exceptions (`-d int`) and of accesses to devices it does not
//! model (`-d unimp`, `-d guest_errors`). An independent witness: a record that says otherwise is wrong.

use crashrig_wire::Record;
use std::collections::BTreeMap;

/// Names of CFSR bits as QEMU writes them, in `...with CFSR.<name>` and `...with BFSR.<name>` lines.
const CFSR_NAMES: &[(&str, u32)] = &[
    ("IACCVIOL", 0),
    ("DACCVIOL", 1),
    ("MUNSTKERR", 3),
    ("MSTKERR", 4),
    ("MLSPERR", 5),
    ("IBUSERR", 8),
    ("PRECISERR", 9),
    ("IMPRECISERR", 10),
    ("UNSTKERR", 11),
    ("STKERR", 12),
    ("LSPERR", 13),
    ("UNDEFINSTR", 16),
    ("INVSTATE", 17),
    ("INVPC", 18),
    ("NOCP", 19),
    ("UNALIGNED", 24),
    ("DIVBYZERO", 25),
];

/// Exceptions for which QEMU names no bit, by the name in `Taking exception N [name]`.
const BITS_BY_EXCEPTION: &[(&str, u32)] = &[
    ("Undefined Instruction", 16),
    ("v7M INVSTATE UsageFault", 17),
    ("v7M NOCP UsageFault", 19),
    ("v7M DIVBYZERO UsageFault", 25),
];

/// The bits that tell a cause; the two that only say that an address holds are not in the log.
const CAUSE_BITS: u32 = 0x030F_3F3B;

/// What the emulator saw of one boot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Witness {
    /// Faults, in order.
    pub faults: Vec<SeenFault>,
    /// Accesses to what is not modelled, each once, with its count.
    pub unmodelled: Vec<String>,
}

/// One fault as the emulator logged it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenFault {
    /// CFSR bits that it set.
    pub bits: u32,
    /// The address it gives.
    pub address: Option<u32>,
    /// The exception number that was taken for it: 3 to 6.
    pub vector: Option<u32>,
}

/// Reads the log of one boot.
#[must_use]
pub fn parse(text: &[u8]) -> Witness {
    let text = String::from_utf8_lossy(text);
    let mut witness = Witness::default();
    let mut accesses: BTreeMap<String, usize> = BTreeMap::new();
    let mut current = SeenFault::default();
    for line in text.lines() {
        if let Some(exception) = line.strip_prefix("Taking exception ") {
            current = SeenFault::default();
            let named =
                BITS_BY_EXCEPTION.iter().find(|(name, _)| exception.contains(&format!("[{name}]")));
            if let Some((_, bit)) = named {
                current.bits |= 1 << bit;
            }
        } else if let Some(rest) = line.strip_prefix("...") {
            read_detail(rest, &mut current);
            if current.vector.is_some() {
                witness.faults.push(std::mem::take(&mut current));
            }
        } else if line.contains("unimplemented device") || line.contains("Invalid access") {
            *accesses.entry(line.trim().to_owned()).or_default() += 1;
        }
    }
    witness.unmodelled = accesses
        .into_iter()
        .map(|(line, count)| if count > 1 { format!("{line} ({count} times)") } else { line })
        .collect();
    witness
}

fn read_detail(rest: &str, fault: &mut SeenFault) {
    for (name, bit) in CFSR_NAMES {
        let named = |register: &str| {
            rest.split(register).skip(1).any(|tail| {
                tail.strip_prefix(name).is_some_and(|end| !end.starts_with(char::is_alphanumeric))
            })
        };
        if named("CFSR.") || named("BFSR.") || named("MMFSR.") || named("UFSR.") {
            fault.bits |= 1 << bit;
        }
    }
    for register in ["MMFAR 0x", "BFAR 0x"] {
        if let Some(digits) = rest.split(register).nth(1) {
            let digits = digits.split(|c: char| !c.is_ascii_hexdigit()).next().unwrap_or("");
            fault.address = u32::from_str_radix(digits, 16).ok();
        }
    }
    if let Some(number) =
        rest.strip_prefix("taking pending ").and_then(|tail| tail.split(' ').next_back())
    {
        fault.vector = number.parse().ok().filter(|vector| (3..=6).contains(vector));
    }
}

/// Where a record and the witness differ. A record that no fault led to (a panic, a range check, an
/// interrupt without a handler) must have seen none; any other must have the bits and the address of the
/// fault that led to it.
#[must_use]
pub fn disagreements(record: &Record, partial: bool, witness: &Witness) -> Vec<String> {
    let bits = record.faults.cfsr & CAUSE_BITS;
    // Behind a record whose capture was cut short comes one more fault, the one that cut it.
    let behind = usize::from(partial);
    let seen =
        witness.faults.len().checked_sub(1 + behind).and_then(|last| witness.faults.get(last));
    let Some(seen) = seen else {
        if bits == 0 {
            return Vec::new();
        }
        return vec![format!("record has CFSR causes {bits:#010x}, the emulator saw no fault")];
    };
    // Several faults can lead to one record: the bits of the chain add up.
    let all = witness
        .faults
        .iter()
        .take(witness.faults.len().saturating_sub(behind))
        .fold(0, |all, fault| all | fault.bits);
    let mut found = Vec::new();
    if bits != all {
        found.push(format!("record has CFSR causes {bits:#010x}, the emulator saw {all:#010x}"));
    }
    let recorded = [(1 << 7, record.faults.mmfar), (1 << 15, record.faults.bfar)]
        .into_iter()
        .find_map(|(valid, address)| (record.faults.cfsr & valid != 0).then_some(address));
    let address = witness.faults.iter().rev().skip(behind).find_map(|fault| fault.address);
    if recorded != address {
        let text = |address: Option<u32>| {
            address.map_or("none".to_owned(), |address| format!("{address:#010x}"))
        };
        found.push(format!(
            "record has address {}, the emulator saw {}",
            text(recorded),
            text(address)
        ));
    }
    let forced = record.faults.hfsr & 1 << 30 != 0;
    if forced != (seen.vector == Some(3)) {
        found.push(format!(
            "record says {}escalated, the emulator took exception {}",
            if forced { "" } else { "not " },
            seen.vector.unwrap_or(0)
        ));
    }
    found
}

//! Fault status registers in words (DDI0403E B3.2.15 and B3.2.16).

use crashrig_wire::record::FaultStatus;

/// CFSR, bit by bit.
const CFSR_BITS: &[(u32, &str)] = &[
    (0, "MemManage: an instruction was fetched from where that is forbidden (IACCVIOL)"),
    (1, "MemManage: a data access was refused (DACCVIOL)"),
    (3, "MemManage: while an exception returned (MUNSTKERR)"),
    (4, "MemManage: while an exception frame was written (MSTKERR)"),
    (5, "MemManage: while floating-point state was written late (MLSPERR)"),
    (8, "BusFault: an instruction could not be fetched (IBUSERR)"),
    (9, "BusFault: a data access failed, address exact (PRECISERR)"),
    (10, "BusFault: a data access failed, address unknown (IMPRECISERR)"),
    (11, "BusFault: while an exception returned (UNSTKERR)"),
    (12, "BusFault: while an exception frame was written (STKERR)"),
    (13, "BusFault: while floating-point state was written late (LSPERR)"),
    (16, "UsageFault: an undefined instruction (UNDEFINSTR)"),
    (17, "UsageFault: an invalid execution state (INVSTATE)"),
    (18, "UsageFault: an invalid EXC_RETURN (INVPC)"),
    (19, "UsageFault: a coprocessor that is off or absent (NOCP)"),
    (24, "UsageFault: an unaligned access (UNALIGNED)"),
    (25, "UsageFault: a division by zero (DIVBYZERO)"),
];

/// HFSR, bit by bit.
const HFSR_BITS: &[(u32, &str)] = &[
    (1, "HardFault: a vector could not be read (VECTTBL)"),
    (30, "HardFault: another fault was escalated (FORCED)"),
    (31, "HardFault: a debug event (DEBUGEVT)"),
];

const MMARVALID: u32 = 1 << 7;
const BFARVALID: u32 = 1 << 15;

/// What the registers say, one sentence for each bit, addresses where they hold.
#[must_use]
pub fn describe(faults: &FaultStatus) -> Vec<String> {
    let set = |word: u32, bits: &'static [(u32, &'static str)]| {
        bits.iter().filter(move |(bit, _)| word & 1 << bit != 0).map(|(_, text)| (*text).to_owned())
    };
    let mut lines: Vec<String> =
        set(faults.cfsr, CFSR_BITS).chain(set(faults.hfsr, HFSR_BITS)).collect();
    if faults.cfsr & MMARVALID != 0 {
        lines.push(format!("MMFAR holds {:#010x}", faults.mmfar));
    }
    if faults.cfsr & BFARVALID != 0 {
        lines.push(format!("BFAR holds {:#010x}", faults.bfar));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bit_has_its_sentence_and_an_address_only_where_it_holds() {
        let text =
            |cfsr| describe(&FaultStatus { cfsr, bfar: 0xD000_0000, ..FaultStatus::default() });
        assert!(text(0).is_empty());
        assert_eq!(text(0x8200).len(), 2);
        assert!(text(0x8200).iter().any(|line| line.contains("0xd0000000")));
        assert!(!text(0x0200).iter().any(|line| line.contains("BFAR")));
        assert!(text(0x92).iter().any(|line| line.contains("MSTKERR")));
    }
}

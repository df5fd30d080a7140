//! What the bits of the fault status registers mean, in words. Every bit has a line.
//!
//! Bits and meaning: DDI0403E B3.2.15 (CFSR: MMFSR, BFSR, UFSR), B3.2.16 (HFSR), B3.2.17 (MMFAR),
//! B3.2.18 (BFAR). What only ARMv8-M has (CFSR.STKOF, SFSR): DDI0553, from memory.

use crashrig_wire::cfsr;
use crashrig_wire::record::{Architecture, FaultStatus};

/// Which register a bit stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Register {
    Cfsr,
    Hfsr,
    /// Stands in the place of AFSR in a record of ARMv8-M.
    Sfsr,
}

impl Register {
    const ALL: [Self; 3] = [Self::Cfsr, Self::Hfsr, Self::Sfsr];

    const fn name(self) -> &'static str {
        match self {
            Self::Cfsr => "CFSR",
            Self::Hfsr => "HFSR",
            Self::Sfsr => "SFSR",
        }
    }

    /// What a record says of it.
    const fn of(self, architecture: Architecture, faults: &FaultStatus) -> u32 {
        match (self, architecture) {
            (Self::Cfsr, _) => faults.cfsr,
            (Self::Hfsr, _) => faults.hfsr,
            (Self::Sfsr, Architecture::Armv8m) => faults.afsr,
            (Self::Sfsr, Architecture::Armv7m) => 0,
        }
    }

    /// Bits that are no cause: they say that an address register holds.
    const fn valid_bits(self) -> u32 {
        match self {
            Self::Cfsr => cfsr::MMARVALID | cfsr::BFARVALID,
            Self::Hfsr => 0,
            Self::Sfsr => 1 << 6,
        }
    }
}

/// Which address register tells where, if it is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AddressIn {
    Nothing,
    Mmfar,
    Bfar,
}

/// One bit with a meaning.
struct Bit {
    register: Register,
    number: u32,
    name: &'static str,
    text: &'static str,
    address: AddressIn,
}

/// A row of the table below.
const fn bit(
    register: Register,
    number: u32,
    name: &'static str,
    text: &'static str,
    address: AddressIn,
) -> Bit {
    Bit { register, number, name, text, address }
}

#[rustfmt::skip]
const BITS: &[Bit] = {
    use AddressIn::{Bfar, Mmfar, Nothing};
    use Register::{Cfsr, Hfsr, Sfsr};
    &[
        bit(Cfsr, 0, "IACCVIOL", "fetch from memory that may not be executed", Nothing),
        bit(Cfsr, 1, "DACCVIOL", "data access refused by the memory protection", Mmfar),
        bit(Cfsr, 3, "MUNSTKERR", "unstacking refused by the memory protection", Nothing),
        bit(Cfsr, 4, "MSTKERR", "stacking refused by the memory protection", Nothing),
        bit(Cfsr, 5, "MLSPERR", "late floating-point stacking refused by the MPU", Nothing),
        bit(Cfsr, 8, "IBUSERR", "bus error on an instruction fetch", Nothing),
        bit(Cfsr, 9, "PRECISERR", "precise data bus error", Bfar),
        bit(Cfsr, 10, "IMPRECISERR", "imprecise data bus error, caused before pc", Nothing),
        bit(Cfsr, 11, "UNSTKERR", "bus error on unstacking", Nothing),
        bit(Cfsr, 12, "STKERR", "bus error on stacking", Nothing),
        bit(Cfsr, 13, "LSPERR", "bus error on late stacking of floating-point state", Nothing),
        bit(Cfsr, 16, "UNDEFINSTR", "undefined instruction", Nothing),
        bit(Cfsr, 17, "INVSTATE", "invalid state, such as no Thumb bit", Nothing),
        bit(Cfsr, 18, "INVPC", "exception return with an invalid EXC_RETURN or frame", Nothing),
        bit(Cfsr, 19, "NOCP", "instruction for a coprocessor that is off or absent", Nothing),
        bit(Cfsr, 20, "STKOF", "stack pointer refused by its limit register", Nothing),
        bit(Cfsr, 24, "UNALIGNED", "unaligned access", Nothing),
        bit(Cfsr, 25, "DIVBYZERO", "division by zero", Nothing),
        bit(Hfsr, 1, "VECTTBL", "bus error on reading the vector table", Nothing),
        bit(Hfsr, 30, "FORCED", "escalated: the fault's own handler could not run", Nothing),
        bit(Hfsr, 31, "DEBUGEVT", "debug event without a debugger, such as BKPT", Nothing),
        bit(Sfsr, 0, "INVEP", "non-secure code entered secure code where it may not", Nothing),
        bit(Sfsr, 1, "INVIS", "exception frame without its integrity signature", Nothing),
        bit(Sfsr, 2, "INVER", "exception return to the wrong security state", Nothing),
        bit(Sfsr, 3, "AUVIOL", "access to secure memory from non-secure state", Nothing),
        bit(Sfsr, 4, "INVTRAN", "branch from secure to non-secure state without a mark", Nothing),
        bit(Sfsr, 5, "LSPERR", "late floating-point stacking refused by its security", Nothing),
        bit(Sfsr, 7, "LSERR", "error of late floating-point state", Nothing),
    ]
};

/// The meaning of every set bit, most specific register first, with the address where one is valid.
#[must_use]
pub fn describe(architecture: Architecture, faults: &FaultStatus) -> Vec<String> {
    let mut lines = Vec::new();
    let mut shown = [false; 2];
    for bit in BITS {
        if bit.register.of(architecture, faults) & 1 << bit.number == 0 {
            continue;
        }
        let place = match bit.address {
            AddressIn::Mmfar if faults.cfsr & cfsr::MMARVALID != 0 => {
                shown[0] = true;
                format!(" at {:#010x}", faults.mmfar)
            }
            AddressIn::Bfar if faults.cfsr & cfsr::BFARVALID != 0 => {
                shown[1] = true;
                format!(" at {:#010x}", faults.bfar)
            }
            _ => String::new(),
        };
        lines.push(format!("{}{place} ({}.{})", bit.text, bit.register.name(), bit.name));
    }
    let valid = [(cfsr::MMARVALID, "MMFAR", faults.mmfar), (cfsr::BFARVALID, "BFAR", faults.bfar)];
    for ((mask, name, address), shown) in valid.into_iter().zip(shown) {
        if faults.cfsr & mask != 0 && !shown {
            lines.push(format!("{name} holds {address:#010x}"));
        }
    }
    for register in Register::ALL {
        let rows = BITS.iter().filter(|row| row.register == register);
        let known = rows.fold(register.valid_bits(), |known, row| known | 1 << row.number);
        let unknown = register.of(architecture, faults) & !known;
        if unknown != 0 {
            lines.push(format!("bits {unknown:#010x} of {} have no meaning", register.name()));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cfsr: u32, hfsr: u32, expected: &[&str]) {
        let (mmfar, bfar) = (0x2000_17E0, 0xD000_0000);
        let faults = FaultStatus { cfsr, hfsr, mmfar, bfar, ..FaultStatus::default() };
        assert_eq!(
            describe(Architecture::Armv7m, &faults),
            expected,
            "CFSR {cfsr:#010x}, HFSR {hfsr:#010x}"
        );
    }

    /// Position and name of each cause are those of `wire`.
    #[test]
    fn every_cause_of_the_architecture_has_a_row() {
        let rows = BITS.iter().filter(|row| matches!(row.register, Register::Cfsr));
        let rows: Vec<_> = rows.map(|row| (row.name, 1 << row.number)).collect();
        assert_eq!(rows, cfsr::NAMED);
    }

    #[test]
    fn every_bit_of_interest_has_its_words() {
        check(0, 0, &[]);
        check(0x8200, 0, &["precise data bus error at 0xd0000000 (CFSR.PRECISERR)"]);
        check(0x0200, 0, &["precise data bus error (CFSR.PRECISERR)"]);
        check(
            0x92,
            0,
            &[
                "data access refused by the memory protection at 0x200017e0 (CFSR.DACCVIOL)",
                "stacking refused by the memory protection (CFSR.MSTKERR)",
            ],
        );
        check(
            0x0200_0000,
            0x4000_0000,
            &[
                "division by zero (CFSR.DIVBYZERO)",
                "escalated: the fault's own handler could not run (HFSR.FORCED)",
            ],
        );
        check(0x80, 0, &["MMFAR holds 0x200017e0"]);
        check(
            0x0020_0000,
            1,
            &["bits 0x00200000 of CFSR have no meaning", "bits 0x00000001 of HFSR have no meaning"],
        );
    }

    #[test]
    fn the_status_of_secure_faults_is_told_on_the_architecture_that_has_it() {
        let faults = FaultStatus { afsr: 0x48, ..FaultStatus::default() };
        let expected = ["access to secure memory from non-secure state (SFSR.AUVIOL)"];
        assert_eq!(describe(Architecture::Armv8m, &faults), expected);
        assert_eq!(describe(Architecture::Armv7m, &faults), [""; 0]);
    }

    #[test]
    fn every_bit_of_both_registers_gives_one_line() {
        for number in 0..32 {
            for (cfsr, hfsr) in [(1 << number, 0), (0, 1 << number)] {
                let faults = FaultStatus { cfsr, hfsr, ..FaultStatus::default() };
                assert_eq!(describe(Architecture::Armv7m, &faults).len(), 1, "bit {number}");
            }
        }
    }
}

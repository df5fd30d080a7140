//! The bits of CFSR (DDI0403E B3.2.15), for the device that judges a crash by them and for the host
//! that explains and checks the record.

/// Every cause, by the name the architecture gives it. STKOF is ARMv8-M's (DDI0553, from memory,
/// measured on QEMU).
pub const NAMED: &[(&str, u32)] = &[
    ("IACCVIOL", 1 << 0),
    ("DACCVIOL", DACCVIOL),
    ("MUNSTKERR", 1 << 3),
    ("MSTKERR", MSTKERR),
    ("MLSPERR", MLSPERR),
    ("IBUSERR", 1 << 8),
    ("PRECISERR", 1 << 9),
    ("IMPRECISERR", 1 << 10),
    ("UNSTKERR", 1 << 11),
    ("STKERR", STKERR),
    ("LSPERR", LSPERR),
    ("UNDEFINSTR", 1 << 16),
    ("INVSTATE", 1 << 17),
    ("INVPC", 1 << 18),
    ("NOCP", 1 << 19),
    ("STKOF", STKOF),
    ("UNALIGNED", 1 << 24),
    ("DIVBYZERO", DIVBYZERO),
];

/// A data access broke a rule of the memory protection.
pub const DACCVIOL: u32 = 1 << 1;
/// MemManage fault while an exception frame was written.
pub const MSTKERR: u32 = 1 << 4;
/// MemManage fault while floating-point state was written late.
pub const MLSPERR: u32 = 1 << 5;
/// MMFAR holds.
pub const MMARVALID: u32 = 1 << 7;
/// Bus fault while an exception frame was written.
pub const STKERR: u32 = 1 << 12;
/// Bus fault while floating-point state was written late.
pub const LSPERR: u32 = 1 << 13;
/// BFAR holds.
pub const BFARVALID: u32 = 1 << 15;
/// A stack pointer below its limit register was refused; ARMv8-M only, zero elsewhere.
pub const STKOF: u32 = 1 << 20;
/// Division by zero.
pub const DIVBYZERO: u32 = 1 << 25;

/// Every cause of a MemManage fault.
pub const MEMMANAGE: u32 = 0x0000_003B;
/// Every cause of a BusFault.
pub const BUS: u32 = 0x0000_3F00;
/// Every cause of a UsageFault.
pub const USAGE: u32 = 0x031F_0000;
/// The core failed to write something onto a stack.
pub const STACKING: u32 = FRAME_LOST | MLSPERR | LSPERR;
/// No exception frame was written.
pub const FRAME_LOST: u32 = MSTKERR | STKERR;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_are_made_of_the_named_bits() {
        let all = NAMED.iter().fold(0, |all, (_, bit)| all | bit);
        assert_eq!(MEMMANAGE | BUS | USAGE, all);
        assert_eq!((MEMMANAGE & BUS, BUS & USAGE, all & (MMARVALID | BFARVALID)), (0, 0, 0));
    }
}

//! The core registers as QEMU prints them, on request and in the text of a lockup.

use crate::error::Error;

/// Registers of the core by GDB's names, in the order of their numbers in DCRSR (DDI0403E C1.6.3).
pub const REGISTER_NAMES: [&str; 19] = [
    "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "sp", "lr",
    "pc", "xpsr", "msp", "psp",
];

/// The registers of a Cortex-M core at a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registers {
    /// r0 to r12.
    pub general: [u32; 13],
    /// The stack pointer in use.
    pub sp: u32,
    /// The link register; an EXC_RETURN value inside a handler that calls nothing.
    pub lr: u32,
    /// The address of the next instruction.
    pub pc: u32,
    /// The combined program status register; its low nine bits are the number of the exception.
    pub xpsr: u32,
}

impl Registers {
    /// Reads the text of `info registers`, or of the register dump after `qemu: fatal`.
    ///
    /// # Errors
    /// [`Error::Malformed`] when a register is missing.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let value = |name: &str| -> Result<u32, Error> {
            text.split_whitespace()
                .filter_map(|word| word.split_once('='))
                .find(|(key, _)| *key == name)
                .and_then(|(_, digits)| u32::from_str_radix(digits, 16).ok())
                .ok_or_else(|| Error::Malformed {
                    socket: "QMP",
                    expected: "R00 to R15 and XPSR",
                    found: text.chars().take(200).collect(),
                })
        };
        let mut general = [0; 13];
        for (number, register) in general.iter_mut().enumerate() {
            *register = value(&format!("R{number:02}"))?;
        }
        Ok(Self {
            general,
            sp: value("R13")?,
            lr: value("R14")?,
            pc: value("R15")?,
            xpsr: value("XPSR")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\nCPU#0\nR00=20000000 R01=00408010 R02=00000002 R03=00000003\n\
        R04=00000004 R05=00000005 R06=00000006 R07=00000007\n\
        R08=00000008 R09=00000009 R10=0000000a R11=0000000b\n\
        R12=0000000c R13=20010000 R14=ffffffff R15=08000042\n\
        XPSR=01000000 ---- T priv-thread\n";

    fn check(text: &str, expected: Option<(u32, u32, u32)>) {
        let found = Registers::parse(text).ok();
        assert_eq!(found.map(|found| (found.general[12], found.pc, found.xpsr)), expected);
    }

    #[test]
    fn the_text_of_both_versions_is_read() {
        check(TEXT, Some((12, 0x0800_0042, 0x0100_0000)));
        check(&format!("qemu: fatal: Lockup: x\n{TEXT}"), Some((12, 0x0800_0042, 0x0100_0000)));
        check(&TEXT.replace("R12=", "Q12="), None);
        check(&TEXT.replace("XPSR=01000000", "XPSR=nonsense"), None);
        check("", None);
    }
}

//! Registers of the core by GDB's names, as the debug port numbers them.
//!
//! Numbers: DCRSR.REGSEL (DDI0403E C1.6.3, from memory, not checked). The four special registers
//! are the bytes of one.

/// The register that packs CONTROL, FAULTMASK, BASEPRI and PRIMASK, highest byte first.
pub const SPECIAL: u16 = 0x14;

/// Where a register is: its number, and which byte of it where it shares that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The number.
    pub number: u16,
    /// The byte, 0 for the lowest.
    pub byte: Option<u32>,
}

/// The place of a register; nothing if no core of this kind has it.
#[must_use]
pub fn place(name: &str) -> Option<Place> {
    let whole = |number| Some(Place { number, byte: None });
    let byte = |byte| Some(Place { number: SPECIAL, byte: Some(byte) });
    match name {
        "sp" => whole(13),
        "lr" => whole(14),
        "pc" => whole(15),
        "xpsr" => whole(16),
        "msp" => whole(17),
        "psp" => whole(18),
        "primask" => byte(0),
        "basepri" => byte(1),
        "faultmask" => byte(2),
        "control" => byte(3),
        _ => {
            let number: u16 = name.strip_prefix('r')?.parse().ok()?;
            (number <= 15).then_some(Place { number, byte: None })
        }
    }
}

impl Place {
    /// The register's value out of that of its number.
    #[must_use]
    pub const fn get(self, value: u32) -> u32 {
        match self.byte {
            Some(byte) => value >> (8 * byte) & 0xFF,
            None => value,
        }
    }

    /// The value of its number with this register's in it.
    #[must_use]
    pub const fn put(self, old: u32, value: u32) -> u32 {
        match self.byte {
            Some(byte) => old & !(0xFF << (8 * byte)) | (value & 0xFF) << (8 * byte),
            None => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_registers_are_bytes_of_one() {
        let control = place("control").unwrap();
        assert_eq!(control.get(0x0200_4001), 2);
        assert_eq!(place("basepri").unwrap().get(0x0200_4001), 0x40);
        assert_eq!(control.put(0x0200_4001, 3), 0x0300_4001);
        assert_eq!(place("r11"), Some(Place { number: 11, byte: None }));
        for name in ["r16", "r", "x0", "msplim", ""] {
            assert_eq!(place(name), None, "{name}");
        }
    }
}

//! The registers of the core as DCRSR numbers them, and GDB's names for them.
//!
//! Numbers: ARM DDI 0403E §C1.6.3, from memory, not checked against its text.

use crate::error::Error;
use crate::probe::chip::{Body, Chip};
use crate::probe::core::Life;
use crate::registers::{REGISTER_NAMES, Registers};

/// Bit of DCRSR: the register is written with DCRDR.
const WRITES: u32 = 1 << 16;
/// Bits of DCRSR that hold the number of the register.
const NUMBER: u32 = 0x7F;

/// Where a register is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// All of a register of this name.
    Whole(&'static str),
    /// PRIMASK, BASEPRI, FAULTMASK and CONTROL, lowest byte first.
    Special,
    /// Half of a register of 64 bits.
    Half {
        number: u32,
        is_upper: bool,
    },
    Nowhere,
}

const SPECIAL_NAMES: [&str; 4] = ["primask", "basepri", "faultmask", "control"];

fn place(number: u32) -> Place {
    match number {
        20 => Place::Special,
        33 => Place::Whole("fpscr"),
        64..=95 => Place::Half { number: (number - 64) / 2, is_upper: number % 2 == 1 },
        _ => REGISTER_NAMES.get(number as usize).map_or(Place::Nowhere, |name| Place::Whole(name)),
    }
}

impl Chip {
    /// Carries out a write to DCRSR. Without effect while the core runs.
    pub(super) fn move_register(&mut self, value: u32) -> Result<(), Error> {
        if self.life != Life::Halted {
            return Ok(());
        }
        let place = place(value & NUMBER);
        if let Body::Remains(remains) = &self.body {
            // Nothing can be written to what has ended.
            self.core.dcrdr = last(&remains.registers, value & NUMBER);
            return Ok(());
        }
        if value & WRITES != 0 {
            return self.write_core_register(place, self.core.dcrdr);
        }
        self.core.dcrdr = self.read_core_register(place)?;
        Ok(())
    }

    fn read_core_register(&mut self, place: Place) -> Result<u32, Error> {
        let hub = self.emulator()?.gdb()?;
        let mut read = |name: &str| hub.read_register(name).map(Option::unwrap_or_default);
        Ok(match place {
            Place::Whole(name) => low(read(name)?),
            Place::Special => {
                let mut value = 0;
                for name in SPECIAL_NAMES.iter().rev() {
                    value = value << 8 | low(read(name)?) & 0xFF;
                }
                value
            }
            Place::Half { number, is_upper } => {
                let both = read(&format!("d{number}"))?;
                low(if is_upper { both >> 32 } else { both })
            }
            Place::Nowhere => 0,
        })
    }

    fn write_core_register(&mut self, place: Place, value: u32) -> Result<(), Error> {
        let hub = self.emulator()?.gdb()?;
        match place {
            Place::Whole("pc") => {
                hub.write_register("pc", u64::from(value & !1))?;
            }
            Place::Whole(name) => {
                hub.write_register(name, u64::from(value))?;
            }
            Place::Special => {
                for (name, byte) in SPECIAL_NAMES.iter().zip(value.to_le_bytes()) {
                    hub.write_register(name, u64::from(byte))?;
                }
            }
            Place::Half { number, is_upper } => {
                let name = format!("d{number}");
                let both = hub.read_register(&name)?.unwrap_or_default();
                let value = u64::from(value);
                let both = if is_upper {
                    both & 0xFFFF_FFFF | value << 32
                } else {
                    both & !0xFFFF_FFFF | value
                };
                hub.write_register(&name, both)?;
            }
            Place::Nowhere => {}
        }
        Ok(())
    }
}

/// A register of a core that has locked up, as far as the emulator printed it. It handled an
/// exception, so that its stack pointer is the main one.
fn last(registers: &Registers, number: u32) -> u32 {
    match number {
        13 | 17 => registers.sp,
        14 => registers.lr,
        15 => registers.pc,
        16 => registers.xpsr,
        _ => registers.general.get(number as usize).copied().unwrap_or_default(),
    }
}

/// The low word.
fn low(value: u64) -> u32 {
    u32::try_from(value & 0xFFFF_FFFF).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_to_registers() {
        let check = |number, expected| assert_eq!(place(number), expected, "{number}");
        check(0, Place::Whole("r0"));
        check(13, Place::Whole("sp"));
        check(15, Place::Whole("pc"));
        check(16, Place::Whole("xpsr"));
        check(18, Place::Whole("psp"));
        check(19, Place::Nowhere);
        check(20, Place::Special);
        check(33, Place::Whole("fpscr"));
        check(64, Place::Half { number: 0, is_upper: false });
        check(95, Place::Half { number: 15, is_upper: true });
        check(96, Place::Nowhere);
    }
}

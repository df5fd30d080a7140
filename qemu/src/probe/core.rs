//! The debug registers of a Cortex-M core, as values: who asks for what, and what has happened.
//!
//! Registers and bits: ARM DDI 0403E (ARMv7-M) chapter C1, from memory, not checked against its
//! text. Pure: nothing here talks to an emulator.

use std::collections::BTreeMap;

use crate::probe::units::{BreakpointUnit, WatchUnit};

/// Halting control and status.
pub(crate) const DHCSR: u32 = 0xE000_EDF0;
/// Which core register is moved, and in which direction.
pub(crate) const DCRSR: u32 = 0xE000_EDF4;
/// The value that is moved.
pub(crate) const DCRDR: u32 = 0xE000_EDF8;
/// Exception and monitor control: which exceptions halt the core.
pub(crate) const DEMCR: u32 = 0xE000_EDFC;
/// Why the core has halted.
pub(crate) const DFSR: u32 = 0xE000_ED30;
/// Reset control.
pub(crate) const AIRCR: u32 = 0xE000_ED0C;

/// The upper half of what is written to DHCSR.
const DHCSR_KEY: u32 = 0xA05F;
/// The upper half of what is written to AIRCR.
const AIRCR_KEY: u32 = 0x05FA;

/// Bits of DFSR.
pub(crate) const HALTED: u32 = 1;
pub(crate) const BREAKPOINT: u32 = 1 << 1;
pub(crate) const WATCHPOINT: u32 = 1 << 2;
pub(crate) const VECTOR_CATCH: u32 = 1 << 3;

/// Bits of DEMCR.
pub(crate) const CATCH_RESET: u32 = 1;
pub(crate) const CATCH_MEMORY: u32 = 1 << 4;
pub(crate) const CATCH_COPROCESSOR: u32 = 1 << 5;
pub(crate) const CATCH_CHECK: u32 = 1 << 6;
pub(crate) const CATCH_STATE: u32 = 1 << 7;
pub(crate) const CATCH_BUS: u32 = 1 << 8;
pub(crate) const CATCH_ENTRY: u32 = 1 << 9;
pub(crate) const CATCH_HARD: u32 = 1 << 10;
/// All catches of faults.
pub(crate) const CATCH_FAULTS: u32 = 0x7F0;

/// What the core is doing, as a debugger sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Running,
    /// It waits for an interrupt.
    Sleeping,
    Halted,
    LockedUp,
    /// Its reset line is low.
    InReset,
}

/// What a debugger asks for with a write to DHCSR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) enables: bool,
    pub(crate) halts: bool,
    pub(crate) steps: bool,
    pub(crate) masks_interrupts: bool,
}

impl Control {
    /// Reads the bits; nothing without the key.
    pub(crate) const fn of(value: u32) -> Option<Self> {
        if value >> 16 != DHCSR_KEY {
            return None;
        }
        let enables = value & 1 != 0;
        Some(Self {
            enables,
            halts: enables && value & 2 != 0,
            steps: enables && value & 4 != 0,
            masks_interrupts: enables && value & 8 != 0,
        })
    }
}

/// Whether a write to AIRCR asks for a reset. That of the core alone is taken for one of the chip.
pub(crate) const fn asks_for_reset(value: u32) -> bool {
    value >> 16 == AIRCR_KEY && value & 0b101 != 0
}

/// The registers. They are lost with the power, and survive every other reset.
#[derive(Debug, Clone, Default)]
pub(crate) struct Core {
    /// Halting debug is on.
    pub(crate) is_enabled: bool,
    pub(crate) masks_interrupts: bool,
    pub(crate) demcr: u32,
    pub(crate) dfsr: u32,
    pub(crate) dcrdr: u32,
    /// A reset since DHCSR was last read.
    pub(crate) was_reset: bool,
    /// An instruction since DHCSR was last read.
    pub(crate) has_retired: bool,
    pub(crate) breakpoints: BreakpointUnit,
    pub(crate) watches: WatchUnit,
    /// Registers that only keep what is written.
    pub(crate) kept: BTreeMap<u32, u32>,
}

impl Core {
    /// As after power-on.
    pub(crate) fn new() -> Self {
        Self { was_reset: true, ..Self::default() }
    }

    /// The value of DHCSR; its sticky bits are cleared by that.
    pub(crate) fn read_status(&mut self, life: Life) -> u32 {
        let bit = |is_set: bool, number: u32| u32::from(is_set) << number;
        let is_halted = life == Life::Halted;
        let retired = std::mem::take(&mut self.has_retired) || life == Life::Running;
        bit(self.is_enabled, 0)
            | bit(is_halted, 1)
            | bit(self.masks_interrupts, 3)
            // What DCRSR asks for is done at once.
            | bit(true, 16)
            | bit(is_halted, 17)
            | bit(life == Life::Sleeping, 18)
            | bit(life == Life::LockedUp, 19)
            | bit(retired, 24)
            | bit(std::mem::take(&mut self.was_reset) || life == Life::InReset, 25)
    }

    /// Whether resets are to halt the core.
    pub(crate) const fn catches_reset(&self) -> bool {
        self.is_enabled && self.demcr & CATCH_RESET != 0
    }

    /// The fault catches that are in force.
    pub(crate) const fn fault_catches(&self) -> u32 {
        if self.is_enabled { self.demcr & CATCH_FAULTS } else { 0 }
    }
}

/// The numbers of the exceptions whose handlers have to be watched for some catches.
pub(crate) fn caught_exceptions(catches: u32) -> Vec<u32> {
    let usage = CATCH_COPROCESSOR | CATCH_CHECK | CATCH_STATE;
    // A fault in the entry of an exception may end in any of them.
    [
        (3, CATCH_HARD | CATCH_ENTRY),
        (4, CATCH_MEMORY | CATCH_ENTRY),
        (5, CATCH_BUS | CATCH_ENTRY),
        (6, usage | CATCH_ENTRY),
    ]
    .into_iter()
    .filter(|(_, any)| catches & any != 0)
    .map(|(number, _)| number)
    .collect()
}

/// Whether an exception that is entered is caught, by its number and the fault status registers.
pub(crate) const fn is_caught(catches: u32, exception: u32, cfsr: u32, hfsr: u32) -> bool {
    // Stacking and unstacking, integer and floating-point; the fetch of a vector.
    const ENTRY: u32 = 0x3838;
    const VECTOR_FETCH: u32 = 1 << 1;
    // Undefined instruction, invalid state, invalid EXC_RETURN.
    const STATE: u32 = 0x7 << 16;
    const COPROCESSOR: u32 = 1 << 19;
    // Unaligned access, division by zero.
    const CHECK: u32 = 0x3 << 24;
    let in_entry = cfsr & ENTRY != 0 || hfsr & VECTOR_FETCH != 0;
    if catches & CATCH_ENTRY != 0 && in_entry {
        return true;
    }
    match exception {
        3 => catches & CATCH_HARD != 0,
        4 => catches & CATCH_MEMORY != 0,
        5 => catches & CATCH_BUS != 0,
        6 => {
            (catches & CATCH_STATE != 0 && cfsr & STATE != 0)
                || (catches & CATCH_COPROCESSOR != 0 && cfsr & COPROCESSOR != 0)
                || (catches & CATCH_CHECK != 0 && cfsr & CHECK != 0)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_needs_its_key_and_enabled_debugging() {
        let control = |enables, halts, steps, masks_interrupts| {
            Some(Control { enables, halts, steps, masks_interrupts })
        };
        assert_eq!(Control::of(0x0000_0003), None);
        assert_eq!(Control::of(0xA05F_0003), control(true, true, false, false));
        assert_eq!(Control::of(0xA05F_000D), control(true, false, true, true));
        assert_eq!(Control::of(0xA05F_000E), control(false, false, false, false));
        assert!(asks_for_reset(0x05FA_0004));
        assert!(!asks_for_reset(0x05FA_0000));
        assert!(!asks_for_reset(0x0000_0004));
    }

    #[test]
    fn sticky_bits_are_told_once() {
        let mut core = Core::new();
        assert_eq!(core.read_status(Life::Halted), 0x0203_0002);
        assert_eq!(core.read_status(Life::Halted), 0x0003_0002);
        core.has_retired = true;
        core.is_enabled = true;
        assert_eq!(core.read_status(Life::LockedUp), 0x0109_0001);
        assert_eq!(core.read_status(Life::Sleeping), 0x0005_0001);
        assert_eq!(core.read_status(Life::InReset), 0x0201_0001);
    }

    #[test]
    fn each_catch_catches_its_faults() {
        let check = |catches, exception, cfsr, hfsr, expected| {
            let found = is_caught(catches, exception, cfsr, hfsr);
            assert_eq!(found, expected, "{catches:#x} {exception} {cfsr:#x}");
            if found {
                assert!(caught_exceptions(catches).contains(&exception));
            }
        };
        check(CATCH_HARD, 3, 0, 1 << 30, true);
        check(CATCH_HARD, 4, 0x82, 0, false);
        check(CATCH_MEMORY, 4, 0x82, 0, true);
        check(CATCH_BUS, 5, 0x8200, 0, true);
        check(CATCH_BUS, 4, 0x82, 0, false);
        check(CATCH_STATE, 6, 1 << 16, 0, true);
        check(CATCH_STATE, 6, 1 << 25, 0, false);
        check(CATCH_CHECK, 6, 1 << 25, 0, true);
        check(CATCH_COPROCESSOR, 6, 1 << 19, 0, true);
        check(CATCH_ENTRY, 4, 1 << 4, 0, true);
        check(CATCH_ENTRY, 5, 1 << 12, 0, true);
        check(CATCH_ENTRY, 3, 0, 1 << 1, true);
        check(CATCH_ENTRY, 4, 0x82, 0, false);
        check(CATCH_FAULTS, 11, 0, 0, false);
    }
}

//! The independent watchdog of the STM32F4 (IWDG): a reset when the program stops saying that it is
//! well.
//!
//! It has a clock of its own (LSI, 32 kHz, on a chip 17 to 47), so it also ends a program whose
//! clock has failed. Once started it runs until the next reset; that one leaves its flag in the
//! causes of resets, which go into the ledger. To be fed where progress is proved, never in a timer
//! interrupt. On chips that have none nothing is done.
//!
//! Registers: RM0090 chapter 21, from memory, not checked.

use crate::platform::device;
use crashrig_layout::DeviceName;

/// Offsets from IWDG_KR.
const KEY: u32 = 0;
const PRESCALER: u32 = 0x4;
const RELOAD: u32 = 0x8;
const STATUS: u32 = 0xC;

const OPEN: u32 = 0x5555;
const FEED: u32 = 0xAAAA;
const START: u32 = 0xCCCC;

/// The prescaler that divides by 32: a count lasts one millisecond at 32 kHz.
const DIVIDE_BY_32: u32 = 3;

/// The longest time, in milliseconds.
pub const LONGEST_MS: u32 = 4096;

fn register(offset: u32) -> Option<usize> {
    device(DeviceName::IndependentWatchdog).map(|start| (start + offset) as usize)
}

fn write(offset: u32, value: u32) {
    let Some(register) = register(offset) else { return };
    let register = core::ptr::with_exposed_provenance_mut::<u32>(register);
    // SAFETY: a register of the watchdog, which nothing else of this program uses; writing it
    // changes no memory.
    unsafe { register.write_volatile(value) };
}

fn is_updating() -> bool {
    let Some(register) = register(STATUS) else { return false };
    let register = core::ptr::with_exposed_provenance::<u32>(register);
    // SAFETY: as above; reading has no side effect on a chip.
    unsafe { register.read_volatile() != 0 }
}

/// Starts it: without a [`feed`] the chip is reset after so many milliseconds, 1 to [`LONGEST_MS`];
/// others count as the nearest of these.
pub fn start(timeout_ms: u32) {
    // Starting it starts its clock, without which an update never ends.
    write(KEY, START);
    write(KEY, OPEN);
    write(PRESCALER, DIVIDE_BY_32);
    write(RELOAD, timeout_ms.clamp(1, LONGEST_MS) - 1);
    while is_updating() {}
    feed();
}

/// Says that the program is well: the time begins anew.
pub fn feed() {
    write(KEY, FEED);
}

//! Why the chip was reset: its flags are read and cleared once, early in a boot, and kept in the
//! ledger by the first thing that counts the boot.
//!
//! The flags add up over resets until somebody clears them, so whoever boots first takes them; what
//! a bootloader has taken its application does not find. Which register it is comes from the chip
//! file; without one this does nothing. It decides nothing but whether power was away.

use crate::platform;
use core::sync::atomic::{AtomicU32, Ordering};
use crashrig_layout::ResetCause;
use crashrig_memory::raw::RetainedRam;
use crashrig_memory::reboot::Start;
use crashrig_memory::retain::CrashRegion;
use crashrig_wire::section::RESET_CAUSES;

/// Stands beside flags that are not in the ledger yet, and may be none.
const TO_BE_NOTED: u32 = 1 << u8::BITS;

/// The flags of this boot.
#[unsafe(link_section = ".upper.reset_cause")]
static FLAGS: AtomicU32 = AtomicU32::new(0);

/// Reads the flags and clears them. To be called once a boot.
pub(crate) fn take() {
    let Some(cause) = &platform::platform().reset_cause else { return };
    let register = core::ptr::with_exposed_provenance_mut::<u32>(cause.register as usize);
    // SAFETY: the chip file gives the address of a register of this chip, readable after a reset.
    let word = unsafe { register.read_volatile() };
    // SAFETY: as above; only the bit that clears the flags is added.
    unsafe { register.write_volatile(word | 1 << cause.clear_bit) };
    // The bit must not stay set. Where all are mere cells, as in emulators, this clears the flags.
    let flag_bits = u32::from(cause.flags) << cause.shift;
    // SAFETY: as above; nothing is added.
    unsafe { register.write_volatile(word & !(flag_bits | 1 << cause.clear_bit)) };
    let flags = (word >> cause.shift) as u8 & cause.flags;
    FLAGS.store(TO_BE_NOTED | u32::from(flags), Ordering::Relaxed);
}

/// Whether a watchdog has reset the chip before this boot, and power was not away.
pub(crate) fn was_watchdog() -> bool {
    let flags = FLAGS.load(Ordering::Relaxed) as u8;
    let cause = platform::platform().reset_cause.as_ref();
    cause.is_some_and(|cause| flags & cause.watchdog != 0 && flags & cause.power_on == 0)
}

/// Puts the flags into the ledger, once a boot, with whatever the caller writes next; says how the
/// boot started.
pub(crate) fn note(region: &mut CrashRegion<RetainedRam>) -> Start {
    let taken = FLAGS.load(Ordering::Relaxed);
    let flags = taken as u8;
    if taken & TO_BE_NOTED != 0 {
        FLAGS.store(u32::from(flags), Ordering::Relaxed);
        region.note_reset(flags);
    }
    let is_power_on = |cause: &ResetCause| flags & cause.power_on != 0;
    match &platform::platform().reset_cause {
        Some(cause) if is_power_on(cause) => Start::PowerOn,
        _ => Start::Reset,
    }
}

/// What the register said after the last resets, this boot's first; nothing if none is known.
pub(crate) fn words(causes: u32) -> impl Iterator<Item = u32> {
    let known = platform::platform().reset_cause.as_ref().filter(|_| causes != 0);
    let bytes: [u8; RESET_CAUSES] = causes.to_le_bytes();
    known
        .into_iter()
        .flat_map(move |cause| bytes.into_iter().map(|byte| u32::from(byte) << cause.shift))
}

//! The flash interface of the STM32F4: erasing, programming, write protection, and its errors.
//!
//! Flash is open only for as long as one operation takes, with interrupts masked: on a chip the
//! core stands still when it fetches from flash that is being changed. For the same time the memory
//! protection is off, which otherwise keeps every store out of flash. The caches of flash are
//! taken to be off, as after a reset; where they are on, what is erased has to be thrown out of
//! them.
//!
//! Registers: RM0090 §3.6 to §3.9, from memory, not checked.

use crate::platform::device;
use crate::registers::memory_protection;
use crashrig_layout::DeviceName;

/// Offsets from FLASH_ACR.
const KEY: u32 = 0x04;
const OPTION_KEY: u32 = 0x08;
const STATUS: u32 = 0x0C;
const CONTROL: u32 = 0x10;
const OPTION_CONTROL: u32 = 0x14;

const KEYS: [u32; 2] = [0x4567_0123, 0xCDEF_89AB];
const OPTION_KEYS: [u32; 2] = [0x0819_2A3B, 0x4C5D_6E7F];

/// FLASH_SR: the errors below, and that an operation goes on.
const ERRORS: u32 = 0xF0;
const BUSY: u32 = 1 << 16;

/// FLASH_CR.
const PROGRAM: u32 = 1 << 0;
const ERASE_SECTOR: u32 = 1 << 1;
const SECTOR_AT: u32 = 3;
const BY_WORDS: u32 = 0b10 << 8;
const START: u32 = 1 << 16;
const LOCK: u32 = 1 << 31;

/// FLASH_OPTCR: the lock, and the first of the bits that let sectors be written.
const OPTION_LOCK: u32 = 1 << 0;
const WRITABLE_AT: u32 = 16;

/// What the interface finds wrong with an operation, which then changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlashError {
    /// The sector is protected (WRPERR).
    Protected,
    /// The data would cross a row of 128 bits (PGAERR).
    Alignment,
    /// The store is not as wide as was set (PGPERR).
    Parallelism,
    /// It was not prepared (PGSERR), or the chip has no such interface.
    Sequence,
}

/// Erases a sector: all of its bits are ones.
///
/// # Errors
/// As the interface says.
///
/// # Safety
/// The chip has a sector of that number, and nothing of the program lies in it: no code, no data.
pub unsafe fn erase_sector(number: u32) -> Result<(), FlashError> {
    let control = ERASE_SECTOR | number << SECTOR_AT;
    operate(control, || write(CONTROL, control | START))
}

/// Programs a word: bits that are ones become what the value has there.
///
/// # Errors
/// As the interface says.
///
/// # Safety
/// `address` is a multiple of four in flash that no code or data of the program lies in.
pub unsafe fn program_word(address: u32, value: u32) -> Result<(), FlashError> {
    // SAFETY: as the caller promises.
    operate(PROGRAM | BY_WORDS, || unsafe { store(address, value) })
}

/// Programs a byte with the interface set to words, which it refuses: for an image that shows so.
///
/// # Errors
/// As the interface says.
///
/// # Safety
/// As for [`program_word`], at any address.
#[cfg(feature = "injection")]
pub unsafe fn program_byte_as_word(address: u32, value: u8) -> Result<(), FlashError> {
    operate(PROGRAM | BY_WORDS, || {
        let place = core::ptr::with_exposed_provenance_mut::<u8>(address as usize);
        // SAFETY: as the caller promises, no reference to this place exists.
        unsafe { place.write_volatile(value) };
    })
}

/// Stores a word with the interface closed to programming: for an image that shows what comes of
/// it.
///
/// # Errors
/// As the interface says.
///
/// # Safety
/// As for [`program_word`].
#[cfg(feature = "injection")]
pub unsafe fn store_unprepared(address: u32, value: u32) -> Result<(), FlashError> {
    // SAFETY: as the caller promises.
    operate(0, || unsafe { store(address, value) })
}

/// Protects a sector from here on, or lets it be written. Until the next reset: what would keep it
/// is an option byte, which this does not program.
pub fn protect_sector(number: u32, protected: bool) {
    OPTION_KEYS.iter().for_each(|key| write(OPTION_KEY, *key));
    let bit = 1 << (WRITABLE_AT + number);
    let options = read(OPTION_CONTROL) & !OPTION_LOCK;
    write(OPTION_CONTROL, if protected { options & !bit } else { options | bit });
    write(OPTION_CONTROL, read(OPTION_CONTROL) | OPTION_LOCK);
}

/// Opens flash, sets what is to be done, does it, and closes flash again.
fn operate(control: u32, work: impl FnOnce()) -> Result<(), FlashError> {
    if device(DeviceName::FlashInterface).is_none() {
        return Err(FlashError::Sequence);
    }
    let errors = critical_section::with(|_| {
        KEYS.iter().for_each(|key| write(KEY, *key));
        write(STATUS, ERRORS);
        write(CONTROL, control);
        without_protection(work);
        while read(STATUS) & BUSY != 0 {}
        write(CONTROL, LOCK);
        read(STATUS) & ERRORS
    });
    const IN_ORDER: [(u32, FlashError); 4] = [
        (1 << 4, FlashError::Protected),
        (1 << 5, FlashError::Alignment),
        (1 << 6, FlashError::Parallelism),
        (1 << 7, FlashError::Sequence),
    ];
    let found = IN_ORDER.iter().find(|(bit, _)| errors & bit != 0);
    found.map_or(Ok(()), |(_, error)| Err(*error))
}

/// Works with the memory protection unit off. Interrupts are masked.
fn without_protection(work: impl FnOnce()) {
    let unit = memory_protection();
    let before = unit.ctrl.read();
    // SAFETY: without regions the default map is in force, for no code but `work`.
    unsafe { unit.ctrl.write(0) };
    barrier();
    work();
    barrier();
    // SAFETY: what was in force before.
    unsafe { unit.ctrl.write(before) };
    barrier();
}

fn barrier() {
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}

/// # Safety
/// As for [`program_word`].
unsafe fn store(address: u32, value: u32) {
    let place = core::ptr::with_exposed_provenance_mut::<u32>(address as usize);
    // SAFETY: as the caller promises, nothing of the program lies there, so no reference to it
    // exists.
    unsafe { place.write_volatile(value) };
}

/// Address of a register of the interface, by its offset.
fn register(offset: u32) -> Option<usize> {
    device(DeviceName::FlashInterface).map(|start| (start + offset) as usize)
}

/// Reads zero where there is no interface.
fn read(offset: u32) -> u32 {
    let Some(register) = register(offset) else { return 0 };
    let register = core::ptr::with_exposed_provenance::<u32>(register);
    // SAFETY: a register of the interface; reading it has no side effect.
    unsafe { register.read_volatile() }
}

fn write(offset: u32, value: u32) {
    let Some(register) = register(offset) else { return };
    let register = core::ptr::with_exposed_provenance_mut::<u32>(register);
    // SAFETY: a register of the interface, which nothing else of this program uses; what it does to
    // flash is for the callers to answer for.
    unsafe { register.write_volatile(value) };
}

//! Flash that is programmed, and asked for what it must refuse.

use super::words::{places, read, region};
use crate::observe::note;
use crashrig_port::flash::{self, FlashError};
use crashrig_wire::Observation;

/// The last sector of 1 MiB of flash (RM0090 table 5), in which nothing of the image lies.
const SECTOR: u32 = 11;
const SECTOR_BYTES: u32 = 0x2_0000;

const ERASED: u32 = u32::MAX;

fn sector_start() -> Option<u32> {
    region("flash").map(|flash| flash.start + flash.size_bytes - SECTOR_BYTES)
}

fn erase() -> Result<(), FlashError> {
    // SAFETY: the chip has this sector, and nothing of the image lies in it.
    unsafe { flash::erase_sector(SECTOR) }
}

/// Programs a word of the sector.
fn program(address: u32, value: u32) -> Result<(), FlashError> {
    // SAFETY: as above; callers name aligned words of the sector.
    unsafe { flash::program_word(address, value) }
}

/// Erases and programs the sector; with a parameter of 1 looks at it.
#[inline(never)]
pub fn program_flash(look: u32) {
    let Some(start) = sector_start() else { return };
    let last = start + SECTOR_BYTES - 4;
    let holds =
        || places(start).all(|(address, value)| read(address) == value) && read(last) == ERASED;
    if look == 1 {
        return note(Observation::FlashKept, holds());
    }
    let marked = program(last, 0).is_ok() && read(last) == 0;
    let erased = erase().is_ok() && read(last) == ERASED;
    // Twice: programming clears bits and sets none.
    let programmed = places(start).all(|(address, value)| {
        program(address, value | 0xFF).is_ok()
            && read(address) == value | 0xFF
            && program(address, value | !0xFF).is_ok()
    });
    note(Observation::FlashProgrammed, marked && erased && programmed && holds());
}

/// Asks the interface for what it must refuse.
#[cfg(feature = "injection")]
#[inline(never)]
pub fn misuse_flash() {
    let Some((start, value)) = sector_start().and_then(|start| places(start).next()) else {
        return;
    };
    let prepared = erase().is_ok() && program(start, value).is_ok();
    flash::protect_sector(SECTOR, true);
    // SAFETY: an aligned word of the sector, in which nothing of the image lies.
    let by_bytes = unsafe { flash::program_byte_as_word(start, 0) };
    // SAFETY: as above.
    let unprepared = unsafe { flash::store_unprepared(start, 0) };
    let answers = [
        program(start, 0) == Err(FlashError::Protected),
        erase() == Err(FlashError::Protected),
        by_bytes == Err(FlashError::Parallelism),
        unprepared == Err(FlashError::Sequence),
    ];
    let unchanged = read(start) == value;
    flash::protect_sector(SECTOR, false);
    let works_again = program(start, 0).is_ok() && read(start) == 0;
    let refused = prepared && answers == [true; 4] && unchanged;
    note(Observation::FlashRefused, refused && works_again);
}

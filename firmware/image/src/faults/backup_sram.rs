//! Backup SRAM behind its locks.

use super::words::{places, read, region, write};
use crate::observe::note;
use crashrig_port::clock;
use crashrig_wire::Observation;

const BACKUP_SRAM: &str = "backup-sram";
/// Each of these alone keeps writes out of it (RM0090 §5.1.2).
const LOCKS: [&str; 2] = ["PWR_CR.DBP", "RCC_AHB1ENR.BKPSRAMEN"];

/// Writes to backup SRAM, below the history of records, with its locks closed, with each of them
/// alone closed, and with all open; with a parameter of 1 opens it and looks at it.
#[inline(never)]
pub fn use_backup_sram(look: u32) {
    let Some(start) = region(BACKUP_SRAM).map(|region| region.start) else { return };
    let holds = || places(start).all(|(address, value)| read(address) == value);
    let fill = || places(start).for_each(|(address, value)| write(address, value));
    if look == 1 {
        return note(Observation::BackupKept, clock::enable_region(BACKUP_SRAM) && holds());
    }
    LOCKS.iter().for_each(|lock| close(lock));
    fill();
    let opened = clock::enable_region(BACKUP_SRAM);
    let took_nothing = places(start).all(|(address, value)| read(address) != value);
    fill();
    let each_lock_holds = LOCKS.iter().all(|lock| {
        close(lock);
        places(start).for_each(|(address, value)| write(address, !value));
        clock::enable_region(BACKUP_SRAM) && holds()
    });
    note(Observation::BackupOpened, opened && took_nothing && each_lock_holds);
}

/// Closes one of the locks of backup SRAM, which nobody but this test and the history uses.
fn close(lock: &str) {
    // SAFETY: the history is written and read before any fault is carried out.
    unsafe { clock::disable_bit(lock) };
}

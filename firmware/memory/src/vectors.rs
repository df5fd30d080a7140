//! A vector table that is not what it must be, and a crash that it explains.
//!
//! Where a damaged entry leads is up to chance: into the middle of a function, which works on with
//! whatever the registers hold, and what is noticed in the end may accuse somebody else. So each
//! record is held against the table before it is written. Damage explains the crash where somebody
//! has come by the entry: an exception that is being handled, or one with a handler of its own,
//! whose wrong handler may have come and gone. Other damage is only told of. The memory protection
//! keeps software from writing there, so an overflow is not what damages the table.
//!
//! Nothing here repairs the table. Bits of SHCSR: DDI0403E B3.2.13; that of SecureFault: DDI0553,
//! from memory.

use crate::map::MemoryMap;
use crashrig_wire::record::{Record, Trust};
use crashrig_wire::section::BrokenBlock;
use crashrig_wire::{Detector, Kind, Status};

/// The exception number of interrupt 0 (DDI0403E B1.5.2).
const FIRST_INTERRUPT: u32 = 16;

/// Exceptions of the core that SHCSR says to be active, and the bit of each.
const CORE_ACTIVE: [(u32, u32); 8] =
    [(4, 0), (5, 1), (6, 3), (7, 4), (11, 7), (12, 8), (14, 10), (15, 11)];

/// Which exceptions are being handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Active<const WORDS: usize> {
    /// The innermost: ICSR.VECTACTIVE.
    pub innermost: u32,
    /// SHCSR.
    pub core: u32,
    /// NVIC_IABR, 32 interrupts a word.
    pub interrupts: [u32; WORDS],
}

impl<const WORDS: usize> Active<WORDS> {
    /// Whether an exception is being handled, be it interrupted itself.
    #[must_use]
    pub fn has(&self, exception: u32) -> bool {
        let of_core =
            |(number, bit): &(u32, u32)| *number == exception && self.core >> bit & 1 != 0;
        let is_interrupt = || {
            let interrupt = exception.checked_sub(FIRST_INTERRUPT)?;
            let word = self.interrupts.get((interrupt / 32) as usize)?;
            Some(word >> (interrupt % 32) & 1 != 0)
        };
        // Entry 0 is no exception's: that number stands for a thread.
        exception != 0 && exception == self.innermost
            || CORE_ACTIVE.iter().any(of_core)
            || is_interrupt().unwrap_or(false)
    }
}

/// One entry of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableEntry {
    /// What it is as long as nobody claims the exception.
    pub unclaimed: u32,
    /// What was put there last.
    pub expected: u32,
    /// What stands there.
    pub found: u32,
}

/// An entry of the table that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DamagedEntry {
    /// Where it stands, what it must be, and what stands there.
    pub word: BrokenBlock,
    /// Whether its exception is being handled, or has a handler of its own.
    pub explains_crash: bool,
}

/// The damaged entry of a table that says most: that of an exception that is being handled, then
/// that of one with a handler of its own, then any. `entries` begin with exception 0.
pub fn damaged_entry<const WORDS: usize>(
    table: u32,
    entries: impl Iterator<Item = TableEntry>,
    active: &Active<WORDS>,
) -> Option<DamagedEntry> {
    let (mut claimed, mut first) = (None, None);
    for (exception, TableEntry { unclaimed, expected, found }) in (0..).zip(entries) {
        if expected == found {
            continue;
        }
        let word = BrokenBlock { address: table + 4 * exception, expected, found };
        if active.has(exception) {
            return Some(DamagedEntry { word, explains_crash: true });
        } else if expected != unclaimed {
            claimed = claimed.or(Some(DamagedEntry { word, explains_crash: true }));
        } else {
            first = first.or(Some(DamagedEntry { word, explains_crash: false }));
        }
    }
    claimed.or(first)
}

/// Makes a record say that the table is damaged if that explains its crash. Registers and
/// fault status stay: they say where the entry has led.
pub fn blame(record: &mut Record, damaged: &DamagedEntry, map: &MemoryMap<'_>) {
    if !damaged.explains_crash {
        return;
    }
    record.kind = Kind::VectorTable;
    record.detector = Detector::VectorCheck;
    record.status = Status::of(Kind::VectorTable);
    record.value = damaged.word.found;
    record.fault_address = damaged.word.address;
    record.owner = map.owner_of(damaged.word.address);
    // No register says this address.
    record.trust = Trust(record.trust.0 & !Trust::FAULT_ADDRESS);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::tests::MAP;
    use crashrig_wire::Thread;
    use std::vec::Vec;

    const IDLE: Active<3> = Active { innermost: 0, core: 0, interrupts: [0; 3] };
    const TABLE: u32 = 0x2000_0000;

    /// A table in which the clock tick is claimed, and these entries are wrong.
    fn table(wrong: &[u32]) -> impl Iterator<Item = TableEntry> {
        let wrong: Vec<u32> = wrong.to_vec();
        (0..98).map(move |entry| {
            let expected = if entry == 15 { 9 } else { 7 };
            let found = if wrong.contains(&entry) { 5 } else { expected };
            TableEntry { unclaimed: 7, expected, found }
        })
    }

    #[test]
    fn what_is_active_is_known_from_three_registers() {
        let tick = Active { core: 1 << 11, ..IDLE };
        let switch = Active { core: 1 << 10, ..IDLE };
        let hard_fault = Active { innermost: 3, ..IDLE };
        let last = Active { interrupts: [0, 0, 1 << 31], ..IDLE };
        for (active, only) in [(tick, 15), (switch, 14), (hard_fault, 3), (last, 16 + 95)] {
            for exception in 0..300 {
                assert_eq!(active.has(exception), exception == only, "{exception}");
            }
        }
    }

    #[test]
    fn what_is_being_handled_or_claimed_counts_more_than_the_first() {
        let active = Active { innermost: 3, interrupts: [1 << 4, 0, 0], ..IDLE };
        assert_eq!(damaged_entry(TABLE, table(&[]), &active), None);
        let found = |wrong: &[u32]| {
            let found = damaged_entry(TABLE, table(wrong), &active).unwrap();
            ((found.word.address - TABLE) / 4, found.word.expected, found.explains_crash)
        };
        assert_eq!(found(&[4, 5]), (4, 7, false));
        assert_eq!(found(&[4, 5, 20]), (20, 7, true), "is being handled");
        assert_eq!(found(&[4, 15]), (15, 9, true), "is claimed");
        assert_eq!(found(&[4, 15, 20]), (20, 7, true), "is claimed, and not being handled");
    }

    #[test]
    fn a_crash_is_blamed_on_the_table_only_where_the_damage_explains_it() {
        let overflow = || Record {
            trust: Trust(Trust::FRAME | Trust::FAULT_ADDRESS),
            ..Record::blank(Kind::StackOverflow, Detector::SpRange, Thread::Isr)
        };
        let word = BrokenBlock { address: TABLE + 60, expected: 7, found: 5 };
        let mut record = overflow();
        blame(&mut record, &DamagedEntry { word, explains_crash: false }, &MAP);
        assert_eq!(record, overflow());
        blame(&mut record, &DamagedEntry { word, explains_crash: true }, &MAP);
        let cause = (record.kind, record.detector, record.thread, record.status);
        let status = Status::of(Kind::VectorTable);
        assert_eq!(cause, (Kind::VectorTable, Detector::VectorCheck, Thread::Isr, status));
        assert_eq!((record.fault_address, record.value), (TABLE + 60, 5));
        assert_eq!(record.owner, MAP.owner_of(TABLE + 60));
        assert_eq!(record.trust, Trust(Trust::FRAME));
    }
}

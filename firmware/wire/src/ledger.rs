//! The ledger of the crash region: how often this device booted and crashed, and what was read.
//!
//! Two copies are written in turn, each with its own CRC and a rising sequence, so that a reset in
//! the middle of a write costs at most the newest change. The reader takes the valid copy with the
//! higher sequence; without one the ledger is new, and the region holds nothing to be believed but
//! what its records prove by their own CRC.

mod part;

use crate::Status;
use crate::bytes::{get_u16, get_u32, put_u16, put_u32};
use crate::crc::crc32;
use crate::status::Code;
use part::Part;

/// First word of a ledger: the bytes `RIGL`.
pub const MAGIC: u32 = u32::from_le_bytes(*b"RIGL");
/// The version this crate writes.
pub const VERSION: u16 = 1;
/// Length of one copy in bytes.
pub const LEDGER_LENGTH: usize = 64;

const VERSION_AT: usize = 4;
const LENGTH_AT: usize = 6;
const FIRST_FIELD_AT: usize = 8;
const CRC_AT: usize = LEDGER_LENGTH - 4;

crate::names::closed_list! {
    /// How far the newest boot has come.
    Phase, "phase";
    /// Nobody follows how boots end; also what ledgers say that were written before this was kept.
    Unfollowed = 0, "unfollowed";
    /// A boot has begun. Found at the next one, it means that no end was written: a watchdog, a
    /// lockup, a hang that somebody ended, or a loss of power.
    Running = 1, "running";
    /// The boot asked for its reset itself, in order.
    Ended = 2, "ended";
    /// The boot left a record.
    Crashed = 3, "crashed";
    /// A bootloader has started the application, which has not begun its boot. Found at the next
    /// one, it means that the application does not come that far.
    HandedOver = 4, "handed-over";
}

crate::names::closed_list! {
    /// Whether the device is in safe mode, and what brought it there.
    SafeMode, "safe-mode";
    /// It is not.
    Off = 0, "off";
    /// The last straw was a crash that left a record.
    Crash = 1, "crash";
    /// The last straw was a boot without an end.
    NoEnd = 2, "no-end";
}

crate::names::closed_list! {
    /// What crashes are counted by.
    Class, "class";
    /// Stack overflows.
    Stack = 0, "stack";
    /// Heaps: memory used up, corruption, wrong frees.
    Heap = 1, "heap";
    /// Bus faults.
    BusFault = 2, "bus-fault";
    /// Memory-protection faults.
    MemoryFault = 3, "memory-fault";
    /// Usage faults.
    UsageFault = 4, "usage-fault";
    /// HardFaults without another cause.
    HardFault = 5, "hard-fault";
    /// Panics and failed assertions.
    Panic = 6, "panic";
    /// Everything else.
    Other = 7, "other";
}

/// How many classes there are.
pub const CLASSES: usize = Class::ALL.len();

impl Class {
    /// The class of an error by its status.
    #[must_use]
    pub fn of(status: Status) -> Self {
        match status.known_code() {
            Some(Code::StackOverflow) => Self::Stack,
            Some(
                Code::OutOfMemory
                | Code::AllocFailed
                | Code::FreeFailed
                | Code::DoubleFree
                | Code::HeapCorrupt,
            ) => Self::Heap,
            Some(Code::BusFault) => Self::BusFault,
            Some(Code::MemoryFault) => Self::MemoryFault,
            Some(Code::UsageFault) => Self::UsageFault,
            Some(Code::HardFault) => Self::HardFault,
            Some(Code::AssertionFailed) => Self::Panic,
            _ => Self::Other,
        }
    }
}

/// One field of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Bytes from the start of the copy.
    pub offset: usize,
    /// Length in bytes.
    pub size: usize,
    /// What it says.
    pub meaning: &'static str,
}

/// The ledger, stated once: the struct, its bytes both ways, and the table for documents.
macro_rules! ledger {
    ($( $(#[doc = $meaning:literal])+ $name:ident: $part:ty = $offset:literal; )+) => {
        /// One state of the ledger. Counters saturate; `sequence` wraps.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Ledger { $( $(#[doc = $meaning])+ pub $name: $part, )+ }

        /// Every field between the length and the CRC, in the order of the bytes.
        pub const FIELDS: &[Field] = &[ $( Field {
            name: stringify!($name),
            offset: $offset,
            size: <$part as Part>::SIZE,
            meaning: concat!($( $meaning, )+).trim_ascii(),
        }, )+ ];

        impl Ledger {
            /// A ledger that has counted nothing.
            pub const NEW: Self = Self { $( $name: <$part as Part>::ZERO, )+ };

            fn put_fields(&self, bytes: &mut [u8; LEDGER_LENGTH]) {
                $( self.$name.put(bytes, $offset); )+
            }

            fn get_fields(bytes: &[u8; LEDGER_LENGTH]) -> Option<Self> {
                Some(Self { $( $name: Part::get(bytes, $offset)?, )+ })
            }
        }
    };
}

ledger! {
    /// Rises by one with each write; the higher copy is the newer.
    sequence: u32 = 8;
    /// Boots since the ledger was new; the first is 1.
    boots: u32 = 12;
    /// Crashes since the ledger was new.
    crashes: u32 = 16;
    /// Records with a sequence up to this one have been read.
    read_mark: u32 = 20;
    /// Faults that came while a record was being written.
    nested_count: u32 = 24;
    /// Exception number of the newest of them.
    nested_vector: u32 = 28;
    /// CFSR of the newest of them.
    nested_cfsr: u32 = 32;
    /// Boots in a row that crashed or had no end, since one was healthy.
    crashes_in_a_row: u16 = 36;
    /// How far the newest boot has come.
    phase: Phase = 38;
    /// Whether the device is in safe mode, and why.
    safe_mode: SafeMode = 39;
    /// Status of the newest crash.
    newest_status: Status = 40;
    /// Boots begun since the newest crash.
    boots_since_crash: u16 = 44;
    /// Boots without an end, neither in order nor with a record.
    boots_without_end: u16 = 46;
    /// Crashes by class, one byte each, in the order of the classes.
    crashes_by_class: [u8; CLASSES] = 48;
    /// Flags of the last resets as the chip has them, one byte each: this boot's in bits 7:0, the
    /// oldest in bits 31:24; 0 where they are not known.
    reset_causes: u32 = 56;
}

const _: () = {
    let mut expected = FIRST_FIELD_AT;
    let mut rest = FIELDS;
    while let [field, others @ ..] = rest {
        assert!(field.offset == expected, "fields follow each other");
        expected += field.size;
        rest = others;
    }
    assert!(expected == CRC_AT, "fields fill the ledger");
};

impl Default for Ledger {
    fn default() -> Self {
        Self::NEW
    }
}

impl Ledger {
    /// The bytes of one copy.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; LEDGER_LENGTH] {
        let mut bytes = [0; LEDGER_LENGTH];
        put_u32(&mut bytes, 0, MAGIC);
        put_u16(&mut bytes, VERSION_AT, VERSION);
        put_u16(&mut bytes, LENGTH_AT, LEDGER_LENGTH as u16);
        self.put_fields(&mut bytes);
        let crc = crc32(bytes.get(..CRC_AT).unwrap_or_default());
        put_u32(&mut bytes, CRC_AT, crc);
        bytes
    }

    /// Reads one copy; nothing unless magic, version, length and CRC hold and each code is in its
    /// list.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<LEDGER_LENGTH>()?;
        let sound = get_u32(bytes, 0) == MAGIC
            && get_u16(bytes, VERSION_AT) == VERSION
            && usize::from(get_u16(bytes, LENGTH_AT)) == LEDGER_LENGTH
            && crc32(bytes.get(..CRC_AT)?) == get_u32(bytes, CRC_AT);
        sound.then(|| Self::get_fields(bytes)).flatten()
    }

    /// Crashes of a class, up to 255.
    #[must_use]
    pub fn crashes_of(&self, class: Class) -> u8 {
        self.crashes_by_class.get(usize::from(class.code())).copied().unwrap_or(0)
    }

    /// Which copy holds the newest state, and that state.
    #[must_use]
    pub fn newest(copies: [&[u8]; 2]) -> Option<(usize, Self)> {
        match copies.map(Self::read) {
            [Some(a), Some(b)] if b.sequence > a.sequence => Some((1, b)),
            [Some(a), _] => Some((0, a)),
            [None, Some(b)] => Some((1, b)),
            [None, None] => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_sound_copy_wins() {
        let old = Ledger { sequence: 4, boots: 2, ..Ledger::default() };
        let new = Ledger { sequence: 5, boots: 3, ..Ledger::default() };
        assert_eq!(Ledger::newest([&old.to_bytes(), &new.to_bytes()]), Some((1, new)));
        assert_eq!(Ledger::newest([&new.to_bytes(), &old.to_bytes()]), Some((0, new)));
        let mut torn = new.to_bytes();
        torn[12] ^= 1;
        assert_eq!(Ledger::newest([&old.to_bytes(), &torn]), Some((0, old)));
        assert_eq!(Ledger::newest([&torn, &torn]), None);
    }

    /// Bytes that were written before the fields from 36 on existed, sealed as they were then.
    #[test]
    fn a_ledger_of_before_the_reboot_policy_is_read() {
        let old = Ledger { sequence: 9, boots: 4, crashes: 3, nested_cfsr: 7, ..Ledger::NEW };
        let mut bytes = [0; LEDGER_LENGTH];
        bytes[..12].copy_from_slice(b"RIGL\x01\0\x40\0\x09\0\0\0");
        bytes[12..20].copy_from_slice(b"\x04\0\0\0\x03\0\0\0");
        bytes[32] = 7;
        let crc = crc32(&bytes[..CRC_AT]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Ledger::read(&bytes), Some(old));
        assert_eq!((old.phase, old.safe_mode), (Phase::Unfollowed, SafeMode::Off));
    }

    #[test]
    fn every_field_comes_back_and_an_unknown_code_is_refused() {
        let ledger = Ledger {
            sequence: 1,
            boots: 2,
            crashes: 3,
            read_mark: 4,
            nested_count: 5,
            nested_vector: 6,
            nested_cfsr: 7,
            crashes_in_a_row: 0x0809,
            phase: Phase::Crashed,
            safe_mode: SafeMode::NoEnd,
            newest_status: Status(0x8002_0125),
            boots_since_crash: 0x0A0B,
            boots_without_end: 0x0C0D,
            crashes_by_class: [1, 2, 3, 4, 5, 6, 7, 8],
            reset_causes: 0x0E0F_1011,
        };
        let bytes = ledger.to_bytes();
        assert_eq!(Ledger::read(&bytes), Some(ledger));
        assert_eq!(ledger.crashes_of(Class::Heap), 2);
        for at in [38, 39] {
            let mut other = bytes;
            other[at] = 9;
            let crc = crc32(&other[..CRC_AT]);
            other[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
            assert_eq!(Ledger::read(&other), None, "byte {at}");
        }
    }

    #[test]
    fn crashes_are_classed_by_status() {
        use crate::{Kind, Misuse};
        assert_eq!(Class::of(Status::of(Kind::StackOverflow)), Class::Stack);
        assert_eq!(Class::of(Status::of(Kind::BusFault)), Class::BusFault);
        assert_eq!(Class::of(Status::of(Kind::MemoryFault)), Class::MemoryFault);
        assert_eq!(Class::of(Status::of(Kind::UsageFault)), Class::UsageFault);
        assert_eq!(Class::of(Status::of(Kind::HardFault)), Class::HardFault);
        assert_eq!(Class::of(Status::of(Kind::Panic)), Class::Panic);
        assert_eq!(Class::of(Status::of(Kind::UnexpectedInterrupt)), Class::Other);
        assert_eq!(Class::of(Misuse::DoubleFree.status()), Class::Heap);
        assert_eq!(Class::of(Misuse::JoinSelf.status()), Class::Other);
        assert_eq!(Class::of(Status(0)), Class::Other);
    }

    #[test]
    fn every_single_flipped_bit_is_noticed() {
        let bytes = Ledger { sequence: 1, boots: 1, ..Ledger::default() }.to_bytes();
        for bit in 0..8 * LEDGER_LENGTH {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Ledger::read(&flipped), None, "bit {bit}");
        }
    }
}

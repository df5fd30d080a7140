//! The layout of record version 1, field by field: name, place, and how two records may differ in
//! it.
//!
//! The table is the layout. Writer and reader take their offsets from it, a compile-time check
//! makes sure that the fields follow each other without gap or overlap, and `docs/record.md` is
//! checked against it.

/// How a field may differ between two records of the same scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The same in every run of the same image on a target that counts instructions.
    Exact,
    /// A word of which these bits are exact; the others depend on time.
    ExactBits(u32),
    /// Names this build, run or boot: compared by meaning, not by value.
    Identity,
    /// Depends on time: when an interrupt came, how far the clock was.
    Timing,
}

/// One field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The name in reports and documents.
    pub name: &'static str,
    /// Bytes from the start of the record.
    pub offset: usize,
    /// Length in bytes.
    pub size: usize,
    /// How it may differ between records.
    pub class: Class,
}

impl Field {
    const fn end(&self) -> usize {
        self.offset + self.size
    }
}

macro_rules! fields {
    ($( $constant:ident, $name:literal, $offset:literal, $size:literal, $class:expr; )+) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub const $constant: Field =
                Field { name: $name, offset: $offset, size: $size, class: $class };
        )+
        /// Every field, in the order of the bytes.
        pub const FIELDS: &[Field] = &[ $( $constant, )+ ];
    };
}

use Class::{Exact, ExactBits, Identity, Timing};

/// RETTOBASE and VECTACTIVE of ICSR: what is active, which an exception that waits does not change.
/// The other bits say what is pending, which becomes true when its time comes (DDI0403E B3.2.4).
pub const ICSR_ACTIVE: u32 = 0x9FF;

fields! {
    MAGIC, "magic", 0, 4, Exact;
    VERSION, "version", 4, 2, Exact;
    LENGTH, "length", 6, 2, Exact;
    ARCHITECTURE, "architecture", 8, 1, Exact;
    KIND, "kind", 9, 1, Exact;
    DETECTOR, "detector", 10, 1, Exact;
    THREAD, "thread", 11, 1, Exact;
    STATE, "state", 12, 4, Exact;
    CORE_CRC, "core_crc", 16, 4, Identity;
    TRUST, "trust", 20, 2, Exact;
    TRAIL_LENGTH, "trail_length", 22, 2, Exact;
    BUILD_ID, "build_id", 24, 8, Identity;
    RUN_ID, "run_id", 32, 4, Identity;
    BOOT, "boot", 36, 4, Identity;
    SEQUENCE, "sequence", 40, 4, Identity;
    UPTIME_MS, "uptime_ms", 44, 4, Timing;
    STATUS, "status", 48, 4, Exact;
    VALUE, "value", 52, 4, Exact;
    FAULT_ADDRESS, "fault_address", 56, 4, Exact;
    OWNER, "owner", 60, 4, Exact;
    SOURCE_FILE, "source_file", 64, 4, Identity;
    SOURCE_FILE_LENGTH, "source_file_length", 68, 2, Exact;
    SOURCE_LINE, "source_line", 70, 2, Exact;
    REGISTERS, "registers", 72, 68, Exact;
    MSP, "msp", 140, 4, Exact;
    PSP, "psp", 144, 4, Exact;
    EXC_RETURN, "exc_return", 148, 4, Exact;
    MASKS, "masks", 152, 4, Exact;
    CFSR, "cfsr", 156, 4, Exact;
    HFSR, "hfsr", 160, 4, Exact;
    DFSR, "dfsr", 164, 4, Exact;
    MMFAR, "mmfar", 168, 4, Exact;
    BFAR, "bfar", 172, 4, Exact;
    AFSR, "afsr", 176, 4, Exact;
    SHCSR, "shcsr", 180, 4, Exact;
    ICSR, "icsr", 184, 4, ExactBits(ICSR_ACTIVE);
    VTOR, "vtor", 188, 4, Exact;
    CCR, "ccr", 192, 4, Exact;
    STACK_START, "stack_start", 196, 4, Exact;
    STACK_SIZE, "stack_size", 200, 4, Exact;
    THREAD_ENTRY, "thread_entry", 204, 4, Identity;
    THREAD_NAME, "thread_name", 208, 4, Identity;
    THREAD_NAME_LENGTH, "thread_name_length", 212, 2, Exact;
    THREAD_PRIORITY, "thread_priority", 214, 1, Exact;
    RESERVED, "reserved", 215, 1, Exact;
    TRAIL, "trail", 216, 32, Exact;
    RESERVED_TRAIL, "reserved_trail", 248, 4, Exact;
    CRC, "crc", 252, 4, Identity;
}

/// Length of a record of tier 1 in bytes.
pub const RECORD_LENGTH: usize = 256;

/// Where phase one ends: everything before is covered by `core_crc`.
pub const CORE_END: usize = TRAIL.offset;

const _: () = {
    let mut expected = 0;
    let mut rest = FIELDS;
    while let [field, others @ ..] = rest {
        assert!(field.offset == expected, "fields follow each other");
        expected = field.end();
        rest = others;
    }
    assert!(expected == RECORD_LENGTH, "fields fill the record");
};

//! The crash record, tier 1: 256 bytes that say what happened, where, and who noticed.
//!
//! It is committed in two phases. Phase one (registers, fault status, cause) touches nothing but
//! the record and is sealed by `core_crc`; phase two follows the stack, which may be broken, and is
//! sealed by `crc`. A second fault during phase two leaves a record that reads as
//! [`Reading::Partial`]. [`State`] words differ in many bits, so that no few flipped bits turn one
//! into another.

mod read;
mod seal;
mod write;

pub use crate::field::RECORD_LENGTH;
pub use read::read;
pub use seal::{core_crc, whole_crc};

use crate::thread::Owner;
use crate::{BuildId, Detector, Kind, Status, Thread};

/// First word of every record: the bytes `RIGR`.
pub const MAGIC: u32 = u32::from_le_bytes(*b"RIGR");
/// The version this crate writes. The reader reads every version up to it.
pub const VERSION: u16 = 1;
/// Return addresses that a trail can hold.
pub const TRAIL_CAPACITY: usize = 8;

crate::names::closed_list! {
    /// Which register and fault blocks a record holds.
    Architecture, "architecture";
    /// ARMv7-M: r0–r12, sp, lr, pc, xPSR; CFSR and its fellows (DDI0403E B3.2).
    Armv7m = 1, "armv7-m";
    /// ARMv8-M Mainline in secure state: the same, and the field `afsr` holds SFSR, the status of
    /// SecureFaults.
    Armv8m = 2, "armv8-m";
}

/// How far the writer came. The words are far apart: at least eight bits differ between any two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// The record is being written; nothing of it holds.
    Writing = 0x3C3C_5A5A,
    /// Phase one is sealed by `core_crc`; the trail is not there yet.
    Core = 0xC3C3_5A5A,
    /// Everything is sealed by `crc`.
    Complete = 0xC3C3_A5A5,
}

const _: () = {
    let words = [State::Writing as u32, State::Core as u32, State::Complete as u32, 0, u32::MAX];
    let mut rest: &[u32] = &words;
    while let [first, others @ ..] = rest {
        let mut pairs = others;
        while let [second, more @ ..] = pairs {
            assert!((*first ^ *second).count_ones() >= 8, "state words are far apart");
            pairs = more;
        }
        rest = others;
    }
};

/// Which parts of a record are true, bit by bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trust(pub u16);

impl Trust {
    /// r0–r3, r12, lr, pc and xPSR are those of the moment of the crash.
    pub const FRAME: u16 = 1 << 0;
    /// r4–r11 are those of the moment of the crash.
    pub const CALLEE_SAVED: u16 = 1 << 1;
    /// sp is the stack pointer before the exception.
    pub const STACK_POINTER: u16 = 1 << 2;
    /// The fault address register that `fault_address` comes from was marked valid.
    pub const FAULT_ADDRESS: u16 = 1 << 3;
    /// pc is that of the moment of the crash; set with `FRAME`, and alone when software noticed.
    pub const PC: u16 = 1 << 5;
    /// Floating-point state was lost while it was stacked (MLSPERR or LSPERR).
    pub const FLOAT_LOST: u16 = 1 << 4;

    /// Whether a bit is set.
    #[must_use]
    pub const fn has(self, bit: u16) -> bool {
        self.0 & bit != 0
    }
}

/// The core registers at the moment of the crash; which of them hold is told by [`Trust`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Registers {
    /// r0 to r12.
    pub r: [u32; 13],
    /// Stack pointer before the exception.
    pub sp: u32,
    /// Link register.
    pub lr: u32,
    /// Program counter: the instruction that faulted, or the one to be executed next.
    pub pc: u32,
    /// Program status register.
    pub xpsr: u32,
    /// Main stack pointer as the fault entry found it.
    pub msp: u32,
    /// Process stack pointer as the fault entry found it.
    pub psp: u32,
    /// EXC_RETURN; 0 when no exception was involved.
    pub exc_return: u32,
    /// CONTROL, BASEPRI, PRIMASK and FAULTMASK in bits 0–7, 8–15, 16–23 and 24–31.
    pub masks: u32,
}

/// The fault status of the System Control Block (DDI0403E B3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultStatus {
    /// Configurable fault status.
    pub cfsr: u32,
    /// HardFault status.
    pub hfsr: u32,
    /// Debug fault status.
    pub dfsr: u32,
    /// MemManage address; holds only with CFSR.MMARVALID.
    pub mmfar: u32,
    /// BusFault address; holds only with CFSR.BFARVALID.
    pub bfar: u32,
    /// Auxiliary fault status; on ARMv8-M the status of SecureFaults.
    pub afsr: u32,
    /// System handler control and state.
    pub shcsr: u32,
    /// Interrupt control and state.
    pub icsr: u32,
    /// Vector table offset.
    pub vtor: u32,
    /// Configuration and control.
    pub ccr: u32,
}

/// Everything a record says, decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Which blocks it holds.
    pub architecture: Architecture,
    /// What happened.
    pub kind: Kind,
    /// What noticed.
    pub detector: Detector,
    /// Whom it is charged to.
    pub thread: Thread,
    /// Which parts hold.
    pub trust: Trust,
    /// Which build wrote it.
    pub build_id: BuildId,
    /// The run the host announced in the mailbox; 0 without a mailbox.
    pub run_id: u32,
    /// The boot it happened in, counted by the device since its ledger was new; the first is 1.
    pub boot: u32,
    /// The how-manieth crash this ledger has seen; the first is 1.
    pub sequence: u32,
    /// Milliseconds since this boot started its clock.
    pub uptime_ms: u32,
    /// Mbed-compatible status.
    pub status: Status,
    /// Depends on the detector: the limit that was broken, the exception number, 0.
    pub value: u32,
    /// The address that could not be accessed, or 0.
    pub fault_address: u32,
    /// Whose memory `fault_address` is.
    pub owner: Owner,
    /// Address in flash of the panic's source file name, or 0.
    pub source_file: u32,
    /// Length in bytes of that name.
    pub source_file_length: u16,
    /// Line of the panic; 65535 stands for that or more.
    pub source_line: u16,
    /// Core registers.
    pub registers: Registers,
    /// Fault status registers.
    pub faults: FaultStatus,
    /// First address of the stack of `thread`.
    pub stack_start: u32,
    /// Size of that stack in bytes.
    pub stack_size: u32,
    /// Entry function of `thread`, or 0.
    pub thread_entry: u32,
    /// Address in flash of the name of `thread`, or 0.
    pub thread_name: u32,
    /// Length in bytes of that name.
    pub thread_name_length: u16,
    /// Priority of `thread` at the moment of the crash.
    pub thread_priority: u8,
    /// Return addresses, nearest first; valid up to `trail_length`.
    pub trail: [u32; TRAIL_CAPACITY],
    /// How many entries of `trail` hold.
    pub trail_length: u16,
}

impl Record {
    /// A record of ARMv7-M that says nothing but its kind, its detector and its thread.
    #[must_use]
    pub const fn blank(kind: Kind, detector: Detector, thread: Thread) -> Self {
        Self {
            architecture: Architecture::Armv7m,
            kind,
            detector,
            thread,
            trust: Trust(0),
            build_id: [0; 8],
            run_id: 0,
            boot: 0,
            sequence: 0,
            uptime_ms: 0,
            status: Status::of(kind),
            value: 0,
            fault_address: 0,
            owner: Owner::NONE,
            source_file: 0,
            source_file_length: 0,
            source_line: 0,
            registers: Registers {
                r: [0; 13],
                sp: 0,
                lr: 0,
                pc: 0,
                xpsr: 0,
                msp: 0,
                psp: 0,
                exc_return: 0,
                masks: 0,
            },
            faults: FaultStatus {
                cfsr: 0,
                hfsr: 0,
                dfsr: 0,
                mmfar: 0,
                bfar: 0,
                afsr: 0,
                shcsr: 0,
                icsr: 0,
                vtor: 0,
                ccr: 0,
            },
            stack_start: 0,
            stack_size: 0,
            thread_entry: 0,
            thread_name: 0,
            thread_name_length: 0,
            thread_priority: 0,
            trail: [0; TRAIL_CAPACITY],
            trail_length: 0,
        }
    }
}

/// What some bytes are, when read as a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// No record was ever begun here.
    Blank,
    /// A record was begun and nothing of it was sealed.
    Torn,
    /// Looks like a record and is not one; the reason says which check failed.
    Corrupt(Corruption),
    /// Phase one holds; the trail was never sealed (a second fault, or a reset, came first).
    Partial(Record),
    /// Everything holds.
    Valid(Record),
}

/// Why bytes that begin like a record are not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corruption {
    /// Fewer bytes than a record has.
    TooShort(usize),
    /// A version this reader does not know.
    Version(u16),
    /// A length that does not belong to the version.
    Length(u16),
    /// A state word that no writer writes.
    State(u32),
    /// The CRC of the bytes, and the one they claim.
    Crc {
        /// Computed over the bytes.
        computed: u32,
        /// Found in the record.
        stored: u32,
    },
    /// A code or count that is not in this version's lists, by the name of its field.
    Code(&'static str),
}

impl core::fmt::Display for Corruption {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TooShort(found) => write!(f, "{found} bytes, expected {RECORD_LENGTH}"),
            Self::Version(found) => write!(f, "version {found}, expected 1 to {VERSION}"),
            Self::Length(found) => write!(f, "length {found}, expected {RECORD_LENGTH}"),
            Self::State(found) => write!(f, "state {found:#010x} is none of the three"),
            Self::Crc { computed, stored } => {
                write!(f, "CRC-32 of the bytes is {computed:#010x}, the record says {stored:#010x}")
            }
            Self::Code(field) => write!(f, "field {field} holds a code of no list"),
        }
    }
}

impl Reading {
    /// The record, whole or partial, if the bytes hold one.
    #[must_use]
    pub const fn record(&self) -> Option<&Record> {
        match self {
            Self::Valid(record) | Self::Partial(record) => Some(record),
            Self::Blank | Self::Torn | Self::Corrupt(_) => None,
        }
    }

    /// One word for reports.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Blank => "blank",
            Self::Torn => "torn",
            Self::Corrupt(_) => "corrupt",
            Self::Partial(_) => "partial",
            Self::Valid(_) => "valid",
        }
    }
}

//! What the host reads of the core where a capture begins, before the first instruction of any code
//! of the device that writes a record: the independent half of a comparison with that record.
//!
//! There are three entries. An exception leads to the first; software that reports an error, and a
//! check of a stack that finds something, come to the others. Where a check has found something,
//! registers are those of the check already: what it is about is what the handler was entered with
//! that made the check. So the device is stopped there, too, from the injection on. Each stop lets
//! the emulator's clock jump; where the tick's period cannot start anew then, the next tick would
//! come at once, and again: QEMU 7.2 is not stopped at handlers. Interprets nothing.
//!
//! Behind a probe the core itself halts as it enters a fault, by its vector catch, where a boot is
//! to end with one. It catches nothing else: every other capture is met by a breakpoint.

use crate::image::Image;
use crate::target::{BenchError, Session};
use crashrig_wire::Detector;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Words of an exception frame without floating-point state.
pub const FRAME_WORDS: usize = 8;

/// EXC_RETURN says that the frame lies on the process stack (DDI0403E B1.5.8).
pub const ON_PROCESS_STACK: u32 = 1 << 2;

/// Registers of the core, by GDB's names. QEMU 7.2 offers the first fourteen.
const REGISTERS: [&str; 20] = [
    "r0",
    "r1",
    "r2",
    "r3",
    "r4",
    "r5",
    "r6",
    "r7",
    "r8",
    "r9",
    "r10",
    "r11",
    "sp",
    "lr",
    "msp",
    "psp",
    "control",
    "basepri",
    "primask",
    "faultmask",
];

/// Registers of the System Control Space by the names of their fields in a record (DDI0403E B3.2.2,
/// B3.4, B3.5). AFSR is left out: reading it leaves a line in the emulator's log, where it stands
/// for the capture.
const STATUS: [(&str, u32); 18] = [
    ("icsr", 0xE000_ED04),
    ("vtor", 0xE000_ED08),
    ("ccr", 0xE000_ED14),
    ("shcsr", 0xE000_ED24),
    ("cfsr", 0xE000_ED28),
    ("hfsr", 0xE000_ED2C),
    ("dfsr", 0xE000_ED30),
    ("mmfar", 0xE000_ED34),
    ("bfar", 0xE000_ED38),
    ("mpu_ctrl", 0xE000_ED94),
    ("fpccr", 0xE000_EF34),
    ("fpcar", 0xE000_EF38),
    ("iser0", 0xE000_E100),
    ("iser1", 0xE000_E104),
    ("iser2", 0xE000_E108),
    ("iabr0", 0xE000_E300),
    ("iabr1", 0xE000_E304),
    ("iabr2", 0xE000_E308),
];

/// Which way a capture begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// An exception without a handler of its own was taken.
    Exception,
    /// Software reports: a panic or a fatal error.
    Notice,
    /// A check of a stack has found something.
    Found,
    /// The handler of the clock tick that made this check, before its first instruction.
    Tick,
    /// The same of the switch of threads.
    Switch,
}

impl Entry {
    const HANDLERS: [Self; 2] = [Self::Tick, Self::Switch];
    const ALL: [Self; 3] = [Self::Exception, Self::Notice, Self::Found];

    const fn symbol(self) -> &'static str {
        match self {
            Self::Exception => "crashrig_fault_entry",
            Self::Notice => "crashrig_notice_entry",
            Self::Found => "crashrig_found_entry",
            Self::Tick => "crashrig_systick_entry",
            Self::Switch => "crashrig_pendsv_entry",
        }
    }
}

/// What the host read at an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryReading {
    /// The entry.
    pub entry: Entry,
    /// Whether the core halted there by itself: a vector catch, not a breakpoint.
    #[serde(default)]
    pub is_caught: bool,
    /// Registers by GDB's names, those that the target offers.
    pub registers: BTreeMap<String, u32>,
    /// Registers of the System Control Space by the names of their fields in a record.
    pub status: BTreeMap<String, u32>,
    /// The words where the frame of the exception lies if it could be written, lowest first. Where
    /// a check has found something: those at the process stack pointer.
    pub frame: Option<[u32; FRAME_WORDS]>,
}

/// The entries of an image, with their addresses.
#[derive(Debug, Clone, Default)]
pub struct Entries {
    captures: Vec<(u32, Entry)>,
    handlers: Vec<(u32, Entry)>,
}

/// Whether a capture begins with a fault of the core where this notices the crash. ARMv8-M's stack
/// limits are left out: ARMv7-M has no catch of them.
#[must_use]
pub const fn begins_with_fault(detector: Detector) -> bool {
    matches!(
        detector,
        Detector::MpuGuard
            | Detector::StackingError
            | Detector::BusError
            | Detector::MemoryProtection
            | Detector::InstructionCheck
            | Detector::DivideTrap
            | Detector::HardFault
    )
}

/// What was read in one boot.
#[derive(Debug)]
pub struct Seen {
    /// Whether the core halts at faults by itself.
    is_catching: bool,
    /// Where the capture began.
    capture: Option<EntryReading>,
    /// Where the newest handler began that may check.
    handler: Option<EntryReading>,
}

impl Seen {
    /// Nothing yet, of a core that halts at faults by itself or does not.
    #[must_use]
    pub const fn new(is_catching: bool) -> Self {
        Self { is_catching, capture: None, handler: None }
    }

    /// What the record of the boot is about: what the handler was entered with that made the check,
    /// if one has found something.
    #[must_use]
    pub fn reading(self) -> Option<EntryReading> {
        match self.capture {
            Some(found) if found.entry == Entry::Found => self.handler.or(Some(found)),
            capture => capture,
        }
    }
}

impl Entries {
    /// Those that an image has, and the bootloader in front of it; an image that is not ours may
    /// have none.
    #[must_use]
    pub fn of(image: &Image) -> Self {
        let programs = || [Some(image), image.bootloader()].into_iter().flatten();
        let places = |entries: &[Entry]| {
            let place = |program: &Image, entry: &Entry| {
                Some((program.symbol(entry.symbol())?.address, *entry))
            };
            programs()
                .flat_map(|program| entries.iter().filter_map(move |entry| place(program, entry)))
                .collect()
        };
        Self { captures: places(&Entry::ALL), handlers: places(&Entry::HANDLERS) }
    }

    /// Stops the device where captures begin. One that begins with a fault is caught by the core
    /// where `is_by_fault` says that no other is expected, and the target can; whether it is.
    ///
    /// # Errors
    /// The bench failed.
    pub fn watch(&self, session: &mut dyn Session, is_by_fault: bool) -> Result<bool, BenchError> {
        if self.captures.is_empty() {
            return Ok(false);
        }
        let is_caught = session.catch_faults(is_by_fault)?;
        let others = self.captures.iter().filter(|it| !is_caught || it.1 != Entry::Exception);
        others.into_iter().try_for_each(|(address, _)| session.set_breakpoint(*address))?;
        Ok(is_caught)
    }

    /// Stops the device where handlers begin that check stacks, too.
    ///
    /// # Errors
    /// The bench failed.
    pub fn watch_handlers(&self, session: &mut dyn Session) -> Result<(), BenchError> {
        self.handlers.iter().try_for_each(|(address, _)| session.set_breakpoint(*address))
    }

    /// Reads the core if it stands at one of these addresses.
    ///
    /// # Errors
    /// The bench failed.
    pub fn reached(
        &self,
        address: u32,
        session: &mut dyn Session,
        seen: &mut Seen,
    ) -> Result<(), BenchError> {
        let at = |places: &[(u32, Entry)]| {
            places.iter().find(|(known, _)| *known == address).map(|(_, entry)| *entry)
        };
        // A second capture in one boot is one of a fault in the first.
        if seen.capture.is_some() {
            return Ok(());
        }
        if let Some(entry) = at(&self.captures) {
            let is_caught = seen.is_catching && entry == Entry::Exception;
            seen.capture = Some(EntryReading { is_caught, ..read(session, entry)? });
        } else if let Some(entry) = at(&self.handlers) {
            seen.handler = Some(read(session, entry)?);
        }
        Ok(())
    }
}

/// Reads the core, which stands at an entry.
fn read(session: &mut dyn Session, entry: Entry) -> Result<EntryReading, BenchError> {
    let mut registers = BTreeMap::new();
    for name in REGISTERS {
        if let Some(value) = session.register(name)? {
            registers.insert(name.to_owned(), value);
        }
    }
    let mut status = BTreeMap::new();
    for (name, address) in STATUS {
        status.insert(name.to_owned(), session.core_word(address)?);
    }
    let pointer = match (entry, registers.get("lr")) {
        (Entry::Notice, _) | (_, None) => None,
        (Entry::Found, _) => registers.get("psp"),
        // A handler runs on the main stack.
        (_, Some(exc_return)) if exc_return & ON_PROCESS_STACK == 0 => registers.get("sp"),
        (_, Some(_)) => registers.get("psp"),
    };
    let frame = pointer.map_or(Ok(None), |pointer| frame(session, *pointer))?;
    Ok(EntryReading { entry, is_caught: false, registers, status, frame })
}

/// The words at a stack pointer, which may point anywhere.
fn frame(session: &mut dyn Session, start: u32) -> Result<Option<[u32; FRAME_WORDS]>, BenchError> {
    let in_ram = session.ram().iter().any(|(first, size)| {
        let offset = u64::from(start).checked_sub(u64::from(*first));
        offset.is_some_and(|offset| offset + 4 * FRAME_WORDS as u64 <= u64::from(*size))
    });
    if !in_ram {
        return Ok(None);
    }
    let mut bytes = [0; 4 * FRAME_WORDS];
    session.read(start, &mut bytes)?;
    let mut words = [0; FRAME_WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
    }
    Ok(Some(words))
}

//! The record of a crash, from what the fault entry saved. Pure: memory is read through a trait.
//!
//! The order is the order of trust. Phase one uses registers only, and the stacked frame where
//! [`classify`](mod@crate::classify) says that there is one. Phase two, [`add_trail`], follows the
//! stack.

use crate::classify::{Entry, Meaning};
use crate::map::MemoryMap;
use crate::stack::StackRange;
use crashrig_wire::record::{FaultStatus, Record, Registers, TRAIL_CAPACITY, Trust};
use crashrig_wire::thread::{Area, Owner};
use crashrig_wire::trail::{Memory, walk};
use crashrig_wire::{BuildId, Detector, Kind, Status, Thread};

/// Size of a direct call (BL) in bytes.
const CALL_BYTES: u32 = 4;

/// r7, the frame pointer of Thumb code, in the order r4–r11.
const FRAME_POINTER: usize = 7;

/// Which run and boot a record belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Identity {
    /// This build.
    pub build_id: BuildId,
    /// The run the host announced, or 0.
    pub run_id: u32,
    /// This boot.
    pub boot: u32,
    /// The sequence of the record.
    pub sequence: u32,
    /// Milliseconds since the clock of this boot started.
    pub uptime_ms: u32,
}

/// What the entry saved besides [`Entry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Saved {
    /// r4 to r11.
    pub callee_saved: [u32; 8],
    /// CONTROL, BASEPRI, PRIMASK and FAULTMASK, packed as in a record.
    pub masks: u32,
    /// Fault status registers.
    pub faults: FaultStatus,
}

/// A fatal error as software reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported {
    /// Which error it is.
    pub status: Status,
    /// What else there is to say, by the status.
    pub value: u32,
    /// What noticed it: [`Detector::ErrorCall`] for any code that has no detector of its own.
    pub detector: Detector,
    /// The address that it is about, if it is about one.
    pub address: Option<u32>,
}

/// Where software noticed a crash that no exception reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Noticed {
    /// The address that the noticing function was called from.
    pub caller: u32,
    /// The stack pointer of the caller.
    pub stack_pointer: u32,
    /// The place in the source that it reports.
    pub location: SourceLocation,
    /// The error it reports; nothing for a panic.
    pub error: Option<Reported>,
}

/// A place in the source, as the image keeps it in flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SourceLocation {
    /// Address of the source file's name.
    pub file: u32,
    /// Length of the name in bytes.
    pub file_length: u32,
    /// Line.
    pub line: u32,
}

/// Phase one of a record: an exception with a meaning.
pub fn record_of_exception(
    meaning: &Meaning,
    entry: &Entry,
    saved: &Saved,
    identity: &Identity,
    map: &MemoryMap<'_>,
    memory: &impl Memory,
) -> Record {
    let mut record = blank(meaning.kind, meaning.detector, meaning.thread, identity, map);
    record.trust = Trust(meaning.trust | Trust::CALLEE_SAVED);
    record.value = meaning.value;
    record.fault_address = meaning.fault_address;
    record.owner = meaning.owner;
    record.faults = saved.faults;
    record.registers = registers(entry, saved);
    record.registers.sp = entry.stack_pointer();
    if let Some(frame) = meaning.frame {
        take_frame(&mut record, frame, entry, memory);
    }
    record
}

/// Phase one of a record: software noticed, the panic handler or who reports an error.
pub fn record_of_software(
    noticed: &Noticed,
    entry: &Entry,
    saved: &Saved,
    identity: &Identity,
    map: &MemoryMap<'_>,
) -> Record {
    let Noticed { caller, stack_pointer, location, error } = *noticed;
    let owner = map.owner_of(stack_pointer);
    let thread = if entry.vector != 0 {
        Thread::Isr
    } else if owner == (Owner { area: Area::Stack, thread: Thread::Isr }) {
        Thread::Boot
    } else {
        entry.running
    };
    let (kind, detector) = match error.map(|error| error.detector) {
        Some(Detector::Bootloader) => (Kind::BadImage, Detector::Bootloader),
        Some(detector) => (Kind::Error, detector),
        None => (Kind::Panic, Detector::PanicHandler),
    };
    let mut record = blank(kind, detector, thread, identity, map);
    record.trust = Trust(Trust::CALLEE_SAVED | Trust::STACK_POINTER | Trust::PC);
    record.value = error.map_or(location.line, |error| error.value);
    if let Some(error) = error {
        record.status = error.status;
        if let Some(address) = error.address {
            record.fault_address = address;
            record.owner = map.owner_of(address);
        }
    }
    record.source_file = location.file;
    record.source_file_length = u16::try_from(location.file_length).unwrap_or(u16::MAX);
    record.source_line = u16::try_from(location.line).unwrap_or(u16::MAX);
    record.faults = saved.faults;
    record.registers = registers(entry, saved);
    record.registers.sp = stack_pointer;
    // The address of the call itself: what follows a call that never returns is another function.
    record.registers.pc = (caller & !1).wrapping_sub(CALL_BYTES);
    record
}

/// A record of the boot before this one, which a watchdog has ended: of its core nothing is known,
/// so nothing is trusted. The thread is the one that ran last, as far as anybody knows.
pub fn record_of_watchdog(thread: Thread, identity: &Identity, map: &MemoryMap<'_>) -> Record {
    blank(Kind::Watchdog, Detector::Watchdog, thread, identity, map)
}

/// Phase two: the return addresses on the stack of the record's thread.
pub fn add_trail(record: &mut Record, map: &MemoryMap<'_>, memory: &impl Memory) {
    let Some(stack) = map.stack_of(record.thread) else { return };
    let frame_pointer = record.registers.r.get(FRAME_POINTER).copied().unwrap_or(0);
    let mut trail = [0; TRAIL_CAPACITY];
    let length = walk(memory, frame_pointer, stack.start..stack.end, &mut trail);
    record.trail = trail;
    record.trail_length = u16::try_from(length).unwrap_or(0);
}

fn blank(
    kind: Kind,
    detector: Detector,
    thread: Thread,
    identity: &Identity,
    map: &MemoryMap<'_>,
) -> Record {
    let stack = map.stack_of(thread).unwrap_or(&StackRange::NONE);
    Record {
        build_id: identity.build_id,
        run_id: identity.run_id,
        boot: identity.boot,
        sequence: identity.sequence,
        uptime_ms: identity.uptime_ms,
        stack_start: stack.start,
        stack_size: stack.size_bytes(),
        ..Record::blank(kind, detector, thread)
    }
}

fn registers(entry: &Entry, saved: &Saved) -> Registers {
    let mut r = [0; 13];
    for (target, value) in r.iter_mut().skip(4).zip(saved.callee_saved) {
        *target = value;
    }
    Registers {
        r,
        msp: entry.msp,
        psp: entry.psp,
        exc_return: entry.exc_return,
        masks: saved.masks,
        ..Registers::default()
    }
}

/// Takes r0–r3, r12, lr, pc and xPSR from a stacked frame, all or none.
fn take_frame(record: &mut Record, frame: u32, entry: &Entry, memory: &impl Memory) {
    let word = |index: u32| memory.stack_word(frame + 4 * index);
    let words = (word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7));
    let (Some(r0), Some(r1), Some(r2), Some(r3), Some(r12), Some(lr), Some(pc), Some(xpsr)) = words
    else {
        return;
    };
    let [t0, t1, t2, t3, .., t12] = &mut record.registers.r;
    (*t0, *t1, *t2, *t3, *t12) = (r0, r1, r2, r3, r12);
    record.registers.lr = lr;
    record.registers.pc = pc;
    record.registers.xpsr = xpsr;
    record.registers.sp = entry.stack_pointer_before(frame, xpsr);
    record.trust.0 |= Trust::FRAME | Trust::PC | Trust::STACK_POINTER;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::classify;
    use crate::map::tests::{IDLE, MAP};

    /// A stack whose every word is its own address, and no code.
    struct Own;
    impl Memory for Own {
        fn stack_word(&self, address: u32) -> Option<u32> {
            MAP.is_readable_ram(address, 4).then_some(address)
        }
        fn code_halfword(&self, _: u32) -> Option<u16> {
            None
        }
    }

    const SAVED: Saved = Saved {
        callee_saved: [4, 5, 6, 7, 8, 9, 10, 11],
        masks: 2,
        faults: FaultStatus {
            cfsr: 0x8200,
            hfsr: 0,
            dfsr: 0,
            mmfar: 0,
            bfar: 0xD000_0000,
            afsr: 0,
            shcsr: 0,
            icsr: 0,
            vtor: 0,
            ccr: 0,
        },
    };

    fn exception(psp: u32) -> Record {
        let entry = Entry { vector: 5, exc_return: 0xFFFF_FFFD, msp: 0x2001_FFE0, psp, ..IDLE };
        let meaning = classify(&entry, &SAVED.faults, &MAP);
        record_of_exception(&meaning, &entry, &SAVED, &Identity::default(), &MAP, &Own)
    }

    #[test]
    fn a_frame_fills_the_registers_and_is_trusted() {
        let record = exception(0x2000_3000);
        assert!(record.trust.has(Trust::FRAME | Trust::CALLEE_SAVED));
        assert_eq!(record.registers.r[0], 0x2000_3000);
        assert_eq!(record.registers.r[4], 4);
        assert_eq!(record.registers.r[12], 0x2000_3010);
        assert_eq!(record.registers.pc, 0x2000_3018);
        // The word read as xPSR happens to have bit 9 clear, so no padding was there.
        assert_eq!(record.registers.sp, 0x2000_3020);
        assert_eq!((record.stack_start, record.stack_size), (0x2000_2400, 0x1000));
        assert_eq!(record.owner.area, Area::Unmapped);
    }

    #[test]
    fn of_a_boot_that_a_watchdog_ended_no_register_is_claimed() {
        let identity = Identity { boot: 7, uptime_ms: 60, ..Identity::default() };
        let record = record_of_watchdog(Thread::Main, &identity, &MAP);
        assert_eq!((record.kind, record.detector), (Kind::Watchdog, Detector::Watchdog));
        assert_eq!((record.trust, record.boot, record.uptime_ms), (Trust(0), 7, 60));
        assert_eq!((record.stack_start, record.stack_size), (0x2000_2400, 0x1000));
        assert_eq!(record.owner, Owner::NONE);
        assert_eq!(record.status, Status::of(Kind::Watchdog));
    }

    #[test]
    fn without_a_frame_nothing_of_it_is_claimed() {
        let record = exception(0x2000_2390);
        assert!(!record.trust.has(Trust::FRAME) && !record.trust.has(Trust::PC));
        assert_eq!((record.registers.pc, record.registers.lr), (0, 0));
        assert_eq!(record.registers.sp, 0x2000_2390);
    }
}

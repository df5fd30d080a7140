//! What the fault registers mean: kind, detector, thread, and whether a stacked frame exists.
//!
//! Bits and their meaning: DDI0403E B3.2.15 (CFSR), B3.2.16 (HFSR). The order of the questions
//! matters: an overflow is known by the limit that was broken or by its address first, then by the
//! core's failure to stack, and only an exception without any is what its own bit says.
//!
//! ARMv8-M adds CFSR.STKOF and the exception SecureFault. In secure state its EXC_RETURN has the
//! bits that are used here at the same places; one more says whose stack the frame is on (measured
//! on QEMU; DDI0553, from memory).

use crate::map::MemoryMap;
use crashrig_wire::record::{FaultStatus, Trust};
use crashrig_wire::thread::{Area, Owner};
use crashrig_wire::{Detector, Kind, Thread, cfsr};

/// EXC_RETURN: the frame lies on the process stack (DDI0403E B1.5.8).
const EXC_RETURN_PROCESS_STACK: u32 = 1 << 2;
/// EXC_RETURN: the exception was taken from thread mode.
const EXC_RETURN_THREAD_MODE: u32 = 1 << 3;
/// EXC_RETURN: *clear* when the frame holds floating-point state.
const EXC_RETURN_BASIC_FRAME: u32 = 1 << 4;
/// EXC_RETURN: *clear* when the frame lies on a stack of ARMv8-M's non-secure state, whose stack
/// pointers are not those of an [`Entry`]. Always set on ARMv7-M.
const EXC_RETURN_OWN_STATE: u32 = 1 << 6;
/// xPSR: a word of padding was put above the frame to align it (DDI0403E B1.5.7).
const XPSR_REALIGNED: u32 = 1 << 9;

/// The highest exception that is a fault: SecureFault, which ARMv7-M does not have.
const SECURE_FAULT: u32 = 7;
/// Floating-point state could not be written late.
const LATE_FLOAT: u32 = cfsr::MLSPERR | cfsr::LSPERR;
/// s0–s15 and FPSCR.
const LATE_FLOAT_BYTES: u32 = 68;

/// Words of the frame that every exception stacks: r0–r3, r12, lr, pc, xPSR.
pub const BASIC_FRAME_BYTES: u32 = 32;
/// The same with s0–s15, FPSCR and a reserved word.
pub const FLOAT_FRAME_BYTES: u32 = 104;

/// What the fault entry found before it touched anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Exception number (IPSR).
    pub vector: u32,
    /// EXC_RETURN.
    pub exc_return: u32,
    /// Main stack pointer.
    pub msp: u32,
    /// Process stack pointer.
    pub psp: u32,
    /// The thread that runs, whose stack the process stack pointer is.
    pub running: Thread,
    /// FPCAR: where floating-point state is to be written late (DDI0403E B3.2.22).
    pub float_frame: u32,
}

impl Entry {
    /// The stack pointer that the exception used.
    #[must_use]
    pub const fn stack_pointer(&self) -> u32 {
        if self.exc_return & EXC_RETURN_PROCESS_STACK != 0 { self.psp } else { self.msp }
    }

    /// Who was interrupted.
    #[must_use]
    pub const fn interrupted(&self) -> Thread {
        if self.exc_return & EXC_RETURN_PROCESS_STACK != 0 {
            self.running
        } else if self.exc_return & EXC_RETURN_THREAD_MODE != 0 {
            Thread::Boot
        } else {
            Thread::Isr
        }
    }

    /// The stack pointer before the exception, from the address of the frame and its xPSR.
    #[must_use]
    pub const fn stack_pointer_before(&self, frame: u32, xpsr: u32) -> u32 {
        let size = if self.exc_return & EXC_RETURN_BASIC_FRAME != 0 {
            BASIC_FRAME_BYTES
        } else {
            FLOAT_FRAME_BYTES
        };
        let padding = if xpsr & XPSR_REALIGNED != 0 { 4 } else { 0 };
        frame.wrapping_add(size).wrapping_add(padding)
    }
}

/// The meaning of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// What happened.
    pub kind: Kind,
    /// What noticed.
    pub detector: Detector,
    /// Whom it is charged to.
    pub thread: Thread,
    /// The address that could not be accessed, the stack pointer where a frame could not be written
    /// and no address is known, or 0.
    pub fault_address: u32,
    /// Whose memory that is; [`Owner::NONE`] without an address.
    pub owner: Owner,
    /// [`Trust::FAULT_ADDRESS`] and [`Trust::FLOAT_LOST`] as they apply.
    pub trust: u16,
    /// The exception number for everything but an overflow; the broken limit for an overflow.
    pub value: u32,
    /// Address of the stacked frame; nothing if the core could not write one.
    pub frame: Option<u32>,
}

/// Says what a fault means.
#[must_use]
pub fn classify(entry: &Entry, faults: &FaultStatus, map: &MemoryMap<'_>) -> Meaning {
    let stack_pointer = entry.stack_pointer();
    let thread = charged(entry, faults.cfsr, map);
    let limit = map.stack_of(thread).map_or(0, |stack| stack.start);
    let limit_broken = faults.cfsr & cfsr::STKOF != 0;
    let (fault_address, valid) = if limit_broken {
        // No register says how far below the limit: the first word there was refused in any case.
        (limit.wrapping_sub(4), false)
    } else if faults.cfsr & cfsr::MMARVALID != 0 {
        (faults.mmfar, true)
    } else if faults.cfsr & cfsr::BFARVALID != 0 {
        (faults.bfar, true)
    } else if faults.cfsr & LATE_FLOAT != 0 {
        (map.guard_touched(entry.float_frame, LATE_FLOAT_BYTES).unwrap_or(entry.float_frame), false)
    } else if faults.cfsr & cfsr::FRAME_LOST != 0 {
        // What could not be written is where the stack pointer went: no register says it better.
        (map.guard_touched(stack_pointer, BASIC_FRAME_BYTES).unwrap_or(stack_pointer), false)
    } else {
        (0, false)
    };
    let has_address = valid || limit_broken || faults.cfsr & cfsr::STACKING != 0;
    let owner = if has_address { map.owner_of(fault_address) } else { Owner::NONE };
    let own_guard = owner == Owner { area: Area::Guard, thread: map.stack_owner(thread) };
    // Above its stack a pointer was put; it has not gone too far. Where it is below, as that of a
    // frame that jumped the guard, stays an overflow.
    let above = map.stack_of(thread).is_some_and(|stack| stack.end <= stack_pointer);
    let (kind, detector) = kind_of(entry.vector, faults.cfsr, own_guard, above);
    let value = match kind {
        Kind::StackOverflow => limit,
        _ => entry.vector,
    };
    let float_lost = faults.cfsr & LATE_FLOAT != 0;
    let trust = if valid { Trust::FAULT_ADDRESS } else { 0 }
        | if float_lost { Trust::FLOAT_LOST } else { 0 };
    let frame = frame_address(entry, faults.cfsr, map);
    Meaning { kind, detector, thread, fault_address, owner, trust, value, frame }
}

/// Whom a fault is charged to: whoever was interrupted, but late floating-point state is written
/// for the thread whose stack it belongs on, by whatever handler happens to use the unit.
fn charged(entry: &Entry, status: u32, map: &MemoryMap<'_>) -> Thread {
    let late = status & LATE_FLOAT != 0 && status & cfsr::FRAME_LOST == 0;
    let owner = map.owner_of(entry.float_frame);
    match owner.area {
        Area::Guard | Area::Stack if late => owner.thread,
        _ => entry.interrupted(),
    }
}

/// `own_guard`: the address lies in the guard of the stack that was in use. A store into another's
/// guard is a wild store, not an overflow. `above`: the stack pointer lies above that stack; a
/// frame that the memory protection refuses there is a wild store too.
fn kind_of(vector: u32, status: u32, own_guard: bool, above: bool) -> (Kind, Detector) {
    let is_fault = (3..=SECURE_FAULT).contains(&vector);
    if !is_fault {
        (Kind::UnexpectedInterrupt, Detector::DefaultHandler)
    } else if status & cfsr::STKOF != 0 {
        (Kind::StackOverflow, Detector::StackLimit)
    } else if status & cfsr::MEMMANAGE != 0 && own_guard {
        (Kind::StackOverflow, Detector::MpuGuard)
    } else if status & cfsr::MSTKERR != 0 && above {
        (Kind::MemoryFault, Detector::MemoryProtection)
    } else if status & cfsr::STACKING != 0 {
        (Kind::StackOverflow, Detector::StackingError)
    } else if status & cfsr::BUS != 0 {
        (Kind::BusFault, Detector::BusError)
    } else if status & cfsr::DIVBYZERO != 0 {
        (Kind::UsageFault, Detector::DivideTrap)
    } else if status & cfsr::USAGE != 0 {
        (Kind::UsageFault, Detector::InstructionCheck)
    } else if status & cfsr::MEMMANAGE != 0 || vector == SECURE_FAULT {
        (Kind::MemoryFault, Detector::MemoryProtection)
    } else {
        (Kind::HardFault, Detector::HardFault)
    }
}

/// Where the stacked frame lies, if there is one that can be found: the core reported no failure to
/// write it, it is of this security state, and it lies aligned in readable RAM. A late
/// floating-point failure (MLSPERR, LSPERR) leaves the frame of the fault itself intact, so it does
/// not count here. A frame that would have gone below the limit is not written and leaves the stack
/// pointer at the limit; one that fits to the byte ends there too, and is given up.
fn frame_address(entry: &Entry, status: u32, map: &MemoryMap<'_>) -> Option<u32> {
    let frame = entry.stack_pointer();
    let at_limit = map.stack_of(entry.interrupted()).is_some_and(|stack| stack.start == frame);
    let refused = status & cfsr::STKOF != 0 && at_limit;
    let here = entry.exc_return & EXC_RETURN_OWN_STATE != 0;
    let written = status & cfsr::FRAME_LOST == 0 && !refused && here;
    let sound = frame.is_multiple_of(4) && map.is_readable_ram(frame, BASIC_FRAME_BYTES);
    (written && sound).then_some(frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::tests::{IDLE, MAP};

    const THREAD: u32 = 0xFFFF_FFFD;
    const HANDLER: u32 = 0xFFFF_FFF1;
    const BOOT: u32 = 0xFFFF_FFF9;
    const MSP: u32 = 0x2001_FFC0;
    const PSP: u32 = 0x2000_3000;

    struct Case {
        name: &'static str,
        vector: u32,
        exc_return: u32,
        psp: u32,
        cfsr: u32,
        address: u32,
        expected: (Kind, Detector, Thread),
        frame: bool,
    }

    fn check(case: &Case) {
        let Case { vector, exc_return, psp, .. } = *case;
        let entry = Entry { vector, exc_return, msp: MSP, psp, ..IDLE };
        let faults = FaultStatus {
            cfsr: case.cfsr,
            mmfar: case.address,
            bfar: case.address,
            ..FaultStatus::default()
        };
        let meaning = classify(&entry, &faults, &MAP);
        let found = (meaning.kind, meaning.detector, meaning.thread);
        assert_eq!(found, case.expected, "{}", case.name);
        assert_eq!(meaning.frame.is_some(), case.frame, "{}: frame", case.name);
    }

    #[test]
    fn each_cause_has_its_kind_detector_and_thread() {
        use Detector as D;
        use Kind as K;
        use Thread as T;
        let guard = 0x2000_23E8;
        let main_guard = (K::StackOverflow, D::MpuGuard, T::Main);
        let isr_guard = (K::StackOverflow, D::MpuGuard, T::Isr);
        let main_frame = (K::StackOverflow, D::StackingError, T::Main);
        let isr_frame = (K::StackOverflow, D::StackingError, T::Isr);
        let main_bus = (K::BusFault, D::BusError, T::Main);
        let boot_bus = (K::BusFault, D::BusError, T::Boot);
        let check_failed = (K::UsageFault, D::InstructionCheck, T::Main);
        let divided = (K::UsageFault, D::DivideTrap, T::Main);
        let wild_store = (K::MemoryFault, D::MemoryProtection, T::Main);
        let hard = (K::HardFault, D::HardFault, T::Main);
        let spare = (K::UnexpectedInterrupt, D::DefaultHandler, T::Main);
        let (off, nowhere) = (PSP + 2, 0x3000_0000);
        let (main_limit, limit) = ((K::StackOverflow, D::StackLimit, T::Main), 0x2000_2400);
        const STKOF: u32 = cfsr::STKOF;
        #[rustfmt::skip]
        let cases = [
            ("push into the guard", 4, THREAD, 0x2000_23C8, 0x92, guard, main_guard, false),
            ("store into the guard", 4, THREAD, PSP, 0x82, guard, main_guard, true),
            ("escalated store into it", 3, THREAD, PSP, 0x82, guard, main_guard, true),
            ("ISR's guard, by the ISR", 4, HANDLER, PSP, 0x92, 0x2001_F7F0, isr_guard, false),
            ("frame into the guard", 4, THREAD, 0x2000_23F0, 0x10, 0, main_guard, false),
            ("the ISR's guard, by a thread", 4, THREAD, PSP, 0x82, 0x2001_F7F0, wild_store, true),
            ("frame into nowhere, UDF", 5, THREAD, nowhere, 0x1_1000, 0, main_frame, false),
            ("frame above the stack", 4, THREAD, 0x2000_5000, 0x12, 0, wild_store, false),
            ("push and frame above", 4, THREAD, 0x2000_5000, 0x92, 0x2000_5000, wild_store, false),
            ("frame below the guard", 4, THREAD, 0x2000_2000, 0x12, 0, main_frame, false),
            ("late float state", 4, HANDLER, PSP, 0x20, 0, isr_frame, true),
            ("load from nowhere", 5, THREAD, PSP, 0x8200, 0xD000_0000, main_bus, true),
            ("the same before the threads", 5, BOOT, PSP, 0x8200, 0xD000_0000, boot_bus, true),
            ("undefined instruction", 6, THREAD, PSP, 0x1_0000, 0, check_failed, true),
            ("division", 6, THREAD, PSP, 0x200_0000, 0, divided, true),
            ("execute never", 4, THREAD, PSP, 0x01, 0, wild_store, true),
            ("hard fault without a cause", 3, THREAD, PSP, 0, 0, hard, true),
            ("spare interrupt", 97, THREAD, PSP, 0, 0, spare, true),
            ("push below the limit", 6, THREAD, limit, STKOF, 0, main_limit, false),
            ("frame above the limit", 6, THREAD, limit + 8, STKOF, 0, main_limit, true),
            ("escalated push", 3, THREAD, limit, STKOF, 0, main_limit, false),
            ("bus fault, no room", 5, THREAD, limit, STKOF | 0x8200, off, main_limit, false),
            ("secure fault", 7, THREAD, PSP, 0, 0, wild_store, true),
            ("secure fault of non-secure code", 7, 0xFFFF_FFBD, PSP, 0, 0, wild_store, false),
            ("stack pointer off by two", 6, THREAD, off, 0x1_0000, 0, check_failed, false),
        ];
        for (name, vector, exc_return, psp, cfsr, address, expected, frame) in cases {
            check(&Case { name, vector, exc_return, psp, cfsr, address, expected, frame });
        }
    }

    #[test]
    fn the_stack_pointer_before_an_exception_counts_float_state_and_padding() {
        let basic = Entry { exc_return: THREAD, ..IDLE };
        let float = Entry { exc_return: THREAD & !EXC_RETURN_BASIC_FRAME, ..IDLE };
        assert_eq!(basic.stack_pointer_before(0x100, 0), 0x120);
        assert_eq!(basic.stack_pointer_before(0x100, XPSR_REALIGNED), 0x124);
        assert_eq!(float.stack_pointer_before(0x100, XPSR_REALIGNED), 0x16C);
    }

    #[test]
    fn a_frame_that_could_not_be_written_is_charged_to_where_the_stack_pointer_went() {
        let entry = Entry { vector: 5, exc_return: HANDLER, msp: 0xD000_0000, psp: PSP, ..IDLE };
        let faults = FaultStatus { cfsr: 0x1_1000, ..FaultStatus::default() };
        let meaning = classify(&entry, &faults, &MAP);
        assert_eq!(meaning.fault_address, 0xD000_0000);
        assert_eq!(meaning.owner.area, Area::Unmapped);
        assert_eq!(meaning.trust & Trust::FAULT_ADDRESS, 0);
    }

    #[test]
    fn a_broken_limit_is_charged_to_the_first_word_below_it() {
        let entry = Entry { vector: 6, exc_return: THREAD, msp: MSP, psp: 0x2000_2400, ..IDLE };
        let faults = FaultStatus { cfsr: cfsr::STKOF, ..FaultStatus::default() };
        let meaning = classify(&entry, &faults, &MAP);
        assert_eq!((meaning.fault_address, meaning.value), (0x2000_23FC, 0x2000_2400));
        assert_eq!(meaning.owner, Owner { area: Area::Guard, thread: Thread::Main });
        assert_eq!(meaning.trust & Trust::FAULT_ADDRESS, 0);
    }

    #[test]
    fn the_value_of_an_overflow_is_the_limit_that_was_broken() {
        let entry = Entry { vector: 4, exc_return: THREAD, msp: MSP, psp: 0x2000_23C8, ..IDLE };
        let faults = FaultStatus { cfsr: 0x92, mmfar: 0x2000_23E8, ..FaultStatus::default() };
        assert_eq!(classify(&entry, &faults, &MAP).value, 0x2000_2400);
    }

    #[test]
    fn late_floating_point_state_is_charged_to_the_thread_whose_stack_it_belongs_on() {
        let float_frame = 0x2000_83F0;
        let running = Thread::User(3);
        let entry =
            Entry { vector: 4, exc_return: HANDLER, msp: MSP, psp: PSP, running, float_frame };
        let faults = FaultStatus { cfsr: 0x20, ..FaultStatus::default() };
        let meaning = classify(&entry, &faults, &MAP);
        let found = (meaning.kind, meaning.detector, meaning.thread, meaning.fault_address);
        let (kind, detector) = (Kind::StackOverflow, Detector::MpuGuard);
        assert_eq!(found, (kind, detector, running, float_frame));
    }
}

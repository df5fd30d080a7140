//! What follows an entry of a capture ([`crate::entry`]): a record, then a reset.
//!
//! The fault registers decide whether an exception frame exists. A second fault on the way finds
//! [`CAPTURING`] set, notes itself in the ledger and resets: what was committed before stays.

use crate::entry::{crashrig_found_entry, crashrig_notice_entry};
use crate::kernel::view;
use crate::registers::{float_unit, system_control};
use crate::{
    backup, clock, dma, interrupts, kept, kernel, platform, reset, reset_cause, sections, vectors,
};
use core::cell::UnsafeCell;
use core::panic::{Location, PanicInfo};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use crashrig_memory::capture::{self, Identity, Noticed, Reported, Saved, SourceLocation};
use crashrig_memory::classify::{Entry, Meaning, classify};
use crashrig_memory::map::MemoryMap;
use crashrig_memory::raw::{LiveMemory, RetainedRam};
use crashrig_memory::reboot::BootMode;
use crashrig_memory::retain::{BootReport, CrashRegion};
use crashrig_memory::vectors::blame;
use crashrig_wire::record::{Architecture, FaultStatus};
use crashrig_wire::region::Slot;
use crashrig_wire::{Record, Thread};

const ARCHITECTURE: Architecture =
    if cfg!(armv8m) { Architecture::Armv8m } else { Architecture::Armv7m };

#[unsafe(link_section = ".upper.capturing")]
static CAPTURING: AtomicBool = AtomicBool::new(false);
#[unsafe(link_section = ".upper.boot")]
static BOOT: AtomicU32 = AtomicU32::new(0);
#[unsafe(link_section = ".upper.run")]
static RUN_ID: AtomicU32 = AtomicU32::new(0);

/// What software says that noticed something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Notice {
    location: SourceLocation,
    error: Option<Reported>,
}

impl Notice {
    fn at(location: &Location<'_>, error: Option<Reported>) -> Self {
        let location = SourceLocation {
            file: location.file().as_ptr().addr() as u32,
            file_length: location.file().len() as u32,
            line: location.line(),
        };
        Self { location, error }
    }
}

/// Records what a check of a stack has found, and resets.
pub(crate) fn capture_found(entry: &Entry, meaning: &Meaning, callee_saved: &[u32; 8]) -> ! {
    // SAFETY: all lie on the ISR stack, which nothing uses any more.
    unsafe { crashrig_found_entry(entry, meaning, callee_saved) }
}

/// What is known of an exception: its registers as they were before its handler pushed anything,
/// and who runs.
pub(crate) fn entry(running: Thread, vector: u32, exc_return: u32, [msp, psp]: [u32; 2]) -> Entry {
    Entry { vector, exc_return, msp, psp, running, float_frame: float_unit().fpcar.read() }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let none = Notice { location: SourceLocation::default(), error: None };
    let notice = info.location().map_or(none, |location| Notice::at(location, None));
    if is_unprivileged() {
        let SourceLocation { file, file_length, line } = notice.location;
        kernel::supervisor::panic(file, file_length, line)
    }
    // SAFETY: `notice` lies on a stack that nothing uses any more once this is called.
    unsafe { crashrig_notice_entry(&notice) }
}

/// Whether a thread runs that can neither mask interrupts nor reach the emergency stack. It reads
/// IPSR as zero, as any thread does; a handler is privileged whomever it interrupted.
fn is_unprivileged() -> bool {
    let control = cortex_m::register::control::read();
    interrupts::active() == 0 && control.npriv().is_unprivileged()
}

struct NoticeCell(UnsafeCell<Notice>);

// SAFETY: only a supervisor call writes it; it is read by the capture that follows.
unsafe impl Sync for NoticeCell {}

/// What an unprivileged thread says that panics: its own stack is not believed.
#[unsafe(link_section = ".upper.panicked")]
static PANICKED: NoticeCell = NoticeCell(UnsafeCell::new(Notice {
    location: SourceLocation { file: 0, file_length: 0, line: 0 },
    error: None,
}));

/// Keeps where an unprivileged thread says that it panics. Returns function and argument that its
/// capture begins with.
pub(crate) fn keep_panic(location: SourceLocation) -> (u32, u32) {
    let place = PANICKED.0.get();
    // SAFETY: supervisor calls do not preempt each other, and the capture has not begun.
    unsafe { place.write(Notice { location, error: None }) };
    (crashrig_notice_entry as *const () as u32, place.addr() as u32)
}

/// Records a fatal error that software reports, and resets.
pub(crate) fn capture_error(error: Reported, location: &Location<'_>) -> ! {
    let notice = Notice::at(location, Some(error));
    // SAFETY: as for a panic.
    unsafe { crashrig_notice_entry(&notice) }
}

pub(crate) extern "C" fn capture_exception(
    msp: u32,
    psp: u32,
    exc_return: u32,
    callee_saved: &[u32; 8],
    primask: u32,
) -> ! {
    begin();
    let entry = entry(view::running(), vector(), exc_return, [msp, psp]);
    let saved = saved(callee_saved, primask);
    commit(&entry, &saved, |map| classify(&entry, &saved.faults, map))
}

pub(crate) extern "C" fn capture_meaning(
    entry: &Entry,
    meaning: &Meaning,
    callee_saved: &[u32; 8],
) -> ! {
    begin();
    let saved = saved(callee_saved, 0);
    commit(entry, &saved, |_| *meaning)
}

pub(crate) extern "C" fn capture_notice(
    notice: &Notice,
    stack_pointer: u32,
    caller: u32,
    callee_saved: &[u32; 8],
    primask: u32,
) -> ! {
    begin();
    let saved = saved(callee_saved, primask);
    let on_process_stack = vector() == 0 && saved.masks & 0b10 != 0;
    let stack_pointers = if on_process_stack {
        [cortex_m::register::msp::read(), stack_pointer]
    } else {
        [stack_pointer, cortex_m::register::psp::read()]
    };
    let entry = entry(view::running(), vector(), 0, stack_pointers);
    let Notice { location, error } = *notice;
    let noticed = Noticed { caller, stack_pointer, location, error };
    with_region(|region, map| {
        let identity = identity(region);
        let record = capture::record_of_software(&noticed, &entry, &saved, &identity, map);
        write(region, record, map)
    })
}

fn commit(entry: &Entry, saved: &Saved, meaning: impl FnOnce(&MemoryMap<'_>) -> Meaning) -> ! {
    with_region(|region, map| {
        let meaning = meaning(map);
        let identity = identity(region);
        // SAFETY: the regions come from the chip file and `prepare` has enabled their clocks.
        let memory = unsafe { LiveMemory::new(map, platform::text()) };
        let record = capture::record_of_exception(&meaning, entry, saved, &identity, map, &memory);
        write(region, record, map)
    })
}

/// First of all in a capture: if one is under way already, that is only counted. A fault before
/// this is recorded like any other, as one of the handler's.
#[inline(never)]
fn begin() {
    if CAPTURING.swap(true, Ordering::Relaxed) {
        open_region().note_nested(vector(), system_control().cfsr.read());
        reset::reset()
    }
}

/// Opens the crash region for one record.
fn with_region(record: impl FnOnce(&mut CrashRegion<RetainedRam>, &MemoryMap<'_>)) -> ! {
    let mut region = open_region();
    // A bus master that writes on could write into the record.
    dma::hooks::stop_all();
    // A crash before the records were checked has not noted it yet.
    let _ = reset_cause::note(&mut region);
    let stacks = view::stacks();
    let (image, chip) = (platform::image_areas(), platform::chip_areas());
    record(&mut region, &MemoryMap { stacks: &stacks, image: &image, chip: &chip });
    reset::reset()
}

/// All phases.
fn write(region: &mut CrashRegion<RetainedRam>, mut record: Record, map: &MemoryMap<'_>) {
    record.architecture = ARCHITECTURE;
    let facts = view::facts_of(record.thread);
    record.thread_entry = facts.entry;
    record.thread_name = facts.name.as_ptr().addr() as u32;
    record.thread_name_length = u16::try_from(facts.name.len()).unwrap_or(u16::MAX);
    record.thread_priority = facts.priority;
    if let Some(damaged) = vectors::damaged_entry(&record.faults) {
        blame(&mut record, &damaged, map);
    }
    let slot = region.commit_core(&record);
    crashrig_sealed(1);
    // SAFETY: the regions come from the chip file and `prepare` has enabled their clocks.
    let memory = unsafe { LiveMemory::new(map, platform::text()) };
    capture::add_trail(&mut record, map, &memory);
    region.commit_trail(slot, &record);
    crashrig_sealed(2);
    let causes = region.ledger().reset_causes;
    sections::write(region.sections(slot, record.sequence), &record, map, causes);
    crashrig_sealed(3);
}

/// The first two phases of a record of a boot that a watchdog has ended. Returns its slot and its
/// sequence.
pub(crate) fn write_watchdog(
    region: &mut CrashRegion<RetainedRam>,
    thread: Thread,
    identity: &Identity,
) -> (Slot, u32) {
    let stacks = view::stacks();
    let map = MemoryMap { stacks: &stacks, image: &[], chip: &[] };
    let mut record = capture::record_of_watchdog(thread, identity, &map);
    record.architecture = ARCHITECTURE;
    let slot = region.commit_core(&record);
    region.commit_trail(slot, &record);
    (slot, record.sequence)
}

/// A phase of the record is in memory for good. A debugger can stop the device here.
#[inline(never)]
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.crashrig_hooks")]
extern "C" fn crashrig_sealed(phase: u32) {
    core::hint::black_box(phase);
    cortex_m::asm::dsb();
}

fn identity(region: &CrashRegion<RetainedRam>) -> Identity {
    let counted = BOOT.load(Ordering::Relaxed);
    // A crash before the records were checked belongs to a boot that is not counted yet.
    let boot = if counted == 0 { region.ledger().boots.saturating_add(1) } else { counted };
    Identity {
        build_id: platform::build_id(),
        run_id: RUN_ID.load(Ordering::Relaxed),
        boot,
        sequence: region.next_sequence(),
        uptime_ms: clock::uptime_ms(),
    }
}

pub(crate) fn open_region() -> CrashRegion<RetainedRam> {
    let (start, size) = (platform::crash_start(), platform::crash_size_bytes());
    // SAFETY: the linker script keeps the region free of objects; each caller drops it before the
    // next opens it, but for a nested fault, after which the outer one never runs again.
    let store = unsafe { RetainedRam::new(start as usize, size as usize) };
    CrashRegion::open_mirrored(store, backup::mirror())
}

/// The crash-record check of a boot: counts it, decides how it is to run, and shows the image the
/// oldest record that nobody has read. In safe mode the image is not asked: it may be what crashes.
pub(crate) fn check_records() -> BootReport {
    let platform = platform::platform();
    let report = {
        let mut region = open_region();
        let start = reset_cause::note(&mut region);
        region.begin(&platform::build_id(), &platform.policy, start)
    };
    BOOT.store(report.findings.boot, Ordering::Relaxed);
    // The image may open the region itself: what it marks there must not be written over.
    let is_read = report.record.is_some()
        && report.mode == BootMode::Normal
        && (platform.crash_report)(&report);
    if is_read {
        let _ = open_region().take_report(&platform::build_id());
    }
    report
}

/// Marks every record there is as read, forgets crashes in a row, and ends safe mode with this
/// boot.
pub fn acknowledge_records() {
    critical_section::with(|_| open_region().acknowledge());
}

/// This boot has run long enough to be trusted.
pub(crate) extern "C" fn note_healthy(_: u32) {
    critical_section::with(|_| open_region().healthy());
}

/// Resets in order: the boot has come to its end.
pub fn end_boot() -> ! {
    critical_section::with(|_| open_region().end_in_order());
    reset::reset()
}

/// Tells the run that the records of this boot belong to.
pub fn set_run(run_id: u32) {
    RUN_ID.store(run_id, Ordering::Relaxed);
    kept::belongs_to(run_id);
}

fn vector() -> u32 {
    const VECTACTIVE: u32 = 0x1FF;
    system_control().icsr.read() & VECTACTIVE
}

fn saved(callee_saved: &[u32; 8], primask: u32) -> Saved {
    let control = cortex_m::register::control::read().bits();
    let basepri = u32::from(cortex_m::register::basepri::read());
    let faultmask = u32::from(cortex_m::register::faultmask::read().is_inactive());
    let masks = control & 0xFF | basepri << 8 | (primask & 1) << 16 | faultmask << 24;
    Saved { callee_saved: *callee_saved, masks, faults: fault_status() }
}

fn fault_status() -> FaultStatus {
    let scb = system_control();
    FaultStatus {
        cfsr: scb.cfsr.read(),
        hfsr: scb.hfsr.read(),
        dfsr: scb.dfsr.read(),
        mmfar: scb.mmfar.read(),
        bfar: scb.bfar.read(),
        afsr: auxiliary_status(),
        shcsr: scb.shcsr.read(),
        icsr: scb.icsr.read(),
        vtor: scb.vtor.read(),
        ccr: scb.ccr.read(),
    }
}

#[cfg(not(armv8m))]
fn auxiliary_status() -> u32 {
    system_control().afsr.read()
}

/// AFSR, which no known core of this architecture has, is read all the same: QEMU's log shows the
/// read, and the moment of the capture by it. The status of SecureFaults takes its place.
#[cfg(armv8m)]
fn auxiliary_status() -> u32 {
    let _ = system_control().afsr.read();
    crate::registers::secure_fault_status()
}

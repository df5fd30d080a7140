//! What a boot keeps of itself for the case that a watchdog ends it: the next boot makes a record
//! of that.
//!
//! Words that are stored as things happen, so no seal can cover them; a mark says that this build
//! wrote them. They are believed only where the chip says that a watchdog ran out, and the ledger
//! that the boot before had no end: no loss of power and no other program came in between. Behind a
//! bootloader, which takes the flags of the reset with it, there is no such record; the boot is
//! counted as one without end.

use crate::{backup, fault, log_tail, platform, reset_cause, sections};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use crashrig_memory::capture::Identity;
use crashrig_wire::Thread;
use crashrig_wire::ledger::Phase;

/// Stands beside the words if this build wrote them: this, and the beginning of the build id.
const MARK: u32 = u32::from_le_bytes(*b"KEPT");

#[unsafe(link_section = ".noinit.kept")]
static WRITTEN_BY: AtomicU32 = AtomicU32::new(0);
#[unsafe(link_section = ".noinit.kept")]
static THREAD: AtomicU32 = AtomicU32::new(0);
#[unsafe(link_section = ".noinit.kept")]
static UPTIME_MS: AtomicU32 = AtomicU32::new(0);
#[unsafe(link_section = ".noinit.kept")]
static RUN_ID: AtomicU32 = AtomicU32::new(0);

/// Thread, uptime and run of the boot before, if a watchdog has ended it.
#[unsafe(link_section = ".upper.kept")]
static BEFORE: [AtomicU32; 3] = [const { AtomicU32::new(0) }; 3];
#[unsafe(link_section = ".upper.kept")]
static HAS_BEFORE: AtomicBool = AtomicBool::new(false);

/// Takes early in a boot what the boot before has kept, if it may be of use, and begins anew. The
/// log stays until [`settle`].
pub(crate) fn begin() {
    let is_of_use = WRITTEN_BY.load(Ordering::Relaxed) == mark() && reset_cause::was_watchdog();
    for (word, before) in [&THREAD, &UPTIME_MS, &RUN_ID].into_iter().zip(&BEFORE) {
        before.store(word.load(Ordering::Relaxed), Ordering::Relaxed);
        word.store(0, Ordering::Relaxed);
    }
    HAS_BEFORE.store(is_of_use, Ordering::Relaxed);
    if !is_of_use {
        log_tail::clear();
    }
    WRITTEN_BY.store(mark(), Ordering::Relaxed);
}

fn mark() -> u32 {
    let [b0, b1, b2, b3, ..] = platform::build_id();
    MARK ^ u32::from_le_bytes([b0, b1, b2, b3])
}

/// Writes a record of the boot before if a watchdog has ended it, then copies records that are new
/// to memory on a battery. On the main stack, before anything is logged; a frame of its own, so
/// that what it needs is off that stack again when `main` begins.
#[inline(never)]
pub(crate) fn settle() {
    if HAS_BEFORE.swap(false, Ordering::Relaxed) {
        if !cfg!(feature = "without-watchdog-record") {
            write_record();
        }
        log_tail::clear();
    }
    backup::keep();
}

fn write_record() {
    let mut region = fault::open_region();
    // A record of its own tells more; and what began no boot has no number.
    if region.ledger().phase != Phase::Running {
        return;
    }
    let _ = reset_cause::note(&mut region);
    let [thread, uptime_ms, run_id] = BEFORE.each_ref().map(|word| word.load(Ordering::Relaxed));
    let identity = Identity {
        build_id: platform::build_id(),
        run_id,
        boot: region.ledger().boots,
        sequence: region.next_sequence(),
        uptime_ms,
    };
    let thread = u8::try_from(thread).ok().and_then(Thread::from_code).unwrap_or(Thread::Unknown);
    let (slot, sequence) = fault::write_watchdog(&mut region, thread, &identity);
    let causes = region.ledger().reset_causes;
    sections::write_kept(region.sections(slot, sequence), causes);
}

/// A thread runs from now on.
pub(crate) fn runs(thread: Thread) {
    THREAD.store(u32::from(thread.code()), Ordering::Relaxed);
}

/// So long has this boot run.
pub(crate) fn ticked(uptime_ms: u32) {
    UPTIME_MS.store(uptime_ms, Ordering::Relaxed);
}

/// The run that this boot belongs to.
pub(crate) fn belongs_to(run_id: u32) {
    RUN_ID.store(run_id, Ordering::Relaxed);
}

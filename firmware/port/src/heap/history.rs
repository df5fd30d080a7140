//! The last allocations and releases, and who asked for them: what a crash record says of them.

use core::sync::atomic::{AtomicU32, Ordering};
use crashrig_wire::section::{ALLOCATION_ROWS, Allocation};

/// Rows of address, size and caller, the oldest at [`NEXT`].
#[unsafe(link_section = ".upper.heap_history")]
static ROWS: [[AtomicU32; Allocation::WORDS]; ALLOCATION_ROWS] =
    [const { [const { AtomicU32::new(0) }; Allocation::WORDS] }; ALLOCATION_ROWS];
/// How many were ever noted.
#[unsafe(link_section = ".upper.heap_history_next")]
static NEXT: AtomicU32 = AtomicU32::new(0);

/// Where the caller of this function's caller goes on: the return address in the frame that r7
/// points to. Frame pointers are forced for the whole image.
#[inline(always)]
pub(super) fn caller() -> u32 {
    let address: u32;
    // SAFETY: r7 is the frame pointer of the function this is inlined into, which has saved r7 and
    // its return address there (AAPCS32 leaves the layout open; it is that of LLVM for Thumb).
    unsafe { core::arch::asm!("ldr {0}, [r7, #4]", out(reg) address, options(nostack, readonly)) };
    address
}

/// Keeps one; the oldest makes room.
pub(super) fn note(allocation: &Allocation) {
    critical_section::with(|_| {
        let next = NEXT.load(Ordering::Relaxed);
        if let Some(row) = ROWS.get(next as usize % ALLOCATION_ROWS) {
            for (place, word) in row.iter().zip(allocation.to_words()) {
                place.store(word, Ordering::Relaxed);
            }
        }
        NEXT.store(next.wrapping_add(1), Ordering::Relaxed);
    });
}

/// What is kept, oldest first.
pub(super) fn newest() -> impl Iterator<Item = Allocation> {
    let next = NEXT.load(Ordering::Relaxed);
    let kept = next.min(ALLOCATION_ROWS as u32);
    (next - kept..next).filter_map(|number| {
        let row = ROWS.get(number as usize % ALLOCATION_ROWS)?;
        Some(Allocation::from_words(row.each_ref().map(|word| word.load(Ordering::Relaxed))))
    })
}

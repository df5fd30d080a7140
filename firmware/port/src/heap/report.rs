//! What a crash record says of the heap.

use super::store::with;
use super::{REGION_LIMIT, check_integrity, history, places, policy};
use crashrig_memory::heap::{Corruption, Expected, Totals};
use crashrig_wire::section::{
    Allocation, BrokenBlock, HEAP_ROWS, HeapRow, Section, SectionWriter, WordSink,
};

/// The state of the heap, the first word of it that is wrong, and what was last asked of it, for a
/// record. The fault path asks, which runs alone.
pub(crate) fn write_sections<S: WordSink>(writer: &mut SectionWriter<S>) {
    if places::started() {
        let rows = (0..REGION_LIMIT).filter_map(|index| {
            let start = places::start_of(index)?;
            // A region that is broken has no sums; its broken word is told below.
            let broken = HeapRow { start, ..HeapRow::default() };
            with(|heap| heap.region_totals(index))
                .map_or(Some(broken), |totals| Some(row(start, &totals?)))
        });
        writer.rows(Section::Heaps, HEAP_ROWS, rows.map(HeapRow::to_words));
        let broken = check_integrity().err();
        writer.section(Section::BrokenBlock, broken.into_iter().flat_map(broken_words));
    }
    let failed = policy::last_failed();
    writer.section(Section::FailedAllocation, failed.into_iter().flat_map(|it| it.to_words()));
    writer.section(Section::Allocations, history::newest().flat_map(Allocation::to_words));
}

fn row(start: u32, totals: &Totals) -> HeapRow {
    HeapRow {
        start,
        total: totals.total_bytes,
        free: totals.free_bytes,
        minimum_free: totals.minimum_free_bytes,
        largest_free: totals.largest_free_block,
        failed: totals.failed_allocations,
    }
}

fn broken_words(broken: Corruption) -> [u32; BrokenBlock::WORDS] {
    let expected = match broken.expected {
        Expected::Word(word)
        | Expected::HeadCanary(word)
        | Expected::TailCanary(word)
        | Expected::Fill(word) => word,
        Expected::Size | Expected::PreviousSize | Expected::FreeBlock => 0,
    };
    BrokenBlock { address: broken.address, expected, found: broken.found }.to_words()
}

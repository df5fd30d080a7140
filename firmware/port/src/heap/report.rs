//! What a crash record says of the heap.

use super::store::{is_busy, with};
use super::{REGION_LIMIT, history, places, policy};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{Corruption, Expected, Totals};
use crashrig_wire::section::{
    Allocation, BrokenBlock, HEAP_ROWS, HeapRow, Section, SectionWriter, WordSink,
};

/// The state of the heap, the first word of it that is wrong, and what was last asked of it, for a
/// record. The fault path asks, which runs alone. If it came in the middle of an operation of the
/// heap, the state is left out: it is half of before and half of after.
pub(crate) fn write_sections<S: WordSink>(writer: &mut SectionWriter<S>) {
    if places::started() && !is_busy() {
        let rows = (0..REGION_LIMIT).filter_map(|index| {
            let start = places::start_of(index)?;
            // A region that is broken has no sums; its broken word is told below.
            let broken = HeapRow { start, ..HeapRow::default() };
            with(|heap| heap.region_totals(index))
                .map_or(Some(broken), |totals| Some(row(start, &totals?)))
        });
        writer.rows(Section::Heaps, HEAP_ROWS, rows.map(HeapRow::to_words));
        let broken = with(|heap| heap.check_integrity(Capabilities::NONE)).err();
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

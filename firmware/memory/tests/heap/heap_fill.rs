//! Memory that was written to after it was freed is never handed out: each word of it in turn.
//!
//! What is too small to be a block of its own goes with the block in front of it. How small that is
//! follows from the level, so blocks are taken that leave a rest of each size.

use crate::ram::{Ram, at_each_level, one_bank};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{
    AllocationError, Corruption, Expected, Heap, Level, ReallocationError, Request,
};

const CAPS: Capabilities = Capabilities::DMA;
const SIZE: u32 = 512;
/// What was free: enough for a block and the largest rest that is none.
const FREED: u32 = 72;
const FILL: u32 = 0xFEFE_FEFE;

mod at {
    use super::at_each_level;
    at_each_level!([Comprehensive, TrackedComprehensive]:
        each_word_that_an_allocation_takes_is_looked_at,
        each_word_that_a_block_grows_over_is_looked_at,
    );
}

/// A block, a free one behind it, and another.
fn holed<L: Level>() -> (Heap<Ram, L, 1>, Ram, [u32; 2]) {
    let (mut heap, ram) = one_bank::<L>(SIZE);
    let [block, hole, _] = [24, FREED, 8].map(|size| heap.allocate(size, CAPS).unwrap());
    heap.free(hole).unwrap();
    (heap, ram, [block, hole])
}

/// Where the block ends that an address lies in.
fn end<L: Level>(heap: &Heap<Ram, L, 1>, address: u32) -> u32 {
    let block = heap.containing_block(address).unwrap();
    block.address + block.size_bytes + L::TAIL_BYTES
}

/// Damages each word of the hole that `take` hands out, and has it try. Answers how many.
fn sweep<L: Level>(
    take: impl Fn(&mut Heap<Ram, L, 1>, [u32; 2]) -> Result<u32, ReallocationError>,
) -> u32 {
    let (mut heap, _, places) = holed::<L>();
    let hole_end = end(&heap, places[1]);
    let Ok(address) = take(&mut heap, places) else { return 0 };
    assert!(places.contains(&address));
    let end = end(&heap, address).min(hole_end);
    let fill = places[1] - L::PAYLOAD_OFFSET_BYTES + 16;
    for word in (fill..end).step_by(4) {
        let (mut heap, ram, places) = holed::<L>();
        assert_eq!(ram.get(word), FILL);
        ram.set(word, FILL ^ 0x100);
        let before = ram.contents();
        let expected = Expected::Fill(FILL);
        let corruption = Corruption { address: word, expected, found: FILL ^ 0x100 };
        let refused = ReallocationError::Allocation(AllocationError::Corrupt(corruption));
        assert_eq!(take(&mut heap, places), Err(refused), "{word:#x} of {fill:#x}..{end:#x}");
        assert!(ram.contents() == before, "a refusal changes nothing");
    }
    end.saturating_sub(fill) / 4
}

fn each_word_that_an_allocation_takes_is_looked_at<L: Level>() {
    let sizes = (1..=FREED).step_by(if cfg!(miri) { 8 } else { 1 });
    let words = sizes.map(|size| sweep::<L>(|heap, _| Ok(heap.allocate(size, CAPS)?))).sum::<u32>();
    assert!(words > 50);
}

fn each_word_that_a_block_grows_over_is_looked_at<L: Level>() {
    let largest = 24 + L::block_bytes(FREED).unwrap();
    let sizes = (25..=largest).step_by(if cfg!(miri) { 8 } else { 1 });
    let grow =
        |size| sweep::<L>(|heap, [block, _]| heap.reallocate(block, &Request::new(size, CAPS)));
    assert!(sizes.map(grow).sum::<u32>() > 50);
}

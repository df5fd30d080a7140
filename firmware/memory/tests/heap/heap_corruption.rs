//! A heap that somebody wrote over: each word of its own in turn, each bit of it in turn.

use crate::ram::{MAIN, Ram, Random, at_each_level, one_bank, two_banks};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{
    AddressError, Alignment, AllocationError, Block, Corruption, Expected, Heap, Level,
    ReallocationError, Request,
};
use std::ops::ControlFlow;

const SIZE: u32 = 2048;
const CAPS: Capabilities = Capabilities::DMA;

mod at {
    use super::at_each_level;
    at_each_level!([Light, Comprehensive]:
        the_check_names_the_word_whichever_it_is,
        no_operation_strays_whichever_word_is_damaged,
        a_head_that_is_not_free_or_not_of_its_list_is_told,
        the_first_tag_is_zero_or_told,
        no_operation_strays_in_a_heap_full_of_noise,
        an_overrun_is_told_where_it_began,
        an_overrun_of_several_headers_is_told_where_it_ended,
        a_block_that_cannot_be_left_leaves_no_copy,
    );
}

/// A heap with blocks in use and free ones, three of them in one list and two in another, filled
/// with noise by their owners. Built anew for each case, always the same.
fn scarred<L: Level>() -> (Heap<Ram, L, 1>, Ram, Vec<Block>) {
    let (mut heap, ram) = one_bank::<L>(SIZE);
    let sizes = [24, 56, 24, 40, 56, 8, 24, 120, 56, 16, 40, 200, 56, 8, 40, 8];
    let owned = sizes.map(|size| heap.allocate(size, CAPS).unwrap());
    let mut random = Random(99);
    for (address, size) in owned.iter().zip(sizes) {
        (*address..address + size).step_by(4).for_each(|word| ram.set(word, random.next()));
    }
    // Three free 56 are one list, two free 40 another, and 3 and 4 merge.
    for index in [1, 3, 8, 4, 10, 12, 14] {
        heap.free(owned[index]).unwrap();
    }
    let again = heap.allocate(40, CAPS).unwrap();
    assert_eq!(again, owned[14], "last in, first out");
    heap.free(again).unwrap();
    let mut blocks = Vec::new();
    heap.walk(CAPS, |block| {
        blocks.push(block);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(heap.check_integrity(Capabilities::NONE), Ok(()));
    (heap, ram, blocks)
}

/// Addresses of all words that are the heap's own. All sizes are multiples of eight here, so the
/// tail canary is a word.
fn own_words<L: Level>(ram: &Ram, blocks: &[Block]) -> Vec<u32> {
    let mut words = vec![MAIN.0 + SIZE - 8, MAIN.0 + SIZE - 4];
    for block in blocks {
        let header = block.address - L::PAYLOAD_OFFSET_BYTES;
        words.extend([header, header + 4, header + 8, header + 12]);
        if !block.is_free {
            words.push(block.address + ram.get(block.address - 8));
        } else if L::IS_FILLED {
            let end = block.address + block.size_bytes + L::TAIL_BYTES;
            // One word of the fill in nine is enough.
            words.extend((header + 16..end).step_by(36));
        }
    }
    words
}

/// What a word may be overwritten with: each bit changed, and values that overruns leave.
fn damages<L: Level>(word: u32, blocks: &[Block]) -> Vec<u32> {
    let bits = (0..32).map(|bit| word ^ (1 << bit));
    let values =
        [0, 8, 16, 24, 64, u32::MAX, 0xDEAD_BEEF, 0xA5A5_A5A5, MAIN.0, word.wrapping_add(16)];
    let headers = blocks.iter().flat_map(|block| {
        let header = block.address - L::PAYLOAD_OFFSET_BYTES;
        [header, block.size_bytes + L::OVERHEAD_BYTES]
    });
    let all = bits.chain(values).chain(headers).filter(|value| *value != word);
    all.step_by(if cfg!(miri) { 31 } else { 1 }).collect()
}

fn the_check_names_the_word_whichever_it_is<L: Level>() {
    let (heap, ram, blocks) = scarred::<L>();
    let mut cases = 0;
    let own = own_words::<L>(&ram, &blocks).into_iter();
    for address in own.step_by(if cfg!(miri) { 7 } else { 1 }) {
        let word = ram.get(address);
        for damage in damages::<L>(word, &blocks) {
            ram.set(address, damage);
            ram.take_accesses();
            let found = heap.check_integrity(Capabilities::NONE);
            let place = found.map_err(|Corruption { address, found, .. }| (address, found));
            assert_eq!(place, Err((address, damage)), "{address:#x}: {word:#x} → {found:x?}");
            cases += 1;
        }
        ram.set(address, word);
        assert_eq!(heap.check_integrity(Capabilities::NONE), Ok(()), "repaired");
    }
    assert!(cfg!(miri) || cases > 2000, "{cases}");
}

/// Under any damage, no operation leaves the region or loops (the memory sees to that), and an
/// operation that reports damage has changed nothing.
fn no_operation_strays_whichever_word_is_damaged<L: Level>() {
    let (_, ram, blocks) = scarred::<L>();
    let words: Vec<_> =
        own_words::<L>(&ram, &blocks).into_iter().map(|at| (at, ram.get(at))).collect();
    let mut reported = 0;
    for (address, word) in words.into_iter().step_by(if cfg!(miri) { 67 } else { 1 }) {
        for damage in damages::<L>(word, &blocks) {
            let (mut heap, ram, _) = scarred::<L>();
            ram.set(address, damage);
            for report in operate(&mut heap, &ram, &blocks) {
                // Only the full check can tell which of two links is wrong that disagree, and which
                // block has the wrong flag: what lost it can be freed again, and is found later.
                let is_named = report.address == address
                    || is_link::<L>(&blocks, report.address) && is_link::<L>(&blocks, address)
                    || damage == word ^ 1;
                assert!(is_named, "{address:#x}: {word:#x} → {damage:#x}: {report:x?}");
                reported += 1;
            }
        }
    }
    assert!(reported > 0);
}

fn is_link<L: Level>(blocks: &[Block], word: u32) -> bool {
    let header = |block: &Block| block.address - L::PAYLOAD_OFFSET_BYTES;
    let links = |block: &Block| [header(block) + 8, header(block) + 12];
    blocks.iter().any(|block| block.is_free && links(block).contains(&word))
}

/// Everything that a heap can be asked for. Answers the damage that was reported.
fn operate<L: Level>(heap: &mut Heap<Ram, L, 1>, ram: &Ram, blocks: &[Block]) -> Vec<Corruption> {
    let mut reports = Vec::new();
    let mut note = |report: Option<Corruption>, before: &[Vec<u32>]| {
        assert!(report.is_none() || before == ram.contents(), "a report changes nothing");
        reports.extend(report);
        ram.take_accesses();
    };
    let stack = Alignment { align_bytes: 128, offset_bytes: 32 };
    for size in [8, 24, 40, 56, 120, 300] {
        for alignment in [Alignment::NATURAL, stack] {
            let before = ram.contents();
            match heap.allocate_aligned(size, alignment, CAPS) {
                Err(AllocationError::Corrupt(report)) => note(Some(report), &before),
                _ => note(None, &before),
            }
        }
    }
    for block in blocks {
        let before = ram.contents();
        match heap.free(block.address) {
            Err(AddressError::Corrupt(report)) => note(Some(report), &before),
            _ => note(None, &before),
        }
        let _may_be_refused = heap.containing_block(block.address + 4);
    }
    let _may_be_refused = heap.walk(CAPS, |_| ControlFlow::Continue(()));
    let _may_be_refused = heap.totals(CAPS);
    let _may_be_refused = heap.check_integrity(Capabilities::NONE);
    reports
}

/// What a list names must be a free block of that list, or it is not handed out.
fn a_head_that_is_not_free_or_not_of_its_list_is_told<L: Level>() {
    let (mut heap, ram) = one_bank::<L>(SIZE);
    let check = |heap: &mut Heap<Ram, L, 1>, word, expected| {
        let corruption = Corruption { address: MAIN.0, expected, found: word };
        assert_eq!(heap.allocate(8, CAPS), Err(AllocationError::Corrupt(corruption)));
        assert_eq!(heap.check_integrity(Capabilities::NONE), Err(corruption));
    };
    let word = ram.get(MAIN.0);
    ram.set(MAIN.0, word & !1);
    check(&mut heap, word & !1, Expected::Word(word));
    // Both words of the size agree, as after an overrun by a copy of the heap's own words.
    ram.set(MAIN.0, 32 | 1);
    ram.set(MAIN.0 + 32, (SIZE - 8 - 32) | 1);
    ram.set(MAIN.0 + 36, 32);
    ram.set(MAIN.0 + SIZE - 4, SIZE - 8 - 32);
    check(&mut heap, 32 | 1, Expected::Size);
}

/// No block is before the first, and whoever frees it sees to that.
fn the_first_tag_is_zero_or_told<L: Level>() {
    let (mut heap, ram) = one_bank::<L>(SIZE);
    let first = heap.allocate(8, CAPS).unwrap();
    let tag = first - L::PAYLOAD_OFFSET_BYTES + 4;
    ram.set(tag, 16);
    let corruption = Corruption { address: tag, expected: Expected::Word(0), found: 16 };
    assert_eq!(heap.free(first), Err(AddressError::Corrupt(corruption)));
    assert_eq!(heap.check_integrity(Capabilities::NONE), Err(corruption));
}

/// Several words at random, and whole stretches: less can be said, but still nothing strays.
fn no_operation_strays_in_a_heap_full_of_noise<L: Level>() {
    for seed in 1..if cfg!(miri) { 2 } else { 400 } {
        let (mut heap, ram, blocks) = scarred::<L>();
        let mut random = Random(seed);
        let own = own_words::<L>(&ram, &blocks);
        for _ in 0..1 + random.below(6) {
            let value = match random.below(3) {
                0 => random.next(),
                1 => MAIN.0 + 8 * random.below(SIZE / 8),
                _ => 8 * random.below(64) + random.below(2),
            };
            ram.set(own[random.below(own.len() as u32) as usize], value);
        }
        let start = MAIN.0 + 4 * random.below(SIZE / 4);
        let stretch = (start..MAIN.0 + SIZE).step_by(4).take(random.below(20) as usize);
        stretch.for_each(|address| ram.set(address, random.next()));
        for _ in 0..if cfg!(miri) { 1 } else { 3 } {
            let _any_report_will_do = operate(&mut heap, &ram, &blocks);
        }
    }
}

/// An overrun into the header behind is told as damage to that header, whoever asks.
fn an_overrun_is_told_where_it_began<L: Level>() {
    let (mut heap, ram) = one_bank::<L>(SIZE);
    let [first, second, _third] = [32, 32, 32].map(|size| heap.allocate(size, CAPS).unwrap());
    let header = second - L::PAYLOAD_OFFSET_BYTES;
    (first..header + 8).step_by(4).for_each(|address| ram.set(address, 0x4141_4141));
    let expected = Expected::Size;
    let corruption = Corruption { address: header, expected, found: 0x4141_4141 };
    assert_eq!(heap.free(second), Err(AddressError::Corrupt(corruption)));
    assert_eq!(heap.free(first), Err(AddressError::Corrupt(corruption)));
    assert_eq!(heap.check_integrity(Capabilities::NONE), Err(corruption));
    assert_eq!(
        heap.walk(CAPS, |block| {
            assert_eq!(block.address, first);
            ControlFlow::Continue(())
        }),
        Err(corruption)
    );
}

/// A stack that overflows runs through its own header, a small block and that one's header: the
/// lowest of these words is named, and not what knows them on either side.
fn an_overrun_of_several_headers_is_told_where_it_ended<L: Level>() {
    let (mut heap, ram) = one_bank::<L>(SIZE);
    let [_, neighbour, stack, _] = [64, 32, 128, 16].map(|size| heap.allocate(size, CAPS).unwrap());
    let header = neighbour - L::PAYLOAD_OFFSET_BYTES;
    (header..stack + 64).step_by(4).for_each(|address| ram.set(address, 0xEF));
    let corruption = Corruption { address: header, expected: Expected::Size, found: 0xEF };
    assert_eq!(heap.check_integrity(Capabilities::NONE), Err(corruption));
}

/// A block has to move, and a word that only its release needs is wrong.
fn a_block_that_cannot_be_left_leaves_no_copy<L: Level>() {
    let (mut heap, ram) = two_banks::<L>();
    let core = Capabilities::BYTE;
    let [block, hole, _] = [40, 40, 8].map(|size| heap.allocate(size, core).unwrap());
    heap.free(hole).unwrap();
    ram.set(block, 0x5AFE);
    let link = hole - L::PAYLOAD_OFFSET_BYTES + 8;
    let word = ram.get(link);
    ram.set(link, word ^ 0x10);
    let whole = heap.region_totals(0).unwrap().unwrap();
    let refused = heap.reallocate(block, &Request::new(48, CAPS)).unwrap_err();
    let ReallocationError::Address(AddressError::Corrupt(found)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((found.address, found.found), (link, word ^ 0x10));
    let totals = heap.region_totals(0).unwrap().unwrap();
    assert_eq!((totals.allocated_blocks, totals.free_bytes), (0, whole.free_bytes));
    ram.set(link, word);
    assert_eq!(heap.check_integrity(Capabilities::NONE), Ok(()));
    assert_eq!((ram.get(block), heap.free(block)), (0x5AFE, Ok(40)));
}

//! Addresses that were not handed out, where nothing else is checked: every one of them, with
//! neighbours in every state, and with contents made to look like headers.
//!
//! The memory of these tests stops at every access outside of the region.

use crate::ram::{MAIN, Ram, Random, at_each_level, one_bank};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{AddressError, Heap, Level, Request};

const CAPS: Capabilities = Capabilities::DMA;
const SIZE: u32 = 512;
const SIZES: [u32; 6] = [16, 48, 24, 8, 80, 16];

mod at {
    use super::at_each_level;
    at_each_level!([Off, Light, TrackedLight]:
        what_was_freed_is_refused_however_it_merged,
        no_address_but_those_handed_out_is_taken,
        a_block_that_shrank_leaves_no_address_behind,
    );
    at_each_level!([Off, Light]: contents_that_look_like_headers_lead_nowhere);
}

/// Every order in which three neighbours are freed, and which of them came back: the headers of
/// old that are left in between are no blocks.
fn what_was_freed_is_refused_however_it_merged<L: Level>() {
    for order in [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]] {
        let (mut heap, ram) = one_bank::<L>(SIZE);
        let owned = SIZES.map(|size| heap.allocate(size, CAPS).unwrap());
        let rest = heap.totals(CAPS).unwrap().largest_free_block;
        heap.allocate(rest, CAPS).unwrap();
        for (freed, index) in order.iter().enumerate() {
            heap.free(owned[*index]).unwrap();
            for index in &order[..=freed] {
                refuses(&mut heap, &ram, owned[*index]);
            }
        }
        // Part of it is handed out again, and covers what was between.
        let again = heap.allocate(64, CAPS).unwrap();
        owned[2..4].iter().for_each(|address| refuses(&mut heap, &ram, *address));
        assert_eq!(again, owned[1]);
        assert_eq!(heap.check_integrity(CAPS), Ok(()));
    }
}

fn refuses<L: Level>(heap: &mut Heap<Ram, L, 1>, ram: &Ram, address: u32) {
    let before = ram.contents();
    let refused = heap.free(address);
    assert!(refused.is_err(), "{address:#x}: {refused:?}");
    assert!(!matches!(refused, Err(AddressError::Corrupt(_))), "{refused:?}");
    assert!(heap.size_of(address).is_err());
    assert!(heap.reallocate(address, &Request::new(8, CAPS)).is_err());
    assert!(ram.contents() == before, "a refusal changes nothing");
    ram.take_accesses();
}

fn no_address_but_those_handed_out_is_taken<L: Level>() {
    let (mut heap, ram) = one_bank::<L>(SIZE);
    let owned = SIZES.map(|size| heap.allocate(size, CAPS).unwrap());
    for (address, size) in owned.iter().zip(SIZES) {
        // A size alone is no header: nothing around it agrees.
        for (number, word) in (*address..address + size).step_by(4).enumerate() {
            ram.set(word, [24, u32::MAX, 0][number % 3]);
        }
    }
    heap.free(owned[1]).unwrap();
    heap.free(owned[4]).unwrap();
    let in_use = [owned[0], owned[2], owned[3], owned[5]];
    let addresses = (MAIN.0 - 32..MAIN.0 + SIZE + 32).filter(|address| !in_use.contains(address));
    for address in addresses.step_by(if cfg!(miri) { 7 } else { 1 }) {
        refuses(&mut heap, &ram, address);
    }
    assert!(in_use.iter().all(|address| heap.free(*address).is_ok()));
}

fn a_block_that_shrank_leaves_no_address_behind<L: Level>() {
    let (mut heap, ram) = one_bank::<L>(SIZE);
    let [block, behind, _] = [40, 40, 8].map(|size| heap.allocate(size, CAPS).unwrap());
    heap.free(behind).unwrap();
    assert_eq!(heap.reallocate(block, &Request::new(60, CAPS)), Ok(block));
    refuses(&mut heap, &ram, behind);
    assert_eq!(heap.reallocate(block, &Request::new(8, CAPS)), Ok(block));
    refuses(&mut heap, &ram, behind);
    assert!(heap.free(block).is_ok());
    refuses(&mut heap, &ram, behind);
}

/// Words that could be sizes, tags or links, all over what the user holds: an address in there may
/// be taken for a block without checks, but no operation on it leaves the region.
fn contents_that_look_like_headers_lead_nowhere<L: Level>() {
    let mut taken = 0;
    for seed in 1..if cfg!(miri) { 2 } else { 400 } {
        let built = || {
            let (mut heap, ram) = one_bank::<L>(SIZE);
            let owned = SIZES.map(|size| heap.allocate(size, CAPS).unwrap());
            heap.free(owned[1]).unwrap();
            let mut random = Random(seed);
            let mut forged = || match random.below(8) {
                0 => MAIN.0 + 8 * random.below(SIZE / 8),
                1 => 0x4000_0000 + 8 * random.below(8),
                2 => 0xFFFF_FFF0 | random.below(2),
                3 => 0x1000 | random.below(2),
                4 => 0,
                _ => 16 + random.below(2) * 8 + random.below(3) / 2,
            };
            for (address, size) in owned.iter().zip(SIZES).skip(2) {
                (*address..address + size).step_by(4).for_each(|word| ram.set(word, forged()));
            }
            (heap, ram, owned)
        };
        let (_, _, owned) = built();
        for address in (owned[2]..owned[5] + 16).step_by(8) {
            let (mut heap, _, _) = built();
            taken += u32::from(heap.free(address).is_ok() && !owned.contains(&address));
            for size_bytes in [1, 40, 4000] {
                let (mut heap, _, _) = built();
                let _may_be_refused = heap.reallocate(address, &Request::new(size_bytes, CAPS));
            }
        }
    }
    assert!(cfg!(miri) || L::IS_CHECKED || taken > 0, "some did look like blocks");
    assert!(!L::IS_CHECKED || taken == 0);
}

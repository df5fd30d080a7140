//! The heap over the regions of a made-up chip with memory that no port of ours has: external RAM
//! behind a cache, RAM for words only, RAM that holds a stack of start-up until that is released.
//!
//! The chip is a file (`layout/tests/good/chips/memories.toml`); its table is generated as for an
//! image, and the pieces of it go to the heap as the port gives them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crashrig_layout::{
    Access, AccessError, Capabilities as C, DmaNeeds, HeapMap, Memory, Piece, Region,
};
use crashrig_memory::heap::{Alignment, AllocationError, Heap, Light, Request};
use crashrig_memory::words::Words;
use std::collections::HashMap;

#[expect(dead_code, reason = "only some of the generated items are looked at here")]
mod chip {
    include!("../../layout/tests/generated/memories.regions.rs.txt");
}

/// Words of the regions; an access anywhere else, or to less than a word, fails the test.
#[derive(Debug, Default)]
struct Ram(HashMap<u32, u32>);

fn check_place(address: u32) {
    let region = MEMORY.region(address).unwrap();
    assert!(region.heap.is_some() && Memory::is_word_aligned(address), "{address:#010x}");
}

impl Words for Ram {
    fn read(&self, address: u32) -> u32 {
        check_place(address);
        self.0.get(&address).copied().unwrap_or(0xDEAD_BEEF)
    }
    fn write(&mut self, address: u32, word: u32) {
        check_place(address);
        self.0.insert(address, word);
    }
}

type TestHeap = Heap<Ram, Light, 8>;

const MEMORY: Memory =
    Memory { regions: chip::REGIONS, aliases: chip::ALIASES, executable: chip::EXECUTABLE_RAM };

fn pieces(with_startup_stack: bool) -> Vec<Piece> {
    let map = HeapMap {
        regions: chip::REGIONS,
        occupied: &[0x2000_0000..0x2000_1000, 0x2000_4C00..0x2000_5000],
        executable: chip::EXECUTABLE_RAM,
    };
    let pieces: [_; 8] = map.by_size();
    let of_kind = |piece: &Piece| piece.region.startup_stack == with_startup_stack;
    pieces.into_iter().flatten().filter(of_kind).collect()
}

fn add(heap: &mut TestHeap, pieces: &[Piece]) {
    for piece in pieces {
        heap.add_region(piece.start, piece.size_bytes, piece.capabilities).unwrap();
    }
}

fn heap() -> TestHeap {
    let mut heap = TestHeap::new(Ram::default());
    add(&mut heap, &pieces(false));
    heap
}

fn region(address: u32) -> &'static Region {
    MEMORY.region(address).unwrap()
}

/// A request as the port makes it.
fn serve(heap: &mut TestHeap, size_bytes: u32, caps: C) -> Result<u32, AllocationError> {
    let needs = DmaNeeds::of(caps, chip::REGIONS);
    let align_bytes = needs.align_bytes.max(8);
    heap.request(&Request {
        alignment: Alignment { align_bytes, offset_bytes: 0 },
        ..Request::new(size_bytes.next_multiple_of(needs.align_bytes), needs.capabilities)
    })
}

/// Allocates until nothing is left; the regions that served, in the order in which they began to.
fn exhaust(heap: &mut TestHeap, caps: C) -> Vec<&'static str> {
    let mut names = Vec::new();
    while let Ok(address) = serve(heap, 64, caps) {
        let name = region(address).name;
        if names.last() != Some(&name) {
            names.push(name);
        }
    }
    heap.check_integrity(C::NONE).unwrap();
    names
}

#[test]
fn each_kind_of_memory_is_used_up_in_its_order() {
    let check = |caps, expected: &[&str]| assert_eq!(exhaust(&mut heap(), caps), expected);
    check(C::DEFAULT, &["sram1", "external"]);
    check(C::DEFAULT.union(C::INTERNAL), &["sram1"]);
    check(C::BYTE, &["sram2", "sram1", "external"]);
    check(C::WORD, &["words", "sram2", "sram1", "external"]);
    check(C::DMA, &["sram2", "sram1"]);
    check(C::SPIRAM, &["external"]);
    check(C::DMA.union(C::SPIRAM), &["external"]);
    check(C::EXEC, &["sram1"]);
    check(C::RETENTION, &[]);
}

#[test]
fn dma_reaches_external_ram_only_if_that_is_named_and_by_whole_lines() {
    let mut heap = heap();
    let asked = C::DMA.union(C::SPIRAM);
    for size_bytes in [1, 31, 32, 33, 100] {
        let address = serve(&mut heap, size_bytes, asked).unwrap();
        let lines = size_bytes.next_multiple_of(32);
        assert!(heap.size_of(address).unwrap() >= lines);
        assert!(MEMORY.is_external_dma_capable(address, lines), "{size_bytes} at {address:#x}");
        assert!(!MEMORY.is_dma_capable(address, lines));
    }
    let address = serve(&mut heap, 100, C::DMA).unwrap();
    assert!(MEMORY.is_dma_capable(address, 100) && MEMORY.is_internal(address));
    // External RAM that was asked for without DMA keeps no line.
    assert!(!serve(&mut heap, 8, C::SPIRAM).unwrap().is_multiple_of(32));
}

#[test]
fn plain_memory_is_external_from_a_limit_on_and_each_kind_stands_in() {
    let mut heap = heap();
    let plain = |heap: &mut TestHeap, size_bytes| {
        let address = heap.request_default(&Request::new(size_bytes, C::DEFAULT));
        address.map(|address| region(address).name)
    };
    assert_eq!(plain(&mut heap, 512), Ok("sram1"));
    heap.set_external_limit(Some(256));
    assert_eq!(plain(&mut heap, 256), Ok("sram1"));
    assert_eq!(plain(&mut heap, 257), Ok("external"));
    // With the chip's own memory used up, small ones go outside; never with external RAM closed.
    exhaust(&mut heap, C::DEFAULT.union(C::INTERNAL));
    assert_eq!(plain(&mut heap, 64), Ok("external"));
    heap.set_external_limit(None);
    assert!(plain(&mut heap, 64).is_err());
    // The other way round as well.
    let mut heap = self::heap();
    heap.set_external_limit(Some(0));
    exhaust(&mut heap, C::SPIRAM);
    assert_eq!(plain(&mut heap, 64), Ok("sram1"));
}

#[test]
fn memory_for_words_is_handed_out_in_words_and_has_no_bytes() {
    let mut heap = heap();
    for size_bytes in 1..=64 {
        let address = serve(&mut heap, size_bytes, C::WORD).unwrap();
        assert_eq!(region(address).name, "words");
        let held = heap.size_of(address).unwrap();
        assert!(held >= size_bytes.next_multiple_of(4) && held.is_multiple_of(4), "{size_bytes}");
        let refused = AccessError::NotCapable { region: "words", lacks: C::BYTE };
        assert_eq!(MEMORY.check(address, 1, Access::Bytes), Err(refused));
        heap.free(address).unwrap();
    }
    // Whoever asks for bytes never gets it, though all else be used up.
    exhaust(&mut heap, C::BYTE);
    assert!(serve(&mut heap, 64, C::BYTE).is_err() && serve(&mut heap, 64, C::WORD).is_ok());
}

#[test]
fn code_comes_from_the_executable_part_and_data_never_do() {
    let mut heap = heap();
    let address = serve(&mut heap, 6, C::EXEC).unwrap();
    assert!(MEMORY.is_executable(address));
    for other in [C::BYTE, C::DMA] {
        let caps = C::EXEC.union(other);
        let contradiction = Err(AllocationError::Contradiction { caps });
        assert_eq!(heap.request(&Request::new(8, caps)), contradiction);
    }
    while let Ok(address) = serve(&mut heap, 64, C::DEFAULT) {
        assert!(!MEMORY.is_executable(address), "{address:#x}");
    }
}

#[test]
fn a_stack_of_start_up_is_memory_once_it_is_released() {
    let mut heap = heap();
    let before = heap.totals(C::INTERNAL).unwrap();
    assert!(!exhaust(&mut heap, C::DEFAULT).contains(&"sram3"));
    let startup = pieces(true);
    assert_eq!(startup.iter().map(|piece| piece.region.name).collect::<Vec<_>>(), ["sram3"]);
    add(&mut heap, &startup);
    assert_eq!(exhaust(&mut heap, C::DEFAULT), ["sram3"]);
    let after = heap.totals(C::INTERNAL).unwrap();
    assert!(after.total_bytes > before.total_bytes);
    assert!(after.total_bytes <= before.total_bytes + 0x400);
}

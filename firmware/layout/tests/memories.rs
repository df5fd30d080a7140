//! Which memory the heap may have, what a request means, and what an address can be used for: on a
//! made-up chip with external RAM, RAM for words only and a stack of start-up, and on the real one.
//!
//! The tables are generated from chip files and included as an image includes them.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use crashrig_layout::{
    Access, AccessError, AdditionError, Alias, Capabilities, DmaNeeds, HeapMap, Memory, PRIORITIES,
    Piece, Region,
};

#[expect(dead_code, reason = "only some of the generated items are looked at here")]
mod made_up {
    include!("generated/memories.regions.rs.txt");
}
#[expect(dead_code, reason = "only some of the generated items are looked at here")]
mod stm32f4 {
    include!("generated/netduinoplus2.regions.rs.txt");
}
#[expect(dead_code, reason = "only some of the generated items are looked at here")]
mod an505 {
    include!("generated/mps2-an505.regions.rs.txt");
}

use crashrig_layout::Capabilities as C;

const NONE: Capabilities = Capabilities::NONE;
const STATIC: core::ops::Range<u32> = 0x2000_0000..0x2000_1000;
const ISR_STACK: core::ops::Range<u32> = 0x2000_4C00..0x2000_5000;

fn made_up_heap() -> HeapMap<'static> {
    HeapMap {
        regions: made_up::REGIONS,
        occupied: &[STATIC, ISR_STACK],
        executable: made_up::EXECUTABLE_RAM,
    }
}

const fn memory(regions: &'static [Region], aliases: &'static [Alias]) -> Memory {
    Memory { regions, aliases, executable: None }
}

/// The first piece that serves a request, by the rule of the heap.
fn first_for(pieces: &[Option<Piece>], wanted: Capabilities) -> Option<&'static str> {
    let serves = |piece: &Piece, priority: usize| {
        let at = piece.capabilities[priority];
        let all = Capabilities::of_priorities(&piece.capabilities);
        at.intersection(wanted) != NONE && all.contains(wanted)
    };
    let find = |priority| pieces.iter().flatten().find(|piece| serves(piece, priority));
    (0..PRIORITIES).find_map(find).map(|piece| piece.region.name)
}

#[test]
fn the_heap_is_what_static_data_leave_smallest_first() {
    let pieces: [_; 8] = made_up_heap().by_size();
    let found: Vec<_> = pieces
        .iter()
        .flatten()
        .map(|piece| (piece.region.name, piece.start, piece.size_bytes))
        .collect();
    let expected = [
        ("sram3", 0x2000_5000, 0x400),
        ("words", 0x1000_0000, 0x800),
        ("sram2", 0x2000_4000, 0xC00),
        // Main RAM in front of the executable part, that part, and behind it.
        ("sram1", 0x2000_1000, 0x1000),
        ("sram1", 0x2000_2000, 0x1000),
        ("sram1", 0x2000_3000, 0x1000),
        ("external", 0x9000_0000, 0x1_0000),
    ];
    assert_eq!(found, expected);
    let of_startup: Vec<_> =
        pieces.iter().flatten().filter(|piece| piece.region.startup_stack).collect();
    assert_eq!(of_startup.iter().map(|it| it.region.name).collect::<Vec<_>>(), ["sram3"]);
}

#[test]
fn more_static_data_are_less_heap_byte_by_byte() {
    let left = |bytes: u32| {
        let occupied = [0x2000_0000..0x2000_1000 + bytes, ISR_STACK];
        let map = HeapMap { occupied: &occupied, ..made_up_heap() };
        map.pieces().map(|piece| piece.size_bytes).sum::<u32>()
    };
    for bytes in (0..0x1000 - 16).step_by(8) {
        assert_eq!(left(bytes), left(0) - bytes);
    }
    // 16 bytes are no piece, 17 are one.
    assert_eq!(left(0x1000 - 17), left(0x1000) + 17);
    assert_eq!(left(0x1000 - 16), left(0x1000));
}

#[test]
fn a_hole_in_a_region_makes_two_pieces() {
    let crash = 0x9000_0100..0x9000_0200;
    let map = HeapMap { occupied: &[STATIC, crash], ..made_up_heap() };
    let external: Vec<_> = map
        .pieces()
        .filter(|piece| piece.region.name == "external")
        .map(|piece| piece.start..piece.start + piece.size_bytes)
        .collect();
    assert_eq!(external, [0x9000_0000..0x9000_0100, 0x9000_0200..0x9001_0000]);
}

#[test]
fn requests_go_to_the_region_that_is_needed_least() {
    let pieces: [_; 8] = made_up_heap().by_size();
    let check = |wanted, expected| assert_eq!(first_for(&pieces, wanted), expected, "{wanted:?}");
    check(Capabilities::WORD, Some("words"));
    check(Capabilities::BYTE, Some("sram2"));
    check(Capabilities::DEFAULT, Some("sram3"));
    check(Capabilities::SPIRAM, Some("external"));
    check(Capabilities::EXEC.union(Capabilities::WORD), Some("sram1"));
    check(Capabilities::EXEC.union(Capabilities::BYTE), None);
    check(Capabilities::SPIRAM.union(Capabilities::INTERNAL), None);
    check(Capabilities::PID2, None);
    check(Capabilities::INVALID, None);
    check(NONE, None);
}

/// Data in memory that may hold code are what an attacker wants, so they come there last.
#[test]
fn memory_for_code_is_for_data_last() {
    let pieces: [_; 8] = made_up_heap().by_size();
    let code = pieces.iter().flatten().find(|piece| piece.start == 0x2000_2000).unwrap();
    let words = C::WORD.union(C::INTERNAL);
    assert_eq!(code.capabilities, [C::EXEC, NONE, words]);
    let others = pieces.iter().flatten().filter(|piece| piece.start != 0x2000_2000);
    for piece in others {
        assert!(!C::of_priorities(&piece.capabilities).contains(C::EXEC), "{}", piece.region.name);
    }
}

#[test]
fn memory_of_the_real_chip_is_tried_in_this_order() {
    let occupied = [0x2000_0000..0x2000_6000, 0x2001_F700..0x2002_0000];
    let map = HeapMap { regions: stm32f4::REGIONS, occupied: &occupied, executable: None };
    let pieces: [_; 8] = map.by_size();
    let names: Vec<_> = pieces.iter().flatten().map(|piece| piece.region.name).collect();
    assert_eq!(names, ["backup-sram", "sram2", "ccm", "sram1"]);
    let check = |wanted, expected| assert_eq!(first_for(&pieces, wanted), expected, "{wanted:?}");
    check(Capabilities::BYTE, Some("ccm"));
    check(Capabilities::SPM, Some("ccm"));
    check(Capabilities::INTERNAL, Some("ccm"));
    check(Capabilities::DMA, Some("sram2"));
    check(Capabilities::DMA.union(Capabilities::SPM), None);
    check(Capabilities::DEFAULT, Some("sram2"));
    check(Capabilities::RETENTION, Some("backup-sram"));
    check(Capabilities::RETENTION.union(Capabilities::DEFAULT), None);
    check(Capabilities::EXEC, None);
    // Backup SRAM comes last for what others can do as well.
    let without = |name: &str| pieces.map(|piece| piece.filter(|it| it.region.name != name));
    let left = without("ccm").map(|piece| piece.filter(|it| !it.region.name.starts_with("sram")));
    assert_eq!(first_for(&left, Capabilities::BYTE), Some("backup-sram"));
}

#[test]
fn memory_is_added_only_if_it_is_there_and_free() {
    let check = |start, end, expected: Result<u32, AdditionError>| {
        let piece = made_up_heap().addition(start, end, None);
        assert_eq!(piece.map(|piece| piece.size_bytes), expected, "{start:#x} to {end:#x}");
    };
    check(0x2000_4000, 0x2000_4C00, Ok(0xC00));
    check(0x2000_4000, 0x2000_4C01, Err(AdditionError::Occupied));
    check(0x2000_4FFF, 0x2000_5000, Err(AdditionError::InvalidSize));
    check(0x2000_4000, 0x2000_4000, Err(AdditionError::InvalidRange));
    check(0x2000_4000, 0x2000_3FFF, Err(AdditionError::InvalidRange));
    check(0, 0x100, Err(AdditionError::InvalidRange));
    check(0x2000_4000, 0x2000_4010, Err(AdditionError::InvalidSize));
    check(0x2000_4000, 0x2000_4011, Ok(17));
    check(0x2000_0F00, 0x2000_1100, Err(AdditionError::Occupied));
    check(0x2000_0100, 0x2000_0200, Err(AdditionError::Occupied));
    check(0x2000_3F00, 0x2000_4100, Err(AdditionError::NotFound));
    check(0x2000_5400, 0x2000_5500, Err(AdditionError::NotFound));
    check(0x0800_0000, 0x0800_0100, Err(AdditionError::NotFound));
    check(0xFFFF_FF00, 0xFFFF_FFFF, Err(AdditionError::NotFound));
    // An alias is not memory.
    check(0xA000_0000, 0xA000_0100, Err(AdditionError::NotFound));
}

#[test]
fn added_memory_has_the_capabilities_it_is_given_if_it_can_have_them() {
    let check = |first: Capabilities, expected: Result<(), Capabilities>| {
        let added = made_up_heap().addition(0x1000_0000, 0x1000_0100, Some([first, NONE, NONE]));
        let expected = expected.map_err(|missing| AdditionError::NotCapable { missing });
        assert_eq!(added.map(|_| ()), expected, "{first:?}");
    };
    check(Capabilities::WORD, Ok(()));
    check(Capabilities::WORD.union(Capabilities::PID2), Ok(()));
    check(Capabilities::PID3, Ok(()));
    check(Capabilities::DMA.union(Capabilities::WORD), Err(Capabilities::DMA));
    check(Capabilities::BYTE, Err(Capabilities::BYTE));
    // The region can be fetched from, but the board's executable part is elsewhere.
    check(Capabilities::EXEC, Err(Capabilities::EXEC));
    check(Capabilities::INVALID, Err(Capabilities::INVALID));
    check(NONE, Err(NONE));
}

#[test]
fn what_dma_needs() {
    let check = |caps, expected: (C, u32)| {
        let needs = DmaNeeds::of(caps, made_up::REGIONS);
        assert_eq!((needs.capabilities, needs.align_bytes), expected, "{caps:?}");
    };
    check(C::BYTE, (C::BYTE, 1));
    check(C::SPIRAM, (C::SPIRAM, 1));
    // Plain DMA stays on the chip and needs no cache line; external DMA has one.
    check(C::DMA, (C::DMA.union(C::INTERNAL), 1));
    let external = C::DMA.union(C::SPIRAM);
    check(external, (external, 32));
    check(external.union(C::INTERNAL), (external.union(C::INTERNAL), 1));
    let allows = |caps, offset| DmaNeeds::of(caps, made_up::REGIONS).allows_offset(offset);
    assert!([0, 32, 96].iter().all(|offset| allows(external, *offset)));
    assert!(![1, 8, 31, 33].iter().any(|offset| allows(external, *offset)));
    assert!([0, 1, 8].iter().all(|offset| allows(C::DMA, *offset)));
}

/// The first and the last byte of a region, one before, one behind, and one too many.
fn check_ends(memory: Memory, region: &Region, access: Access, capable: bool) {
    let (first, size) = (region.start, region.size_bytes);
    let ok = |address, size_bytes| memory.check(address, size_bytes, access).is_ok();
    let step = if access == Access::Dma { region.dma_alignment_bytes } else { 1 };
    let name = region.name;
    assert_eq!(ok(first, step), capable, "first of {name}");
    assert_eq!(ok(first + (size - step), step), capable, "last of {name}");
    assert_eq!(ok(first, size), capable, "all of {name}");
    let alone = |address| !memory.regions.iter().any(|other| other.contains(address));
    if alone(first.wrapping_add(size)) {
        assert!(!ok(first.wrapping_add(size), 1), "behind {name}");
        assert!(!ok(first + (size - step), step + step), "across the end of {name}");
        assert!(!ok(first, size.saturating_add(step)), "one more than {name}");
    }
    if alone(first.wrapping_sub(1)) {
        assert!(!ok(first.wrapping_sub(1), 1), "before {name}");
        assert!(!ok(first.wrapping_sub(step), 2 * step), "across the start of {name}");
    }
}

#[test]
fn each_region_at_its_ends() {
    for memory in [
        memory(stm32f4::REGIONS, stm32f4::ALIASES),
        memory(an505::REGIONS, an505::ALIASES),
        memory(made_up::REGIONS, made_up::ALIASES),
    ] {
        for region in memory.regions {
            for access in [Access::Dma, Access::Bytes] {
                let capable = region.capabilities.contains(access.capability());
                check_ends(memory, region, access, capable);
            }
            let executable = region.kind != crashrig_layout::RegionKind::Ram
                && region.capabilities.contains(Capabilities::EXEC);
            check_ends(memory, region, Access::Execution, executable);
        }
    }
}

#[test]
fn behind_an_alias_is_the_memory_that_it_shows() {
    let an505 = memory(an505::REGIONS, an505::ALIASES);
    let check = |address, expected| assert_eq!(an505.behind_alias(address), expected);
    check(0x2800_0000, 0x3800_0000);
    check(0x281F_FFFF, 0x381F_FFFF);
    check(0x2820_0000, 0x3820_0000);
    check(0x0040_0004, 0x1000_0004);
    for address in [0x3800_0000, 0x8000_0000, 0x2840_0000, 0xD000_0000] {
        check(address, address);
    }
    // A word of a bit-band alias is one bit.
    let stm32f4 = memory(stm32f4::REGIONS, stm32f4::ALIASES);
    assert_eq!(stm32f4.behind_alias(0x2200_0004), 0x2200_0004);
}

#[test]
fn an_alias_is_refused_for_dma_at_every_end() {
    for memory in [
        memory(stm32f4::REGIONS, stm32f4::ALIASES),
        memory(an505::REGIONS, an505::ALIASES),
        memory(made_up::REGIONS, made_up::ALIASES),
    ] {
        assert!(!memory.aliases.is_empty());
        for alias in memory.aliases {
            let last = alias.start + (alias.size_bytes - 1);
            for address in [alias.start, last & !31, last] {
                let refused = Err(AccessError::Alias { alias: alias.name });
                assert_eq!(memory.check(address, 1, Access::Dma), refused, "{address:#x}");
                assert!(!memory.is_dma_capable(address, 1), "{address:#x}");
            }
        }
    }
}

#[test]
fn ranges_over_two_regions_and_beyond() {
    let memory = memory(stm32f4::REGIONS, stm32f4::ALIASES);
    assert!(memory.is_dma_capable(0x2001_BFFF, 2), "SRAM1 and SRAM2");
    assert!(!memory.is_dma_capable(0x2001_FFFF, 2));
    assert_eq!(memory.check(0x2000_0000, 0, Access::Dma), Err(AccessError::Range));
    assert_eq!(memory.check(u32::MAX, 2, Access::Dma), Err(AccessError::Range));
    let unmapped = Err(AccessError::Unmapped { address: 0x2002_0000 });
    assert_eq!(memory.check(0x2001_FFFF, 2, Access::Bytes), unmapped);
    let ccm = Err(AccessError::NotCapable { region: "ccm", lacks: Capabilities::DMA });
    assert_eq!(memory.check(0x1000_0000, 4, Access::Dma), ccm);
}

#[test]
fn words_are_not_bytes_and_external_ram_is_not_plain_dma() {
    let memory = memory(made_up::REGIONS, made_up::ALIASES);
    let words = Err(AccessError::NotCapable { region: "words", lacks: Capabilities::BYTE });
    assert_eq!(memory.check(0x1000_0001, 1, Access::Bytes), words);
    assert!(!memory.is_byte_accessible(0x1000_0000) && memory.is_byte_accessible(0x2000_0001));
    assert!(memory.is_external_ram(0x9000_0000) && !memory.is_internal(0x9000_0000));
    assert!(!memory.is_dma_capable(0x9000_0000, 32));
    assert!(memory.is_external_dma_capable(0x9000_0000, 32));
    assert!(!memory.is_external_dma_capable(0x2000_0000, 32));
    let unaligned = Err(AccessError::Unaligned { align_bytes: 32 });
    assert_eq!(memory.check(0x9000_0010, 32, Access::Dma), unaligned);
    assert_eq!(memory.check(0x9000_0020, 31, Access::Dma), unaligned);
    assert!(Memory::is_word_aligned(8) && !Memory::is_word_aligned(6));
}

#[test]
fn code_runs_in_the_executable_part_only() {
    let memory = Memory {
        executable: made_up::EXECUTABLE_RAM,
        ..memory(made_up::REGIONS, made_up::ALIASES)
    };
    for (address, expected) in [
        (0x2000_1FFF, false),
        (0x2000_2000, true),
        (0x2000_2FFF, true),
        (0x2000_3000, false),
        (0x0800_0000, true),
        (0x1000_0000, false),
    ] {
        assert_eq!(memory.is_executable(address), expected, "{address:#x}");
    }
    assert!(memory.check(0x2000_2000, 0x1000, Access::Execution).is_ok());
    assert!(memory.check(0x2000_2000, 0x1001, Access::Execution).is_err());
    assert!(memory.check(0x2000_1FFF, 2, Access::Execution).is_err());
}

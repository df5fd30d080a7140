//! Errors: what is out of reach, what does not fit, and what no register reports (§10.3.19).

use super::*;

/// A copy of four words, of which `moved` arrive before the error; all of them without one.
#[track_caller]
fn check(from: u32, to: u32, moved: u32, flags: u32) {
    let mut bench = Bench::new();
    bench.fill(from, 16);
    bench.arm(COPY | TEIE, 4, from, to);
    bench.finish();
    let case = format!("{from:#x} to {to:#x}");
    assert_eq!(bench.flags(), flags, "{case}");
    assert_eq!(bench.get(NDTR), 4 - moved, "{case}");
    assert_eq!(bench.get(CR), COPY | TEIE, "EN is cleared: {case}");
    assert_eq!(bench.bus.lines.contains(&56), flags & TEIF != 0, "{case}");
    let count = 4 * moved as usize;
    let expected: Vec<u8> = (1..=count as u8).collect();
    assert_eq!(bench.bytes(to, count), expected, "{case}");
}

#[test]
fn what_is_out_of_reach_is_a_transfer_error() {
    check(SRAM, SRAM + 0x1_c000, 4, HTIF | TCIF);
    // Across the border of SRAM1 and SRAM2.
    check(SRAM, SRAM + 0x1_bff8, 4, HTIF | TCIF);
    check(FLASH, SRAM, 4, HTIF | TCIF);
    check(SRAM, FLASH, 0, TEIF);
    check(SRAM, CCM, 0, TEIF);
    check(CCM, SRAM, 0, TEIF);
    check(SRAM, 0xd000_0000, 0, TEIF);
    // The boot alias of flash is one of the instruction bus.
    check(0, SRAM, 0, TEIF);
    check(SRAM, 0xffff_fffc, 0, TEIF);
    // The last words that there are, and one more.
    check(SRAM, SRAM + 0x2_0000 - 16, 4, HTIF | TCIF);
    check(SRAM, SRAM + 0x2_0000 - 12, 3, HTIF | TEIF);
    check(SRAM + 0x2_0000 - 4, SRAM, 1, TEIF);
}

/// §10.3.1: the peripheral port of DMA1 is not connected to the bus matrix.
#[test]
fn dma1_does_not_move_memory_to_memory() {
    let mut bench = Bench::new();
    bench.fill(SRAM, 16);
    for (offset, value) in [(NDTR, 4), (PAR, SRAM), (M0AR, SRAM + 0x100), (CR, COPY | EN)] {
        bench.write(Bench::at(1, 0, offset), value);
    }
    bench.finish();
    assert_eq!(bench.read(START), TEIF);
    assert_eq!(bench.read(Bench::at(1, 0, CR)), COPY);
    assert_eq!(bench.bytes(SRAM + 0x100, 4), [0; 4]);
}

/// The ports and the buses of peripherals: USART2 is on APB1, USART1 on APB2.
#[test]
fn buses_of_peripherals() {
    let check = |port, address, expected| {
        assert_eq!(reach::room_bytes(&[], port, address, true) > 0, expected, "{address:#x}");
    };
    check(Port::Peripheral1, 0x4000_4404, true);
    check(Port::Peripheral1, 0x4001_1004, false);
    check(Port::Peripheral1, 0x4002_0010, false);
    check(Port::Peripheral2, 0x4001_1004, true);
    check(Port::Peripheral2, 0x4002_0010, true);
    check(Port::Memory1, 0x4000_4404, false);
    check(Port::Peripheral2, 0x6000_0000, false);
}

/// An error of one stream leaves the others alone.
#[test]
fn another_stream_goes_on() {
    let mut bench = Bench::new();
    bench.fill(SRAM, 16);
    for (offset, value) in [(NDTR, 4), (PAR, SRAM), (M0AR, SRAM + 0x100), (CR, COPY | EN)] {
        bench.write(Bench::at(2, 1, offset), value);
    }
    bench.arm(COPY, 4, SRAM, CCM);
    bench.finish();
    assert_eq!(bench.read(START + CONTROLLER_BYTES), TEIF | (HTIF | TCIF) << 6);
    assert_eq!(bench.bytes(SRAM + 0x100, 16), bench.bytes(SRAM, 16));
}

/// §10.3.10: in double buffer mode a write to the address of the memory in use is an error.
#[test]
fn the_memory_in_use_cannot_be_changed() {
    let mut bench = Bench::new();
    bench.arm(DBM | CT, 4, USART + 4, SRAM);
    bench.set(M0AR, SRAM + 8);
    assert_eq!((bench.get(M0AR), bench.flags()), (SRAM + 8, 0));
    bench.set(M1AR, SRAM + 8);
    assert_eq!((bench.get(M1AR), bench.flags()), (0, TEIF));
    assert_eq!(bench.get(CR) & EN, 0);
}

/// §10.3.13, table 48: which burst of the memory port fits which threshold. The three columns are
/// bursts of 4, 8 and 16 items.
#[test]
fn bursts_and_thresholds() {
    let rows: [(u32, [[bool; 3]; 4]); 3] = [
        (0, [[true, false, false], [true, true, false], [true, false, false], [true; 3]]),
        (1, [[false; 3], [true, false, false], [false; 3], [true, true, false]]),
        (2, [[false; 3], [false; 3], [false; 3], [true, false, false]]),
    ];
    for (size, by_threshold) in rows {
        for (threshold, fits) in (0..).zip(by_threshold) {
            for (burst, fits) in (1..).zip(fits) {
                let mut bench = Bench::new();
                bench.set(FCR, DMDIS | threshold);
                let control = MEMORY_TO_MEMORY | PINC | MINC | size << 13 | burst << 23;
                bench.arm(control, 64, SRAM, SRAM + 0x400);
                let expected = if fits { (0, control | EN) } else { (FEIF, control) };
                let case = format!("size {size}, threshold {threshold}, burst {burst}");
                assert_eq!((bench.flags(), bench.get(CR)), expected, "{case}");
            }
        }
    }
}

/// §10.5.10: the interrupt of a FIFO error is enabled in SxFCR.
#[test]
fn a_fifo_error_has_its_own_enable() {
    for (enable, lines) in [(0, 0), (1 << 7, 1)] {
        let mut bench = Bench::new();
        bench.set(FCR, DMDIS | enable);
        bench.arm(COPY | 1 << 23, 16, SRAM, SRAM + 0x400);
        assert_eq!((bench.flags(), bench.bus.lines.len()), (FEIF, lines));
    }
}

/// §10.3.11: bursts of the peripheral port are not larger than the FIFO.
#[test]
fn a_burst_is_not_larger_than_the_fifo() {
    for (burst, size, fits) in [(1, 2, true), (2, 2, false), (3, 0, true), (3, 1, false)] {
        let mut bench = Bench::new();
        bench.set(FCR, DMDIS | 3);
        bench.arm(MEMORY_TO_MEMORY | PINC | size << 11 | burst << 21, 64, SRAM, SRAM + 0x400);
        assert_eq!(bench.flags(), if fits { 0 } else { FEIF }, "{burst} of size {size}");
    }
}

/// §10.3.11: a burst across a boundary of 1 KiB is an error that no register shows. The items
/// behind the last full burst are moved singly.
#[test]
fn a_burst_across_a_boundary_is_lost_silently() {
    let mut bench = Bench::new();
    bench.set(FCR, DMDIS | 3);
    bench.fill(SRAM, 40);
    bench.arm(COPY | 1 << 23, 10, SRAM, SRAM + 0x3f8);
    bench.finish();
    assert_eq!((bench.flags(), bench.get(NDTR)), (HTIF | TCIF, 0));
    let moved = bench.bytes(SRAM + 0x3f8, 40);
    assert_eq!(moved[..16], [0; 16]);
    assert_eq!(moved[16..], (17..=40).collect::<Vec<u8>>());
    // Three items behind the last burst, across the boundary.
    bench.clear_flags();
    bench.arm(COPY | 1 << 23, 7, SRAM, SRAM + 0xbe8);
    bench.finish();
    assert_eq!(bench.bytes(SRAM + 0xbe8, 28), (1..=28).collect::<Vec<u8>>());
    // The same without bursts.
    bench.clear_flags();
    bench.arm(COPY, 10, SRAM, SRAM + 0x3f8);
    bench.finish();
    assert_eq!(bench.bytes(SRAM + 0x3f8, 40), (1..=40).collect::<Vec<u8>>());
}

/// Bits of an address below the size of the item have no effect.
#[test]
fn addresses_are_aligned() {
    let mut bench = Bench::new();
    bench.fill(SRAM, 8);
    bench.arm(COPY, 2, SRAM + 1, SRAM + 0x103);
    bench.finish();
    assert_eq!(bench.bytes(SRAM + 0x100, 8), bench.bytes(SRAM, 8));
}

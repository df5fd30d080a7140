//! Registers: values after a reset, what is locked while a stream is enabled, flags and lines.

use super::*;

/// §10.5.11: all registers are zero after a reset but SxFCR, which is 0x21.
#[test]
fn registers_after_a_reset() {
    let mut bench = Bench::new();
    for address in (START..START + 2 * CONTROLLER_BYTES).step_by(4) {
        let is_fifo = (1..=2).any(|dma| (0..8).any(|it| Bench::at(dma, it, FCR) == address));
        let expected = if is_fifo { 0x21 } else { 0 };
        assert_eq!(bench.read(address), expected, "{address:#x}");
    }
}

/// §10.5.5 to §10.5.10: what keeps its value in an enabled stream, and what does not.
#[test]
fn an_enabled_stream_locks_its_registers() {
    let mut bench = Bench::new();
    bench.arm(COPY, 8, SRAM, SRAM + 0x100);
    let check = |bench: &mut Bench, offset, written, expected| {
        bench.set(offset, written);
        assert_eq!(bench.get(offset), expected, "offset {offset:#x}");
    };
    check(&mut bench, NDTR, 99, 8);
    check(&mut bench, PAR, 1, SRAM);
    check(&mut bench, M0AR, 1, SRAM + 0x100);
    check(&mut bench, M1AR, 1, 0);
    // Memory to memory has switched direct mode off; the threshold stays, FEIE does not.
    check(&mut bench, FCR, 0x80 | 3, 0x80 | 0x20 | DMDIS | 1);
    check(&mut bench, CR, EN | 0x1e, COPY | EN | 0x1e);
    check(&mut bench, CR, EN | CIRC | TCIE, COPY | EN | TCIE);
    assert_eq!(bench.flags(), 0);
}

/// §10.5.5: bits 20 and 28 to 31 of SxCR are reserved, and SxNDTR has sixteen bits (§10.5.6).
#[test]
fn reserved_bits_read_as_zero() {
    let mut bench = Bench::new();
    bench.set(CR, !EN);
    assert_eq!(bench.get(CR), 0x0fef_fffe);
    bench.set(NDTR, 0x1_2345);
    assert_eq!(bench.get(NDTR), 0x2345);
}

/// §10.3.12: direct mode takes the size of the peripheral on both sides and makes no bursts.
#[test]
fn direct_mode_forces_sizes_and_bursts() {
    let mut bench = Bench::new();
    bench.set(NDTR, 1);
    bench.set(CR, PSIZE_HALF | MSIZE_WORD | PBURST_4 | PINC | PINCOS | 1 << 23 | EN);
    assert_eq!(bench.get(CR), PSIZE_HALF | MSIZE_HALF | PINC | EN);
}

/// §10.5: registers are to be accessed by words.
#[test]
fn narrow_accesses() {
    let mut bench = Bench::new();
    bench.set(PAR, 0x1234_5678);
    let (address, bus) = (Bench::at(2, 0, PAR), &mut bench.bus);
    assert_eq!(bench.dma.read(address + 1, Width::Byte, bus).unwrap(), 0x56);
    assert_eq!(bench.dma.read(address + 2, Width::Half, bus).unwrap(), 0x1234);
    bench.dma.write(address, Width::Byte, 0xff, bus).unwrap();
    assert_eq!(bench.get(PAR), 0x1234_5678);
}

/// §10.5.1 to §10.5.4 and §12.2, table 62: the place of flags and the line of each stream.
#[test]
fn each_stream_has_its_flags_and_its_line() {
    let lines = [[11, 12, 13, 14, 15, 16, 17, 47], [56, 57, 58, 59, 60, 68, 69, 70]];
    for dma in 1..=2_u32 {
        for stream in 0..8 {
            let mut bench = Bench::new();
            // An enabled stream in double buffer mode fails at a write to the memory it uses: this
            // way works in both controllers and without a peripheral.
            bench.write(Bench::at(dma, stream, NDTR), 4);
            bench.write(Bench::at(dma, stream, CR), DBM | TEIE | EN);
            bench.write(Bench::at(dma, stream, M0AR), SRAM);
            let shift = [0, 6, 16, 22][stream as usize % 4];
            let flags = START + (dma - 1) * CONTROLLER_BYTES + 4 * (stream / 4);
            assert_eq!(bench.read(flags), TEIF << shift, "DMA{dma}, stream {stream}");
            let line = lines[dma as usize - 1][stream as usize];
            assert_eq!(bench.bus.lines, BTreeSet::from([line]));
            bench.write(flags + 8, !(TEIF << shift));
            assert_eq!(bench.read(flags), TEIF << shift, "other bits clear nothing");
            bench.write(flags + 8, TEIF << shift);
            assert_eq!((bench.read(flags), bench.bus.lines.len()), (0, 0));
        }
    }
}

/// §10.4: an event has its flag with or without its interrupt, and the line follows the enables.
#[test]
fn the_line_follows_flags_and_enables() {
    let mut bench = Bench::new();
    bench.arm(COPY, 4, SRAM, SRAM + 0x100);
    bench.finish();
    assert_eq!((bench.flags(), bench.bus.lines.len()), (TCIF | HTIF, 0));
    bench.set(CR, TCIE);
    assert_eq!(bench.bus.lines, BTreeSet::from([56]));
    bench.set(CR, HTIE);
    assert_eq!(bench.bus.lines, BTreeSet::from([56]));
    bench.set(CR, TEIE);
    assert!(bench.bus.lines.is_empty());
}

/// §10.5.5: the flags have to be cleared before EN is set. That of the half is in nobody's way.
#[test]
fn old_flags_keep_a_stream_off() {
    let mut bench = Bench::new();
    bench.arm(COPY, 4, SRAM, SRAM + 0x100);
    bench.finish();
    bench.arm(COPY, 4, SRAM, SRAM + 0x100);
    assert_eq!((bench.get(CR), bench.flags()), (COPY, HTIF | TCIF));
    bench.write(START + CONTROLLER_BYTES + 8, TCIF);
    bench.arm(COPY, 4, SRAM, SRAM + 0x100);
    assert_eq!((bench.get(CR), bench.flags()), (COPY | EN, HTIF));
    bench.finish();
    bench.clear_flags();
    bench.arm(COPY, 4, SRAM, SRAM + 0x100);
    assert_eq!(bench.get(CR), COPY | EN);
}

/// §10.5.5: the reserved values of DIR, PSIZE and MSIZE.
#[test]
fn reserved_values_keep_a_stream_off() {
    for bits in [3 << 6, 3 << 11, 3 << 13] {
        let mut bench = Bench::new();
        bench.arm(bits, 4, SRAM, SRAM);
        assert_eq!(bench.get(CR), bits);
    }
}

#[test]
fn a_reset_forgets_all() {
    let mut bench = Bench::new();
    bench.arm(COPY, 4, SRAM, SRAM + 0x100);
    bench.step();
    bench.dma.reset(Reset::SystemReset);
    for offset in [CR, NDTR, PAR, M0AR] {
        assert_eq!(bench.get(offset), 0);
    }
    assert_eq!((bench.get(FCR), bench.flags()), (0x21, 0));
}

//! What is moved: sizes, increments, circular and double buffer mode, requests, order of streams.

use super::*;

/// §10.3.6: memory to memory; §10.5.6: SxNDTR counts down, and EN is cleared at the end.
#[test]
fn memory_to_memory_by_steps() {
    let mut bench = Bench::new();
    bench.fill(SRAM, 4 * 300);
    bench.arm(COPY, 300, SRAM, SRAM + 0x1000);
    assert!(bench.step());
    assert_eq!((bench.get(NDTR), bench.flags()), (300 - ITEMS_PER_STEP, 0));
    assert_eq!(bench.get(CR), COPY | EN);
    assert_eq!(bench.bytes(SRAM + 0x1000 + 4 * ITEMS_PER_STEP, 4), [0; 4]);
    assert!(bench.step());
    assert_eq!(bench.flags(), HTIF);
    assert!(!bench.step());
    assert_eq!((bench.get(NDTR), bench.flags(), bench.get(CR)), (0, HTIF | TCIF, COPY));
    assert_eq!(bench.bytes(SRAM + 0x1000, 1200), bench.bytes(SRAM, 1200));
    assert_eq!(bench.bytes(SRAM + 0x1000 + 1200, 4), [0; 4]);
}

/// §10.3.6: neither circular nor double buffer mode goes with memory to memory.
#[test]
fn memory_to_memory_always_ends() {
    let mut bench = Bench::new();
    bench.fill(SRAM, 8);
    bench.arm(COPY | CIRC | DBM, 2, SRAM, SRAM + 0x100);
    bench.finish();
    assert_eq!((bench.get(CR), bench.get(NDTR), bench.flags()), (COPY, 0, HTIF | TCIF));
}

/// §10.3.8 and §10.3.11: `items` of the peripheral side are moved from 1, 2, 3, ...
#[track_caller]
fn check(control: u32, items: u32, expected: &[u8]) {
    let mut bench = Bench::new();
    bench.fill(SRAM, 64);
    bench.arm(MEMORY_TO_MEMORY | control, items, SRAM, SRAM + 0x100);
    bench.finish();
    let moved = bench.bytes(SRAM + 0x100, expected.len() + 4);
    assert_eq!(moved, [expected, &[0; 4]].concat());
    assert_eq!(bench.flags(), HTIF | TCIF);
}

#[test]
fn sizes_are_packed_and_unpacked() {
    check(PINC | MINC, 4, &[1, 2, 3, 4]);
    check(PINC | MINC | MSIZE_WORD, 8, &[1, 2, 3, 4, 5, 6, 7, 8]);
    check(PINC | MINC | PSIZE_WORD, 2, &[1, 2, 3, 4, 5, 6, 7, 8]);
    check(PINC | MINC | PSIZE_HALF | MSIZE_WORD, 2, &[1, 2, 3, 4]);
    check(PINC | MINC | PSIZE_WORD | MSIZE_HALF, 1, &[1, 2, 3, 4]);
}

/// §10.3.13: what is too short for an item of memory is written as a whole one all the same.
#[test]
fn a_short_end_is_filled_up() {
    let mut bench = Bench::new();
    bench.fill(SRAM, 8);
    bench.bus.write(SRAM + 0x104, &[9; 4]).unwrap();
    let control = MEMORY_TO_MEMORY | PINC | MINC | MSIZE_WORD;
    bench.arm(control, 6, SRAM, SRAM + 0x100);
    bench.finish();
    assert_eq!(bench.bytes(SRAM + 0x100, 8), [1, 2, 3, 4, 5, 6, 0, 0]);
}

#[test]
fn addresses_increment_as_told() {
    check(MINC, 4, &[1, 1, 1, 1]);
    check(PINC, 4, &[4]);
    check(PINC | MINC | PINCOS, 4, &[1, 5, 9, 13]);
    check(PINC | MINC | PINCOS | PSIZE_HALF | MSIZE_HALF, 2, &[1, 2, 5, 6]);
}

/// A copy onto itself, further up: what was moved first is moved again.
#[test]
fn an_overlapping_copy_repeats_its_beginning() {
    let mut bench = Bench::new();
    bench.fill(SRAM, 64);
    bench.arm(COPY, 16, SRAM, SRAM + 16);
    bench.finish();
    let first: Vec<u8> = (1..=16).collect();
    assert_eq!(bench.bytes(SRAM, 80), first.repeat(5));
}

/// §10.3.9: circular mode. One round for each event of the guest.
#[test]
fn circular_mode_starts_again() {
    let mut bench = Bench::new();
    bench.fill(SRAM, 4);
    let stream = |offset| Bench::at(2, 7, offset);
    bench.bus.devices.extend([(USART, 1 << 7), (USART + 0x14, 1 << 7)]);
    for (offset, value) in [(NDTR, 4), (PAR, USART + 4), (M0AR, SRAM)] {
        bench.write(stream(offset), value);
    }
    let control = CHANNEL_4 | FROM_MEMORY | MINC | CIRC | EN;
    bench.write(stream(CR), control);
    let sent = |bench: &Bench| bench.bus.written.iter().map(|it| it.1).collect::<Vec<_>>();
    bench.step();
    bench.step();
    assert_eq!(bench.read(START + CONTROLLER_BYTES + 4), HTIF << 22);
    bench.finish();
    assert_eq!(sent(&bench), [1, 2, 3, 4]);
    assert_eq!(bench.read(START + CONTROLLER_BYTES + 4), (HTIF | TCIF) << 22);
    assert_eq!((bench.read(stream(NDTR)), bench.read(stream(CR))), (4, control));
    bench.dma.event();
    bench.finish();
    assert_eq!(sent(&bench), [1, 2, 3, 4, 1, 2, 3, 4]);
}

/// §10.3.10: double buffer mode swaps the memories and CT at each end, and is always circular.
#[test]
fn double_buffer_mode_takes_turns() {
    let mut bench = Bench::new();
    bench.fill(SRAM, 8);
    bench.bus.devices.extend([(USART, 1 << 7), (USART + 0x14, 1 << 7)]);
    let stream = |offset| Bench::at(2, 7, offset);
    let values = [(NDTR, 2), (PAR, USART + 4), (M0AR, SRAM), (M1AR, SRAM + 4)];
    for (offset, value) in values {
        bench.write(stream(offset), value);
    }
    let control = CHANNEL_4 | FROM_MEMORY | MINC | DBM | EN;
    bench.write(stream(CR), control);
    assert_eq!(bench.read(stream(CR)), control | CIRC);
    bench.finish();
    assert_eq!(bench.read(stream(CR)), control | CIRC | CT);
    // The memory that is not used now can be changed.
    bench.write(stream(M0AR), SRAM + 6);
    for _ in 0..2 {
        bench.dma.event();
        bench.finish();
    }
    let sent: Vec<_> = bench.bus.written.iter().map(|it| it.1).collect();
    assert_eq!(sent, [1, 2, 5, 6, 7, 8]);
}

/// §10.3.3: a peripheral asks for each item, as its own registers say.
#[test]
fn a_peripheral_is_waited_for() {
    let mut bench = Bench::new();
    let stream = |offset| Bench::at(2, 2, offset);
    for (offset, value) in [(NDTR, 2), (PAR, USART + 4), (M0AR, SRAM)] {
        bench.write(stream(offset), value);
    }
    bench.write(stream(CR), CHANNEL_4 | MINC | EN);
    // Neither a byte nor permission, a byte alone, permission alone.
    for (status, control) in [(0, 0), (1 << 5, 0), (0, 1 << 6)] {
        bench.bus.devices.extend([(USART, status), (USART + 0x14, control)]);
        assert!(!bench.step());
        assert_eq!(bench.read(stream(NDTR)), 2);
    }
    bench.bus.devices.extend([(USART, 1 << 5), (USART + 4, 0x58)]);
    assert!(bench.step());
    assert_eq!((bench.read(stream(NDTR)), bench.bytes(SRAM, 2)), (1, vec![0x58, 0]));
    // Another channel of the same stream is another peripheral.
    let mut other = Bench::new();
    other.bus.devices.extend([(USART, 1 << 5), (USART + 0x14, 1 << 6)]);
    other.write(stream(NDTR), 2);
    other.write(stream(CR), MINC | EN);
    assert!(!other.step());
}

/// §10.3.12 and §10.5.10: bytes wait in the FIFO for its threshold; EN cleared flushes it
/// (§10.3.13), and the end is reported (§10.3.14).
#[test]
fn the_fifo_fills_and_is_flushed() {
    let mut bench = Bench::new();
    let stream = |offset| Bench::at(2, 2, offset);
    bench.bus.devices.extend([(USART, 1 << 5), (USART + 0x14, 1 << 6), (USART + 4, 7)]);
    for (offset, value) in [(NDTR, 100), (PAR, USART + 4), (M0AR, SRAM), (FCR, DMDIS | 1)] {
        bench.write(stream(offset), value);
    }
    bench.write(stream(CR), CHANNEL_4 | MINC | EN);
    for filled in 1..8 {
        bench.step();
        assert_eq!(bench.read(stream(FCR)) >> 3, filled / 4, "with {filled} bytes");
        assert_eq!(bench.bytes(SRAM, 1), [0]);
    }
    bench.step();
    assert_eq!((bench.read(stream(FCR)) >> 3, bench.bytes(SRAM, 9)[7..].to_vec()), (4, vec![7, 0]));
    bench.step();
    bench.write(stream(CR), CHANNEL_4 | MINC);
    assert_eq!(bench.bytes(SRAM, 10)[8..], [7, 0]);
    assert_eq!(bench.read(stream(NDTR)), 91);
    assert_eq!(bench.read(START + CONTROLLER_BYTES), TCIF << 16);
}

/// §10.5.6: an ended stream that is enabled again takes the number of items it had before.
#[test]
fn the_number_of_items_comes_back() {
    let mut bench = Bench::new();
    bench.fill(SRAM, 16);
    bench.arm(COPY, 4, SRAM, SRAM + 0x100);
    bench.finish();
    bench.clear_flags();
    bench.set(M0AR, SRAM + 0x200);
    bench.set(CR, COPY | EN);
    bench.finish();
    assert_eq!(bench.bytes(SRAM + 0x200, 16), bench.bytes(SRAM, 16));
    let mut none = Bench::new();
    none.arm(COPY, 0, SRAM, SRAM + 0x100);
    assert!(!none.step());
    assert_eq!((none.get(CR), none.flags()), (COPY | EN, 0));
}

/// §10.3.4: the priority of software first, then the number of the stream; controllers do not wait
/// for each other.
#[test]
fn streams_are_served_in_order() {
    let mut bench = Bench::new();
    let items = 2 * ITEMS_PER_STEP;
    for (stream, priority) in [(1, 0), (2, 3), (3, 3)] {
        bench.write(Bench::at(2, stream, NDTR), items);
        bench.write(Bench::at(2, stream, PAR), SRAM);
        bench.write(Bench::at(2, stream, M0AR), SRAM + 0x1000 * stream);
        bench.write(Bench::at(2, stream, CR), COPY | priority << 16 | EN);
    }
    let mut order = Vec::new();
    for _ in 0..6 {
        bench.step();
        let left = |bench: &mut Bench, stream| bench.read(Bench::at(2, stream, NDTR));
        order.push([1, 2, 3].map(|stream| left(&mut bench, stream) / ITEMS_PER_STEP));
    }
    assert_eq!(order, [[2, 1, 2], [2, 0, 2], [2, 0, 1], [2, 0, 0], [1, 0, 0], [0, 0, 0]]);
}

/// §10.3.15: with the peripheral as flow controller SxNDTR is forced to its largest value; no
/// peripheral here is one.
#[test]
fn nobody_else_controls_the_flow() {
    let mut bench = Bench::new();
    bench.arm(PFCTRL | CIRC | CHANNEL_4, 4, SRAM, SRAM);
    assert!(!bench.step());
    assert_eq!((bench.get(NDTR), bench.get(CR) & CIRC), (0xffff, 0));
}

//! Sessions: attach, flash, reset, halt, step, registers, memory.

use crate::bench::{Bench, image};
use crate::registers::{PC, SP, TIMEOUT};
use probe_rs::{CoreStatus, HaltReason, MemoryInterface};

#[test]
fn an_image_is_flashed_reset_and_stepped() {
    let bench = Bench::blank();
    let mut session = bench.attach().expect("a session");
    bench.flash(&mut session, &image()).expect("flash");
    let mut core = session.core(0).unwrap();
    core.reset_and_halt(TIMEOUT).unwrap();
    let start = bench.board.chip.flash().unwrap().range.start;
    let mut vectors = [0; 2];
    core.read_32(u64::from(start), &mut vectors).unwrap();
    assert_eq!(core.read_core_reg::<u32>(SP).unwrap(), vectors[0]);
    assert_eq!(core.read_core_reg::<u32>(PC).unwrap(), vectors[1] & !1);
    let stepped = core.step().unwrap();
    assert_ne!(stepped.pc, u64::from(vectors[1] & !1));
    core.run().unwrap();
    assert!(matches!(core.status().unwrap(), CoreStatus::Running | CoreStatus::Sleeping));
    core.halt(TIMEOUT).unwrap();
    assert_eq!(core.status().unwrap(), CoreStatus::Halted(HaltReason::Request));
}

#[test]
fn memory_is_read_and_written_in_every_width() {
    let bench = Bench::blank();
    let mut session = bench.attach().expect("a session");
    let mut core = session.core(0).unwrap();
    let (address, words) = (0x2000_1000, [0x0403_0201, 0x0807_0605]);
    core.write_32(address, &words).unwrap();
    let mut bytes = [0; 8];
    core.read_8(address, &mut bytes).unwrap();
    assert_eq!(bytes, [1, 2, 3, 4, 5, 6, 7, 8]);
    core.write_8(address + 1, &[0xAA, 0xBB, 0xCC]).unwrap();
    core.write_16(address + 6, &[0xDDEE]).unwrap();
    let mut read = [0; 2];
    core.read_32(address, &mut read).unwrap();
    assert_eq!(read, [0xCCBB_AA01, 0xDDEE_0605]);
    // Nothing answers there: an error, after which the port works on.
    let unmapped = u64::from(bench.board.chip.unmapped_address);
    assert!(core.read_word_32(unmapped).is_err());
    assert_eq!(core.read_word_32(address).unwrap(), 0xCCBB_AA01);
}

//! Devices of the chip that the host supplies: a debugger reaches them as the program does, and
//! they outlive what the chip's own would.

use crate::bench::Bench;
use crate::program::{BACK, COUNTER, NOP, Program, START, STAY, UDF, load};
use crate::registers::TIMEOUT;
use crashrig_qemu::models::MmioModel;
use crashrig_qemu::models::flash::Flash;
use crashrig_qemu::models::reset_cause::ResetCause;
use crashrig_qemu::models::watchdog::Watchdog;
use probe_rs::flashing::DownloadOptions;
use probe_rs::{MemoryInterface, Session, VectorCatchCondition};
use std::time::Instant;

/// RCC_CSR: why the chip was reset, and the bit that clears that.
const CAUSE: u64 = 0x4002_3874;
const CLEAR: u32 = 1 << 24;
const FLAGS: u32 = 0xFE00_0000;
const PIN: u32 = 1 << 26;
const SOFTWARE: u32 = 1 << 28;
const WATCHDOG: u32 = 1 << 29;
/// Brown-out, pin and power-on.
const POWER: u32 = 0x0E00_0000;

/// A sector of flash that no program is in.
const SECTOR: u32 = START + 0x8000;
const WRITTEN: u32 = 0x1234_5678;

fn with_devices(program: &Program, devices: Vec<Box<dyn MmioModel>>) -> Bench {
    let bench = Bench::running(program);
    bench.shared.lock().unwrap().set_devices(devices).unwrap();
    bench
}

/// Why the chip was reset, which is not known any more then.
fn cause(session: &mut Session) -> u32 {
    let mut core = session.core(0).unwrap();
    let flags = core.read_word_32(CAUSE).unwrap() & FLAGS;
    core.write_word_32(CAUSE, CLEAR).unwrap();
    assert_eq!(core.read_word_32(CAUSE).unwrap() & FLAGS, 0);
    flags
}

/// Stores of words, one after the other.
fn stores(stores: &[(u32, u32)]) -> Vec<u16> {
    let store = |(address, value): &(u32, u32)| {
        let code = load(2, *address).into_iter().chain(load(3, *value));
        code.chain([0x6013]).collect::<Vec<u16>>() // str r3, [r2]
    };
    stores.iter().flat_map(store).collect()
}

/// Starts the independent watchdog with some 125 us to live.
fn start_watchdog() -> Vec<u16> {
    stores(&[(0x4000_3000, 0x5555), (0x4000_3008, 1), (0x4000_3000, 0xCCCC), (0x4000_3000, 0xAAAA)])
}

#[test]
fn a_debugger_reads_and_clears_the_cause_of_each_reset() {
    let (program, _) = Program::counting();
    let bench = with_devices(&program, vec![Box::new(ResetCause::new())]);
    let mut session = bench.attach().unwrap();
    assert_eq!(cause(&mut session), POWER);
    session.core(0).unwrap().reset().unwrap();
    assert_eq!(cause(&mut session), PIN | SOFTWARE);
    for is_low in [true, false] {
        bench.shared.lock().unwrap().set_reset(is_low).unwrap();
    }
    assert_eq!(cause(&mut session), PIN);
    drop(session);
    bench.shared.lock().unwrap().power_cycle(&[], false).unwrap();
    assert_eq!(cause(&mut bench.attach().unwrap()), POWER);
}

/// Counts starts, starts the watchdog and comes to an end: at each reset the counter is one more.
fn check_watchdog(end: &[u16]) {
    let mut main = load(0, COUNTER).to_vec();
    main.extend([0x6801, 0x3101, 0x6001]); // ldr r1, [r0]; adds r1, #1; str r1, [r0]
    main.extend(start_watchdog());
    main.extend(end);
    let bench = with_devices(
        &Program::new(&main, &[UDF]),
        vec![Box::new(ResetCause::new()), Box::new(Watchdog::new())],
    );
    let mut session = bench.attach().unwrap();
    let mut core = session.core(0).unwrap();
    core.enable_vector_catch(VectorCatchCondition::CoreReset).unwrap();
    let end = Instant::now() + TIMEOUT;
    while !core.core_halted().unwrap() {
        assert!(Instant::now() < end, "no reset comes: {:?}", core.status());
    }
    let before = core.read_word_32(u64::from(COUNTER)).unwrap();
    core.run().unwrap();
    while !core.core_halted().unwrap() {
        assert!(Instant::now() < end, "no second reset comes");
    }
    assert_eq!(core.read_word_32(u64::from(COUNTER)).unwrap(), before + 1, "RAM is kept");
    drop(core);
    assert_eq!(cause(&mut session) & WATCHDOG, WATCHDOG);
}

#[test]
fn a_watchdog_resets_a_core_that_loops() {
    check_watchdog(&[NOP, BACK]);
}

#[test]
fn a_watchdog_resets_a_core_that_has_locked_up() {
    check_watchdog(&[UDF]);
}

#[test]
fn flash_that_a_program_wrote_outlives_power_and_can_be_programmed_anew() {
    // The keys, word-wise programming, and a word.
    let mut main = stores(&[
        (0x4002_3C04, 0x4567_0123),
        (0x4002_3C04, 0xCDEF_89AB),
        (0x4002_3C10, 0x201),
        (SECTOR, WRITTEN),
        (COUNTER, 1),
    ]);
    main.push(STAY);
    let program = Program::new(&main, &[STAY]);
    let sectors = vec![(START, 0x4000), (START + 0x4000, 0x4000), (SECTOR, 0x4000)];
    let bench = with_devices(&program, vec![Box::new(Flash::new(sectors))]);
    let mut session = bench.attach().unwrap();
    let word = |session: &mut Session, address: u32| {
        session.core(0).unwrap().read_word_32(u64::from(address)).unwrap()
    };
    let end = Instant::now() + TIMEOUT;
    while word(&mut session, COUNTER) != 1 {
        assert!(Instant::now() < end, "the program does not come to its end");
    }
    assert_eq!(word(&mut session, SECTOR), WRITTEN);
    let mut loader = session.target().flash_loader();
    loader.add_data(u64::from(SECTOR) + 4, &[0xAB; 4]).unwrap();
    let mut options = DownloadOptions::default();
    options.keep_unwritten_bytes = true;
    loader.commit(&mut session, options).unwrap();
    drop(session);
    bench.shared.lock().unwrap().power_cycle(&[], false).unwrap();
    let mut session = bench.attach().unwrap();
    assert_eq!(word(&mut session, SECTOR + 4), 0xABAB_ABAB);
    assert_eq!(word(&mut session, SECTOR), WRITTEN);
    drop(session);
    // It is the chip's, not the device's.
    bench.shared.lock().unwrap().set_devices(Vec::new()).unwrap();
    bench.shared.lock().unwrap().power_cycle(&[], false).unwrap();
    let mut session = bench.attach().unwrap();
    assert_eq!(word(&mut session, SECTOR), WRITTEN);
}

#[test]
fn a_debugger_works_a_device_while_the_program_runs() {
    let (program, _) = Program::counting();
    let bench = with_devices(&program, vec![Box::new(Flash::new(vec![(SECTOR, 0x4000)]))]);
    assert!(bench.shared.lock().unwrap().program(SECTOR, &[0]));
    bench.shared.lock().unwrap().power_cycle(&[], false).unwrap();
    let mut session = bench.attach().unwrap();
    let mut core = session.core(0).unwrap();
    assert_eq!(core.read_word_8(u64::from(SECTOR)).unwrap(), 0);
    // The keys, the erasing of sector 0, and its start.
    for (offset, value) in [(4, 0x4567_0123), (4, 0xCDEF_89AB), (0x10, 2), (0x10, 0x1_0002)] {
        core.write_word_32(0x4002_3C00 + offset, value).unwrap();
    }
    assert_eq!(core.read_word_8(u64::from(SECTOR)).unwrap(), 0xFF);
    let before = core.read_word_32(u64::from(COUNTER)).unwrap();
    let end = Instant::now() + TIMEOUT;
    while core.read_word_32(u64::from(COUNTER)).unwrap() == before {
        assert!(Instant::now() < end, "it does not go on");
    }
}

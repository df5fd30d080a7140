//! Why a core halts, sleeps, locks up or is reset, seen by a debugger.

use crate::bench::Bench;
use crate::program::{BACK, COUNTER, HANDLER, MAIN, NOP, Program, STAY, UDF, WFI, load, reset};
use crate::registers::{COMPARATORS, DEMCR, DFSR, DHCSR, PC, SHCSR, TIMEOUT, XPSR};
use probe_rs::semihosting::SemihostingCommand;
use probe_rs::{
    BreakpointCause, Core, CoreStatus, HaltReason, MemoryInterface, VectorCatchCondition,
};
use std::time::{Duration, Instant};

/// Waits until a core that was looked at is what is expected.
fn wait(core: &mut Core<'_>, is_it: impl Fn(CoreStatus) -> bool) -> CoreStatus {
    let end = Instant::now() + TIMEOUT;
    loop {
        let status = core.status().unwrap();
        if is_it(status) {
            return status;
        }
        assert!(Instant::now() < end, "{status:?} pc {:?}", core.read_core_reg::<u32>(PC));
    }
}

fn halt_reason(core: &mut Core<'_>) -> HaltReason {
    match wait(core, |status| status.is_halted()) {
        CoreStatus::Halted(reason) => reason,
        other => panic!("{other:?}"),
    }
}

fn pc(core: &mut Core<'_>) -> u32 {
    core.read_core_reg(PC).unwrap()
}

#[test]
fn a_hardware_breakpoint_halts_each_time() {
    let (program, store) = Program::counting();
    let bench = Bench::running(&program);
    let mut session = bench.attach().unwrap();
    let mut core = session.core(0).unwrap();
    core.set_hw_breakpoint(u64::from(store)).unwrap();
    let mut counts = Vec::new();
    for _ in 0..3 {
        halt_reason(&mut core);
        assert_eq!(pc(&mut core), store);
        counts.push(core.read_word_32(u64::from(COUNTER)).unwrap());
        core.run().unwrap();
    }
    assert!(counts.windows(2).all(|pair| pair[1] == pair[0] + 1), "{counts:?}");
    halt_reason(&mut core);
    core.clear_hw_breakpoint(u64::from(store)).unwrap();
    core.run().unwrap();
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(core.status().unwrap(), CoreStatus::Running);
}

#[test]
fn a_running_core_is_read_without_being_stopped() {
    let (program, _) = Program::counting();
    let bench = Bench::running(&program);
    let mut session = bench.attach().unwrap();
    let mut core = session.core(0).unwrap();
    let mut last = 0;
    for _ in 0..200 {
        let now = core.read_word_32(u64::from(COUNTER)).unwrap();
        assert!(now >= last);
        last = now;
        // C_HALT and S_HALT: never, not even for a moment.
        assert_eq!(core.read_word_32(DHCSR).unwrap() & 0x2_0002, 0);
    }
    assert!(last > 1_000, "{last}");
}

#[test]
fn a_breakpoint_instruction_halts_where_it_stands() {
    let bench = Bench::running(&Program::new(&[NOP, STAY, NOP, 0xBE07, STAY], &[STAY]));
    let mut session = bench.attach().unwrap();
    let mut core = session.core(0).unwrap();
    core.reset_and_halt(TIMEOUT).unwrap();
    core.write_core_reg(PC, MAIN + 4).unwrap();
    core.run().unwrap();
    assert!(matches!(halt_reason(&mut core), HaltReason::Breakpoint(_)));
    assert_eq!(pc(&mut core), MAIN + 6);
    // The host skips it, and goes on.
    core.run().unwrap();
    wait(&mut core, |status| status == CoreStatus::Running);
}

#[test]
fn a_semihosting_call_is_the_debuggers() {
    let mut main = vec![STAY];
    main.extend(load(0, 0x18));
    main.extend(load(1, 0x2_0026));
    main.extend([0xBEAB, STAY]);
    let bench = Bench::running(&Program::new(&main, &[STAY]));
    let mut session = bench.attach().unwrap();
    let mut core = session.core(0).unwrap();
    core.halt(TIMEOUT).unwrap();
    core.write_core_reg(PC, MAIN + 2).unwrap();
    core.run().unwrap();
    let expected = BreakpointCause::Semihosting(SemihostingCommand::ExitSuccess);
    assert_eq!(halt_reason(&mut core), HaltReason::Breakpoint(expected));
}

#[test]
fn a_hard_fault_is_caught_at_its_handler() {
    let bench = Bench::running(&Program::new(&[STAY, UDF], &[STAY]));
    let mut session = bench.attach().unwrap();
    let mut core = session.core(0).unwrap();
    core.halt(TIMEOUT).unwrap();
    core.enable_vector_catch(VectorCatchCondition::HardFault).unwrap();
    core.write_core_reg(PC, MAIN + 2).unwrap();
    core.run().unwrap();
    assert_eq!(halt_reason(&mut core), HaltReason::Exception);
    assert_eq!(pc(&mut core), HANDLER);
    assert_eq!(core.read_core_reg::<u32>(XPSR).unwrap() & 0x1FF, 3);
}

#[test]
fn a_catch_follows_the_vector_table() {
    // The program copies the table to RAM, with another handler, and faults.
    const TABLE: u32 = 0x2000_4000;
    const OTHER: u32 = MAIN + 0x80;
    let mut main = vec![STAY];
    main.extend(load(0, TABLE));
    main.extend(load(1, OTHER | 1));
    main.push(0x60C1); // str r1, [r0, #12]
    main.extend(load(2, 0xE000_ED08));
    main.extend([0x6010, NOP, UDF]); // str r0, [r2]
    main.resize(0x40, STAY);
    main.push(STAY);
    let bench = Bench::running(&Program::new(&main, &[STAY]));
    let mut session = bench.attach().unwrap();
    let mut core = session.core(0).unwrap();
    core.halt(TIMEOUT).unwrap();
    core.enable_vector_catch(VectorCatchCondition::HardFault).unwrap();
    core.write_core_reg(PC, MAIN + 2).unwrap();
    core.run().unwrap();
    assert_eq!(halt_reason(&mut core), HaltReason::Exception);
    assert_eq!(pc(&mut core), OTHER);
}

#[test]
fn each_fault_has_its_own_catch() {
    // Usage faults are taken by their own handler, which shares its code with all others.
    let check = |catches: u32, is_caught: bool| {
        let bench = Bench::running(&Program::new(&[STAY, UDF], &[STAY]));
        let mut session = bench.attach().unwrap();
        let mut core = session.core(0).unwrap();
        core.halt(TIMEOUT).unwrap();
        core.write_word_32(SHCSR, 1 << 18).unwrap();
        core.write_word_32(DEMCR, catches).unwrap();
        core.write_core_reg(PC, MAIN + 2).unwrap();
        core.run().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(core.status().unwrap().is_halted(), is_caught, "{catches:#x}");
        core.halt(TIMEOUT).unwrap();
        assert_eq!(core.read_core_reg::<u32>(XPSR).unwrap() & 0x1FF, 6);
    };
    check(1 << 7, true); // VC_STATERR
    check(1 << 6, false); // VC_CHKERR
    check(1 << 10, false); // VC_HARDERR
}

#[test]
fn a_watched_store_halts_after_it() {
    let (program, store) = Program::counting();
    let bench = Bench::running(&program);
    let mut session = bench.attach().unwrap();
    let mut core = session.core(0).unwrap();
    core.halt(TIMEOUT).unwrap();
    let before = core.read_word_32(u64::from(COUNTER)).unwrap();
    core.write_word_32(DEMCR, 1 << 24).unwrap();
    core.write_32(COMPARATORS, &[COUNTER, 2, 6]).unwrap();
    core.write_word_32(DFSR, 0x1F).unwrap();
    // Not by way of a step, which may be the store.
    core.write_word_32(DHCSR, 0xA05F_0001).unwrap();
    let end = Instant::now() + TIMEOUT;
    while core.read_word_32(DHCSR).unwrap() & 0x2_0000 == 0 {
        assert!(Instant::now() < end);
    }
    assert_eq!(core.read_word_32(DFSR).unwrap(), 1 << 2);
    assert_eq!(pc(&mut core), store + 2);
    assert_eq!(core.read_word_32(u64::from(COUNTER)).unwrap(), before + 1);
    // Which comparator it was is told once.
    assert_eq!(core.read_word_32(COMPARATORS + 8).unwrap(), 1 << 24 | 6);
    assert_eq!(core.read_word_32(COMPARATORS + 8).unwrap(), 6);
}

#[test]
fn a_sleeping_core_is_seen_to_sleep() {
    let bench = Bench::running(&Program::new(&[WFI, BACK], &[STAY]));
    let mut session = bench.attach().unwrap();
    let mut core = session.core(0).unwrap();
    wait(&mut core, |status| status == CoreStatus::Sleeping);
    core.halt(TIMEOUT).unwrap();
    assert_eq!(core.status().unwrap(), CoreStatus::Halted(HaltReason::Request));
    // Being halted wakes it: steps go on behind the wait, and come to it again.
    let places: Vec<_> = (0..4).map(|_| core.step().unwrap().pc as u32).collect();
    assert_eq!(places, [MAIN, MAIN + 2, MAIN, MAIN + 2]);
    core.run().unwrap();
    wait(&mut core, |status| status == CoreStatus::Sleeping);
}

#[test]
fn the_firmware_resets_itself_and_goes_on() {
    let mut main = load(0, COUNTER).to_vec();
    main.extend([0x6801, 0x3101, 0x6001]); // ldr r1, [r0]; adds r1, #1; str r1, [r0]
    main.extend(reset());
    let bench = Bench::running(&Program::new(&main, &[STAY]));
    let mut session = bench.attach().unwrap();
    let mut core = session.core(0).unwrap();
    let end = Instant::now() + TIMEOUT;
    let mut resets = 0;
    let before = core.read_word_32(u64::from(COUNTER)).unwrap();
    while core.read_word_32(u64::from(COUNTER)).unwrap() < before + 20 {
        resets += core.read_word_32(DHCSR).unwrap() >> 25 & 1;
        assert!(Instant::now() < end);
    }
    assert!(resets > 0, "no reset was seen");
    // The next one is caught.
    core.write_word_32(DEMCR, 1).unwrap();
    assert_eq!(halt_reason(&mut core), HaltReason::Exception);
    assert_eq!(pc(&mut core), MAIN);
}

#[test]
fn a_lockup_is_seen_and_a_reset_ends_it() {
    let mut main = load(0, COUNTER).to_vec();
    main.extend([0x6801, 0x3101, 0x6001, UDF]);
    let bench = Bench::running(&Program::new(&main, &[UDF]));
    let mut session = bench.attach().unwrap();
    let mut core = session.core(0).unwrap();
    wait(&mut core, |status| status == CoreStatus::LockedUp);
    assert_eq!(core.read_word_32(u64::from(COUNTER)).unwrap(), 1);
    core.halt(TIMEOUT).unwrap();
    assert_eq!(core.read_core_reg::<u32>(XPSR).unwrap() & 0x1FF, 3);
    core.reset_and_halt(TIMEOUT).unwrap();
    assert_eq!(pc(&mut core), MAIN);
    // RAM has outlived it, and so has flash.
    assert_eq!(core.read_word_32(u64::from(COUNTER)).unwrap(), 1);
    core.run().unwrap();
    wait(&mut core, |status| status == CoreStatus::LockedUp);
    assert_eq!(core.read_word_32(u64::from(COUNTER)).unwrap(), 2);
}

#[test]
fn power_takes_ram_and_leaves_flash() {
    let (program, _) = Program::counting();
    let bench = Bench::running(&program);
    let mut session = bench.attach().unwrap();
    // CCM, and SRAM.
    let noise = [vec![0xA5; 0x1_0000], vec![0xA5; 0x2_0000]];
    {
        let mut core = session.core(0).unwrap();
        core.halt(TIMEOUT).unwrap();
        core.write_word_32(0x2000_8000, 1).unwrap();
    }
    bench.shared.lock().unwrap().power_cycle(&noise, false).unwrap();
    drop(session);
    let mut session = bench.attach().unwrap();
    let mut core = session.core(0).unwrap();
    assert_eq!(core.read_word_32(0x2000_8000).unwrap(), 0xA5A5_A5A5);
    let before = core.read_word_32(u64::from(COUNTER)).unwrap();
    assert_ne!(before, 0xA5A5_A5A5);
}

#[test]
fn a_program_that_runs_for_long_is_reset_all_the_same() {
    // More instructions than any limit of a run without a debugger: some seconds of target time.
    let mut main = load(0, 110_000_000).to_vec();
    main.extend([0x3801, 0xD1FD]); // subs r0, #1; bne to it
    main.extend(reset());
    let bench = Bench::running(&Program::new(&main, &[STAY]));
    let mut session = bench.attach().unwrap();
    let mut core = session.core(0).unwrap();
    core.enable_vector_catch(VectorCatchCondition::CoreReset).unwrap();
    let end = Instant::now() + 12 * TIMEOUT;
    while !core.core_halted().unwrap() {
        assert!(Instant::now() < end, "no reset comes: {:?}", core.status());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(pc(&mut core), MAIN);
}

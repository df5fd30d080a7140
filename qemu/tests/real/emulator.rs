//! One real emulator, each reason to stop, on every QEMU of this machine.

use std::time::Instant;

use crate::support::{
    AGAIN, CODE, COUNT, COUNTER, Code, EXIT, LOCKUP, RESET, RESET_LOOP, SLEEP, STACK, launch,
    limits, on_each, start, talk_and, word,
};
use crashrig_qemu::{Emulator, Error, Limits, Stop, output};

/// Runs an image to its first stop.
fn check(code: &[Code], limits: &Limits, expected: impl Fn(&Stop) -> bool) {
    on_each(|program| {
        let mut rig = start(program, code);
        rig.emulator.resume().unwrap();
        let stop = rig.emulator.wait(limits).unwrap();
        assert!(expected(&stop), "found {stop:?}");
    });
}

#[test]
fn a_reset_of_the_guest_is_a_stop() {
    check(RESET_LOOP, &Limits::default(), |stop| *stop == Stop::Reset);
}

#[test]
fn an_exit_carries_the_code_of_the_guest() {
    check(EXIT, &Limits::default(), |stop| *stop == Stop::Exit { code: 7 });
}

#[test]
fn a_lockup_is_a_result_with_its_text() {
    check(LOCKUP, &Limits::default(), |stop| {
        stop.is_lockup() && matches!(stop, Stop::Killed { text, .. } if text.contains("R15="))
    });
}

#[test]
fn an_endless_loop_ends_at_the_limit_of_instructions() {
    check(COUNT, &limits(Some(1_000_000), 20_000), |stop| *stop == Stop::InstructionLimit);
}

#[test]
fn a_limit_that_is_used_up_at_a_stop_of_the_guest_counts() {
    // Seven instructions, of which the last but one asks for the reset.
    check(RESET_LOOP, &limits(Some(7), 20_000), |stop| *stop == Stop::InstructionLimit);
    check(RESET_LOOP, &limits(Some(8), 20_000), |stop| *stop == Stop::Reset);
}

#[test]
fn a_sleeping_guest_ends_at_the_limit_of_time() {
    check(SLEEP, &limits(Some(1_000_000), 100), |stop| *stop == Stop::WallLimit);
}

#[test]
fn a_talking_guest_ends_at_the_limit_of_output() {
    let limits = Limits { output_bytes: 1000, ..limits(None, 20_000) };
    check(&talk_and(AGAIN), &limits, |stop| *stop == Stop::OutputLimit);
}

#[test]
fn memory_and_registers_survive_a_reset_of_the_guest() {
    on_each(|program| {
        let mut rig = start(program, RESET_LOOP);
        let emulator = &mut rig.emulator;
        emulator.write(COUNTER, &41_u32.to_le_bytes()).unwrap();
        for boot in 1..=5_u32 {
            emulator.resume().unwrap();
            assert_eq!(emulator.wait(&Limits::default()).unwrap(), Stop::Reset);
            assert_eq!(word(emulator, COUNTER), 41 + boot);
            let registers = emulator.registers().unwrap();
            assert_eq!(registers.pc, CODE + 14, "after the store that asked for the reset");
            assert_eq!(registers.general[3], 0x05fa_0004);
            let refused = emulator.resume();
            assert!(matches!(refused, Err(Error::State { .. })), "found {refused:?}");
            emulator.reset_warm().unwrap();
            let registers = emulator.registers().unwrap();
            assert_eq!((registers.pc, registers.sp), (CODE, STACK));
            assert_eq!(emulator.instructions().unwrap(), Some(u64::from(boot) * 7));
        }
    });
}

#[test]
fn a_hanging_guest_can_be_read_and_started_again() {
    on_each(|program| {
        let mut rig = start(program, COUNT);
        let emulator = &mut rig.emulator;
        for _ in 0..2 {
            emulator.resume().unwrap();
            let stop = emulator.wait(&limits(Some(1000), 20_000)).unwrap();
            assert_eq!(stop, Stop::InstructionLimit);
            let count = word(emulator, COUNTER);
            assert!(count > 100, "the counter stands at {count}");
            assert_eq!(word(emulator, COUNTER), count, "it does not run on");
            emulator.write(COUNTER, &[0; 4]).unwrap();
            emulator.reset_warm().unwrap();
        }
    });
}

#[test]
fn noise_is_written_in_milliseconds_and_read_back() {
    on_each(|program| {
        let mut rig = start(program, COUNT);
        let noise: Vec<u8> =
            (0..128 * 1024_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let began = Instant::now();
        rig.emulator.write(COUNTER, &noise).unwrap();
        let wrote = began.elapsed();
        let mut back = vec![0; noise.len()];
        rig.emulator.read(COUNTER, &mut back).unwrap();
        eprintln!("128 KiB: written in {wrote:?}, read in {:?}", began.elapsed() - wrote);
        assert!(back == noise, "what is read is what was written");
        rig.emulator.memory().fill(COUNTER, 16, 0xdb).unwrap();
        assert_eq!(word(&mut rig.emulator, COUNTER + 12), 0xdbdb_dbdb);
        assert_eq!(word(&mut rig.emulator, COUNTER + 16).to_le_bytes(), noise[16..20]);
        let refused = rig.emulator.write(0xffff_fffe, &[0; 4]);
        assert!(matches!(refused, Err(Error::Range { .. })), "found {refused:?}");
    });
}

#[test]
fn output_belongs_to_the_boot_that_wrote_it() {
    on_each(|program| {
        let mut rig = start(program, &talk_and(RESET));
        let emulator = &mut rig.emulator;
        for boot in 0..3 {
            let before = emulator.mark().unwrap();
            emulator.resume().unwrap();
            assert_eq!(emulator.wait(&Limits::default()).unwrap(), Stop::Reset);
            let files = emulator.files().clone();
            let said = output::read_from(&files.console, before.console_bytes, 1 << 20).unwrap();
            assert_eq!(String::from_utf8_lossy(&said), "X", "in boot {boot}");
            let log = output::read_from(&files.log, before.log_bytes, 1 << 20).unwrap();
            let log = String::from_utf8_lossy(&log).into_owned();
            assert_eq!(log.matches("[Semihosting call]").count(), 1, "in boot {boot}: {log}");
            emulator.reset_warm().unwrap();
        }
    });
}

#[test]
fn the_log_of_a_lockup_is_complete() {
    on_each(|program| {
        let mut rig = start(program, LOCKUP);
        rig.emulator.resume().unwrap();
        rig.emulator.wait(&Limits::default()).unwrap();
        let log = std::fs::read_to_string(&rig.emulator.files().log).unwrap();
        assert_eq!(log.matches("[Undefined Instruction]").count(), 2, "{log}");
        let after = rig.emulator.read(COUNTER, &mut [0; 4]);
        assert!(matches!(after, Err(Error::Closed { .. })), "found {after:?}");
        let after = rig.emulator.resume();
        assert!(matches!(after, Err(Error::State { .. })), "found {after:?}");
    });
}

#[test]
fn two_runs_execute_the_same_number_of_instructions() {
    on_each(|program| {
        let count = || {
            let mut rig = start(program, &talk_and(RESET));
            rig.emulator.resume().unwrap();
            rig.emulator.wait(&Limits::default()).unwrap();
            rig.emulator.instructions().unwrap()
        };
        assert_eq!(count(), count());
    });
}

#[test]
fn without_counted_instructions_only_time_ends_a_loop() {
    on_each(|program| {
        let folder = tempfile::tempdir().unwrap();
        let mut launch = launch(program, COUNT, folder.path());
        launch.instruction_shift = None;
        let mut emulator = Emulator::start(&launch).unwrap();
        emulator.resume().unwrap();
        assert_eq!(emulator.wait(&limits(Some(1), 50)).unwrap(), Stop::WallLimit);
        assert_eq!(emulator.instructions().unwrap(), None);
    });
}

#[test]
fn what_makes_no_sense_is_refused() {
    on_each(|program| {
        let mut rig = start(program, COUNT);
        let emulator = &mut rig.emulator;
        assert!(matches!(emulator.wait(&Limits::default()), Err(Error::State { .. })));
        emulator.resume().unwrap();
        assert!(matches!(emulator.resume(), Err(Error::State { .. })));
        assert!(matches!(emulator.reset_warm(), Err(Error::State { .. })));
        assert!(matches!(emulator.break_at(CODE), Err(Error::State { .. })));
    });
}

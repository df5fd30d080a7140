//! Breakpoints and watchpoints, alone and together with resets, on every QEMU of this machine.

use crashrig_qemu::gdb::Access;
use crashrig_qemu::{Limits, Stop};

use crate::support::{
    CODE, COUNT, COUNTER, EXIT, LOCKUP, RESET_LOOP, STACK, limits, on_each, start, word,
};

#[test]
fn a_breakpoint_is_hit_each_time_round() {
    on_each(|program| {
        let mut rig = start(program, COUNT);
        let emulator = &mut rig.emulator;
        let store = emulator.break_at((CODE + 4) | 1).unwrap();
        let branch = emulator.break_at(CODE + 6).unwrap();
        for round in 0..3 {
            for (token, offset, counted) in [(store, 4, round), (branch, 6, round + 1)] {
                emulator.resume().unwrap();
                let stop = emulator.wait(&Limits::default()).unwrap();
                assert_eq!(stop, Stop::Breakpoint { token }, "in round {round}");
                assert_eq!(emulator.registers().unwrap().pc, CODE + offset);
                assert_eq!(word(emulator, COUNTER), counted, "before the instruction");
            }
        }
        emulator.remove(store).unwrap();
        emulator.remove(branch).unwrap();
        emulator.resume().unwrap();
        let stop = emulator.wait(&limits(Some(100_000), 20_000)).unwrap();
        assert_eq!(stop, Stop::InstructionLimit, "no breakpoint is left");
    });
}

#[test]
fn a_watchpoint_stops_before_the_access() {
    on_each(|program| {
        let mut rig = start(program, COUNT);
        let emulator = &mut rig.emulator;
        let token = emulator.watch(COUNTER, 4, Access::Write).unwrap();
        for round in 0..3 {
            emulator.resume().unwrap();
            assert_eq!(emulator.wait(&Limits::default()).unwrap(), Stop::Breakpoint { token });
            assert_eq!(word(emulator, COUNTER), round);
            assert_eq!(emulator.registers().unwrap().general[1], round + 1);
        }
    });
}

#[test]
fn breakpoints_and_resets_live_together() {
    on_each(|program| {
        let mut rig = start(program, RESET_LOOP);
        let emulator = &mut rig.emulator;
        let token = emulator.break_at(CODE).unwrap();
        let last = emulator.break_at(CODE + 12).unwrap();
        for boot in 0..3 {
            // The first instruction is passed, because the guest stands at it after each reset.
            emulator.resume().unwrap();
            let stop = emulator.wait(&Limits::default()).unwrap();
            assert_eq!(stop, Stop::Breakpoint { token: last }, "in boot {boot}");
            emulator.resume().unwrap();
            assert_eq!(emulator.wait(&Limits::default()).unwrap(), Stop::Reset);
            assert_eq!(word(emulator, COUNTER), boot + 1);
            emulator.reset_warm().unwrap();
        }
        emulator.remove(token).unwrap();
    });
}

#[test]
fn registers_can_be_written_by_name() {
    on_each(|program| {
        let mut rig = start(program, COUNT);
        let emulator = &mut rig.emulator;
        assert!(emulator.gdb().unwrap().write_register("r1", 99).unwrap());
        assert_eq!(emulator.gdb().unwrap().read_register("r1").unwrap(), Some(99));
        assert_eq!(emulator.registers().unwrap().general[1], 99);
        assert!(!emulator.gdb().unwrap().write_register("nonsense", 0).unwrap());
        let has_main_stack = emulator.gdb().unwrap().read_register("msp").unwrap();
        let expected = (program.version.major >= 10).then_some(u64::from(STACK));
        assert_eq!(has_main_stack, expected);
    });
}

#[test]
fn the_guest_can_end_in_a_step_over_a_breakpoint() {
    on_each(|program| {
        for (code, offset) in [(EXIT, 12), (LOCKUP, 0)] {
            let mut rig = start(program, code);
            let emulator = &mut rig.emulator;
            let token = emulator.break_at(CODE + offset).unwrap();
            if offset > 0 {
                emulator.resume().unwrap();
                let stop = emulator.wait(&Limits::default()).unwrap();
                assert_eq!(stop, Stop::Breakpoint { token });
            }
            emulator.resume().unwrap();
            let stop = emulator.wait(&Limits::default()).unwrap();
            assert!(stop == Stop::Exit { code: 7 } || stop.is_lockup(), "found {stop:?}");
        }
    });
}

#[test]
fn one_place_can_have_several_owners() {
    on_each(|program| {
        let mut rig = start(program, COUNT);
        let emulator = &mut rig.emulator;
        let first = emulator.break_at(CODE + 4).unwrap();
        let second = emulator.break_at(CODE + 4).unwrap();
        for token in [first, second] {
            emulator.resume().unwrap();
            let stop = emulator.wait(&Limits::default()).unwrap();
            assert_eq!(stop, Stop::Breakpoint { token });
            emulator.remove(token).unwrap();
        }
        emulator.resume().unwrap();
        let stop = emulator.wait(&limits(Some(100_000), 20_000)).unwrap();
        assert_eq!(stop, Stop::InstructionLimit, "the last owner removed it");
    });
}

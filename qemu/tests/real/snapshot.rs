//! States that are saved and come back, and the guest run with nothing around it, on every QEMU of
//! this machine.

use std::time::Duration;

use crashrig_qemu::{Emulator, Error, Program, Stop};

use crate::support::{
    CODE, COUNT, COUNTER, Code, EXIT, LOCKUP, RESET_LOOP, Rig, SLEEP, launch, on_each, start, word,
};

const WALL: Duration = Duration::from_secs(20);
const FAR: u64 = 1_000_000_000;

fn with_snapshots(program: &Program, code: &[Code]) -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let mut launch = launch(program, code, folder.path());
    launch.snapshots = true;
    launch.log = false;
    launch.semihosting = None;
    launch.host_processor = Some(0);
    Rig::new(Emulator::start(&launch).unwrap(), folder)
}

#[test]
fn memory_core_and_count_come_back() {
    on_each(|program| {
        let mut rig = with_snapshots(program, COUNT);
        let emulator = &mut rig.emulator;
        let store = emulator.break_at(CODE + 4).unwrap();
        let branch = emulator.break_at(CODE + 6).unwrap();
        for token in [store, branch, store] {
            if emulator.instructions().unwrap() > Some(0) {
                assert!(emulator.step(1).unwrap());
            }
            assert_eq!(emulator.sprint(FAR, WALL).unwrap(), Stop::Breakpoint { token });
        }
        emulator.remove(store).unwrap();
        let saved = emulator.save("base").unwrap();
        assert_eq!(Some(saved.instruction()), emulator.instructions().unwrap());
        for _ in 0..5 {
            assert_eq!(emulator.sprint(FAR, WALL).unwrap(), Stop::Breakpoint { token: branch });
            assert_eq!(word(emulator, COUNTER), 2);
            assert_eq!(emulator.instructions().unwrap(), Some(saved.instruction() + 1));
            emulator.write(COUNTER, &[0xdb; 8]).unwrap();
            emulator.gdb().unwrap().write_register("r1", 99).unwrap();
            emulator.restore(&saved).unwrap();
            let registers = emulator.registers().unwrap();
            assert_eq!((registers.pc, registers.general[1]), (CODE + 4, 2));
            assert_eq!((word(emulator, COUNTER), word(emulator, COUNTER + 4)), (1, 0));
            assert_eq!(emulator.instructions().unwrap(), Some(saved.instruction()));
        }
    });
}

#[test]
fn a_guest_at_its_reset_can_be_restored() {
    on_each(|program| {
        let mut rig = with_snapshots(program, RESET_LOOP);
        let emulator = &mut rig.emulator;
        let saved = emulator.save("start").unwrap();
        for _ in 0..20 {
            assert_eq!(emulator.sprint(FAR, WALL).unwrap(), Stop::Reset);
            let found = (word(emulator, COUNTER), emulator.instructions().unwrap());
            assert_eq!(found, (1, Some(7)));
            emulator.reset_warm().unwrap();
            assert_eq!(emulator.sprint(FAR, WALL).unwrap(), Stop::Reset);
            let found = (word(emulator, COUNTER), emulator.instructions().unwrap());
            assert_eq!(found, (2, Some(14)));
            emulator.restore(&saved).unwrap();
        }
    });
}

#[test]
fn several_states_are_kept_and_a_name_can_be_used_again() {
    on_each(|program| {
        let mut rig = with_snapshots(program, COUNT);
        let emulator = &mut rig.emulator;
        let early = emulator.save("early").unwrap();
        assert!(emulator.step(10).unwrap());
        let late = emulator.save("late").unwrap();
        assert_eq!((early.instruction(), late.instruction()), (0, 10));
        let counted = word(emulator, COUNTER);
        assert!(counted > 1);
        for _ in 0..3 {
            emulator.restore(&early).unwrap();
            assert_eq!(word(emulator, COUNTER), 0);
            emulator.restore(&late).unwrap();
            assert_eq!(word(emulator, COUNTER), counted);
        }
        assert!(emulator.step(10).unwrap());
        let later = emulator.save("late").unwrap();
        emulator.restore(&early).unwrap();
        emulator.restore(&later).unwrap();
        assert_eq!(emulator.instructions().unwrap(), Some(20));
    });
}

#[test]
fn what_cannot_be_saved_or_restored_is_refused() {
    on_each(|program| {
        let mut rig = start(program, COUNT);
        let refused = rig.emulator.save("base");
        assert!(matches!(refused, Err(Error::Refused { .. })), "without a place: {refused:?}");
        let mut rig = with_snapshots(program, COUNT);
        let emulator = &mut rig.emulator;
        let refused = emulator.save("a; quit");
        assert!(matches!(refused, Err(Error::Malformed { .. })), "{refused:?}");
        let saved = emulator.save("base").unwrap();
        let mut other = with_snapshots(program, COUNT);
        let refused = other.emulator.restore(&saved);
        assert!(matches!(refused, Err(Error::Refused { .. })), "of another QEMU: {refused:?}");
        emulator.resume().unwrap();
        let refused = emulator.restore(&saved);
        assert!(matches!(refused, Err(Error::State { .. })), "{refused:?}");
    });
}

#[test]
fn each_way_to_stop_is_named() {
    on_each(|program| {
        let check = |code: &[Code], end: u64, wall_ms: u64, expected: &dyn Fn(&Stop) -> bool| {
            let mut rig = with_snapshots(program, code);
            let emulator = &mut rig.emulator;
            // The connection to GDB is made on first use.
            emulator.save("start").unwrap();
            let found = emulator.sprint(end, Duration::from_millis(wall_ms)).unwrap();
            assert!(expected(&found), "found {found:?}");
        };
        check(COUNT, 1_000_000, 20_000, &|stop| *stop == Stop::InstructionLimit);
        check(COUNT, u64::MAX, 50, &|stop| *stop == Stop::WallLimit);
        check(SLEEP, 1_000_000, 50, &|stop| *stop == Stop::WallLimit);
        check(RESET_LOOP, FAR, 20_000, &|stop| *stop == Stop::Reset);
        check(LOCKUP, FAR, 20_000, &Stop::is_lockup);
        // Without semihosting its breakpoint is a fault, whose handler faults again.
        check(EXIT, FAR, 20_000, &Stop::is_lockup);
    });
}

#[test]
fn a_step_is_one_instruction_and_a_reset_ends_it() {
    on_each(|program| {
        let mut rig = with_snapshots(program, RESET_LOOP);
        let emulator = &mut rig.emulator;
        for count in 1..=6_u64 {
            assert!(emulator.step(1).unwrap());
            assert_eq!(emulator.instructions().unwrap(), Some(count));
        }
        let went = emulator.step(3).unwrap();
        assert!(!went, "the seventh instruction asks for the reset");
        emulator.reset_warm().unwrap();
        assert_eq!(emulator.registers().unwrap().pc, CODE);
    });
}

/// Pending bits of external interrupts (DDI0403E B3.4.6), and the register with that of the NMI.
const ISPR: u32 = 0xe000_e200;
const ICSR: u32 = 0xe000_ed04;
const NMI_PENDING: u32 = 1 << 31;

#[test]
fn interrupts_of_the_host_become_pending() {
    on_each(|program| {
        let mut rig = with_snapshots(program, COUNT);
        let emulator = &mut rig.emulator;
        for number in [0_u16, 5, 31, 95] {
            emulator.raise_interrupt(number).unwrap();
            let pending = word_of_core(emulator, ISPR + 4 * u32::from(number / 32));
            assert_eq!(pending >> (number % 32) & 1, 1, "interrupt {number}");
        }
        let refused = emulator.raise_interrupt(96);
        assert!(matches!(refused, Err(Error::Limit { .. })), "{refused:?}");
        assert_eq!(word_of_core(emulator, ICSR) & NMI_PENDING, 0);
        emulator.raise_nmi().unwrap();
        assert_eq!(word_of_core(emulator, ICSR) & NMI_PENDING, NMI_PENDING);
        assert!(emulator.step(1).unwrap(), "it lives");
        assert_eq!(emulator.registers().unwrap().xpsr & 0x1ff, 2, "in the handler of the NMI");
    });
}

fn word_of_core(emulator: &mut Emulator, address: u32) -> u32 {
    emulator.memory().read_word(address).unwrap()
}

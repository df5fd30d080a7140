//! The log of stores on every QEMU of this machine: each store of known routines, and nothing else.

use crashrig_qemu::{Emulator, Error, Limits, Program, RamRange, Stop, Store, StoreLog};

use crate::observer::{FAR, FAULT_IN_LOAD, WRITE_AND_LOCKUP, start};
use crate::support::{
    self, CODE, COUNT, COUNTER, Code, RESET_LOOP, STACK, STAY, limits, on_each, word,
};
use Code::{Half, Load};

/// Reload value of SysTick, a register of a device. DDI0403E B3.3.2.
const RELOAD: u32 = 0xe000_e014;

/// Stores in each way, with loads between.
const ROUTINE: &[Code] = &[
    Load(0, COUNTER),
    Load(1, 0x1234_abcd),
    Half(0x6001), // str r1, [r0]
    Half(0x80c1), // strh r1, [r0, #6]
    Half(0x7241), // strb r1, [r0, #9]
    Half(0x6802), // ldr r2, [r0]
    Half(0xb406), // push {r1, r2}
    Half(0xc006), // stmia r0!, {r1, r2}
    Load(0, COUNTER + 0x11),
    Half(0x6001), // str r1, [r0], unaligned
    Load(0, COUNTER + 0x20),
    Half(0xe850), // ldrex r2, [r0]
    Half(0x2f00),
    Half(0xe840), // strex r3, r1, [r0]
    Half(0x1300),
    Half(0xe840), // strex r3, r1, [r0], which does not store: the monitor is open
    Half(0x1300),
    Load(0, RELOAD),
    Half(0x6001), // str r1, [r0]
    Half(0x6001), // str r1, [r0]
    STAY,
];

/// What is stored by [`ROUTINE`]: instruction, halfwords of code before it, address, size in bytes.
const ROUTINE_STORES: &[(u64, u32, u32, u32)] = &[
    (3, 2, COUNTER, 4),
    (4, 3, COUNTER + 6, 2),
    (5, 4, COUNTER + 9, 1),
    (7, 6, STACK - 8, 4),
    (7, 6, STACK - 4, 4),
    (8, 7, COUNTER, 4),
    (8, 7, COUNTER + 4, 4),
    (10, 9, COUNTER + 0x11, 4),
    (13, 13, COUNTER + 0x20, 4),
    (16, 18, RELOAD, 4),
    (17, 19, RELOAD, 4),
];

fn range(address: u32, size_bytes: u32) -> RamRange {
    RamRange { address, size_bytes }
}

fn store(&(instruction, halfwords, address, size_bytes): &(u64, u32, u32, u32)) -> Store {
    Store { instruction, pc: CODE + 2 * halfwords, address, size_bytes }
}

/// Lets an image run to its last instruction, and takes the log.
fn log(program: &Program, code: &[Code], shift: Option<u8>, ranges: &[RamRange]) -> StoreLog {
    let (mut emulator, _folder) =
        start(program, code, |launch| launch.instruction_shift = shift).unwrap();
    emulator.watch_stores(ranges).unwrap();
    run_to(&mut emulator, CODE + 2 * (code.len() as u32 - 1));
    let log = emulator.stores().unwrap();
    assert_eq!(emulator.stores().unwrap(), StoreLog::default(), "taking the log clears it");
    log
}

fn run_to(emulator: &mut Emulator, address: u32) {
    let token = emulator.break_at(address).unwrap();
    emulator.resume().unwrap();
    assert_eq!(emulator.wait(&Limits::default()).unwrap(), Stop::Breakpoint { token });
}

#[test]
fn the_log_holds_each_store_of_a_routine_and_nothing_else() {
    let check = |ranges: &[RamRange], is_expected: &dyn Fn(u32, u32) -> bool| {
        on_each(|program| {
            for shift in [None, Some(5)] {
                let found = log(program, ROUTINE, shift, ranges);
                let wanted = ROUTINE_STORES.iter().filter(|store| is_expected(store.2, store.3));
                let wanted = StoreLog { stores: wanted.map(store).collect(), dropped: 0 };
                assert_eq!(found, wanted, "watching {ranges:x?} with shift {shift:?}");
            }
        });
    };
    check(&[range(0, u32::MAX)], &|_, _| true);
    check(&[], &|_, _| false);
    // What the routine never writes, just behind and before what it does.
    check(&[range(COUNTER + 10, 7), range(COUNTER - 4, 4), range(STACK, 4)], &|_, _| false);
    check(&[range(RELOAD, 4), range(STACK - 4, 4)], &|at, _| [RELOAD, STACK - 4].contains(&at));
    // One byte in the middle of a word, watched twice.
    check(&[range(COUNTER + 2, 1), range(COUNTER + 2, 1)], &|at, _| at == COUNTER);
    check(&[range(COUNTER + 0x14, 0x100)], &|at, _| at > COUNTER + 9 && at <= COUNTER + 0x20);
}

/// One instruction, but QEMU 7.2 makes two stores of it.
#[test]
fn a_store_of_two_words_is_logged_as_qemu_makes_it() {
    let strd = [Load(0, COUNTER + 4), Half(0xe9c0), Half(0x1200), STAY]; // strd r1, r2, [r0]
    on_each(|program| {
        let found = log(program, &strd, None, &[range(COUNTER, 16)]);
        let halves = [(2, 1, COUNTER + 4, 4), (2, 1, COUNTER + 8, 4)];
        let whole = [(2, 1, COUNTER + 4, 8)];
        let made = if program.version.major < 10 { &halves[..] } else { &whole[..] };
        assert_eq!(found.stores, made.iter().map(store).collect::<Vec<_>>());
    });
}

/// The loop stores `count` times, once in three instructions, first as the third.
fn store_often(count: u32) -> Vec<Code> {
    vec![
        Load(0, COUNTER),
        Load(4, count),
        Half(0x6004), // str r4, [r0]
        Half(0x3c01), // subs r4, #1
        Half(0xd1fc), // bne to the str
        STAY,
    ]
}

#[test]
fn what_the_log_has_no_room_for_is_counted() {
    on_each(|program| {
        for (count, dropped) in [(4_095, 0), (4_096, 0), (4_097, 1), (100_000, 95_904)] {
            let found = log(program, &store_often(count), Some(5), &[range(COUNTER, 4)]);
            let numbers = (dropped..u64::from(count)).map(|index| 3 + 3 * index);
            let stores = numbers.map(|number| store(&(number, 2, COUNTER, 4))).collect();
            assert_eq!(found, StoreLog { stores, dropped }, "of {count} stores");
        }
    });
}

/// The image counts its stores itself.
#[test]
fn a_stop_in_the_middle_loses_no_store() {
    on_each(|program| {
        let (mut emulator, _folder) = start(program, COUNT, |_| ()).unwrap();
        emulator.watch_stores(&[range(COUNTER, 4)]).unwrap();
        let mut total = 0;
        for limit in [100_000, 200_000, 200_100] {
            emulator.resume().unwrap();
            let stop = emulator.wait(&limits(Some(limit), 20_000)).unwrap();
            assert_eq!(stop, Stop::InstructionLimit);
            let log = emulator.stores().unwrap();
            total += log.stores.len() as u64 + log.dropped;
            assert_eq!(total, u64::from(word(&mut emulator, COUNTER)));
            assert_eq!(log.stores.last().unwrap().instruction, 3 * total);
        }
    });
}

#[test]
fn the_log_goes_on_over_resets() {
    on_each(|program| {
        let (mut emulator, _folder) = start(program, RESET_LOOP, |_| ()).unwrap();
        emulator.watch_stores(&[range(COUNTER, 4)]).unwrap();
        for boot in 0..3 {
            emulator.resume().unwrap();
            assert_eq!(emulator.wait(&Limits::default()).unwrap(), Stop::Reset);
            emulator.reset_warm().unwrap();
            if boot == 0 {
                // Late, but not the first one: what is translated anew is watched already.
                emulator.watch_stores(&[range(0xe000_ed0c, 4)]).unwrap();
            }
        }
        let expected = [
            (4, 3, COUNTER, 4),
            (7 + 4, 3, COUNTER, 4),
            (7 + 7, 6, 0xe000_ed0c, 4),
            (14 + 4, 3, COUNTER, 4),
            (14 + 7, 6, 0xe000_ed0c, 4),
        ];
        let expected = StoreLog { stores: expected.iter().map(store).collect(), dropped: 0 };
        assert_eq!(emulator.stores().unwrap(), expected);
    });
}

#[test]
fn a_lockup_leaves_its_log() {
    on_each(|program| {
        let check = |code: &[Code], expected: StoreLog| {
            let (mut emulator, _folder) = start(program, code, |_| ()).unwrap();
            emulator.watch_stores(&[range(COUNTER, 0x2_0000)]).unwrap();
            emulator.resume().unwrap();
            let stop = emulator.wait(&Limits::default()).unwrap();
            assert!(stop.is_lockup(), "found {stop:?}");
            assert_eq!(emulator.stores().unwrap(), expected);
            assert!(matches!(emulator.stores(), Err(Error::Closed { .. })), "it is taken once");
        };
        let stores = [(3, 2, COUNTER, 4), (6, 5, FAR, 4)].iter().map(store).collect();
        check(WRITE_AND_LOCKUP, StoreLog { stores, dropped: 0 });
        let mut full = store_often(5_000);
        full.pop();
        full.extend([Half(0xde00), STAY]); // udf
        let stores = (904..5_000).map(|index| store(&(3 + 3 * index, 2, COUNTER, 4))).collect();
        check(&full, StoreLog { stores, dropped: 904 });
    });
}

/// The frame is in RAM, and no store of it in the log: the core wrote it, not an instruction. Nor
/// is the store that faulted, which did not happen.
#[test]
fn what_the_core_stacks_is_not_seen() {
    const FAULT_IN_STORE: &[Code] = &[Load(0, 0x6000_0000), Half(0x6001), STAY]; // str r1, [r0]
    on_each(|program| {
        for code in [FAULT_IN_LOAD, FAULT_IN_STORE] {
            let (mut emulator, _folder) = start(program, code, |_| ()).unwrap();
            emulator.watch_stores(&[range(0, u32::MAX)]).unwrap();
            run_to(&mut emulator, CODE + 2 * (code.len() as u32).next_multiple_of(2) + 4);
            // The second instruction faulted; its address is the seventh word of the frame.
            assert_eq!(word(&mut emulator, STACK - 32 + 24), CODE + 2);
            assert_eq!(emulator.stores().unwrap(), StoreLog::default());
        }
    });
}

#[test]
fn what_cannot_be_watched_is_refused() {
    on_each(|program| {
        let check = |emulator: &mut Emulator, ranges: &[RamRange], part: &str| {
            let message = emulator.watch_stores(ranges).unwrap_err().to_string();
            assert!(message.contains(part), "{part:?} in {message:?}");
        };
        let (mut emulator, _folder) = start(program, COUNT, |_| ()).unwrap();
        check(&mut emulator, &[range(COUNTER, 0)], "no range");
        check(&mut emulator, &[range(0xffff_fffe, 4)], "the range ends above");
        emulator.resume().unwrap();
        emulator.wait(&limits(Some(1_000), 20_000)).unwrap();
        check(&mut emulator, &[range(COUNTER, 4)], "the guest has run");
        check(&mut emulator, &[range(COUNTER, 4)], "the guest has run");
        assert_eq!(emulator.stores().unwrap(), StoreLog::default());

        let (mut emulator, _folder) = start(program, COUNT, |_| ()).unwrap();
        emulator.watch_stores(&[range(COUNTER, 4); 8]).unwrap();
        check(&mut emulator, &[range(COUNTER, 4)], "too many ranges");

        let mut alone = support::start(program, COUNT);
        check(&mut alone.emulator, &[range(COUNTER, 4)], "found it without the plug-in");
        assert!(matches!(alone.emulator.stores(), Err(Error::State { .. })));
    });
}

//! Steering from inside of QEMU: stops, snapshots and what is done to the guest.

use crashrig_qemu::steer::{Command, Reason, Reply, Restored, STORED_FIRST, Stopped, Until};
use crashrig_qemu::{Emulator, Launch, Program, RamRange, Steered};

use crate::observer;
use crate::support::{COUNTER, Code, LOCKUP, on_each};
use Code::{Half, Load};

/// All RAM that both versions have at the same place.
const RAM: RamRange = RamRange { address: COUNTER, size_bytes: 0x2_0000 };

/// More instructions than any of the images executes.
const ENOUGH: u64 = 10_000_000;

/// Counts down from a thousand with a load and a store each time round, then asks for a reset:
/// `ldr` at 0x44, `str` at 0x48.
const WORK: &[Code] = &[
    Load(0, COUNTER),
    Load(4, 1_000),
    Half(0x6801), // ldr r1, [r0]
    Half(0x3103), // adds r1, #3
    Half(0x6001), // str r1, [r0]
    Half(0x3c01), // subs r4, #1
    Half(0xd1fa), // bne to the ldr
    Load(2, 0xe000_ed0c),
    Load(3, 0x05fa_0004),
    Half(0x6013), // str r3, [r2]
    Half(0xe7fe),
];
const WORK_LOAD: u32 = 0x44;
const WORK_STORE: u32 = 0x48;
/// Two loads, five each time round, three at the end.
const WORK_EXECUTES: u64 = 2 + 5 * 1_000 + 3;

/// An image that is steered, with its folder.
pub fn steer(program: &Program, code: &[Code]) -> (Steered, tempfile::TempDir) {
    let change = |launch: &mut Launch| {
        launch.steered = true;
        launch.host_processor = Some(0);
    };
    let (emulator, folder) = observer::start(program, code, change).unwrap();
    (Emulator::steer(emulator, &[RAM]).unwrap(), folder)
}

fn reset_after(pc: u32, executed: u64) -> Stopped {
    Stopped { reason: Reason::Reset, pc, executed }
}

#[test]
fn a_run_ends_where_it_is_told() {
    on_each(|program| {
        let (mut steered, _folder) = steer(program, WORK);
        let mut check = |limit, until, reason, pc, executed| {
            let stopped = steered.run(limit, until).unwrap();
            assert_eq!(stopped, Stopped { reason, pc, executed }, "{until:?}");
        };
        let at = |address, count| Until::Address { address, count };
        check(3, Until::End, Reason::Instructions, 0x46, 3);
        check(ENOUGH, at(WORK_STORE, 1), Reason::Address, WORK_STORE, 1);
        check(ENOUGH, at(WORK_STORE, 1), Reason::Address, WORK_STORE, 0);
        check(ENOUGH, at(WORK_LOAD, 10), Reason::Address, WORK_LOAD, 3 + 5 * 9);
        let range = RamRange { address: COUNTER + 2, size_bytes: 1 };
        check(ENOUGH, Until::Store { range, count: 2 }, Reason::Access, WORK_STORE, 7);
        check(ENOUGH, Until::Load { range, count: 1 }, Reason::Access, WORK_LOAD, 3);
        let done = 3 + 1 + 3 + 5 * 9 + 7 + 3;
        check(ENOUGH, Until::End, Reason::Reset, 0x54, WORK_EXECUTES - done);
        let counter = steered.read(COUNTER, 4).unwrap();
        assert_eq!(counter, 3_000_u32.to_le_bytes());
    });
}

#[test]
fn a_snapshot_is_put_back_whole() {
    on_each(|program| {
        let (mut steered, _folder) = steer(program, WORK);
        steered.one(&Command::Trace(true)).unwrap();
        let saved = steered.one(&Command::Save { slot: 0, whole: false }).unwrap();
        assert!(matches!(saved, Reply::Saved { is_short: true, .. }), "found {saved:?}");
        let mut results = Vec::new();
        for _ in 0..20 {
            let stopped = steered.run(ENOUGH, Until::End).unwrap();
            assert_eq!(stopped, reset_after(0x54, WORK_EXECUTES));
            results.push((steered.state().unwrap(), steered.read(COUNTER, 4).unwrap()));
            steered.one(&Command::Restore { slot: 0, what: Restored::All }).unwrap();
        }
        assert!(results.iter().all(|result| *result == results[0]), "found {results:x?}");
        assert_eq!(results[0].0.1, WORK_EXECUTES);
    });
}

#[test]
fn what_comes_first_to_each_byte_is_noted() {
    on_each(|program| {
        let (mut steered, _folder) = steer(program, WORK);
        let range = RamRange { address: COUNTER - 1, size_bytes: 6 };
        let mut check = |until, limit, expected: [u8; 6]| {
            steered.run(ENOUGH, until).unwrap();
            steered.one(&Command::Watch(range)).unwrap();
            steered.run(limit, Until::End).unwrap();
            let noted = steered.one(&Command::First(range.size_bytes)).unwrap();
            assert_eq!(noted, Reply::Bytes(expected.to_vec()));
            // Nothing is watched any more.
            steered.run(10, Until::End).unwrap();
            assert_eq!(steered.one(&Command::First(0)).unwrap(), Reply::Bytes(Vec::new()));
        };
        let at = |address| Until::Address { address, count: 1 };
        let (loaded, stored) = (1, STORED_FIRST);
        check(at(WORK_LOAD), 20, [0, loaded, loaded, loaded, loaded, 0]);
        check(at(WORK_STORE), 20, [0, stored, stored, stored, stored, 0]);
        check(at(WORK_LOAD + 2), 1, [0; 6]);
    });
}

#[test]
fn a_lockup_is_survived() {
    on_each(|program| {
        let (mut steered, _folder) = steer(program, LOCKUP);
        steered.one(&Command::Save { slot: 0, whole: false }).unwrap();
        for _ in 0..3 {
            let stopped = steered.run(ENOUGH, Until::End).unwrap();
            assert_eq!(stopped.reason, Reason::Lockup);
            steered.one(&Command::Restore { slot: 0, what: Restored::All }).unwrap();
        }
    });
}

/// Mixes the number of rounds of a loop, which sleeps half of the time, into a sum at each of 200
/// ticks, stores it, and asks for a reset: another interleaving gives another sum. The handler of
/// the ticks is the four instructions at the end.
const TICK: &[Code] = &[
    Load(0, 0xe000_ed08),
    Load(1, COUNTER + 0x200),
    Half(0x6001), // str r1, [r0]: the vector table
    Load(2, TICK_HANDLER | 1),
    Half(0x63ca), // str r2, [r1, #0x3c]: SysTick
    Load(0, 0xe000_e010),
    Load(1, 9_999),
    Half(0x6041), // str r1, [r0, #4]: every 10,000 cycles
    Half(0x2100), // movs r1, #0
    Half(0x6081), // str r1, [r0, #8]
    Half(0x2107), // movs r1, #7
    Half(0x6001), // str r1, [r0]
    Half(0x2600), // movs r6, #0
    Half(0x2700), // movs r7, #0
    Load(5, 200),
    Load(4, COUNTER),
    Half(0x3701), // adds r7, #1
    Half(0x08f8), // lsrs r0, r7, #3
    Half(0xd200), // bcs over the wfi
    Half(0xbf30), // wfi
    Half(0x2d00), // cmp r5, #0
    Half(0xd1f9), // bne to the adds
    Half(0x6026), // str r6, [r4]
    Load(2, 0xe000_ed0c),
    Load(3, 0x05fa_0004),
    Half(0x6013), // str r3, [r2]
    Half(0xe7fe),
    Half(0x407e), // eors r6, r7
    Half(0x3601), // adds r6, #1
    Half(0x3d01), // subs r5, #1
    Half(0x4770), // bx lr
];
const TICK_HANDLER: u32 = 0x76;

/// How often a run is repeated; `cargo ci determinism` asks for more.
fn repetitions() -> usize {
    std::env::var("CRASHRIG_REPETITIONS").ok().map_or(300, |number| number.parse().unwrap())
}

/// What is compared of two runs: how they ended, trace and time, and all RAM.
fn outcome(steered: &mut Steered) -> (Stopped, (u64, u64, u64), Vec<u8>) {
    let stopped = steered.run(ENOUGH, Until::End).unwrap();
    (stopped, steered.state().unwrap(), steered.read(RAM.address, RAM.size_bytes).unwrap())
}

#[test]
fn a_restored_run_is_a_fresh_run() {
    on_each(|program| {
        let fresh = || {
            let (mut steered, folder) = steer(program, TICK);
            steered.one(&Command::Trace(true)).unwrap();
            steered.one(&Command::Save { slot: 0, whole: false }).unwrap();
            (outcome(&mut steered), steered, folder)
        };
        let (expected, mut steered, _folder) = fresh();
        assert_eq!(expected.0.reason, Reason::Reset);
        assert_eq!(expected, fresh().0);
        for number in 1..=repetitions() {
            steered.one(&Command::Restore { slot: 0, what: Restored::All }).unwrap();
            // Another run in between, which leaves everything else than it was.
            if number % 3 == 0 {
                steered.run(number as u64 * 97, Until::End).unwrap();
                steered.one(&Command::FlipRegister(5, 0x40)).unwrap();
                steered.run(ENOUGH, Until::End).unwrap();
                steered.one(&Command::Restore { slot: 0, what: Restored::All }).unwrap();
            }
            assert!(outcome(&mut steered) == expected, "restored for the {number}th time");
        }
    });
}

/// The snapshot is taken in the middle, with a tick on its way, and the run stopped on its way. The
/// guest's time is left out on QEMU 7.2: there a sleep goes on to the second tick unless a stop
/// comes in between, so that 200 ticks take twice as long without stops (measured).
#[test]
fn stops_and_snapshots_in_the_middle_change_nothing() {
    on_each(|program| {
        let (mut steered, _folder) = steer(program, TICK);
        steered.one(&Command::Trace(true)).unwrap();
        steered.one(&Command::Save { slot: 0, whole: false }).unwrap();
        let expected = outcome(&mut steered);
        for middle in (100..2_000).step_by(63) {
            steered.one(&Command::Restore { slot: 0, what: Restored::All }).unwrap();
            steered.run(middle, Until::End).unwrap();
            steered.one(&Command::Save { slot: 1, whole: false }).unwrap();
            for _ in 0..2 {
                let at = Until::Address { address: TICK_HANDLER, count: 3 };
                assert_eq!(steered.run(ENOUGH, at).unwrap().reason, Reason::Address);
                let (stopped, state, ram) = outcome(&mut steered);
                let is_same_time = program.version.major < 10 || state.2 == expected.1.2;
                assert!(is_same_time, "at {middle}: {} and {}", state.2, expected.1.2);
                assert_eq!(stopped.reason, Reason::Reset);
                assert_eq!((state.0, state.1), (expected.1.0, expected.1.1), "at {middle}");
                assert!(ram == expected.2);
                steered.one(&Command::Restore { slot: 1, what: Restored::All }).unwrap();
            }
        }
    });
}

/// A start that is put back over the RAM of now is a start after a real reset.
#[test]
fn a_restored_start_is_a_reset() {
    on_each(|program| {
        let (mut steered, _folder) = steer(program, TICK);
        steered.one(&Command::Trace(true)).unwrap();
        steered.one(&Command::Save { slot: 0, whole: false }).unwrap();
        steered.run(ENOUGH, Until::End).unwrap();
        steered.one(&Command::Reset).unwrap();
        steered.one(&Command::Save { slot: 1, whole: false }).unwrap();
        let real = outcome(&mut steered);
        for (slot, what) in [(1, Restored::All), (1, Restored::Devices)] {
            steered.one(&Command::Restore { slot, what }).unwrap();
            assert!(outcome(&mut steered) == real, "{what:?}");
        }
    });
}

/// What is done to a guest in front of its third store shows in what follows.
#[test]
fn effects_come_before_the_next_instruction() {
    on_each(|program| {
        let (mut steered, _folder) = steer(program, WORK);
        steered.one(&Command::Save { slot: 0, whole: false }).unwrap();
        let mut check = |effect: &[Command], reason, counter: u32| {
            steered.one(&Command::Restore { slot: 0, what: Restored::All }).unwrap();
            let at = Until::Address { address: WORK_STORE, count: 3 };
            assert_eq!(steered.run(ENOUGH, at).unwrap().reason, Reason::Address);
            steered.carry_out(effect).unwrap();
            assert_eq!(steered.run(ENOUGH, Until::End).unwrap().reason, reason, "{effect:?}");
            let found = steered.read(COUNTER, 4).unwrap();
            assert_eq!(found, counter.to_le_bytes(), "{effect:?}");
        };
        let word = |flip, set, clear| Command::Word { address: COUNTER, flip, set, clear };
        let icsr_pend_nmi = Command::Word { address: 0xe000_ed04, flip: 0, set: 1 << 31, clear: 0 };
        check(&[], Reason::Reset, 3_000);
        check(&[Command::FlipRegister(1, 0x1_0000)], Reason::Reset, 3_000 + 0x1_0000);
        check(&[Command::WriteRegister(4, 1)], Reason::Reset, 9);
        check(&[Command::Skip], Reason::Reset, 2_997);
        check(&[Command::Skip, word(1, 0x100, 2)], Reason::Reset, 7 + 0x100 - 2 + 3 * 997);
        check(&[word(1, 0, 0)], Reason::Reset, 3_000);
        check(&[Command::Write { address: COUNTER + 64, bytes: vec![1; 9] }], Reason::Reset, 3_000);
        // Every handler is an undefined instruction.
        check(&[Command::Pend(2)], Reason::Lockup, 6);
        check(&[icsr_pend_nmi], Reason::Lockup, 6);
        check(&[Command::WriteRegister(15, 0x6000_0000)], Reason::Lockup, 6);
    });
}

#[test]
fn what_cannot_be_done_is_refused() {
    on_each(|program| {
        let check = |command: &Command, part: &str| {
            let (mut steered, _folder) = steer(program, WORK);
            let message = steered.one(command).unwrap_err().to_string();
            assert!(message.contains(part), "{part:?} in {message:?}");
        };
        let nowhere = RamRange { address: 0x6000_0000, size_bytes: 4 };
        check(&Command::Ram(nowhere), "not one piece of RAM");
        check(&Command::Read { address: 0x6000_0000, size_bytes: 4 }, "nothing answers");
        check(&Command::Restore { slot: 7, what: Restored::All }, "no such snapshot");
        check(&Command::Save { slot: 200, whole: false }, "no such snapshot");
        check(&Command::Compare(0), "no such snapshot");
        check(
            &Command::ReadRegister(18),
            if program.version.major < 10 { "no" } else { "no such" },
        );
    });
}

//! Steering from inside of QEMU: stops, snapshots and what is done to the guest.

use crashrig_qemu::steer::{Command, Reason, Reply, Restored, Stopped, Until};
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

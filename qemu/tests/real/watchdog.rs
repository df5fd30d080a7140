//! A watchdog that the host supplies ends guests in target time, on every QEMU of this machine.

use crashrig_qemu::models::reset_cause::ResetCause;
use crashrig_qemu::models::watchdog::Watchdog;
use crashrig_qemu::{Limits, Stop};

use crate::support::Code::{self, Half, Load};
use crate::support::{COUNTER, Rig, STAY, on_each, start, word};

/// Shows RCC_CSR in RAM and clears it, starts the watchdog with 8 counts at the smallest
/// prescaler (1 ms, 31250 instructions), and spins for r4 turns of two instructions.
const START: [Code; 19] = [
    Load(7, COUNTER),
    Load(0, 0x4002_3874),
    Half(0x6801), // ldr r1, [r0]
    Half(0x6039), // str r1, [r7]
    Load(1, 1 << 24),
    Half(0x6001), // str r1, [r0]: RMVF
    Load(0, 0x4000_3000),
    Load(1, 0xcccc),
    Half(0x6001), // str r1, [r0]
    Load(1, 0x5555),
    Half(0x6001),
    Load(1, 7),
    Half(0x6081), // str r1, [r0, #8]: IWDG_RLR
    Load(1, 0xaaaa),
    Half(0x6001),
    Half(0x3c01), // subs r4, #1
    Half(0xd1fd), // bne to the subs
    Half(0x607c), // str r4, [r7, #4]
    Half(0x0000), // movs r0, r0
];

/// Feeds it once more.
const FEED: Code = Half(0x6001);

/// Asks for a reset.
const RESET: [Code; 4] = [Load(2, 0xe000_ed0c), Load(3, 0x05fa_0004), Half(0x6013), STAY];

/// A guest that waits so many turns after the start of the watchdog, and then does something.
fn guest(turns: u32, then: &[Code]) -> Vec<Code> {
    [Load(4, turns)].into_iter().chain(START).chain(then.iter().copied()).collect()
}

fn boot(rig: &mut Rig, expected: Stop) -> (u32, u64) {
    rig.emulator.resume().unwrap();
    assert_eq!(rig.emulator.wait(&Limits::default()).unwrap(), expected);
    let seen = (word(&mut rig.emulator, COUNTER), rig.emulator.instructions().unwrap().unwrap());
    assert!(rig.emulator.resume().is_err(), "a reset comes next");
    rig.emulator.reset_warm().unwrap();
    seen
}

/// Boots a guest twice, which must end as expected both times; checks what RCC_CSR was before the
/// second boot.
fn check(guest: &[Code], expected: Stop, cause: u32) {
    on_each(|program| {
        let mut rig = start(program, guest);
        rig.emulator.attach(Box::new(ResetCause::new())).unwrap();
        rig.emulator.attach(Box::new(Watchdog::new())).unwrap();
        let (_, first) = boot(&mut rig, expected.clone());
        let (found, second) = boot(&mut rig, expected.clone());
        assert_eq!(found, cause);
        let over = second.saturating_sub(first);
        eprintln!("{} after {first} and {over} instructions", expected.name());
    });
}

#[test]
fn a_hang_is_ended() {
    check(&guest(1, &[STAY]), Stop::Watchdog, 0x2400_0000);
}

/// 31250 instructions are 15625 turns: what is fed or ends before goes on.
#[test]
fn the_time_is_that_of_the_instructions() {
    let fed_and_reset: Vec<Code> = [FEED].into_iter().chain(RESET).collect();
    check(&guest(15_600, &RESET), Stop::Reset, 0x1400_0000);
    check(&guest(15_600, &fed_and_reset), Stop::Reset, 0x1400_0000);
}

/// However late the host looks.
#[test]
fn too_late_by_a_few_instructions_is_too_late() {
    let fed_and_reset: Vec<Code> = [FEED].into_iter().chain(RESET).collect();
    check(&guest(15_650, &RESET), Stop::Watchdog, 0x2400_0000);
    check(&guest(15_650, &fed_and_reset), Stop::Watchdog, 0x2400_0000);
}

/// As for a guest that sleeps for ever, whose time does not pass here.
#[test]
fn it_runs_out_where_somebody_says_so() {
    on_each(|program| {
        let mut rig = start(program, &guest(1, &[STAY]));
        rig.emulator.attach(Box::new(ResetCause::new())).unwrap();
        rig.emulator.attach(Box::new(Watchdog::new())).unwrap();
        assert!(!rig.emulator.is_watchdog_armed());
        rig.emulator.resume().unwrap();
        assert_eq!(rig.emulator.wait(&Limits::default()).unwrap(), Stop::Watchdog);
        assert!(rig.emulator.is_watchdog_armed());
        rig.emulator.reset_warm().unwrap();
        assert!(!rig.emulator.is_watchdog_armed());
        rig.emulator.run_watchdog_out().unwrap();
        assert!(rig.emulator.resume().is_err(), "a reset comes next");
        rig.emulator.reset_warm().unwrap();
        // A reset of another kind would have left its flag beside that of the first one.
        assert_eq!(boot(&mut rig, Stop::Watchdog).0, 0x2400_0000);
    });
}

#[test]
fn a_guest_is_stepped_up_to_an_access() {
    on_each(|program| {
        let mut rig = start(program, &guest(1, &[STAY]));
        rig.emulator.attach(Box::new(ResetCause::new())).unwrap();
        // Three loads of constants, and one of RCC_CSR.
        assert!(rig.emulator.step(3).unwrap());
        let error = rig.emulator.step(1).unwrap_err().to_string();
        assert!(error.contains("no access to a device of the host"), "{error}");
    });
}

#[test]
fn target_time_needs_counted_instructions() {
    on_each(|program| {
        let folder = tempfile::tempdir().unwrap();
        let mut launch = crate::support::launch(program, &guest(1, &[STAY]), folder.path());
        launch.instruction_shift = None;
        let mut emulator = crashrig_qemu::Emulator::start(&launch).unwrap();
        emulator.attach(Box::new(Watchdog::new())).unwrap();
        emulator.resume().unwrap();
        let error = emulator.wait(&Limits::default()).unwrap_err().to_string();
        assert!(error.contains("counted instructions"), "{error}");
    });
}

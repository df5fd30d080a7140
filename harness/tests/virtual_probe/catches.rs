//! Each vector catch of a fault: the core halts as the fault is entered, and nothing of its handler
//! is executed. And what that is for: the second run of a scenario with a crash.

use crate::bench::Bench;
use crate::program::{HANDLER, MAIN, Program, STAY, UDF, load};
use crate::registers::{DEMCR, PC, SHCSR, TIMEOUT, XPSR};
use crashrig_harness::entry::Entry;
use crashrig_harness::evidence;
use crashrig_harness::rig::Rig;
use crashrig_harness::suite::{scenarios, tests};
use crashrig_harness::target::Target;
use crashrig_harness::target::emulator::EmulatorTarget;
use crashrig_harness::target::probe::target::ProbeTarget;
use crashrig_layout::parse::Board;
use crashrig_qemu::discover;
use probe_rs::{CoreStatus, HaltReason, MemoryInterface, RegisterId};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the handler leaves in r7.
const MARK: u16 = 0x55;

/// Lets a program come to a fault that one catch is there for, and sees that it is caught by that
/// and by none of the others.
fn check(fault: &[u16], handlers: u32, catch: u32, exception: u32) {
    let mut main = vec![STAY, 0x2700]; // b .; movs r7, #0
    main.extend_from_slice(fault);
    let program = Program::new(&main, &[0x2700 | MARK, STAY]);
    for catches in [catch, 0x7F0 & !catch & !(1 << 9)] {
        let bench = Bench::running(&program);
        let mut session = bench.attach().unwrap();
        let mut core = session.core(0).unwrap();
        core.halt(TIMEOUT).unwrap();
        core.write_word_32(SHCSR, handlers).unwrap();
        core.write_word_32(DEMCR, catches).unwrap();
        core.write_core_reg(PC, MAIN + 2).unwrap();
        let sp: u32 = core.read_core_reg(RegisterId(13)).unwrap();
        core.run().unwrap();
        if catches == catch {
            core.wait_for_core_halted(TIMEOUT).unwrap();
            let status = core.status().unwrap();
            assert_eq!(status, CoreStatus::Halted(HaltReason::Exception), "{exception}");
            assert_eq!(core.read_core_reg::<u32>(PC).unwrap(), HANDLER, "{exception}");
            assert_eq!(core.read_core_reg::<u32>(XPSR).unwrap() & 0x1FF, exception);
            assert_eq!(core.read_core_reg::<u32>(RegisterId(7)).unwrap(), 0, "{exception}");
            // The frame is there.
            assert_eq!(core.read_core_reg::<u32>(RegisterId(13)).unwrap(), sp - 0x20);
            core.run().unwrap();
        }
        let end = Instant::now() + TIMEOUT;
        while core.read_word_32(SHCSR).is_ok() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
            assert!(!core.status().unwrap().is_halted(), "{exception}: {catches:#x}");
            core.halt(TIMEOUT).unwrap();
            let mark: u32 = core.read_core_reg(RegisterId(7)).unwrap();
            if mark == u32::from(MARK) {
                break;
            }
            core.run().unwrap();
        }
        assert_eq!(core.read_core_reg::<u32>(XPSR).unwrap() & 0x1FF, exception);
        assert_eq!(core.read_core_reg::<u32>(PC).unwrap(), HANDLER + 2);
    }
}

/// Loads from where nothing answers.
fn load_from_nowhere() -> Vec<u16> {
    let board = Board::load(&Rig::here().boards(), "netduinoplus2").unwrap();
    let mut fault = load(0, board.chip.unmapped_address).to_vec();
    fault.push(0x6801); // ldr r1, [r0]
    fault
}

/// Goes on where nothing is ever executed.
fn go_to_the_private_bus() -> Vec<u16> {
    let mut fault = load(0, 0xE000_0001).to_vec();
    fault.push(0x4700); // bx r0
    fault
}

#[test]
fn a_bus_fault_is_caught_as_it_is_entered() {
    check(&load_from_nowhere(), 1 << 17, 1 << 8, 5);
}

#[test]
fn a_memory_fault_is_caught_as_it_is_entered() {
    check(&go_to_the_private_bus(), 1 << 16, 1 << 4, 4);
}

#[test]
fn a_usage_fault_is_caught_as_it_is_entered() {
    check(&[UDF], 1 << 18, 1 << 7, 6);
}

#[test]
fn a_fault_without_a_handler_of_its_own_is_a_hard_fault_to_catches_too() {
    check(&load_from_nowhere(), 0, 1 << 10, 3);
}

/// Where the second run of a scenario began to read the core, and whether a catch had halted it.
fn second_run(scenario: &str) -> (Entry, bool) {
    let (rig, folder) = (Rig::here(), tempfile::tempdir().unwrap());
    let board = Board::load(&rig.boards(), "netduinoplus2").unwrap();
    let keeper = Path::new(env!("CARGO_BIN_EXE_crashrig"));
    let emulator = || {
        let program = discover::find().unwrap();
        EmulatorTarget::new(board.clone(), program).unwrap().with_keeper(keeper)
    };
    let target: Arc<dyn Target> =
        Arc::new(ProbeTarget::of_virtual(emulator(), emulator()).unwrap());
    let all = scenarios(&rig.workspace.join("scenarios")).unwrap();
    let wanted = all.into_iter().filter(|it| it.name == scenario).collect();
    let test = tests(wanted, &[target]).unwrap().remove(0);
    let outcome = rig.execute(&test, &[], folder.path(), 1).unwrap();
    assert!(outcome.verdict.is_pass(), "{scenario}: {:?}", outcome.verdict);
    let second = evidence::read(&outcome.bundle.join("at-entry")).unwrap();
    let entry = second.boots.into_iter().find_map(|boot| boot.entry).unwrap();
    (entry.entry, entry.is_caught)
}

#[test]
fn the_second_run_of_a_crash_by_a_fault_is_stopped_by_the_cores_own_catch() {
    assert_eq!(second_run("fault::undefined_instruction"), (Entry::Exception, true));
}

#[test]
fn the_second_run_of_a_crash_by_an_interrupt_is_stopped_by_a_breakpoint() {
    assert_eq!(second_run("vectors::unexpected_interrupt"), (Entry::Exception, false));
}

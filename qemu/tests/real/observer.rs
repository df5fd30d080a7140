//! The plug-in inside every QEMU of this machine: one file for all versions.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crashrig_qemu::{Emulator, Error, Launch, Limits, Program, RamRange, Stop, observer};
use rustix::process::{Pid, Signal, kill_process};

use crate::keeper::{check_gone, is_alive};
use crate::support::{
    CODE, COUNT, COUNTER, Code, LOCKUP, RESET, RESET_LOOP, STAY, launch, limits, on_each, talk_and,
};
use Code::{Half, Load};

/// Tells this test binary, started again, to be the harness that is killed.
const VICTIM_VARIABLE: &str = "CRASHRIG_TEST_OBSERVING_VICTIM";

/// A word far from [`COUNTER`], near the end of the RAM that both versions have.
pub const FAR: u32 = 0x2001_fffc;

/// What the images leave in RAM before they lock up.
const MARK: u32 = 0x1234_abcd;

/// Writes two words, then executes an undefined instruction, in the handler another.
pub const WRITE_AND_LOCKUP: &[Code] = &[
    Load(0, COUNTER),
    Load(1, MARK),
    Half(0x6001), // str r1, [r0]
    Load(0, FAR),
    Half(0x43c9), // mvns r1, r1
    Half(0x6001), // str r1, [r0]
    Half(0xde00),
    STAY,
];

/// Executes 200 million instructions, about a second, and then one that is undefined.
const LOCKUP_LATER: &[Code] = &[
    Load(0, 100_000_000),
    Half(0x3801), // subs r0, #1
    Half(0xd1fd), // bne to the subs
    Half(0xde00),
    STAY,
];

/// Loads from an address where nothing is; the handler executes an undefined instruction.
pub const FAULT_IN_LOAD: &[Code] = &[Load(0, 0x6000_0000), Half(0x6801), STAY];

/// Reads a device register a thousand times, with instructions before and behind, then resets.
const READ_DEVICE: &[Code] = &[
    Load(0, 0xe000_e010),
    Load(4, 1_000),
    Half(0x3101), // adds r1, #1
    Half(0x6802), // ldr r2, [r0]
    Half(0x3101), // adds r1, #1
    Half(0x6802), // ldr r2, [r0]
    Half(0x3c01), // subs r4, #1
    Half(0xd1f9), // bne to the first adds
    Load(2, 0xe000_ed0c),
    Load(3, 0x05fa_0004),
    Half(0x6013), // str r3, [r2]
    STAY,
];

/// Goes round a loop a thousand times, then sleeps for ever.
const LOOP_AND_SLEEP: &[Code] = &[
    Load(4, 1_000),
    Half(0x3c01), // subs r4, #1
    Half(0xd1fd), // bne to the subs
    Half(0xbf30), // wfi
    STAY,
];

/// The load, two for each time round, the `wfi`.
const LOOP_AND_SLEEP_EXECUTES: u64 = 1 + 2 * 1_000 + 1;

/// Has cargo build the plug-in, once, and finds the file.
fn plugin() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let output = Command::new(env!("CARGO"))
                .args(["build", "--package", "crashrig-plugin", "--message-format", "json"])
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .stderr(Stdio::inherit())
                .output()
                .unwrap();
            assert!(output.status.success(), "the plug-in builds");
            let messages = String::from_utf8(output.stdout).unwrap();
            let files = messages.lines().flat_map(|line| {
                let message: serde_json::Value = serde_json::from_str(line).unwrap();
                let files = message
                    .get("filenames")
                    .and_then(|files| files.as_array())
                    .cloned()
                    .unwrap_or_default();
                files.into_iter().filter_map(|file| file.as_str().map(PathBuf::from))
            });
            let mut plugins =
                files.filter(|file| file.file_name().unwrap() == "libcrashrig_plugin.so");
            plugins.next().unwrap()
        })
        .clone()
}

/// Starts an image, observed; `change` may say more.
pub fn start(program: &Program, code: &[Code], change: impl Fn(&mut Launch)) -> Observed {
    let folder = tempfile::tempdir().unwrap();
    let mut launch = launch(program, code, folder.path());
    launch.observer = Some(plugin());
    change(&mut launch);
    Emulator::start(&launch).map(|emulator| (emulator, folder))
}

/// An emulator, dropped before the folder of its output.
pub type Observed = Result<(Emulator, tempfile::TempDir), Error>;

/// The counts of QEMU and of the observer at the first stop of a run.
fn counts(program: &Program, code: &[Code], limits: &Limits) -> (Stop, u64, u64) {
    let (mut emulator, _folder) = start(program, code, |_| ()).unwrap();
    emulator.resume().unwrap();
    let stop = emulator.wait(limits).unwrap();
    let counted = emulator.instructions().unwrap().unwrap();
    (stop, counted, emulator.exact_instructions().unwrap().unwrap())
}

#[test]
fn two_runs_count_the_same_and_as_qemu_does() {
    on_each(|program| {
        for code in [RESET_LOOP, &talk_and(RESET), READ_DEVICE] {
            let first = counts(program, code, &Limits::default());
            assert_eq!(first, counts(program, code, &Limits::default()));
            let (stop, counted, exact) = first;
            assert_eq!((stop, exact), (Stop::Reset, counted));
            assert!(exact > 5, "found {exact}");
        }
    });
}

#[test]
fn a_stop_in_the_middle_is_counted_exactly() {
    on_each(|program| {
        let (stop, counted, exact) = counts(program, COUNT, &limits(Some(1_000_000), 20_000));
        assert_eq!((stop, exact), (Stop::InstructionLimit, counted));
    });
}

#[test]
fn the_count_goes_on_over_resets() {
    on_each(|program| {
        let (mut emulator, _folder) = start(program, RESET_LOOP, |_| ()).unwrap();
        assert_eq!(emulator.exact_instructions().unwrap(), Some(0));
        for boot in 1..=3 {
            emulator.resume().unwrap();
            assert_eq!(emulator.wait(&Limits::default()).unwrap(), Stop::Reset);
            let expected = boot * (RESET_LOOP.len() as u64 - 1);
            assert_eq!(emulator.exact_instructions().unwrap(), Some(expected), "in boot {boot}");
            emulator.reset_warm().unwrap();
        }
    });
}

/// The guest ends asleep and not in a reset: on QEMU 7.2 without `-icount` it executes an
/// instruction more after it has asked for one.
#[test]
fn an_observer_counts_where_qemu_does_not() {
    on_each(|program| {
        for shift in [None, Some(5)] {
            let change = |launch: &mut Launch| launch.instruction_shift = shift;
            let (mut emulator, _folder) = start(program, LOOP_AND_SLEEP, change).unwrap();
            emulator.resume().unwrap();
            assert_eq!(emulator.wait(&limits(None, 300)).unwrap(), Stop::WallLimit);
            assert_eq!(emulator.instructions().unwrap(), shift.map(|_| LOOP_AND_SLEEP_EXECUTES));
            let exact = emulator.exact_instructions().unwrap();
            assert_eq!(exact, Some(LOOP_AND_SLEEP_EXECUTES), "with shift {shift:?}");
        }
    });
}

/// What is counted here and not by QEMU: the instruction whose access faults.
#[test]
fn an_instruction_whose_access_faults_counts_as_begun() {
    on_each(|program| {
        let (mut emulator, _folder) = start(program, FAULT_IN_LOAD, |_| ()).unwrap();
        // The handler is the undefined instruction behind the constants; a breakpoint stops there.
        let handler = CODE + 2 * (FAULT_IN_LOAD.len() as u32).next_multiple_of(2) + 4;
        let token = emulator.break_at(handler).unwrap();
        emulator.resume().unwrap();
        assert_eq!(emulator.wait(&Limits::default()).unwrap(), Stop::Breakpoint { token });
        assert_eq!(emulator.instructions().unwrap(), Some(1));
        assert_eq!(emulator.exact_instructions().unwrap(), Some(2));
    });
}

#[test]
fn a_lockup_leaves_its_ram() {
    on_each(|program| {
        for code in [WRITE_AND_LOCKUP, LOCKUP, FAULT_IN_LOAD] {
            let ranges = |launch: &mut Launch| {
                let range = |address, size_bytes| RamRange { address, size_bytes };
                launch.ram = vec![range(COUNTER, 0x2_0000), range(FAR - 4, 8)];
            };
            let (mut emulator, _folder) = start(program, code, ranges).unwrap();
            emulator.write(FAR - 4, &[7; 4]).unwrap();
            assert!(emulator.lockup_ram().is_none());
            let began = Instant::now();
            emulator.resume().unwrap();
            let stop = emulator.wait(&Limits::default()).unwrap();
            assert!(stop.is_lockup(), "found {stop:?}");
            eprintln!("lockup with its RAM after {:?}", began.elapsed());
            assert!(began.elapsed() < Duration::from_secs(8), "it was let go, not given up");
            let [all, end] = emulator.lockup_ram().unwrap().unwrap() else {
                panic!("two ranges were asked for")
            };
            let written = if code.len() == WRITE_AND_LOCKUP.len() { MARK } else { 0 };
            let far = if written == 0 { 0 } else { !MARK };
            assert_eq!((all.len(), end.len()), (0x2_0000, 8));
            assert_eq!(all[..4], written.to_le_bytes());
            assert_eq!((&end[..4], &end[4..]), (&[7; 4][..], &far.to_le_bytes()[..]));
            assert_eq!(all[0x1_fff8..], end[..]);
            assert!(matches!(emulator.exact_instructions(), Err(Error::Closed { .. })));
        }
    });
}

#[test]
fn without_ranges_a_lockup_is_what_it_was() {
    on_each(|program| {
        let (mut emulator, _folder) = start(program, LOCKUP, |_| ()).unwrap();
        emulator.resume().unwrap();
        let stop = emulator.wait(&Limits::default()).unwrap();
        assert!(stop.is_lockup(), "found {stop:?}");
        assert!(emulator.lockup_ram().is_none());
    });
}

#[test]
fn what_cannot_be_observed_is_refused() {
    let check = |change: &dyn Fn(&mut Launch), part: &str| {
        on_each(|program| {
            let message = start(program, LOCKUP, change).err().unwrap().to_string();
            assert!(message.contains(part), "{part:?} in {message:?}");
        });
    };
    let range = |address, size_bytes| vec![RamRange { address, size_bytes }];
    check(&|launch| launch.ram = range(0x6000_0000, 4), "the host's address of RAM");
    check(&|launch| launch.ram = range(COUNTER, 0x1000_0000), "the host's address of RAM");
    check(&|launch| launch.ram = range(0xffff_fffe, 4), "the range ends above");
    check(&|launch| launch.observer = Some("/no/such.so".into()), "Could not load plugin");
}

/// QEMU does not tell where this RAM is, since it lies behind a memory protection controller.
#[test]
fn ram_that_is_searched_for_is_left_as_it_was() {
    const START: u32 = 0x3800_0000;
    for size_bytes in [32, 40, 0x1000] {
        on_each(|program| {
            let range = RamRange { address: START + 0x40, size_bytes };
            let change = |launch: &mut Launch| {
                launch.machine = "mps2-an505".into();
                launch.image = None;
                launch.ram = vec![range];
            };
            let (mut emulator, _folder) = start(program, LOCKUP, change).unwrap();
            let mut bytes = vec![1; 0x2000];
            emulator.read(START, &mut bytes).unwrap();
            assert_eq!(bytes, vec![0; 0x2000]);
        });
    }
}

#[test]
fn a_probe_tells_who_loads_plug_ins() {
    on_each(|program| {
        observer::probe(program).unwrap();
        let check = |path: &str, part: &str| {
            let other = Program { path: path.into(), ..program.clone() };
            let reason = observer::probe(&other).unwrap_err();
            assert!(reason.contains(part), "{part:?} in {reason:?}");
        };
        check("/bin/true", "/bin/true loads no plug-ins");
        check("/no/such/qemu", "start /no/such/qemu");
    });
}

/// The harness that is killed. Does nothing in a normal run of the tests.
#[test]
fn victim() {
    if std::env::var_os(VICTIM_VARIABLE).is_none() {
        return;
    }
    on_each(|program| {
        let (mut emulator, _folder) = start(program, LOCKUP_LATER, |_| ()).unwrap();
        emulator.resume().unwrap();
        println!("victim {} {}", emulator.process_id(), emulator.files().stderr.display());
        loop {
            std::thread::park();
        }
    });
}

/// The harness is stopped before the lockup comes, so that nobody lets QEMU go. This is the test of
/// the hold: without it the reader of RAM often still wins against the end of the process.
#[test]
fn a_held_qemu_is_gone_after_its_harness_was_killed() {
    plugin();
    on_each(|program| {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "observer::victim", "--nocapture"])
            .env(VICTIM_VARIABLE, "1")
            .env(crashrig_qemu::discover::OVERRIDE_VARIABLE, &program.path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let mut lines = lines.map(Result::unwrap);
        let line = lines.find(|line| line.contains("victim ")).unwrap();
        let mut words = line.rsplit(' ');
        let stderr = words.next().unwrap();
        let pid: u32 = words.next().unwrap().parse().unwrap();
        kill_process(Pid::from_child(&victim), Signal::STOP).unwrap();
        let began = Instant::now();
        while !std::fs::read_to_string(stderr).unwrap().contains("Lockup") {
            assert!(began.elapsed() < Duration::from_secs(60), "the guest locks up");
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(Duration::from_millis(100));
        assert!(is_alive(pid), "QEMU is held");
        victim.kill().unwrap();
        victim.wait().unwrap();
        check_gone(pid, "the held QEMU");
        let folder = std::path::Path::new(stderr).parent().unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    });
}

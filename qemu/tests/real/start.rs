//! Starting and ending an emulator, and what that costs, on every QEMU of this machine.

use std::time::{Duration, Instant};

use crashrig_qemu::{Emulator, Error, Limits, Stop};

use crate::support::{COUNT, RESET_LOOP, launch, on_each, start};

#[test]
fn a_wrong_machine_is_refused_with_the_words_of_qemu() {
    on_each(|program| {
        let folder = tempfile::tempdir().unwrap();
        let mut launch = launch(program, COUNT, folder.path());
        launch.machine = "no-such-machine".into();
        let message = Emulator::start(&launch).err().unwrap().to_string();
        assert!(message.contains("exit code 1"), "{message}");
        assert!(message.contains("unsupported machine type"), "{message}");
    });
}

#[test]
fn an_emulator_stops_when_asked() {
    on_each(|program| {
        let rig = start(program, COUNT);
        rig.emulator.stop().unwrap();
    });
}

#[test]
fn starting_takes_milliseconds() {
    on_each(|program| {
        let mut times = Vec::new();
        for _ in 0..10 {
            let began = Instant::now();
            let mut rig = start(program, RESET_LOOP);
            let started = began.elapsed();
            rig.emulator.resume().unwrap();
            assert_eq!(rig.emulator.wait(&Limits::default()).unwrap(), Stop::Reset);
            let reset = began.elapsed();
            rig.emulator.reset_warm().unwrap();
            let ready = began.elapsed();
            drop(rig);
            times.push((started, reset - started, ready - reset, began.elapsed() - ready));
        }
        times.sort();
        eprintln!("start, run, reset, end: best {:?}, median {:?}", times[0], times[5]);
        assert!(times[0].0 < Duration::from_secs(5), "a start of {:?}", times[0].0);
    });
}

#[test]
fn a_program_that_never_answers_is_given_up() {
    on_each(|program| {
        let folder = tempfile::tempdir().unwrap();
        // `install` makes the program: a file that this process has written may still be open in a
        // child of another thread, and is then refused as busy.
        let path = folder.path().join("deaf");
        let text = folder.path().join("deaf.text");
        std::fs::write(&text, "#!/bin/sh\nexec sleep 60\n").unwrap();
        let made = std::process::Command::new("install").arg("-m755").args([&text, &path]).status();
        assert!(made.unwrap().success(), "install");
        let mut launch = launch(program, COUNT, folder.path());
        launch.program.path = path;
        launch.start_deadline_ms = 150;
        let began = Instant::now();
        let refused = Emulator::start(&launch);
        assert!(matches!(refused, Err(Error::Deadline { .. })), "found {refused:?}");
        let waited = began.elapsed();
        assert!(waited >= Duration::from_millis(300), "tried twice, in {waited:?}");
        assert!(waited < Duration::from_secs(10), "given up after {waited:?}");
    });
}

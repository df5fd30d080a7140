//! The emulator's own log: samples of both versions, and the records of the same boots.

use crate::sample::record;
use crashrig_harness::decode::oracle::{OracleEvent, parse};
use crashrig_harness::decode::witness::agree;
use crashrig_wire::record::FaultStatus;
use crashrig_wire::{Detector, Kind, Record};
use std::path::Path;

const VERSIONS: &[&str] = &["7.2", "10.0"];

fn sample(name: &str, version: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/oracle");
    std::fs::read(folder.join(format!("{name}-{version}.log"))).unwrap()
}

/// What the record of a sample's boot says: CFSR, address that is valid, active exception.
type Case = (&'static str, Kind, Detector, u32, u32, u32);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("bus-read", Kind::BusFault, Detector::BusError, 0x8200, 0xD000_0000, 5),
    ("undefined-instruction", Kind::UsageFault, Detector::InstructionCheck, 0x1_0000, 0, 6),
    ("divide-by-zero", Kind::UsageFault, Detector::DivideTrap, 0x200_0000, 0, 6),
    ("panic", Kind::Panic, Detector::PanicHandler, 0, 0, 0),
    ("main-stack-recursion", Kind::StackOverflow, Detector::MpuGuard, 0x92, 0x2000_17D8, 4),
    ("main-stack-large-frame", Kind::StackOverflow, Detector::SpRange, 0, 0, 15),
    ("isr-stack-recursion", Kind::StackOverflow, Detector::MpuGuard, 0x92, 0x2001_F7F0, 4),
    ("capture-fault", Kind::BusFault, Detector::BusError, 0x8200, 0xD000_0000, 5),
    ("unexpected-interrupt", Kind::UnexpectedInterrupt, Detector::DefaultHandler, 0, 0, 95),
    ("armv8m-bus-read", Kind::BusFault, Detector::BusError, 0x8200, 0xD000_0000, 5),
    ("armv8m-main-stack-recursion", Kind::StackOverflow, Detector::StackLimit, 0x10_0000, 0, 6),
    ("armv8m-main-stack-large-frame", Kind::StackOverflow, Detector::StackLimit, 0x10_0000, 0, 6),
    ("armv8m-isr-stack-recursion", Kind::StackOverflow, Detector::StackLimit, 0x10_0000, 0, 6),
    ("armv8m-unexpected-interrupt", Kind::UnexpectedInterrupt, Detector::DefaultHandler, 0, 0, 137),
];

fn record_of(case: &Case) -> Record {
    let (_, kind, detector, cfsr, address, active) = *case;
    let faults =
        FaultStatus { cfsr, mmfar: address, bfar: address, icsr: active, ..FaultStatus::default() };
    Record { kind, detector, faults, ..record() }
}

/// The subjects of every disagreement.
fn subjects(record: &Record, events: &[OracleEvent]) -> Vec<&'static str> {
    agree(record, events).into_iter().map(|difference| difference.subject).collect()
}

#[test]
fn every_record_agrees_with_the_log_of_its_boot_and_with_no_other() {
    for version in VERSIONS {
        for case in CASES {
            let events = parse(&sample(case.0, version)).events;
            assert_eq!(subjects(&record_of(case), &events), [""; 0], "{} {version}", case.0);
            // The two bus reads are the same up to the capture.
            for other in CASES.iter().filter(|other| record_of(other) != record_of(case)) {
                let differences = agree(&record_of(other), &events);
                assert!(!differences.is_empty(), "{} with the log of {}", other.0, case.0);
            }
            let is_panic = case.1 == Kind::Panic;
            for clean in ["clean", "armv8m-clean"] {
                let clean = parse(&sample(clean, version)).events;
                let agrees = agree(&record_of(case), &clean).is_empty();
                assert_eq!(agrees, is_panic, "{} clean", case.0);
            }
        }
    }
}

#[test]
fn each_register_that_differs_is_named() {
    let check = |name: &str, change: &dyn Fn(&mut Record), expected: &[&str]| {
        let case = CASES.iter().find(|case| case.0 == name).unwrap();
        let mut record = record_of(case);
        change(&mut record);
        let events = parse(&sample(name, "10.0")).events;
        assert_eq!(subjects(&record, &events), expected, "{name}");
    };
    check("bus-read", &|r| r.faults.bfar ^= 4, &["BFAR"]);
    check("bus-read", &|r| r.faults.mmfar ^= 4, &[]);
    check("bus-read", &|r| r.faults.cfsr |= 1 << 12, &["CFSR"]);
    check("bus-read", &|r| r.faults.hfsr |= 1 << 30, &["HFSR"]);
    check("bus-read", &|r| r.faults.icsr += 1, &["ICSR.VECTACTIVE"]);
    check("bus-read", &|r| r.detector = Detector::MpuGuard, &["cause"]);
    check("bus-read", &|r| r.detector = Detector::PanicHandler, &["cause"]);
    let limit = "armv8m-main-stack-recursion";
    check(limit, &|r| r.faults.cfsr = 0, &["CFSR"]);
    check(limit, &|r| r.detector = Detector::InstructionCheck, &["cause"]);
    check(limit, &|r| r.detector = Detector::MpuGuard, &["cause"]);
    check("main-stack-recursion", &|r| r.faults.mmfar += 4, &["MMFAR"]);
    check("main-stack-recursion", &|r| r.detector = Detector::StackLimit, &["cause"]);
    check("main-stack-recursion", &|r| r.detector = Detector::StackingError, &[]);
    check("divide-by-zero", &|r| r.detector = Detector::InstructionCheck, &["cause"]);
    let (_, kind, ..) = CASES[0];
    let text = agree(&Record { kind, ..record() }, &[])[0].to_string();
    let expected = "cause: the record says bus-fault, noticed by mpu-guard, the emulator's log \
                    no exception with CFSR 0x00000000";
    assert_eq!(text, expected);
}

/// An interrupt came while the stack pointer stood just above its guard: the core could not stack,
/// and no address is known.
#[test]
fn a_frame_that_a_guard_refused_is_the_guards() {
    let log = b"Taking exception 5 [IRQ] on CPU 0\n...MemManageFault with CFSR.MSTKERR\n\
        ...taking pending nonsecure exception 4\n";
    let mut record = record_of(&CASES[0]);
    record.faults = FaultStatus { cfsr: 0x10, icsr: 4, ..FaultStatus::default() };
    record.detector = Detector::MpuGuard;
    assert_eq!(subjects(&record, &parse(log).events), [""; 0]);
    record.detector = Detector::BusError;
    assert_eq!(subjects(&record, &parse(log).events), ["cause"]);
}

/// A branch to non-secure state led back to secure memory. No scenario does so: the lines were
/// measured with an image made for it, and are equal on both versions.
#[test]
fn a_secure_fault_is_of_the_memory_protection() {
    let log = b"Taking exception 3 [Prefetch Abort] on CPU 0\n...at fault address 0x10001000\n\
        ...really SecureFault with SFSR.INVEP\n...SecureFault with SFSR.AUVIOL during stacking\n\
        ...taking pending secure exception 7\n";
    let mut record = record_of(&CASES[0]);
    record.faults = FaultStatus { icsr: 7, afsr: 0b1001, ..FaultStatus::default() };
    record.detector = Detector::MemoryProtection;
    assert_eq!(subjects(&record, &parse(log).events), [""; 0]);
    record.detector = Detector::HardFault;
    assert_eq!(subjects(&record, &parse(log).events), ["cause"]);
}

#[test]
fn an_escalated_fault_is_expected_as_forced() {
    let log = b"Taking exception 4 [Data Abort] on CPU 0\n...at fault address 0xd0000000\n\
        ...with CFSR.PRECISERR and BFAR 0xd0000000\n...taking pending nonsecure exception 3\n";
    let mut record = record_of(&CASES[0]);
    record.faults.icsr = 3;
    assert_eq!(subjects(&record, &parse(log).events), ["HFSR"]);
    record.faults.hfsr = 1 << 30;
    assert_eq!(subjects(&record, &parse(log).events), [""; 0]);
    // A fault that was handled before is over, but its bits stay.
    let handled =
        [&log[..], b"Exception return: magic PC fffffffd previous exception 3\n"].concat();
    assert_eq!(subjects(&record, &parse(&handled).events), ["cause", "ICSR.VECTACTIVE"]);
}

#[test]
fn a_lockup_ends_the_log() {
    for version in VERSIONS {
        for sample_name in ["lockup", "armv8m-lockup"] {
            let oracle = parse(&sample(sample_name, version));
            let text = "can't escalate 3 to HardFault (current priority -1)".to_owned();
            assert_eq!(oracle.events.last(), Some(&OracleEvent::Lockup { text }));
        }
    }
}

#[test]
fn accesses_to_devices_that_are_not_modelled_are_counted() {
    let old = parse(&sample("clean", "7.2"));
    let expected = ["RCC: 3 reads at offset 0x030", "RCC: 1 write at offset 0x030"];
    assert_eq!(old.unmodelled_lines(), expected);
    assert_eq!(old.unmodelled[1].value, Some(0x10_0000));
    assert_eq!(parse(&sample("clean", "10.0")).unmodelled, []);
    let two = b"IWDG: unimplemented device write (size 2, offset 0x000, value 0x5555)\n\
        IWDG: unimplemented device write (size 4, offset 0x00c, value 0xffffffff)\n";
    assert_eq!(parse(two).unmodelled_lines(), ["IWDG: 2 writes at offsets 0x000 to 0x00c"]);
}

/// Reads one line and checks the one event it gives.
fn check_line(line: &str, expected: Option<OracleEvent>) {
    let events = parse(line.as_bytes()).events;
    assert_eq!(events.first(), expected.as_ref(), "{line}");
}

#[test]
fn every_line_of_a_fault_is_understood() {
    let status = |cfsr| Some(OracleEvent::Status { cfsr, mmfar: None, bfar: None });
    for (line, cfsr) in [
        ("...with CFSR.IACCVIOL", 1 << 0),
        ("...MemManageFault with CFSR.MUNSTKERR", 1 << 3),
        ("...MemManageFault with CFSR.MSTKERR", 1 << 4),
        ("...MemManageFault with CFSR.MLSPERR", 1 << 5),
        ("...with CFSR.IBUSERR", 1 << 8),
        ("...really BusFault with CFSR.IBUSERR", 1 << 8),
        ("...BusFault with BFSR.UNSTKERR", 1 << 11),
        ("...BusFault with BFSR.STKERR", 1 << 12),
        ("...BusFault with BFSR.LSPERR", 1 << 13),
        ("...taking INVPC UsageFault: IPSR consistency check failed", 1 << 18),
        (
            "...taking UsageFault on new stackframe: failed exception return integrity check",
            1 << 18,
        ),
        ("...UsageFault with CFSR.NOCP because CPACR.CP10 prevents stacking FP regs", 1 << 19),
        (
            "...taking UsageFault on existing stackframe: CPACR prevents clearing FPU registers",
            1 << 19,
        ),
        ("...STKOF during stacking", 1 << 20),
        ("...really UsageFault with UFSR.UNALIGNED", 1 << 24),
    ] {
        check_line(line, status(cfsr));
    }
    for (name, cfsr) in [
        ("Undefined Instruction", 1 << 16),
        ("v7M INVSTATE UsageFault", 1 << 17),
        ("v7M NOCP UsageFault", 1 << 19),
        ("v8M STKOF UsageFault", 1 << 20),
        ("v7M UNALIGNED UsageFault", 1 << 24),
        ("v7M DIVBYZERO UsageFault", 1 << 25),
    ] {
        let events = parse(format!("Taking exception 1 [{name}] on CPU 0").as_bytes()).events;
        assert_eq!(events.get(1), status(cfsr).as_ref(), "{name}");
    }
    let (mmfar, bfar) = (Some(0x2000_17E0), None);
    check_line(
        "...with CFSR.DACCVIOL and MMFAR 0x200017e0",
        Some(OracleEvent::Status { cfsr: 0x82, mmfar, bfar }),
    );
    check_line("...derived exception on vector table load", Some(OracleEvent::VectorTableError));
    let joined = "...derived exception on vector table load...taking pending nonsecure exception 3";
    let events = [OracleEvent::VectorTableError, OracleEvent::Taken { exception: 3 }];
    assert_eq!(parse(joined.as_bytes()).events, events, "as QEMU 10.0 writes it");
    check_line("...taking pending secure exception 12", Some(OracleEvent::Taken { exception: 12 }));
    check_line("...successful exception return", None);
    check_line("Loaded reset SP 0x0 PC 0x0 from vector table", None);
    let text = "Invalid write at addr 0xD0000000, size 4".to_owned();
    check_line(&text.clone(), Some(OracleEvent::Remark { text }));
}

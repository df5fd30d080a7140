//! A record against what the host read of the core where its capture began. Every difference is
//! named; what one of the two does not hold is not compared.

use crate::entry::{Entry, EntryReading, ON_PROCESS_STACK};
use crashrig_wire::Record;
use crashrig_wire::field::ICSR_ACTIVE;
use crashrig_wire::record::{FaultStatus, Trust};
use std::fmt;

/// One register that the record and the host hold different values of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryDifference {
    /// The register.
    pub register: String,
    /// Its value in the record.
    pub record: u32,
    /// Its value as the host read it.
    pub host: u32,
}

impl fmt::Display for EntryDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { register, record, host } = self;
        write!(f, "{register}: the record says {record:#010x}, the host read {host:#010x}")
    }
}

/// Every difference between a record and a reading of the boot that left it.
#[must_use]
pub fn agree(record: &Record, reading: &EntryReading) -> Vec<EntryDifference> {
    let mut found = Compare { reading, differences: Vec::new() };
    found.status(&record.faults);
    let registers = &record.registers;
    match reading.entry {
        Entry::Exception | Entry::Tick | Entry::Switch => {
            found.register("msp", "sp", registers.msp);
            found.register("psp", "psp", registers.psp);
            found.register("exc_return", "lr", registers.exc_return);
            found.callee_saved(record);
            found.masks(registers.masks);
            found.frame(record);
        }
        Entry::Notice => {
            found.register("sp", "sp", registers.sp);
            found.callee_saved(record);
            found.masks(registers.masks);
        }
        // The check stands between: what it is about is on the stack that was interrupted.
        Entry::Found => {
            found.register("psp", "psp", registers.psp);
            if registers.exc_return & ON_PROCESS_STACK != 0 {
                found.frame(record);
            }
        }
    }
    found.differences
}

struct Compare<'a> {
    reading: &'a EntryReading,
    differences: Vec<EntryDifference>,
}

impl Compare<'_> {
    fn equal(&mut self, register: &str, record: u32, host: u32) {
        if record != host {
            self.differences.push(EntryDifference { register: register.to_owned(), record, host });
        }
    }

    /// A register of the record, where the target offers the core's register of a name.
    fn register(&mut self, register: &str, name: &str, record: u32) {
        if let Some(host) = self.reading.registers.get(name) {
            self.equal(register, record, *host);
        }
    }

    /// The frame, if the record says that it was there.
    fn frame(&mut self, record: &Record) {
        let registers = &record.registers;
        if let (true, Some(frame)) = (record.trust.has(Trust::FRAME), self.reading.frame) {
            let [r0, r1, r2, r3, r12, lr, pc, xpsr] = frame;
            let [t0, t1, t2, t3, .., t12] = registers.r;
            let pairs = [
                ("r0", t0, r0),
                ("r1", t1, r1),
                ("r2", t2, r2),
                ("r3", t3, r3),
                ("r12", t12, r12),
                ("lr", registers.lr, lr),
                ("pc", registers.pc, pc),
                ("xpsr", registers.xpsr, xpsr),
            ];
            for (name, record, host) in pairs {
                self.equal(name, record, host);
            }
        }
    }

    fn callee_saved(&mut self, record: &Record) {
        for (number, value) in record.registers.r.iter().enumerate().take(12).skip(4) {
            let name = format!("r{number}");
            self.register(&name, &name, *value);
        }
    }

    /// CONTROL, BASEPRI, PRIMASK and FAULTMASK, packed as in a record.
    fn masks(&mut self, record: u32) {
        let names = ["control", "basepri", "primask", "faultmask"];
        for (shift, name) in (0..).step_by(8).zip(names) {
            self.register(name, name, record >> shift & 0xFF);
        }
    }

    fn status(&mut self, faults: &FaultStatus) {
        let fields = [
            ("vtor", faults.vtor),
            ("ccr", faults.ccr),
            ("shcsr", faults.shcsr),
            ("cfsr", faults.cfsr),
            ("hfsr", faults.hfsr),
            ("dfsr", faults.dfsr),
            ("mmfar", faults.mmfar),
            ("bfar", faults.bfar),
        ];
        if let Some(host) = self.reading.status.get("icsr") {
            self.equal("icsr", faults.icsr & ICSR_ACTIVE, *host & ICSR_ACTIVE);
        }
        for (name, record) in fields {
            if let Some(host) = self.reading.status.get(name) {
                self.equal(name, record, *host);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crashrig_wire::{Detector, Kind, Thread};
    use std::collections::BTreeMap;

    fn record() -> Record {
        let mut record = Record::blank(Kind::BusFault, Detector::BusError, Thread::Main);
        record.trust = Trust(Trust::FRAME);
        record.registers.r = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13];
        (record.registers.lr, record.registers.pc, record.registers.xpsr) = (14, 15, 16);
        (record.registers.msp, record.registers.masks) = (0x2000_0100, 0x0001_4002);
        record.faults.cfsr = 0x8200;
        record
    }

    fn reading(change: impl FnOnce(&mut EntryReading)) -> EntryReading {
        let named = |pairs: &[(&str, u32)]| -> BTreeMap<String, u32> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
        };
        let mut reading = EntryReading {
            entry: Entry::Exception,
            is_caught: false,
            registers: named(&[("r4", 5), ("sp", 0x2000_0100), ("basepri", 0x40), ("control", 2)]),
            status: named(&[("cfsr", 0x8200)]),
            frame: Some([1, 2, 3, 4, 13, 14, 15, 16]),
        };
        change(&mut reading);
        reading
    }

    fn check(change: impl FnOnce(&mut EntryReading), expected: &[&str]) {
        let found: Vec<_> =
            agree(&record(), &reading(change)).into_iter().map(|d| d.register).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn every_register_that_both_hold_is_compared() {
        check(|_| {}, &[]);
        check(|reading| _ = reading.registers.insert("r4".into(), 6), &["r4"]);
        check(|reading| _ = reading.registers.insert("sp".into(), 6), &["msp"]);
        check(|reading| _ = reading.registers.insert("basepri".into(), 0), &["basepri"]);
        check(|reading| _ = reading.status.insert("cfsr".into(), 0x8000), &["cfsr"]);
        check(|reading| _ = reading.status.insert("icsr".into(), 1 << 26), &[]);
        check(|reading| _ = reading.status.insert("icsr".into(), 5), &["icsr"]);
        check(|reading| reading.frame = Some([1, 2, 3, 4, 13, 14, 99, 16]), &["pc"]);
        check(|reading| reading.frame = None, &[]);
        check(|reading| reading.registers.clear(), &[]);
        for entry in [Entry::Tick, Entry::Switch] {
            check(|reading| reading.entry = entry, &[]);
            let other = |reading: &mut EntryReading| {
                reading.entry = entry;
                reading.registers.insert("r4".into(), 6);
                reading.frame = Some([1, 2, 3, 4, 13, 14, 99, 16]);
            };
            check(other, &["r4", "pc"]);
        }
    }
}

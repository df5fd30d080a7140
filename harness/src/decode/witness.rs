//! A record against the emulator's own log of the same boot.
//!
//! What wrote the record is what detected the fault, and what the emulator logged is what its model
//! of the core did. Both are read here as the fault status registers should stand at the capture;
//! every difference is named. CFSR collects bits until it is cleared (DDI0403E B3.2.15), and a boot
//! begins with it cleared, so all bits that were set in the boot are expected. What follows the
//! capture, such as a second fault during it, says nothing about the record.

use super::oracle::OracleEvent;
use crashrig_wire::{Detector, Record, cfsr};
use std::fmt;

/// One thing that the record and the emulator's log say differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// What it is about, e.g. `CFSR`.
    pub subject: &'static str,
    /// What the record says.
    pub record: String,
    /// What the log says.
    pub emulator: String,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, record, emulator } = self;
        write!(f, "{subject}: the record says {record}, the emulator's log {emulator}")
    }
}

const HFSR_VECTTBL: u32 = 1 << 1;
const HFSR_FORCED: u32 = 1 << 30;

const HARD_FAULT: u32 = 3;
/// HardFault, MemManage, BusFault, UsageFault and SecureFault, which only ARMv8-M has.
const FAULTS: std::ops::RangeInclusive<u32> = 3..=7;
const SECURE_FAULT: u32 = 7;
/// ICSR.VECTACTIVE (DDI0403E B3.2.4).
const VECTACTIVE: u32 = 0x1FF;

/// How the core stood when the record was captured, as the log has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Core {
    /// Exceptions being handled, innermost last.
    active: Vec<u32>,
    cfsr: u32,
    hfsr: u32,
    mmfar: u32,
    bfar: u32,
    vector_table_error: bool,
}

impl Core {
    fn at_capture(events: &[OracleEvent]) -> Self {
        let mut core = Self::default();
        for event in events {
            match event {
                OracleEvent::AuxiliaryStatusRead => break,
                OracleEvent::Status { cfsr, mmfar, bfar } => {
                    core.cfsr |= cfsr;
                    core.mmfar = mmfar.unwrap_or(core.mmfar);
                    core.bfar = bfar.unwrap_or(core.bfar);
                }
                OracleEvent::VectorTableError => core.vector_table_error = true,
                OracleEvent::Taken { exception } => core.take(*exception),
                OracleEvent::Returned { exception } => {
                    // What came above it in the list is over as well.
                    if let Some(at) = core.active.iter().rposition(|active| active == exception) {
                        core.active.truncate(at);
                    }
                }
                _ => {}
            }
        }
        core
    }

    fn take(&mut self, exception: u32) {
        if exception == HARD_FAULT {
            // QEMU sets both for a vector that it cannot read.
            self.hfsr |= HFSR_FORCED | if self.vector_table_error { HFSR_VECTTBL } else { 0 };
        }
        self.vector_table_error = false;
        self.active.push(exception);
    }

    fn innermost(&self) -> u32 {
        self.active.last().copied().unwrap_or(0)
    }

    /// Whether a detector can have noticed what the log says.
    fn admits(&self, detector: Detector) -> bool {
        let exception = self.innermost();
        let is_fault = FAULTS.contains(&exception);
        let has = |bits: u32| is_fault && self.cfsr & bits != 0;
        match detector {
            // Whatever an entry of the table led to.
            Detector::VectorCheck => exception != 0,
            // The guard refuses an access, or the core that stacks a frame.
            Detector::MpuGuard => has(cfsr::DACCVIOL | cfsr::MSTKERR),
            Detector::StackingError => has(cfsr::STACKING),
            Detector::BusError => has(cfsr::BUS),
            Detector::MemoryProtection => has(cfsr::MEMMANAGE) || exception == SECURE_FAULT,
            Detector::StackLimit => has(cfsr::STKOF),
            Detector::InstructionCheck => has(cfsr::USAGE & !cfsr::DIVBYZERO & !cfsr::STKOF),
            Detector::DivideTrap => has(cfsr::DIVBYZERO),
            Detector::HardFault => exception == HARD_FAULT && self.cfsr == 0,
            Detector::SpRange
            | Detector::StackCanary
            | Detector::PanicHandler
            | Detector::ErrorCall
            | Detector::Bootloader
            | Detector::DmaCapability
            | Detector::DmaTransferError
            | Detector::HeapHeader
            | Detector::HeapCanary
            | Detector::HeapFill
            | Detector::HeapAddress
            | Detector::Watchdog => !is_fault,
            Detector::DefaultHandler => exception != 0 && !is_fault,
        }
    }
}

impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.innermost() {
            0 => f.write_str("no exception"),
            number => write!(f, "exception {number}"),
        }?;
        write!(f, " with CFSR {:#010x}", self.cfsr)
    }
}

/// Everything that a record and the log of its boot say differently; nothing if they agree. A
/// target without such a log must not ask.
#[must_use]
pub fn agree(record: &Record, events: &[OracleEvent]) -> Vec<Disagreement> {
    let core = Core::at_capture(events);
    let faults = &record.faults;
    let mut differences = Vec::new();
    let mut differ = |subject, record: String, emulator: String| {
        differences.push(Disagreement { subject, record, emulator });
    };
    if !core.admits(record.detector) {
        let said = format!("{}, noticed by {}", record.kind, record.detector);
        differ("cause", said, core.to_string());
    }
    let hex = |word: u32| format!("{word:#010x}");
    let mut compare = |subject, record: u32, emulator: u32| {
        if record != emulator {
            differ(subject, hex(record), hex(emulator));
        }
    };
    compare("CFSR", faults.cfsr, core.cfsr);
    let compared = HFSR_FORCED | HFSR_VECTTBL;
    compare("HFSR", faults.hfsr & compared, core.hfsr);
    if faults.cfsr & core.cfsr & cfsr::MMARVALID != 0 {
        compare("MMFAR", faults.mmfar, core.mmfar);
    }
    if faults.cfsr & core.cfsr & cfsr::BFARVALID != 0 {
        compare("BFAR", faults.bfar, core.bfar);
    }
    if faults.icsr & VECTACTIVE != core.innermost() {
        let number = |vector: u32| format!("exception {vector}");
        differ("ICSR.VECTACTIVE", number(faults.icsr & VECTACTIVE), number(core.innermost()));
    }
    differences
}

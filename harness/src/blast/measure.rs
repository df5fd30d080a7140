//! Two runs of the first boot of a scenario, with the overflow and without, stopped where it is
//! injected and where its detector begins.

use super::{Blast, FirstWrite, Injection};
use crate::image::Image;
use crate::scenario::{BootPlan, Fill, Scenario, measured_function};
use crate::target::{BenchError, Boundary, Deadline, Session, Target, Wait};
use crashrig_wire::Fault;
use crashrig_wire::command::{MAILBOX_SYMBOL, Mailbox};
use std::collections::BTreeSet;
use std::path::Path;

/// Where the fault path begins.
const FAULT_ENTRY: &str = "crashrig_fault_entry";
/// Where the check of canaries and stack pointers begins.
const CHECK: &str = "crashrig_check_stacks";
/// The handlers that lead to the check; the core has pushed a frame before each.
const HANDLERS: [&str; 2] = ["crashrig_systick_entry", "crashrig_pendsv_entry"];
/// SysTick's current value (DDI0403E B3.3.5): any write starts its period anew.
const TICK_VALUE: u32 = 0xE000_E018;
/// How far below its stack the first store of an overflow is looked for: more than a guard and what
/// the ways of the image go beyond it.
const REACH_BYTES: u32 = 256;
const RUN_ID: u32 = 1;

/// Measures one overflow. The raw streams of both runs stay in a folder.
///
/// # Errors
/// The bench failed, or the device did not come to where it is measured.
pub fn measure(
    target: &dyn Target,
    image: &Image,
    scenario: &Scenario,
    injection: &Injection,
    seed: u64,
    folder: &Path,
) -> Result<Blast, BenchError> {
    let plan = scenario
        .boots
        .first()
        .ok_or_else(|| BenchError(format!("measure {}: no boot", scenario.name)))?;
    let run = |is_harmless| -> Result<Sample, BenchError> {
        let folder = folder.join(if is_harmless { "without" } else { "with" });
        std::fs::create_dir_all(&folder).map_err(BenchError::of)?;
        let session = target.open(image, None, &folder)?;
        Runner { session, image, injection }.run(plan, seed, is_harmless, &folder)
    };
    let sample = run(false)?;
    let mut changed = sample.changed_outside();
    if !injection.is_refused() {
        for address in run(true)?.changed_outside() {
            changed.remove(&address);
        }
    }
    let (first_write, since) = match sample.first_write {
        Some((what, at)) => (what, at),
        None => (FirstWrite::Refused, sample.detected_at),
    };
    let instructions = sample.detected_at.zip(since).map(|(end, start)| end.saturating_sub(start));
    Ok(Blast { bytes: u32::try_from(changed.len()).unwrap_or(u32::MAX), first_write, instructions })
}

/// Memory ranges with their first addresses.
type Memory = Vec<(u32, Vec<u8>)>;

/// One run.
struct Sample {
    victim: std::ops::Range<u32>,
    before: Memory,
    after: Memory,
    /// What wrote first, and how many instructions had been executed by then.
    first_write: Option<(FirstWrite, Option<u64>)>,
    detected_at: Option<u64>,
}

impl Sample {
    /// Addresses outside of the victim's stack whose byte changed.
    fn changed_outside(&self) -> BTreeSet<u32> {
        let mut changed = BTreeSet::new();
        for ((start, before), (_, after)) in self.before.iter().zip(&self.after) {
            let pairs = (*start..).zip(before.iter().zip(after));
            let differing = pairs.filter(|(_, (before, after))| before != after);
            changed.extend(differing.map(|(address, _)| address));
        }
        changed.retain(|address| !self.victim.contains(address));
        changed
    }
}

struct Runner<'a> {
    session: Box<dyn Session>,
    image: &'a Image,
    injection: &'a Injection,
}

impl Runner<'_> {
    fn run(
        mut self,
        plan: &BootPlan,
        seed: u64,
        is_harmless: bool,
        folder: &Path,
    ) -> Result<Sample, BenchError> {
        let function = measured_function(Fault::StackOverflow).unwrap_or_default();
        let injection = self.address(function)?;
        self.session.power_on(Fill::Noise, seed)?;
        self.send(plan, is_harmless)?;
        self.session.set_breakpoint(injection)?;
        self.stop_at(&[injection], folder)?;
        let (start, end) = (self.argument("r0")?, self.argument("r1")?);
        let before = self.memory()?;
        self.session.clear_breakpoints()?;

        let detector = match self.injection.is_refused() {
            true => self.address(FAULT_ENTRY)?,
            false => self.address(CHECK)?,
        };
        self.session.set_breakpoint(detector)?;
        let mut handlers = Vec::new();
        if !self.injection.is_refused() {
            for handler in HANDLERS {
                let address = self.address(handler)?;
                self.session.set_breakpoint(address)?;
                handlers.push(address);
            }
        }
        let below = start - REACH_BYTES;
        if !is_harmless {
            self.session.watch_stores(below, REACH_BYTES)?;
        }
        let mut first_write = None;
        loop {
            let stops: Vec<_> = handlers.iter().copied().chain([detector, below]).collect();
            let at = self.stop_at(&stops, folder)?;
            let now = self.session.instructions()?;
            if at == detector {
                let after = self.memory()?;
                return Ok(Sample {
                    victim: start..end,
                    before,
                    after,
                    first_write,
                    detected_at: now,
                });
            }
            if first_write.is_none() && !is_harmless {
                let what = if at == below { FirstWrite::Store } else { FirstWrite::Core };
                first_write = Some((what, now));
            }
            if at == below {
                // One is enough.
                self.session.clear_breakpoints()?;
                for address in handlers.iter().copied().chain([detector]) {
                    self.session.set_breakpoint(address)?;
                }
            }
        }
    }

    fn send(&mut self, plan: &BootPlan, is_harmless: bool) -> Result<(), BenchError> {
        let Injection { stack, way, .. } = *self.injection;
        let mailbox = Mailbox {
            run_id: RUN_ID,
            ticket: 1,
            fault: Fault::StackOverflow,
            flags: Mailbox::SEMIHOSTING,
            seed: 0,
            parameters: [u32::from(stack.code()), u32::from(way.code()), u32::from(is_harmless), 0],
            without: plan.without.iter().fold(0, |bits, detector| bits | detector.bit()),
        };
        let address = self.address(MAILBOX_SYMBOL)?;
        self.session.write(address, &mailbox.to_bytes())
    }

    /// Runs on to one of some addresses. A stop lets QEMU's clock jump to its next deadline (with
    /// `sleep=off` a stopped core counts as one that waits), which would be a clock tick at once:
    /// the tick starts anew instead.
    fn stop_at(&mut self, addresses: &[u32], folder: &Path) -> Result<u32, BenchError> {
        self.session.resume()?;
        match self.session.wait(&Deadline::default())? {
            Wait::Breakpoint { address } if addresses.contains(&address) => {
                self.session.write_core_word(TICK_VALUE, 0)?;
                Ok(address)
            }
            other => Err(BenchError(format!(
                "measure an overflow: the device came to {}, expected a stop (files in {})",
                words(&other),
                folder.display()
            ))),
        }
    }

    fn argument(&mut self, register: &str) -> Result<u32, BenchError> {
        let value = self.session.register(register)?;
        value.ok_or_else(|| BenchError(format!("measure an overflow: no register {register}")))
    }

    fn address(&self, symbol: &str) -> Result<u32, BenchError> {
        let found = self.image.symbol(symbol).map(|symbol| symbol.address);
        found.ok_or_else(|| {
            BenchError(format!("find symbol {symbol} in {}", self.image.origin().display()))
        })
    }

    fn memory(&mut self) -> Result<Memory, BenchError> {
        let mut memory = Vec::new();
        for (start, size) in self.session.ram().to_vec() {
            let mut bytes = vec![0; size as usize];
            self.session.read(start, &mut bytes)?;
            memory.push((start, bytes));
        }
        Ok(memory)
    }
}

fn words(wait: &Wait) -> String {
    match wait {
        Wait::Boundary(Boundary::Hang { limit, .. }) => format!("no end within its {limit}"),
        Wait::Boundary(boundary) => format!("a {}", boundary.name()),
        Wait::Breakpoint { address } => format!("{address:#010x}"),
        Wait::Running => "no stop".to_owned(),
    }
}

//! Expectation × report → verdict, with every mismatch. Pure.

mod ledger;
mod reset_causes;
mod script;
pub(crate) mod sections;
mod words;

use self::words::{found_end, hex, name};
use crate::report::{BootReport, CrashReport, Report, SlotReport};
use crate::run::SILENT_BOOT_BUDGET;
use crate::scenario::{BootPlan, End, ExpectedCrash, Place, Scenario, Start};
use crate::target::Boundary;
use crate::verdict::{Mismatch, Verdict, VerdictKind};
use crashrig_wire::marker::Found;
use crashrig_wire::{BuildId, EndMarker, Observation};
use std::fmt::Display;

/// What identifies the run that a report must be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Build id of the image under test.
    pub build_id: BuildId,
    /// Build id of the bootloader, where the board has one.
    pub bootloader: Option<BuildId>,
    /// The run the host announced.
    pub run_id: u32,
}

/// Judges the report of a run against its scenario. For a control the verdict is about the harness:
/// a pass means that the run was judged fail in exactly the way the control names.
#[must_use]
pub fn judge(scenario: &Scenario, report: &Report, identity: &Identity) -> Verdict {
    let verdict = judge_plainly(scenario, report, identity);
    match &scenario.control {
        // Trouble of the bench is not what a control is about.
        Some(_) if verdict.kind == VerdictKind::Infrastructure => verdict,
        Some(control) => judge_control(control, &verdict),
        None => verdict,
    }
}

fn judge_control(control: &crate::scenario::Control, inner: &Verdict) -> Verdict {
    let name = |mismatch: &Mismatch| match mismatch.boot {
        0 => mismatch.subject.clone(),
        boot => format!("{} of boot {boot}", mismatch.subject),
    };
    let mut found: Vec<_> = inner.mismatches.iter().map(name).collect();
    let mut expected = control.mismatches.clone();
    found.sort();
    found.dedup();
    expected.sort();
    if inner.kind == control.verdict && found == expected {
        return Verdict::of(Vec::new());
    }
    let words = |kind: VerdictKind, subjects: &[String]| {
        format!("{} ({})", kind.name(), subjects.join(", "))
    };
    Verdict::of(vec![Mismatch {
        kind: VerdictKind::Record,
        boot: 0,
        subject: "control".to_owned(),
        expected: words(control.verdict, &expected),
        found: words(inner.kind, &found),
    }])
}

fn judge_plainly(scenario: &Scenario, report: &Report, identity: &Identity) -> Verdict {
    if let Some(problem) = &report.bench_problem {
        return Verdict::infrastructure(problem.clone());
    }
    let mut judge = Judge { mismatches: Vec::new(), boot: 0 };
    let mut device_boot = 0;
    for (index, plan) in scenario.boots.iter().enumerate() {
        let planned = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let tries: Vec<_> = report.boots.iter().filter(|boot| boot.planned == planned).collect();
        judge.boot = planned;
        let Some(last) = tries.last() else {
            judge.add(VerdictKind::Crash, "boot", "a boot", "none: the run ended before it");
            continue;
        };
        if matches!(plan.start, Start::Cold(_)) {
            device_boot = 0;
        }
        device_boot += u32::try_from(tries.len()).unwrap_or(u32::MAX);
        let crash = scenario.crashes.iter().find(|crash| crash.boot == planned);
        let before = report.boots.iter().rfind(|boot| boot.planned < planned);
        let is_after_watchdog = before.is_some_and(|it| it.boundary == Boundary::Watchdog);
        let context = Context { plan, crash, identity, device_boot, is_after_watchdog };
        judge.boot(&context, last, tries.len());
        judge.script(scenario.script(planned), last);
        judge.history(plan, last, report);
    }
    Verdict::of(judge.mismatches)
}

/// What one boot is judged against.
struct Context<'a> {
    plan: &'a BootPlan,
    crash: Option<&'a ExpectedCrash>,
    identity: &'a Identity,
    /// How the device must count this boot.
    device_boot: u32,
    /// Whether a watchdog ended the boot before.
    is_after_watchdog: bool,
}

struct Judge {
    mismatches: Vec<Mismatch>,
    boot: u32,
}

impl Judge {
    fn add(
        &mut self,
        kind: VerdictKind,
        subject: &str,
        expected: impl Display,
        found: impl Display,
    ) {
        self.mismatches.push(Mismatch {
            kind,
            boot: self.boot,
            subject: subject.to_owned(),
            expected: expected.to_string(),
            found: found.to_string(),
        });
    }

    fn equal<T: PartialEq + Display>(
        &mut self,
        kind: VerdictKind,
        subject: &str,
        expected: T,
        found: T,
    ) {
        if expected != found {
            self.add(kind, subject, expected, found);
        }
    }

    fn boot(&mut self, context: &Context<'_>, boot: &BootReport, tries: usize) {
        let looped = tries == SILENT_BOOT_BUDGET && boot.marker.is_none() && boot.crash.is_none();
        if !looped {
            let kind = VerdictKind::Crash;
            self.equal(kind, "silent-boots", context.plan.silent_boots, tries - 1);
        }
        if let Some(marker) = &boot.marker {
            self.marker(context, boot, marker);
        }
        match (context.plan.end, &boot.boundary) {
            (End::Lockup, Boundary::Lockup { .. }) => {}
            // Wall time says as much of the host as of the device.
            (End::Hang, Boundary::Hang { limit, .. }) if limit == crate::target::TARGET_TIME => {}
            (End::Exit(expected), Boundary::Exit { status }) => {
                self.equal(VerdictKind::Record, "status", expected, *status);
            }
            (End::Watchdog, Boundary::Watchdog)
                if boot.crash.is_some() == context.crash.is_some() && boot.marker.is_none() => {}
            (End::ResetLoop, Boundary::Reset) if looped => {}
            (_, Boundary::Lockup { .. } | Boundary::Hang { .. } | Boundary::Watchdog) => {
                let is_lockup = matches!(boot.boundary, Boundary::Lockup { .. });
                let kind = if is_lockup { VerdictKind::Lockup } else { VerdictKind::Hang };
                self.add(kind, "end", name(context.plan.end), found_end(&boot.boundary, boot));
            }
            (_, Boundary::Reset) if looped => {
                let found = format!("{tries} boots, no end marker and no record");
                self.add(VerdictKind::ResetLoop, "end", name(context.plan.end), found);
            }
            (End::Clean, Boundary::Reset) if boot.crash.is_none() && boot.marker.is_some() => {}
            (End::Crash, Boundary::Reset) if boot.crash.is_some() && boot.marker.is_none() => {}
            (end, boundary) => {
                self.add(VerdictKind::Crash, "end", name(end), found_end(boundary, boot));
            }
        }
        if let (Some(expected), Some(crash)) = (context.crash, &boot.crash) {
            self.crash(context, expected, crash);
        }
        let log: String = boot.log.iter().map(|line| format!("{}\n", line.message)).collect();
        let run = format!("{:08x}", context.identity.run_id);
        self.texts("log", &context.plan.log, &log, &run);
        self.texts("console", &context.plan.console, &boot.console, &run);
        for text in context.plan.log_without.iter().filter(|text| log.contains(text.as_str())) {
            self.add(VerdictKind::Log, "log-without", format!("no \"{text}\""), "such a line");
        }
        self.ledger(context.plan, boot);
    }

    /// `{run}` in a text stands for the run the host announced.
    fn texts(&mut self, subject: &str, wanted: &[String], found: &str, run: &str) {
        let wanted = wanted.iter().map(|text| text.replace("{run}", run));
        for text in wanted.filter(|text| !found.contains(text.as_str())) {
            self.add(VerdictKind::Log, subject, format!("\"{text}\""), "no such line");
        }
    }

    fn marker(&mut self, context: &Context<'_>, boot: &BootReport, marker: &EndMarker) {
        let identity = context.identity;
        if marker.build_id != identity.build_id {
            let (expected, found) = (hex(&identity.build_id), hex(&marker.build_id));
            self.add(VerdictKind::StaleImage, "build-id", expected, found);
        }
        let kind = VerdictKind::StaleImage;
        self.equal(kind, "run-id", identity.run_id, marker.run_id);
        self.equal(VerdictKind::Record, "boot-number", context.device_boot, marker.boot);
        for wanted in &context.plan.observed {
            if !marker.saw(*wanted) {
                self.add(VerdictKind::Record, "observed", wanted, "not observed");
            }
        }
        let wrong = Observation::ALL.iter().filter(|it| it.is_wrong());
        for unwanted in wrong.chain(&context.plan.missing) {
            if marker.saw(*unwanted) {
                let expected = format!("no {unwanted}");
                self.add(VerdictKind::Record, "missing", expected, "observed");
            }
        }
        // A boot writes the record of one that a watchdog has ended before it looks itself.
        let slots = if context.is_after_watchdog { &boot.after } else { &boot.before };
        let expectations = [
            ("first", context.plan.first, marker.first, &slots[0]),
            ("last", context.plan.last, marker.last, &slots[1]),
        ];
        for (subject, expected, found, slot) in expectations {
            if let Some(expected) = expected {
                self.equal(VerdictKind::Record, subject, expected, found);
            }
            self.agree_on_slot(subject, found, slot, &identity.build_id);
        }
    }

    /// The device and the host must make the same of a slot: a record or none, ours or another's.
    fn agree_on_slot(&mut self, subject: &str, found: Found, slot: &SlotReport, build: &BuildId) {
        let device = match found {
            Found::Nothing => "no record",
            Found::Foreign => "a record of another build",
            Found::Read | Found::Unread => "a record",
        };
        let host = slot.in_words(build);
        if device != host {
            let subject = format!("{subject}-as-host-reads");
            self.add(VerdictKind::Record, &subject, host, device);
        }
    }

    fn crash(&mut self, context: &Context<'_>, expected: &ExpectedCrash, crash: &CrashReport) {
        let record = &crash.record;
        let Identity { build_id, bootloader, .. } = *context.identity;
        let by_bootloader = bootloader == Some(record.build_id);
        if record.build_id != build_id && !by_bootloader {
            let (wanted, found) = (hex(&build_id), hex(&record.build_id));
            self.add(VerdictKind::StaleImage, "build-id", wanted, found);
        }
        // A bootloader knows nothing of mailboxes.
        if by_bootloader {
            self.equal(VerdictKind::StaleImage, "run-id", 0, record.run_id);
        } else if record.run_id == 0 {
            let found = "none: it came before the mailbox was read";
            self.add(VerdictKind::Crash, "run-id", context.identity.run_id, found);
        } else {
            self.equal(VerdictKind::StaleImage, "run-id", context.identity.run_id, record.run_id);
        }
        self.equal(VerdictKind::Crash, "kind", expected.kind, record.kind);
        self.equal(VerdictKind::Crash, "detector", expected.detector, record.detector);
        self.equal(VerdictKind::Record, "thread", expected.thread, record.thread.context());
        if let Some(name) = &expected.thread_name {
            let found = crash.thread_name.as_deref().unwrap_or("none");
            self.equal(VerdictKind::Record, "thread-name", name.as_str(), found);
        }
        if let Some(status) = expected.status {
            self.equal(VerdictKind::Record, "status", status.words(), record.status.words());
        }
        self.equal(VerdictKind::Record, "boot-number", context.device_boot, record.boot);
        self.equal(VerdictKind::Record, "slot", expected.slot.name(), crash.slot.name());
        let phases = |partial| if partial { "phase one only" } else { "both phases" };
        self.equal(VerdictKind::Record, "phases", phases(expected.partial), phases(crash.partial));
        self.place(
            "address",
            expected.address.as_ref(),
            &crash.address_symbol,
            &crash.address_region,
        );
        self.place("pc", expected.pc.as_ref(), &crash.pc_symbol, &crash.pc_region);
        if let Some(within) = &expected.within
            && !crash.backtrace.iter().any(|frame| is_function(&frame.function, within))
        {
            self.add(VerdictKind::Record, "within", within, "not in the backtrace");
        }
        let frames = crash.backtrace.len();
        if frames < expected.frames_at_least {
            let wanted = format!("{} frames at least", expected.frames_at_least);
            self.add(VerdictKind::Record, "frames", wanted, frames);
        }
        for disagreement in &crash.disagreements {
            self.add(VerdictKind::Record, "witness", "the emulator's own log", disagreement);
        }
        self.sections(expected, crash);
        self.reset_causes(expected, crash);
        self.heap(expected, crash);
        for difference in &crash.entry_differences {
            self.add(VerdictKind::Record, "entry", "what the host read there", difference);
        }
    }

    /// What the record says of the heap.
    fn heap(&mut self, expected: &ExpectedCrash, crash: &CrashReport) {
        if let Some(word) = expected.broken_word {
            let words = |word| format!("{word:#010x} in the heap's broken word");
            let found = crash.sections.broken_block.as_ref();
            let found = found.map_or("none".to_owned(), |broken| words(broken.found));
            self.equal(VerdictKind::Record, "broken-word", words(word), found);
        }
        if let Some(expected) = &expected.failed_allocation {
            let told = |size, names: &[String], largest_free: Option<u32>| {
                let free = largest_free.map_or(String::new(), |it| format!(", {it} bytes free"));
                format!("{size} bytes of {}{free}", names.join("+"))
            };
            let found = crash.sections.failed_allocation.as_ref().map_or("none".into(), |it| {
                let largest_free = expected.largest_free.map(|_| it.largest_free);
                told(it.size, &crate::capabilities::names(it.capabilities), largest_free)
            });
            let wanted = told(expected.size, &expected.capabilities, expected.largest_free);
            self.equal(VerdictKind::Record, "failed-allocation", wanted, found);
        }
    }

    fn place(
        &mut self,
        subject: &str,
        expected: Option<&Place>,
        symbol: &Option<String>,
        region: &Option<String>,
    ) {
        let Some(expected) = expected else { return };
        let found = if matches!(expected, Place::Symbol(_)) { symbol } else { region };
        if !found.as_deref().is_some_and(|found| expected.is(found)) {
            let found = found.clone().unwrap_or_else(|| "unknown".to_owned());
            self.add(VerdictKind::Record, subject, expected, found);
        }
    }
}

/// Whether a function is the one that was asked for, by its whole path.
fn is_function(function: &Option<String>, wanted: &str) -> bool {
    function.as_deref() == Some(wanted)
}

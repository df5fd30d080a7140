//! The reboot policy against a naive model: every sequence of events up to a length, told by
//! looking back over the whole history instead of keeping counts.
#![expect(clippy::indexing_slicing, reason = "a test may stop on a wrong offset")]

use crashrig_memory::reboot::{self, BootMode, Policy, Start};
use crashrig_wire::ledger::{Class, Phase, SafeMode};
use crashrig_wire::{Kind, Ledger, Status};

/// What can happen to a boot. All but `Healthy` and `Acknowledged` end it, and the next begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Crash,
    UncleanReset,
    OrderedReset,
    /// Power is lost and comes back, with memory kept, as behind a battery.
    PowerLost,
    /// Power is lost and memory with it.
    MemoryLost,
    Healthy,
    Acknowledged,
}

use Event::{Acknowledged, Crash, Healthy, MemoryLost, OrderedReset, PowerLost, UncleanReset};

impl Event {
    const fn is_failure(self) -> bool {
        matches!(self, Crash | UncleanReset)
    }

    const fn ends_boot(self) -> bool {
        !matches!(self, Healthy | Acknowledged)
    }
}

const fn policy(reboot_limit: u16) -> Policy {
    Policy { reboot_limit, healthy_after_ms: 1000 }
}

/// The device: a ledger and the mode of its boot.
#[derive(Clone, Copy)]
struct Device {
    ledger: Ledger,
    mode: BootMode,
}

impl Device {
    fn first_boot(policy: &Policy) -> Self {
        let mut ledger = Ledger::NEW;
        let mode = policy.begin(&mut ledger, Start::PowerOn);
        Self { ledger, mode }
    }

    fn after(mut self, event: Event, policy: &Policy) -> Self {
        match event {
            Crash => reboot::crashed(&mut self.ledger, Status::of(Kind::BusFault)),
            OrderedReset => reboot::ended(&mut self.ledger),
            Healthy => reboot::healthy(&mut self.ledger),
            Acknowledged => reboot::acknowledged(&mut self.ledger),
            MemoryLost => self.ledger = Ledger::NEW,
            UncleanReset | PowerLost => {}
        }
        if event.ends_boot() {
            let start =
                if matches!(event, PowerLost | MemoryLost) { Start::PowerOn } else { Start::Reset };
            self.mode = policy.begin(&mut self.ledger, start);
        }
        self
    }
}

/// What the model says, from nothing but the list of events.
struct Model<'a>(&'a [Event]);

impl Model<'_> {
    /// The events that memory still knows of.
    fn known(&self) -> &[Event] {
        let lost = self.0.iter().rposition(|event| *event == MemoryLost);
        &self.0[lost.map_or(0, |index| index + 1)..]
    }

    fn crashes_in_a_row(&self) -> usize {
        let cleared = |event: &&Event| !matches!(event, Healthy | Acknowledged);
        let recent = self.known().iter().rev().take_while(cleared);
        recent.filter(|event| event.is_failure()).count()
    }

    /// The mode of the boot that runs now: decided by what was known when it began.
    fn is_safe(&self, limit: usize) -> bool {
        let began = self.0.iter().rposition(|event| event.ends_boot());
        let before = &self.0[..began.map_or(0, |index| index + 1)];
        Model(before).crashes_in_a_row() >= limit
    }

    fn count(&self, wanted: Event) -> usize {
        self.known().iter().filter(|event| **event == wanted).count()
    }

    fn boots_since_crash(&self) -> usize {
        let since = self.known().iter().rev().take_while(|event| **event != Crash);
        // The boot that follows the crash, or the first one, is the one that is not in the list.
        since.filter(|event| event.ends_boot()).count() + 1
    }
}

fn check(device: &Device, events: &[Event], limit: u16) {
    let model = Model(events);
    let ledger = &device.ledger;
    let in_a_row = model.crashes_in_a_row();
    assert_eq!(usize::from(ledger.crashes_in_a_row), in_a_row, "{events:?}");
    let is_safe = model.is_safe(usize::from(limit));
    assert_eq!(matches!(device.mode, BootMode::Safe { .. }), is_safe, "{events:?}");
    assert_eq!(usize::from(ledger.boots_without_end), model.count(UncleanReset), "{events:?}");
    assert_eq!(usize::from(ledger.crashes_of(Class::BusFault)), model.count(Crash), "{events:?}");
    assert_eq!(usize::from(ledger.boots_since_crash), model.boots_since_crash(), "{events:?}");
    assert_eq!(ledger.phase, Phase::Running, "{events:?}");
    // The flag that a host sees is the mode, until somebody leaves safe mode in this very boot.
    if ledger.safe_mode == SafeMode::Off {
        assert!(in_a_row < usize::from(limit), "{events:?}");
    } else {
        assert!(is_safe, "{events:?}");
    }
    if let BootMode::Safe { crashes_in_a_row } = device.mode {
        assert!(crashes_in_a_row >= limit, "{events:?}");
    }
}

/// Carries out every sequence of the alphabet up to a length; returns how many there were.
fn every_sequence(alphabet: &[Event], length: usize, limit: u16) -> usize {
    fn deeper(
        (alphabet, length, limit): (&[Event], usize, u16),
        device: Device,
        events: &mut Vec<Event>,
    ) -> usize {
        check(&device, events, limit);
        if events.len() == length {
            return 1;
        }
        let mut count = 1;
        for event in alphabet {
            events.push(*event);
            let next = device.after(*event, &policy(limit));
            count += deeper((alphabet, length, limit), next, events);
            events.pop();
        }
        count
    }
    let first = Device::first_boot(&policy(limit));
    deeper((alphabet, length, limit), first, &mut Vec::new())
}

#[test]
fn every_sequence_of_eight_events_is_as_the_model_says() {
    let alphabet = [Crash, UncleanReset, Healthy, OrderedReset, PowerLost];
    for limit in [1, 3] {
        assert_eq!(every_sequence(&alphabet, 8, limit), 488_281, "limit {limit}");
    }
}

#[test]
fn every_sequence_of_six_events_with_lost_memory_and_acknowledging_is_as_the_model_says() {
    let alphabet =
        [Crash, UncleanReset, Healthy, OrderedReset, PowerLost, MemoryLost, Acknowledged];
    for limit in [1, 3] {
        assert_eq!(every_sequence(&alphabet, 6, limit), 137_257, "limit {limit}");
    }
}

/// The bound: without a healthy boot no loop of crashes and endless boots stays in normal mode.
#[test]
fn a_loop_of_bad_ends_reaches_safe_mode_at_the_limit_and_stays() {
    for event in [Crash, UncleanReset] {
        for limit in [0, 1, 2, 7, u16::MAX] {
            let mut device = Device::first_boot(&policy(limit));
            for _ in 0..u32::from(limit.max(1)) {
                assert_eq!(device.mode, BootMode::Normal);
                device = device.after(event, &policy(limit));
            }
            for _ in 0..3 {
                assert!(matches!(device.mode, BootMode::Safe { .. }), "{event:?} {limit}");
                device = device.after(OrderedReset, &policy(limit));
            }
        }
    }
}

#[test]
fn the_reason_of_safe_mode_is_the_last_straw_and_a_new_limit_does_not_end_it() {
    let check = |events: &[Event], expected| {
        let mut device = Device::first_boot(&policy(2));
        for event in events {
            device = device.after(*event, &policy(2));
        }
        assert_eq!(device.ledger.safe_mode, expected, "{events:?}");
        let generous = device.after(OrderedReset, &policy(100));
        assert!(matches!(generous.mode, BootMode::Safe { .. }));
        let left = device.after(Healthy, &policy(2)).after(OrderedReset, &policy(2));
        assert_eq!((left.mode, left.ledger.safe_mode), (BootMode::Normal, SafeMode::Off));
    };
    check(&[UncleanReset, Crash], SafeMode::Crash);
    check(&[Crash, UncleanReset], SafeMode::NoEnd);
    check(&[Crash, UncleanReset, Crash], SafeMode::NoEnd);
}

#[test]
fn counters_saturate() {
    let mut ledger = Ledger::NEW;
    for _ in 0..70_000 {
        policy(1).begin(&mut ledger, Start::Reset);
    }
    assert_eq!((ledger.boots_without_end, ledger.crashes_in_a_row), (u16::MAX, u16::MAX));
    assert_eq!(ledger.boots_since_crash, u16::MAX);
    for _ in 0..300 {
        reboot::crashed(&mut ledger, Status::of(Kind::Panic));
    }
    assert_eq!((ledger.crashes_of(Class::Panic), ledger.crashes_in_a_row), (255, u16::MAX));
    assert_eq!(ledger.newest_status, Status::of(Kind::Panic));
}

#[test]
fn a_boot_is_healthy_from_its_time_on() {
    assert!(!policy(1).is_healthy_at(999));
    assert!(policy(1).is_healthy_at(1000));
}

/// A device with a bootloader in front, and how many hand-overs it makes of an application that
/// dies in one way for ever.
fn hand_overs(limit: u16, dies: impl Fn(&Policy, &mut Ledger)) -> usize {
    let mut ledger = Ledger::NEW;
    let tries = (0..100).take_while(|_| {
        let goes_on = reboot::hand_over(&mut ledger, limit, Start::Reset);
        if goes_on {
            dies(&policy(5), &mut ledger);
        }
        goes_on
    });
    let tries = tries.count();
    // Staying ends safely, and one more try is left to whoever resets the device.
    let before = ledger;
    reboot::stay(&mut ledger, Start::Reset);
    assert_eq!(ledger.phase, Phase::Ended);
    assert_ne!(ledger.safe_mode, SafeMode::Off);
    let unnoticed = u16::from(before.phase != Phase::Crashed);
    assert_eq!(ledger.crashes_in_a_row, before.crashes_in_a_row + unnoticed);
    assert!(reboot::hand_over(&mut ledger, limit, Start::Reset));
    dies(&policy(5), &mut ledger);
    assert!(!reboot::hand_over(&mut ledger, limit, Start::Reset));
    tries
}

#[test]
fn an_application_that_always_dies_is_started_as_often_as_the_limit_says() {
    let crash = |ledger: &mut Ledger| reboot::crashed(ledger, Status::of(Kind::BusFault));
    for limit in 1..9 {
        let before_its_boot_begins = hand_overs(limit, |_, _| {});
        let without_end = hand_overs(limit, |policy, ledger| {
            policy.begin(ledger, Start::Reset);
        });
        let with_record_before = hand_overs(limit, |_, ledger| crash(ledger));
        let with_record = hand_overs(limit, |policy, ledger| {
            policy.begin(ledger, Start::Reset);
            crash(ledger);
        });
        let all = [before_its_boot_begins, without_end, with_record_before, with_record];
        assert_eq!(all, [usize::from(limit); 4]);
    }
}

#[test]
fn a_bootloader_changes_nothing_for_an_application_that_begins() {
    for length in 1..=6 {
        for ends in 0..3_u32.pow(length) {
            let (mut with, mut without) = (Ledger::NEW, Ledger::NEW);
            for boot in 0..length {
                assert!(reboot::hand_over(&mut with, 100, Start::Reset));
                let modes =
                    [&mut with, &mut without].map(|ledger| policy(3).begin(ledger, Start::Reset));
                assert_eq!(modes[0], modes[1], "{ends}");
                for ledger in [&mut with, &mut without] {
                    match ends / 3_u32.pow(boot) % 3 {
                        0 => {}
                        1 => reboot::ended(ledger),
                        _ => reboot::crashed(ledger, Status::of(Kind::BusFault)),
                    }
                }
            }
            assert_eq!(with, without, "{ends}");
        }
    }
}

#[test]
fn a_loss_of_power_is_no_bad_end_of_a_hand_over() {
    let mut ledger = Ledger::NEW;
    for _ in 0..20 {
        assert!(reboot::hand_over(&mut ledger, 2, Start::PowerOn));
    }
    assert_eq!((ledger.crashes_in_a_row, ledger.boots_without_end), (0, 0));
}

/// The newest in the lowest byte, the oldest of four in the highest; what a bootloader has noted
/// the application behind it does not shift away.
#[test]
fn reset_flags_of_four_boots_are_kept_and_a_hand_over_is_no_reset() {
    let mut ledger = Ledger::NEW;
    for flags in [0x0E, 0x14, 0, 0x24, 0x15] {
        reboot::note_reset(&mut ledger, flags);
        let _ = policy(3).begin(&mut ledger, Start::Reset);
    }
    assert_eq!(ledger.reset_causes, 0x1400_2415);
    reboot::note_reset(&mut ledger, 0x16);
    assert!(reboot::hand_over(&mut ledger, 7, Start::Reset));
    reboot::note_reset(&mut ledger, 0);
    let _ = policy(3).begin(&mut ledger, Start::Reset);
    assert_eq!(ledger.reset_causes, 0x0024_1516);
    // A bootloader that leaves the flags alone leaves them to the application.
    assert!(reboot::hand_over(&mut ledger, 7, Start::Reset));
    reboot::note_reset(&mut ledger, 0x17);
    assert_eq!(ledger.reset_causes, 0x2415_1617);
}

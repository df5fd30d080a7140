//! Plays a behaviour table: threads with a letter each, and steps that they take.
//!
//! It does what the port does around the kernel: after every call and tick it switches if the
//! kernel says so, and hands the thread that runs the answer that it waited for.

use crashrig_memory::kernel::Caller;
use crashrig_memory::kernel::call::{Answer, Call, Error};
use crashrig_memory::kernel::thread::NewThread;
use crashrig_memory::stack::StackRange;
use crashrig_wire::Thread;

pub type Kernel = crashrig_memory::kernel::Kernel<8, 6>;

/// The idle thread, which every table has in slot 0.
pub const IDLE: char = 'I';

/// One step of a table.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// This thread runs; it calls, and this comes of it.
    By(char, Call, Answer),
    /// An interrupt handler calls.
    Interrupt(Call, Result<u32, Error>),
    /// The clock ticks.
    Ticks(u32),
    /// This thread runs.
    Runs(char),
    /// This thread has this priority.
    Priority(char, u8),
    /// When this thread ran again, it got this answer. Each can be asked for once.
    Got(char, Result<u32, Error>),
    /// A thread that is new from here on, with a priority.
    New(char, u32),
}

pub use Step::{By, Got, Interrupt, New, Priority, Runs, Ticks};

/// The call is done, with a value.
pub const fn done(value: u32) -> Answer {
    Answer::Done(Ok(value))
}

/// The call is refused.
pub const fn refused(error: Error) -> Answer {
    Answer::Done(Err(error))
}

/// The caller waits.
pub const WAITS: Answer = Answer::Waits;

/// A sleep, which most tables begin with so that a lower thread comes first.
pub const fn sleeps(letter: char, ticks: u32) -> Step {
    By(letter, Call::Sleep { ticks }, WAITS)
}

/// The handle of the thread that has this place among those of the table, from 1; the idle thread
/// is 0. Right as long as its slot was never used before.
pub const fn handle(place: u32) -> u32 {
    place
}

/// A new thread's wishes; its stack is told apart by the slot.
pub fn new_thread(slot: u8, priority: u32) -> NewThread {
    let start = 0x2000_0000 + u32::from(slot) * 0x1000;
    NewThread {
        name: "",
        priority,
        privileged: true,
        stack_from_heap: false,
        entry: 0x0800_0000,
        stack: StackRange {
            thread: if slot == 0 { Thread::Idle } else { Thread::User(slot) },
            guard_start: start - 0x20,
            start,
            end: start + 0x400,
        },
    }
}

struct Play {
    kernel: Kernel,
    /// The letter of each slot.
    letters: [char; 8],
    /// What each slot got when it ran again.
    answers: [Option<Result<u32, Error>>; 8],
}

impl Play {
    fn new(begin: u32, objects: &[Call], threads: &[(char, u32)]) -> Self {
        let kernel = Kernel::beginning_at(begin);
        let mut play = Self { kernel, letters: [' '; 8], answers: [None; 8] };
        play.add(IDLE, 0);
        play.kernel.begin(0);
        for (handle, object) in (0..).zip(objects) {
            assert_eq!(play.kernel.call(Caller::Thread, *object), done(handle), "{object:?}");
        }
        for (letter, priority) in threads {
            play.add(*letter, *priority);
        }
        play.go_on();
        play
    }

    fn add(&mut self, letter: char, priority: u32) {
        let slot = self.kernel.free_slot().unwrap_or_else(|error| panic!("{letter}: {error:?}"));
        let added = self.kernel.add(&new_thread(slot, priority));
        assert!(added.is_ok(), "{letter}: {added:?}");
        self.letters[usize::from(slot)] = letter;
        self.answers[usize::from(slot)] = None;
    }

    fn go_on(&mut self) {
        if self.kernel.should_switch() {
            self.kernel.switch();
        }
        let Some(slot) = self.kernel.current() else { panic!("nobody runs") };
        if let Some(answer) = self.kernel.take_answer(slot) {
            self.answers[usize::from(slot)] = Some(answer);
        }
    }

    fn slot(&self, letter: char) -> u8 {
        let place = self.letters.iter().position(|known| *known == letter);
        place.map_or_else(|| panic!("no thread {letter}"), |place| place as u8)
    }

    fn running(&self) -> Option<char> {
        self.kernel.current().map(|slot| self.letters[usize::from(slot)])
    }

    fn take(&mut self, step: Step, place: std::fmt::Arguments<'_>) {
        match step {
            By(letter, call, expected) => {
                assert_eq!(self.running(), Some(letter), "who runs, {place}");
                assert_eq!(self.kernel.call(Caller::Thread, call), expected, "{place}");
            }
            Interrupt(call, expected) => {
                let answer = self.kernel.call(Caller::Interrupt, call);
                assert_eq!(answer, Answer::Done(expected), "{place}");
            }
            Ticks(count) => {
                for _ in 0..count {
                    self.kernel.tick();
                    self.go_on();
                }
            }
            Runs(letter) => assert_eq!(self.running(), Some(letter), "who runs, {place}"),
            Priority(letter, expected) => {
                let slot = self.slot(letter);
                let priority = self.kernel.thread(slot).map(|thread| thread.priority);
                assert_eq!(priority, Some(expected), "{place}");
            }
            Got(letter, expected) => {
                let slot = usize::from(self.slot(letter));
                assert_eq!(self.answers[slot].take(), Some(expected), "{place}");
            }
            New(letter, priority) => self.add(letter, priority),
        }
        self.go_on();
    }
}

/// Where clock and tickets begin: at 0 as on the device, and shortly before they wrap.
const BEGINNINGS: &[u32] =
    if cfg!(miri) { &[u32::MAX - 3] } else { &[0, u32::MAX, u32::MAX - 3, u32::MAX - 12] };

/// Plays a table: objects, whose handles count from 0; threads with their priorities, all ready;
/// steps. Says which step failed.
pub fn check(name: &str, objects: &[Call], threads: &[(char, u32)], steps: &[Step]) {
    for begin in BEGINNINGS.iter().copied() {
        let mut play = Play::new(begin, objects, threads);
        for (number, step) in steps.iter().enumerate() {
            play.take(*step, format_args!("{name} from {begin}, step {number}: {step:?}"));
        }
    }
}

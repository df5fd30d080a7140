//! The traces: sequences of requests, the same in each run and for each heap.
//!
//! A trace names blocks by slots. Nobody keeps a list of requests: what comes at a step follows
//! from its number, from a row of random numbers that always begins alike, and for a slot from
//! whether it is in use. The plug-in keeps a bounded log of marks, which is what bounds the length
//! of a trace ([`STEPS`]).

use crate::device::contenders::{Name, name};

/// How many blocks a trace can have at a time.
pub const SLOTS: usize = 512;

/// Most steps of a trace. Each is two marks in a log of 4,096, or three if there is no memory.
const STEPS: u32 = 1800;

/// Twice as many as are in use after a while: 260 blocks of 260 bytes on average are 66 KiB.
const NEARLY_FULL_SLOTS: u32 = SLOTS as u32;
/// Each may be three marks, as a refusal is.
const NEARLY_FULL_STEPS: u32 = 1360;

/// One request: the end of what is in a slot, or memory for it if it is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// Which slot it is about.
    pub slot: usize,
    /// How many bytes.
    pub size_bytes: usize,
    /// Whether what is in the slot gets this size instead.
    pub is_resize: bool,
}

impl Operation {
    const fn toggle(slot: u32, size_bytes: u32) -> Self {
        Self { slot: slot as usize, size_bytes: size_bytes as usize, is_resize: false }
    }
}

/// What comes at a step; nothing behind the last one.
pub type Trace = fn(u32, &mut Random) -> Option<Operation>;

macro_rules! traces {
    ($( $name:literal $trace:expr; )+) => {
        /// The names, in the order of their indices.
        #[used]
        pub static NAMES: [Name; [$( $name ),+].len()] = [$( name($name) ),+];

        /// A trace by the index of its name.
        pub fn by_index(index: u32) -> Option<Trace> {
            let all: [Trace; NAMES.len()] = [$( $trace ),+];
            all.get(index as usize).copied()
        }
    };
}

traces! {
    "settings" settings;
    "random sizes" random_sizes;
    "small churn" small_churn;
    "fragments" fragments;
    "nearly full" nearly_full;
    "10 live" |step, random| crowd(12, step, random);
    "400 live" |step, random| crowd(480, step, random);
}

/// A row of random numbers: xorshift of 32 bits (Marsaglia 2003, from memory, not checked; any row
/// that repeats would do).
#[derive(Debug)]
pub struct Random(u32);

impl Random {
    /// The row, from its first number.
    pub const fn new() -> Self {
        Self(0x5EED)
    }

    /// The next number below a limit.
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        (self.0 >> 8) % limit
    }
}

/// What a program asked for: recorded by `record.rs`, which says what it is. Tokens of eight
/// characters and one between them: kind, slot in three digits, size in four.
const SETTINGS: &[u8] = include_bytes!("../traces/settings.txt");

fn settings(step: u32, _: &mut Random) -> Option<Operation> {
    let [kind, digits @ ..] = SETTINGS.chunks(9).nth(step as usize)?.first_chunk::<8>()?;
    let number = |digits: &[u8]| {
        digits.iter().fold(0, |number, digit| 10 * number + usize::from(digit & 0xF))
    };
    let (slot, size) = digits.split_at(3);
    let (slot, size_bytes) = (number(slot), number(size));
    Some(Operation { slot, size_bytes, is_resize: *kind == b'~' })
}

/// 8 to 512 bytes, about a hundred blocks at a time.
fn random_sizes(step: u32, random: &mut Random) -> Option<Operation> {
    let slot = random.below(200);
    (step < STEPS).then(|| Operation::toggle(slot, 8 + random.below(505)))
}

/// The same with more than two hundred blocks wanted at a time, which is more than there is memory:
/// what a refusal costs.
fn nearly_full(step: u32, random: &mut Random) -> Option<Operation> {
    let slot = random.below(NEARLY_FULL_SLOTS);
    (step < NEARLY_FULL_STEPS).then(|| Operation::toggle(slot, 8 + random.below(505)))
}

/// Blocks of 24 bytes, some thirty at a time.
fn small_churn(step: u32, random: &mut Random) -> Option<Operation> {
    (step < STEPS).then(|| Operation::toggle(random.below(64), 24))
}

/// A part of a round: slots from `first` below `end`, every so many, and sizes in turn.
struct Part {
    first: u32,
    end: u32,
    every: u32,
    sizes: [u32; 2],
}

const fn part(first: u32, end: u32, every: u32, sizes: [u32; 2]) -> Part {
    Part { first, end, every, sizes }
}

/// Small and large blocks in turn; the large ones go, and middle ones take their holes; half
/// of the small ones go, and there should be room for larger ones; all go.
const ROUND: [Part; 8] = [
    part(0, 160, 1, [24, 480]),
    part(1, 160, 2, [0, 0]),
    part(160, 310, 1, [200, 200]),
    part(0, 160, 4, [0, 0]),
    part(310, 334, 1, [1000, 1000]),
    part(160, 310, 1, [0, 0]),
    part(2, 160, 4, [0, 0]),
    part(310, 334, 1, [0, 0]),
];

fn fragments(step: u32, _: &mut Random) -> Option<Operation> {
    if step >= STEPS {
        return None;
    }
    let count = |part: &Part| (part.end - part.first).div_ceil(part.every);
    let mut left = step % ROUND.iter().map(count).sum::<u32>();
    for part in &ROUND {
        if left < count(part) {
            let [even, odd] = part.sizes;
            let size_bytes = if left.is_multiple_of(2) { even } else { odd };
            return Some(Operation::toggle(part.first + left * part.every, size_bytes));
        }
        left -= count(part);
    }
    None
}

/// So many blocks; each sixth goes; then random sizes among the others, which stay.
fn crowd(blocks: u32, step: u32, random: &mut Random) -> Option<Operation> {
    let (holes, churn) = (blocks.div_ceil(6), 600);
    match step {
        _ if step < blocks => Some(Operation::toggle(step, 16 + random.below(65))),
        _ if step < blocks + holes => Some(Operation::toggle((step - blocks) * 6, 0)),
        _ if step < blocks + holes + churn => {
            Some(Operation::toggle(480 + random.below(32), 8 + random.below(505)))
        }
        _ => None,
    }
}

//! Every single bit of what a small heap keeps in memory, changed in turn: no damage is silent.
//!
//! For each bit and each operation that could be the first to meet it, the heap runs a sequence of
//! operations beside a heap that is whole. Up to the first report all answers and all contents must
//! be the same. What is left then is the table in `docs/heap_corruption.md`, which this test writes
//! with `CRASHRIG_BLESS=1` and otherwise compares.

use crate::ram::levels::{Comprehensive, Light, TrackedComprehensive, TrackedLight};
use crate::ram::{MAIN, Ram, Random, one_bank};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{AllocationError, Block, Heap, Level, Origin, Request};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;

const SIZE: u32 = 1024;
const CAPS: Capabilities = Capabilities::DMA;

/// What a word is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Size,
    PreviousSize,
    NextLink,
    PreviousLink,
    Owner,
    Caller,
    AskedSize,
    HeadCanary,
    TailCanary,
    Fill,
    EndMark,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Size => "size and flag of a block",
            Self::PreviousSize => "size of the block before",
            Self::NextLink => "link to the next free block",
            Self::PreviousLink => "link to the free block before",
            Self::Owner => "owner",
            Self::Caller => "caller",
            Self::AskedSize => "size that was asked for",
            Self::HeadCanary => "head canary",
            Self::TailCanary => "tail canary",
            Self::Fill => "fill of free memory",
            Self::EndMark => "end mark",
        }
    }
}

/// What one changed bit led to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    bits: u32,
    /// Found by the check of integrity before anything else ran.
    checked: u32,
    /// Sequences whose first difference was a report of a wrong word.
    reported: u32,
    /// Sequences whose first difference was the refusal of an address.
    refused: u32,
    /// Sequences that never used the word: all as on a whole heap, and the damage still there.
    unused: u32,
    /// Sequences that ended as on a whole heap, the damage gone.
    harmless: u32,
}

/// One block of the user, and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Owned {
    address: u32,
    size_bytes: u32,
}

/// One step of the sequence.
#[derive(Debug, Clone, Copy)]
enum Step {
    Free(usize),
    Allocate(u32),
    Resize(usize, u32),
}

/// How one step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Address(u32),
    NoMemory,
    Corrupt,
    Refused,
    /// All steps are done, and the check of integrity finds a wrong word.
    Unused,
    /// All steps are done, and the heap is whole.
    Whole,
}

/// Sizes that are no multiples of four too, so that tail canaries lie across words.
const SIZES: [u32; 9] = [24, 53, 24, 40, 54, 9, 24, 71, 40];

/// The same heap each time: six blocks in use and three free ones, two of them in one list.
fn scarred<L: Level>() -> (Heap<Ram, L, 1>, Ram, Vec<Owned>) {
    let (mut heap, ram) = one_bank::<L>(SIZE);
    let mut owned: Vec<Owned> = SIZES
        .iter()
        .map(|&size_bytes| {
            let origin = Origin { owner: size_bytes, caller: 0x0800_0101 };
            let request = Request { origin, ..Request::new(size_bytes, CAPS) };
            Owned { address: heap.request(&request).unwrap(), size_bytes }
        })
        .collect();
    let mut random = Random(3);
    for block in &owned {
        for address in (block.address..block.address + (block.size_bytes & !3)).step_by(4) {
            ram.set(address, random.next());
        }
    }
    for index in [6, 2, 0] {
        heap.free(owned.remove(index).address).unwrap();
    }
    (heap, ram, owned)
}

fn steps() -> Vec<Step> {
    let mut steps: Vec<Step> = (0..6).map(Step::Free).collect();
    steps.extend([20, 24, 40, 100, 300].map(Step::Allocate));
    steps
        .extend([(0, 60), (1, 8), (2, 200), (4, 1)].map(|(index, size)| Step::Resize(index, size)));
    steps
}

/// All bits of the heap's own, with what they are part of.
fn bits<L: Level>(heap: &Heap<Ram, L, 1>, ram: &Ram) -> Vec<(Kind, u32, u32)> {
    let mut bytes = Vec::new();
    let mut word = |kind, address: u32| bytes.extend((address..address + 4).map(|at| (kind, at)));
    let visit = |block: Block| {
        let header = block.address - L::PAYLOAD_OFFSET_BYTES;
        word(Kind::Size, header);
        word(Kind::PreviousSize, header + 4);
        if block.is_free {
            word(Kind::NextLink, header + 8);
            word(Kind::PreviousLink, header + 12);
            let end = block.address + block.size_bytes + L::TAIL_BYTES;
            if L::IS_FILLED {
                (header + 16..end).step_by(4).for_each(|address| word(Kind::Fill, address));
            }
        } else {
            if L::IS_TRACKED {
                word(Kind::Owner, block.address - 16);
                word(Kind::Caller, block.address - 12);
            }
            word(Kind::AskedSize, block.address - 8);
            word(Kind::HeadCanary, block.address - 4);
            word(Kind::TailCanary, block.address + ram.get(block.address - 8));
        }
        ControlFlow::Continue(())
    };
    heap.walk(CAPS, visit).unwrap();
    word(Kind::EndMark, MAIN.0 + SIZE - 8);
    word(Kind::PreviousSize, MAIN.0 + SIZE - 4);
    let bits =
        |(kind, at): (Kind, u32)| (0..8).map(move |bit| (kind, at & !3, 1 << ((at & 3) * 8 + bit)));
    let all = bytes.into_iter().flat_map(bits).enumerate();
    // Of the fill, one bit in seven meets every bit of a byte.
    let chosen = all.filter(|(number, (kind, ..))| *kind != Kind::Fill || number % 7 == 0);
    chosen.map(|(_, bit)| bit).collect()
}

fn run<L: Level>(heap: &mut Heap<Ram, L, 1>, owned: &mut [Owned], step: Step) -> Answer {
    let answer = |error| match error {
        AllocationError::Corrupt(_) => Answer::Corrupt,
        _ => Answer::NoMemory,
    };
    match step {
        Step::Allocate(size_bytes) => match heap.allocate(size_bytes, CAPS) {
            Ok(address) => Answer::Address(address),
            Err(error) => answer(error),
        },
        Step::Free(index) => match heap.free(owned[index].address) {
            Ok(held_bytes) => {
                owned[index].size_bytes = 0;
                Answer::Address(held_bytes)
            }
            Err(crashrig_memory::heap::AddressError::Corrupt(_)) => Answer::Corrupt,
            Err(_) => Answer::Refused,
        },
        Step::Resize(index, size_bytes) => {
            use crashrig_memory::heap::{AddressError, ReallocationError as Error};
            match heap.reallocate(owned[index].address, &Request::new(size_bytes, CAPS)) {
                Ok(address) => {
                    let kept = owned[index].size_bytes.min(size_bytes);
                    owned[index] = Owned { address, size_bytes: kept };
                    Answer::Address(address)
                }
                Err(Error::Address(AddressError::Corrupt(_))) => Answer::Corrupt,
                Err(Error::Address(_)) => Answer::Refused,
                Err(Error::Allocation(error)) => answer(error),
            }
        }
    }
}

/// What the user's blocks hold, byte by byte.
fn contents(ram: &Ram, owned: &[Owned]) -> Vec<Vec<u8>> {
    let byte = |at: u32| ram.get(at & !3).to_le_bytes()[(at & 3) as usize];
    let block = |owned: &Owned| (0..owned.size_bytes).map(|at| byte(owned.address + at)).collect();
    owned.iter().map(block).collect()
}

/// One bit changed, and the steps from `first` on, round to the one before it.
fn sequence<L: Level>(address: u32, bit: u32, first: usize, golden: &[Vec<Seen>]) -> Answer {
    let (mut heap, ram, mut owned) = scarred::<L>();
    ram.set(address, ram.get(address) ^ bit);
    let steps = steps();
    for (number, seen) in golden[first].iter().enumerate() {
        ram.take_accesses();
        let answer = run(&mut heap, &mut owned, steps[(first + number) % steps.len()]);
        if matches!(answer, Answer::Corrupt | Answer::Refused) && answer != seen.0 {
            return answer;
        }
        assert_eq!(answer, seen.0, "{address:#x} ^ {bit:#x}, from step {first}, at {number}");
        let whole = contents(&ram, &owned) == seen.1;
        assert!(whole, "{address:#x} ^ {bit:#x}, from step {first}, at {number}: contents");
    }
    ram.take_accesses();
    if heap.check_integrity(CAPS).is_err() { Answer::Unused } else { Answer::Whole }
}

/// An answer, and what the user's blocks held then.
type Seen = (Answer, Vec<Vec<u8>>);

fn golden<L: Level>(first: usize) -> Vec<Seen> {
    let (mut heap, ram, mut owned) = scarred::<L>();
    let steps = steps();
    let order = (0..steps.len()).map(|number| steps[(first + number) % steps.len()]);
    order.map(|step| (run(&mut heap, &mut owned, step), contents(&ram, &owned))).collect()
}

fn tally<L: Level>() -> BTreeMap<Kind, Tally> {
    let golden: Vec<Vec<Seen>> = (0..steps().len()).map(golden::<L>).collect();
    let (heap, ram, _) = scarred::<L>();
    assert_eq!(heap.check_integrity(CAPS), Ok(()));
    let mut tallies: BTreeMap<Kind, Tally> = BTreeMap::new();
    for (kind, address, bit) in bits(&heap, &ram) {
        let tally = tallies.entry(kind).or_default();
        tally.bits += 1;
        ram.set(address, ram.get(address) ^ bit);
        ram.take_accesses();
        tally.checked += u32::from(heap.check_integrity(CAPS).is_err());
        ram.set(address, ram.get(address) ^ bit);
        for first in 0..golden.len() {
            match sequence::<L>(address, bit, first, &golden) {
                Answer::Corrupt => tally.reported += 1,
                Answer::Refused => tally.refused += 1,
                Answer::Unused => tally.unused += 1,
                Answer::Whole | Answer::NoMemory | Answer::Address(_) => tally.harmless += 1,
            }
        }
    }
    for (kind, tally) in &tallies {
        assert_eq!(tally.bits, tally.checked, "{kind:?}: the check finds each");
    }
    tallies
}

fn rows(text: &mut String, level: &str, tallies: &BTreeMap<Kind, Tally>) {
    for (kind, tally) in tallies {
        let Tally { bits, checked, reported, refused, unused, harmless } = tally;
        let name = kind.name();
        let row = format!(
            "| {level} | {name} | {bits} | {checked} | {reported} | {refused} | {unused} | \
             {harmless} | 0 |"
        );
        writeln!(text, "{row}").unwrap();
    }
}

const HEAD: &str = "# Every single bit of a heap's own words, changed

Generated by `CRASHRIG_BLESS=1 cargo test -p crashrig-memory --test heap heap_bits`, which fails
where it differs or where any damage is silent. A heap of 1 KiB with six blocks in use and three
free ones; each bit of its headers, links, origins, canaries is changed in turn, and one in seven of
its fill. *Check*: bits that the check of integrity finds. Then fifteen operations (free, allocate,
reallocate) follow, beginning with each of them in turn, beside a heap that is whole, up to the
first report. *Reported*: sequences in which a wrong word was reported before any answer or
content differed. *Refused*: the first difference was the refusal of a right address. *Unused*:
all answers and contents as on the whole heap, and the check still finds the damage. *Harmless*:
all answers and contents as on the whole heap, and the damage gone at the end. *Silent*: another
answer, or contents changed, without a report.

| level | word | bits | check | reported | refused | unused | harmless | silent |
|---|---|---|---|---|---|---|---|---|
";

#[test]
#[cfg_attr(miri, ignore = "every bit is tried in fifteen sequences, which takes Miri hours")]
fn no_single_bit_is_silent() {
    let levels = [
        ("light", tally::<Light> as fn() -> BTreeMap<Kind, Tally>),
        ("comprehensive", tally::<Comprehensive>),
        ("light, tracked", tally::<TrackedLight>),
        ("comprehensive, tracked", tally::<TrackedComprehensive>),
    ];
    let tallies = levels.map(|(name, tally)| (name, std::thread::spawn(tally)));
    let mut text = HEAD.to_owned();
    for (level, tallies) in tallies {
        rows(&mut text, level, &tallies.join().unwrap());
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/heap_corruption.md");
    if std::env::var_os("CRASHRIG_BLESS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(stored, text, "CRASHRIG_BLESS=1 stores the new table");
}

//! Who has how much: accounts beside a heap, against a naive map of blocks.

use crate::ram::{Ram, Random, at_each_level, one_bank, two_banks};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::{
    Account, Accounts, AddressError, AllocationError, Block, Heap, Level, OTHERS, Origin, Request,
    Resizing, Tracked,
};
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

const DMA: Capabilities = Capabilities::DMA;

mod at {
    use super::at_each_level;
    at_each_level!([Off, Light, Comprehensive]:
        random_owners_have_what_a_naive_map_says,
        a_leak_of_an_owner_that_ended_is_kept,
        who_finds_no_row_is_one_of_the_others,
        a_number_that_is_used_again_is_alive_again,
        what_the_heap_refuses_is_not_accounted,
        a_walk_says_who_has_what_in_which_region,
    );
}

/// A heap with accounts, and which owners are still there.
struct Bench<L, const ROWS: usize> {
    heap: Heap<Ram, Tracked<L>, 1>,
    ram: Ram,
    accounts: Accounts<ROWS>,
    alive: HashSet<u32>,
}

impl<L: Level, const ROWS: usize> Bench<L, ROWS> {
    fn new(owners: impl IntoIterator<Item = u32>) -> Self {
        let (heap, ram) = one_bank(0x4000);
        Self { heap, ram, accounts: Accounts::new(), alive: owners.into_iter().collect() }
    }

    fn request(owner: u32, size_bytes: u32) -> Request {
        Request { origin: Origin { owner, caller: 0x800 }, ..Request::new(size_bytes, DMA) }
    }

    fn allocate(&mut self, owner: u32, size_bytes: u32) -> Result<u32, AllocationError> {
        let Self { heap, accounts, alive, .. } = self;
        let request = Self::request(owner, size_bytes);
        accounts.allocate(heap, &request, |it| alive.contains(&it), |heap, it| heap.request(it))
    }

    fn free(&mut self, address: u32) -> Result<u32, AddressError> {
        self.accounts.free(&mut self.heap, address)
    }

    fn reallocate(&mut self, address: u32, owner: u32, size_bytes: u32) -> Option<u32> {
        let Self { heap, ram, accounts, alive } = self;
        let request = Self::request(owner, size_bytes);
        let begin =
            |heap: &mut Heap<_, _, 1>, address, it: &Request| heap.begin_reallocation(address, it);
        let is_alive = |it| alive.contains(&it);
        match accounts.begin_reallocation(heap, address, &request, is_alive, begin).ok()? {
            Resizing::InPlace(address) => Some(address),
            Resizing::Moves(moving) => {
                moving.copy(ram);
                accounts.end_reallocation(heap, moving).ok()
            }
        }
    }

    fn of(&self, owner: u32) -> Account {
        *self.accounts.of(owner).unwrap()
    }

    /// The owner that a block names.
    fn named(&self, address: u32) -> u32 {
        self.heap.containing_block(address).unwrap().origin.owner
    }
}

/// What the naive map knows of one account.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Naive {
    blocks: HashMap<u32, u32>,
    peak_bytes: u32,
    allocations: u32,
    frees: u32,
}

impl Naive {
    fn bytes(&self) -> u32 {
        self.blocks.values().sum()
    }

    fn add(&mut self, address: u32, size_bytes: u32) {
        assert_eq!(self.blocks.insert(address, size_bytes), None);
        self.allocations += 1;
        self.peak_bytes = self.peak_bytes.max(self.bytes());
    }
}

fn random_owners_have_what_a_naive_map_says<L: Level>() {
    let steps = if cfg!(miri) { 16 } else { 1500 };
    for seed in 1..if cfg!(miri) { 2 } else { 6 } {
        println!("seed {seed}");
        let mut random = Random(seed);
        let mut bench = Bench::<L, 5>::new(0..8);
        let mut naive: HashMap<u32, Naive> = HashMap::new();
        let (mut born, mut overflowed, mut forgotten) = (8, 0, 0);
        for _ in 0..steps {
            let mut living: Vec<_> = bench.alive.iter().copied().collect();
            living.sort_unstable();
            let owner = living[random.below(living.len() as u32) as usize];
            let mut held: Vec<_> = naive
                .iter()
                .flat_map(|(owner, it)| it.blocks.keys().map(|address| (*address, *owner)))
                .collect();
            held.sort_unstable();
            let size_bytes = 1 + random.below(300);
            match (random.below(40), held.is_empty()) {
                (0, _) => {
                    bench.alive.remove(&owner);
                    bench.alive.insert(born);
                    born += 1;
                }
                (1..=17, _) | (_, true) => {
                    let Ok(address) = bench.allocate(owner, size_bytes) else { continue };
                    let named = bench.named(address);
                    assert!(named == owner || named == OTHERS);
                    if named == OTHERS {
                        // Only where each row is that of somebody else who needs it.
                        let rows: Vec<_> = bench.accounts.iter().collect();
                        assert!(rows.len() == 6 && rows.iter().all(|row| row.owner != owner));
                        let needed = |row: &&Account| row.blocks > 0 || !row.is_ended;
                        assert!(rows[..5].iter().all(needed));
                        overflowed += 1;
                    }
                    let size_bytes = bench.heap.size_of(address).unwrap();
                    if bench.accounts.of(named).unwrap().allocations == 1 {
                        // The owner's first block, or its first one since its row was given away.
                        let before = naive.remove(&named).unwrap_or_default();
                        assert!(before.blocks.is_empty());
                    }
                    naive.entry(named).or_default().add(address, size_bytes);
                }
                (kind, false) => {
                    let (address, named) = held[random.below(held.len() as u32) as usize];
                    if kind > 30 {
                        resize(&mut bench, &mut naive, (address, named), owner, size_bytes);
                    } else {
                        bench.free(address).unwrap();
                        let row = naive.get_mut(&named).unwrap();
                        row.blocks.remove(&address);
                        row.frees += 1;
                    }
                }
            }
            forgotten += compare(&bench, &mut naive);
        }
        assert!(cfg!(miri) || overflowed > 0 && forgotten > 0, "neither was tried");
    }
}

fn resize<L: Level, const ROWS: usize>(
    bench: &mut Bench<L, ROWS>,
    naive: &mut HashMap<u32, Naive>,
    (address, named): (u32, u32),
    owner: u32,
    size_bytes: u32,
) {
    let Some(fresh) = bench.reallocate(address, owner, size_bytes) else { return };
    let (now, size_bytes) = (bench.named(fresh), bench.heap.size_of(fresh).unwrap());
    if fresh == address {
        assert_eq!(now, named, "who has a block that stays keeps it");
        let row = naive.get_mut(&now).unwrap();
        row.blocks.insert(fresh, size_bytes);
        row.peak_bytes = row.peak_bytes.max(row.bytes());
    } else {
        assert!(now == owner || now == OTHERS);
        if bench.of(now).allocations == 1 {
            naive.remove(&now);
        }
        naive.entry(now).or_default().add(fresh, size_bytes);
        let before = naive.get_mut(&named).unwrap();
        before.blocks.remove(&address);
        before.frees += 1;
    }
}

/// Each row says what the map says, and who has no row any more had ended and given all back.
/// Answers how many that are.
fn compare<L: Level, const ROWS: usize>(
    bench: &Bench<L, ROWS>,
    naive: &mut HashMap<u32, Naive>,
) -> usize {
    for row in bench.accounts.iter() {
        let it = &naive[&row.owner];
        let expected = Account {
            owner: row.owner,
            current_bytes: it.bytes(),
            peak_bytes: it.peak_bytes,
            blocks: it.blocks.len() as u32,
            allocations: it.allocations,
            frees: it.frees,
            is_ended: row.is_ended,
        };
        assert_eq!(*row, expected);
    }
    let sum: u32 = bench.accounts.iter().map(|row| row.blocks).sum();
    let (totals, strays) = (bench.heap.totals(DMA).unwrap(), bench.accounts.strays());
    assert_eq!((sum, strays), (totals.allocated_blocks, 0));
    let before = naive.len();
    naive.retain(|owner, it| {
        let has_row = bench.accounts.of(*owner).is_some();
        assert!(has_row || !bench.alive.contains(owner) && it.blocks.is_empty());
        has_row
    });
    before - naive.len()
}

fn a_leak_of_an_owner_that_ended_is_kept<L: Level>() {
    let mut bench = Bench::<L, 2>::new([1, 2, 3]);
    let leak = bench.allocate(1, 40).unwrap();
    let tidy = bench.allocate(2, 24).unwrap();
    bench.free(tidy).unwrap();
    bench.alive = [3].into();
    bench.accounts.mark_ended(|owner| owner == 3);
    assert!(bench.of(1).is_ended && bench.of(2).is_ended, "both stay as long as there is room");
    // The row of who left nothing behind is taken, not that of the leak, which came earlier.
    let third = bench.allocate(3, 8).unwrap();
    assert_eq!((bench.accounts.of(2), bench.of(1).blocks), (None, 1));
    // Nobody who is there yet: the fourth has no row, until the leak is released by another.
    bench.alive.insert(4);
    let fourth = bench.allocate(4, 8).unwrap();
    assert_eq!((bench.named(fourth), bench.of(OTHERS).blocks), (OTHERS, 1));
    bench.free(leak).unwrap();
    assert_eq!((bench.of(1).blocks, bench.of(1).current_bytes, bench.of(1).frees), (0, 0, 1));
    let fifth = bench.allocate(4, 8).unwrap();
    assert_eq!((bench.named(fifth), bench.accounts.of(1)), (4, None));
    for address in [third, fourth, fifth] {
        bench.free(address).unwrap();
    }
    assert!(bench.accounts.iter().all(|row| row.blocks == 0 && row.current_bytes == 0));
}

fn a_number_that_is_used_again_is_alive_again<L: Level>() {
    let mut bench = Bench::<L, 2>::new([1]);
    bench.allocate(1, 8).unwrap();
    bench.accounts.mark_ended(|_| false);
    assert!(bench.of(1).is_ended);
    bench.allocate(1, 8).unwrap();
    assert_eq!((bench.of(1).is_ended, bench.of(1).blocks), (false, 2));
}

fn who_finds_no_row_is_one_of_the_others<L: Level>() {
    let mut bench = Bench::<L, 2>::new([1, 2, 3]);
    let blocks: Vec<_> = [1, 2, 3, 3].map(|owner| bench.allocate(owner, 16).unwrap()).into();
    assert_eq!(bench.accounts.row(2), bench.accounts.of(OTHERS));
    assert_eq!((bench.of(OTHERS).blocks, bench.accounts.of(3)), (2, None));
    // Somebody writes over who owns a block. Where the head canary vouches for it, that is told.
    let place = blocks[0] - Tracked::<L>::PAYLOAD_OFFSET_BYTES + 8;
    assert_eq!(bench.ram.get(place), 1);
    bench.ram.set(place, 99);
    if L::IS_CHECKED {
        assert!(matches!(bench.free(blocks[0]), Err(AddressError::Corrupt(_))));
        assert_eq!((bench.accounts.strays(), bench.of(1).blocks), (0, 1));
        return;
    }
    blocks.iter().for_each(|address| _ = bench.free(*address).unwrap());
    assert_eq!((bench.accounts.strays(), bench.of(1).blocks), (1, 1));
    assert_eq!((bench.of(2).blocks, bench.of(OTHERS).blocks), (0, 0));
}

fn what_the_heap_refuses_is_not_accounted<L: Level>() {
    let mut bench = Bench::<L, 2>::new([1]);
    assert!(bench.allocate(1, 0).is_err() && bench.allocate(1, 0x10_0000).is_err());
    assert_eq!(bench.accounts.iter().count(), 0);
    let address = bench.allocate(1, 100).unwrap();
    assert!(bench.free(address + 8).is_err());
    assert_eq!(bench.reallocate(address, 1, 0x10_0000), None);
    let size_bytes = bench.heap.size_of(address).unwrap();
    assert_eq!((bench.of(1).current_bytes, bench.of(1).allocations), (size_bytes, 1));
    bench.free(address).unwrap();
    assert!(bench.free(address).is_err());
    assert_eq!((bench.of(1).frees, bench.of(1).peak_bytes), (1, size_bytes));
}

/// An account is of all regions together. Which block is whose in which region, a walk tells.
fn a_walk_says_who_has_what_in_which_region<L: Level>() {
    let (mut heap, _) = two_banks::<Tracked<L>>();
    let mut accounts = Accounts::<4>::new();
    // Only one of the two banks is in reach of DMA; the other one comes first for all else.
    let asked = [(1, DMA, 40), (2, DMA, 24), (1, Capabilities::BYTE, 56), (1, DMA, 8)];
    let mut expected = Vec::new();
    for (owner, caps, size_bytes) in asked {
        let origin = Origin { owner, caller: 0x800 };
        let request = Request { origin, ..Request::new(size_bytes, caps) };
        let serve = |heap: &mut Heap<_, _, 4>, it: &Request| heap.request(it);
        let address = accounts.allocate(&mut heap, &request, |_| true, serve).unwrap();
        expected.push((owner, usize::from(caps != DMA), address));
    }
    let mut found = Vec::new();
    let visit = |block: Block| {
        if !block.is_free {
            found.push((block.origin.owner, block.region, block.address));
        }
        ControlFlow::Continue(())
    };
    heap.walk(Capabilities::NONE, visit).unwrap();
    found.sort_by_key(|(.., address)| expected.iter().position(|it| it.2 == *address));
    assert_eq!(found, expected);
    for (owner, blocks) in [(1, 3), (2, 1)] {
        assert_eq!(accounts.of(owner).unwrap().blocks, blocks);
    }
    accounts.free(&mut heap, expected[2].2).unwrap();
    assert_eq!(accounts.of(1).unwrap().blocks, 2, "released in the other region");
    assert_eq!(accounts.of(3), None, "who never asked has no account");
}

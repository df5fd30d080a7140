//! From stores to marks, from marks to costs. Pure.

use crate::target::BenchError;
use crashrig_qemu::Store;

/// Kinds of requests, in the order of the image: allocate, free, resize.
const KINDS: usize = 3;
const ALLOCATE: usize = 0;
const FREE: usize = 1;

/// Instructions of one kind of request.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// How many requests there were.
    pub count: u64,
    /// All their instructions.
    pub sum: u64,
    /// The most that one took.
    pub worst: u64,
}

impl Cost {
    /// Instructions of one request, on average; nothing if there was none.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    fn add(&mut self, instructions: u64) {
        self.count += 1;
        self.sum += instructions;
        self.worst = self.worst.max(instructions);
    }
}

/// Instructions of one trace.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Costs {
    /// Requests for memory that were answered.
    pub allocate: Cost,
    /// Blocks that were taken back.
    pub free: Cost,
    /// Blocks that got another size.
    pub resize: Cost,
    /// Both for one block that was not given another size in between.
    pub pair: Cost,
    /// Requests for which there was no memory, refused ones of another size among them.
    pub refused: Cost,
}

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Call {
    kind: usize,
    slot: usize,
    /// From mark to mark.
    instructions: u64,
    was_refused: bool,
}

/// What the marks of a run tell.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Marks {
    calls: Vec<Call>,
    slots: usize,
}

impl Marks {
    /// Reads stores to a block of marks: one byte for each kind and slot, one that is stored to
    /// behind a call, and one behind that if there was no memory.
    pub fn read(stores: &[Store], start: u32, size_bytes: u32) -> Result<Self, BenchError> {
        let slots = (size_bytes as usize).saturating_sub(2) / KINDS;
        let (behind, refused) = (slots * KINDS, slots * KINDS + 1);
        let mut calls: Vec<Call> = Vec::new();
        let mut begun = None;
        for store in stores {
            let place = store.address.wrapping_sub(start) as usize;
            match (begun.take(), calls.last_mut()) {
                (None, _) if place < behind => begun = Some((place, store.instruction)),
                (Some((before, from)), _) if place == behind => {
                    let instructions = store.instruction - from;
                    let (kind, slot) = (before / slots, before % slots);
                    calls.push(Call { kind, slot, instructions, was_refused: false });
                }
                (None, Some(call)) if place == refused && !call.was_refused => {
                    call.was_refused = true;
                }
                _ => return Err(BenchError(format!("read marks of the bench: found {store:?}"))),
            }
        }
        if begun.is_some() {
            return Err(BenchError(
                "read marks of the bench: the last call did not end".to_owned(),
            ));
        }
        Ok(Self { calls, slots })
    }

    /// What a call itself costs, of each kind: these marks are of a heap that does nothing.
    pub fn calls(&self) -> Result<[u64; KINDS], BenchError> {
        let mut costs = [None; KINDS];
        for call in &self.calls {
            let cost = costs.get_mut(call.kind);
            let cost = cost.map(|cost| *cost.get_or_insert(call.instructions));
            if cost != Some(call.instructions) {
                let found = call.instructions;
                return Err(BenchError(format!("measure a call: found {found} and {cost:?}")));
            }
        }
        Ok(costs.map(Option::unwrap_or_default))
    }

    /// What the requests cost.
    pub fn costs(&self, calls: &[u64; KINDS]) -> Costs {
        let mut costs = Costs::default();
        let mut allocated = vec![None; self.slots];
        for call in &self.calls {
            let of_call = calls.get(call.kind).copied().unwrap_or_default();
            let instructions = call.instructions.saturating_sub(of_call);
            let Some(begun) = allocated.get_mut(call.slot) else { continue };
            match call.kind {
                _ if call.was_refused => costs.refused.add(instructions),
                ALLOCATE => {
                    costs.allocate.add(instructions);
                    *begun = Some(instructions);
                }
                FREE => {
                    costs.free.add(instructions);
                    begun.take().into_iter().for_each(|of| costs.pair.add(of + instructions));
                }
                _ => {
                    costs.resize.add(instructions);
                    *begun = None;
                }
            }
        }
        costs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u32 = 0x2000_0000;
    const SLOTS: u32 = 2;
    const SIZE_BYTES: u32 = 3 * SLOTS + 2;
    const BEHIND: u32 = 6;
    const REFUSED: u32 = 7;

    fn read(marks: &[(u64, u32)]) -> Result<Marks, BenchError> {
        let store = |(instruction, place): &(u64, u32)| Store {
            instruction: *instruction,
            pc: 0,
            address: START + place,
            size_bytes: 1,
        };
        let stores: Vec<_> = marks.iter().map(store).collect();
        Marks::read(&stores, START, SIZE_BYTES)
    }

    #[test]
    fn costs_are_sums_over_calls() {
        let nothing = read(&[(1, 0), (4, BEHIND), (9, 1), (12, BEHIND), (20, 2), (22, BEHIND)]);
        let calls = nothing.unwrap().calls().unwrap();
        assert_eq!(calls, [3, 2, 0]);
        let marks = [
            (100, 0),
            (113, BEHIND), // slot 0: 10
            (200, 1),
            (223, BEHIND), // slot 1: 20
            (300, 2),
            (307, BEHIND), // slot 0: free 5
            (400, 0),
            (503, BEHIND), // slot 0: refused 100
            (504, REFUSED),
            (600, 5),
            (640, BEHIND), // slot 1: resize 40
            (700, 3),
            (706, BEHIND), // slot 1: free 4, no pair
        ];
        let costs = read(&marks).unwrap().costs(&calls);
        let cost = |count, sum, worst| Cost { count, sum, worst };
        let expected = Costs {
            allocate: cost(2, 30, 20),
            free: cost(2, 9, 5),
            resize: cost(1, 40, 40),
            pair: cost(1, 15, 15),
            refused: cost(1, 100, 100),
        };
        assert_eq!(costs, expected);
        assert_eq!(costs.allocate.mean(), Some(15.0));
        assert_eq!(Cost::default().mean(), None);
    }

    #[test]
    fn marks_out_of_turn_are_errors() {
        for marks in [
            &[(1, BEHIND)][..],
            &[(1, REFUSED)],
            &[(1, 0), (2, 0)],
            &[(1, 0), (2, REFUSED)],
            &[(1, 0), (2, BEHIND), (3, BEHIND)],
            &[(1, 0), (2, BEHIND), (3, REFUSED), (4, REFUSED)],
            &[(1, 0)],
        ] {
            assert!(read(marks).is_err(), "{marks:?}");
        }
        let uneven = read(&[(1, 0), (4, BEHIND), (5, 1), (9, BEHIND)]).unwrap();
        assert!(uneven.calls().is_err(), "a call costs the same each time");
    }
}

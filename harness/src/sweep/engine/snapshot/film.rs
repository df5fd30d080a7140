//! Memory before each of some instructions that follow each other: what a reset there leaves.
//!
//! All that a boot after a reset can see of the run before is RAM. So a run that is cut off by a
//! reset needs no state to be restored, and QEMU keeps the code it has translated: the memory is
//! taken once, in single steps of the golden run, and put back before the boot. That is some ten
//! times faster than to restore a state, after which the whole boot is translated anew.

/// Bytes that are compared at a time.
const CELL_BYTES: usize = 64;

/// All RAM, one entry for each of its ranges.
pub(super) type Ram = Vec<Vec<u8>>;

/// Bytes that differ: where, and what they are.
pub(super) type Changes = Vec<(u32, Vec<u8>)>;

/// What became of RAM in one instruction, and where the core stood before it.
#[derive(Debug)]
struct Frame {
    pc: u32,
    /// Against the frame before.
    changes: Changes,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Film {
    /// First addresses of the ranges of RAM.
    starts: Vec<u32>,
    /// The number of the first frame: instructions behind the place that was saved.
    first: u64,
    frames: Vec<Frame>,
    /// The newest frame that was taken or shown, and its index.
    shown: (usize, Ram),
    /// Memory of the first frame.
    beginning: Ram,
}

impl Film {
    /// A film without frames. Ranges of RAM begin at `starts`.
    pub(super) fn new(starts: Vec<u32>, first: u64) -> Self {
        Self { starts, first, frames: Vec::new(), shown: (0, Vec::new()), beginning: Vec::new() }
    }

    /// Adds what RAM is before the next instruction.
    pub(super) fn take(&mut self, pc: u32, ram: &Ram) {
        let changes = if self.frames.is_empty() {
            self.beginning.clone_from(ram);
            self.shown.1.clone_from(ram);
            Vec::new()
        } else {
            let changes = changes(&self.starts, &self.shown.1, ram);
            apply(&self.starts, &mut self.shown.1, &changes);
            changes
        };
        self.shown.0 = self.frames.len();
        self.frames.push(Frame { pc, changes });
    }

    /// The number of the frame that would come next.
    pub(super) fn end(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    /// Program counter and memory of a frame by its number, if it was taken.
    pub(super) fn show(&mut self, number: u64) -> Option<(u32, &Ram)> {
        let wanted = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let pc = self.frames.get(wanted)?.pc;
        if wanted < self.shown.0 {
            self.shown.1.clone_from(&self.beginning);
            self.shown.0 = 0;
        }
        let from = self.shown.0 + 1;
        for frame in self.frames.get(from..=wanted).unwrap_or_default() {
            apply(&self.starts, &mut self.shown.1, &frame.changes);
        }
        self.shown.0 = wanted;
        Some((pc, &self.shown.1))
    }
}

/// Bytes at an address of RAM, if one range has all of them.
pub(super) fn cut(starts: &[u32], ram: &Ram, address: u32, size_bytes: usize) -> Option<Vec<u8>> {
    starts.iter().zip(ram).find_map(|(start, bytes)| {
        let from = usize::try_from(address.checked_sub(*start)?).ok()?;
        Some(bytes.get(from..from.checked_add(size_bytes)?)?.to_vec())
    })
}

/// What of RAM is not as it was, neighbouring bytes in one piece.
pub(super) fn changes(starts: &[u32], before: &Ram, after: &Ram) -> Changes {
    let mut found: Changes = Vec::new();
    for ((start, before), after) in starts.iter().zip(before).zip(after) {
        // Long ranges that are equal are the rule; the library compares those fastest.
        const PAGE_BYTES: usize = 4096;
        for (page, (old, new)) in
            before.chunks(PAGE_BYTES).zip(after.chunks(PAGE_BYTES)).enumerate()
        {
            if old == new {
                continue;
            }
            let cells = old.chunks(CELL_BYTES).zip(new.chunks(CELL_BYTES)).enumerate();
            for (cell, (_, new)) in cells.filter(|(_, (old, new))| old != new) {
                let offset = page * PAGE_BYTES + cell * CELL_BYTES;
                let address = start + u32::try_from(offset).unwrap_or(0);
                match found.last_mut() {
                    Some((first, bytes)) if *first as usize + bytes.len() == address as usize => {
                        bytes.extend_from_slice(new);
                    }
                    _ => found.push((address, new.to_vec())),
                }
            }
        }
    }
    found
}

fn apply(starts: &[u32], ram: &mut Ram, changes: &Changes) {
    for (address, bytes) in changes {
        for (start, range) in starts.iter().zip(ram.iter_mut()) {
            let Some(from) = address.checked_sub(*start) else { continue };
            let from = from as usize;
            if let Some(place) = range.get_mut(from..from + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTS: [u32; 2] = [0x1000_0000, 0x2000_0000];

    fn ram(change: impl Fn(&mut Ram)) -> Ram {
        let mut ram = vec![vec![0; 8192], vec![0; 4096 + 64]];
        change(&mut ram);
        ram
    }

    #[test]
    fn changes_are_found_and_make_the_one_of_the_other() {
        let before = ram(|_| ());
        let after = ram(|ram| {
            ram[0][4095] = 1;
            ram[0][4096] = 2;
            ram[1][4159] = 3;
        });
        let found = changes(&STARTS, &before, &after);
        let places: Vec<_> = found.iter().map(|(address, bytes)| (*address, bytes.len())).collect();
        assert_eq!(places, [(0x1000_0fc0, 128), (0x2000_1000, 64)]);
        let mut again = before.clone();
        apply(&STARTS, &mut again, &found);
        assert_eq!(again, after);
        assert!(changes(&STARTS, &after, &after).is_empty());
    }

    #[test]
    fn frames_are_shown_in_any_order() {
        let frames: Vec<Ram> = (0..10_u8)
            .map(|number| {
                ram(|ram| {
                    ram[0][usize::from(number) * 700] = number;
                    ram[1][0] = number;
                })
            })
            .collect();
        let mut film = Film::new(STARTS.to_vec(), 100);
        for (pc, frame) in (0..).zip(&frames) {
            film.take(pc, frame);
        }
        assert_eq!(film.end(), 110);
        for number in [9_usize, 0, 5, 5, 3, 8] {
            let found = film.show(100 + number as u64);
            assert_eq!(found, Some((number as u32, &frames[number])), "{number}");
        }
        assert_eq!(film.show(99), None);
        assert_eq!(film.show(110), None);
    }

    #[test]
    fn parts_are_cut_out_of_one_range() {
        let ram = ram(|ram| ram[1][5] = 7);
        assert_eq!(cut(&STARTS, &ram, 0x2000_0004, 2), Some(vec![0, 7]));
        assert_eq!(cut(&STARTS, &ram, 0x2000_103f, 2), None);
        assert_eq!(cut(&STARTS, &ram, 0x3000_0000, 1), None);
    }
}

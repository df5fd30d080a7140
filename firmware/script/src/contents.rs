//! What blocks of a script hold: a pattern, that nobody but an overrun may change.

use crashrig_memory::words::Words;
use crashrig_wire::script::OVERRUN_BYTE;

/// A word that is not what it was filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// Its address.
    pub address: u32,
    /// What it holds.
    pub found: u32,
}

/// Writes over bytes, wherever they begin and end.
pub fn write_over(words: &mut impl Words, from: u32, size_bytes: u32) {
    for address in from..from + size_bytes {
        let (place, lane) = (address & !3, address as usize % 4);
        let mut bytes = words.read(place).to_le_bytes();
        if let Some(byte) = bytes.get_mut(lane) {
            *byte = OVERRUN_BYTE;
        }
        words.write(place, u32::from_le_bytes(bytes));
    }
}

/// The words that a block is filled with: each differs from its neighbours, and from the same word
/// of a block with another seed.
fn pattern(seed: u32, offset_bytes: u32) -> u32 {
    seed.wrapping_add(offset_bytes.wrapping_mul(0x9E37_79B9))
}

/// The bits of the word at an offset that belong to a block of a size.
fn mask(offset_bytes: u32, size_bytes: u32) -> u32 {
    match size_bytes - offset_bytes {
        bytes @ 0..4 => (1 << (8 * bytes)) - 1,
        _ => u32::MAX,
    }
}

/// Fills a block.
pub fn fill(words: &mut impl Words, address: u32, size_bytes: u32, seed: u32) {
    for offset in (0..size_bytes).step_by(4) {
        let mask = mask(offset, size_bytes);
        let kept = words.read(address + offset) & !mask;
        words.write(address + offset, kept | pattern(seed, offset) & mask);
    }
}

/// The first word of a block that does not hold what it was filled with.
pub fn first_lost(words: &impl Words, address: u32, size_bytes: u32, seed: u32) -> Option<Lost> {
    (0..size_bytes).step_by(4).find_map(|offset| {
        let found = words.read(address + offset);
        let differs = (found ^ pattern(seed, offset)) & mask(offset, size_bytes) != 0;
        differs.then_some(Lost { address: address + offset, found })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bytes([u32; 8]);

    impl Words for Bytes {
        fn read(&self, address: u32) -> u32 {
            self.0[address as usize / 4]
        }
        fn write(&mut self, address: u32, word: u32) {
            self.0[address as usize / 4] = word;
        }
    }

    #[test]
    fn every_byte_counts_and_none_behind_the_end() {
        for size in 1..16 {
            let mut words = Bytes([0xA5A5_A5A5; 8]);
            fill(&mut words, 8, size, 7);
            let is_kept = |address: u32| words.0[address as usize / 4].to_le_bytes()[0] == 0xA5;
            assert!(is_kept(4) && is_kept(8 + size.next_multiple_of(4)));
            write_over(&mut words, 8 + size, 3);
            write_over(&mut words, 7, 1);
            assert_eq!(first_lost(&words, 8, size, 7), None, "{size}");
            for at in 8..8 + size {
                let mut spoiled = Bytes(words.0);
                write_over(&mut spoiled, at, 1);
                let lost = first_lost(&spoiled, 8, size, 7);
                assert_eq!(lost.map(|lost| lost.address), Some(at & !3), "{size} at {at}");
            }
            assert!(first_lost(&words, 8, size, 8).is_some(), "another seed");
        }
    }
}

//! What RAM holds before power-on, and records that were tampered with: everything from one seed.
//!
//! The generator is SplitMix64 (Steele, Lea, Flood 2014): a few lines, the same on every host, and
//! the seed printed with a run gives the same bytes again.

use crate::scenario::{Fill, TamperKind};
use crashrig_wire::field::{BUILD_ID, CRC, STATE, VERSION};
use crashrig_wire::record::{RECORD_LENGTH, State, whole_crc};

/// A stream of numbers from a seed.
#[derive(Debug, Clone)]
pub struct Noise(u64);

impl Noise {
    /// The stream of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next_word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below a bound; 0 for the bound 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        let wide = (self.next_word() >> 32) * u64::from(bound);
        u32::try_from(wide >> 32).unwrap_or(0)
    }

    /// Fills bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            for (target, byte) in chunk.iter_mut().zip(self.next_word().to_le_bytes()) {
                *target = byte;
            }
        }
    }
}

/// What ranges of RAM, `(start, size in bytes)`, hold at a power-on: start and bytes of each.
#[must_use]
pub fn filled(fill: Fill, seed: u64, ranges: &[(u32, u32)]) -> Vec<(u32, Vec<u8>)> {
    let mut noise = Noise::new(seed);
    let mut range = |(start, size_bytes): &(u32, u32)| {
        let mut bytes = vec![0; *size_bytes as usize];
        if fill == Fill::Noise {
            noise.fill(&mut bytes);
        }
        (*start, bytes)
    };
    ranges.iter().map(&mut range).collect()
}

/// The bytes of a tampered record. `good` is the newest good one; only
/// [`TamperKind::Resembling`] does without.
#[must_use]
pub fn tamper(
    kind: TamperKind,
    good: Option<&[u8; RECORD_LENGTH]>,
    noise: &mut Noise,
) -> Option<[u8; RECORD_LENGTH]> {
    let mut bytes = match (kind, good) {
        (TamperKind::Resembling, _) => {
            let mut bytes = [0; RECORD_LENGTH];
            noise.fill(&mut bytes);
            put(&mut bytes, 0, &crashrig_wire::record::MAGIC.to_le_bytes());
            put(&mut bytes, VERSION.offset, &crashrig_wire::record::VERSION.to_le_bytes());
            put(&mut bytes, VERSION.offset + 2, &256_u16.to_le_bytes());
            put(&mut bytes, STATE.offset, &(State::Complete as u32).to_le_bytes());
            bytes
        }
        (_, Some(good)) => *good,
        (_, None) => return None,
    };
    match kind {
        TamperKind::Resembling => {}
        TamperKind::FlipBits(count) => flip(&mut bytes, count, noise),
        TamperKind::OtherVersion => {
            let other = crashrig_wire::record::VERSION + 1;
            put(&mut bytes, VERSION.offset, &other.to_le_bytes());
            reseal(&mut bytes);
        }
        TamperKind::OtherBuild => {
            let mut id = [0; BUILD_ID.size];
            noise.fill(&mut id);
            put(&mut bytes, BUILD_ID.offset, &id);
            reseal(&mut bytes);
        }
    }
    Some(bytes)
}

/// Flips so many different bits.
fn flip(bytes: &mut [u8; RECORD_LENGTH], count: u32, noise: &mut Noise) {
    let bit_count = u32::try_from(8 * RECORD_LENGTH).unwrap_or(0);
    let mut flipped = Vec::new();
    while flipped.len() < (count.min(bit_count)) as usize {
        let bit = noise.below(bit_count);
        if !flipped.contains(&bit) {
            flipped.push(bit);
            if let Some(byte) = bytes.get_mut((bit / 8) as usize) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }
}

fn reseal(bytes: &mut [u8; RECORD_LENGTH]) {
    let crc = whole_crc(bytes).to_le_bytes();
    put(bytes, CRC.offset, &crc);
}

fn put(bytes: &mut [u8; RECORD_LENGTH], offset: usize, value: &[u8]) {
    if let Some(target) = bytes.get_mut(offset..offset + value.len()) {
        target.copy_from_slice(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_bytes_again_and_another_seed_others() {
        let bytes = |seed| {
            let mut bytes = [0; 64];
            Noise::new(seed).fill(&mut bytes);
            bytes
        };
        assert_eq!(bytes(1), bytes(1));
        assert_ne!(bytes(1), bytes(2));
        // First output of SplitMix64 for seed 0, as its authors give it.
        assert_eq!(Noise::new(0).next_word(), 0xE220_A839_7B1D_CDAF);
    }

    #[test]
    fn so_many_bits_are_flipped_as_were_asked_for() {
        let good = [0x5A; RECORD_LENGTH];
        for count in 1..=64 {
            let kind = TamperKind::FlipBits(count);
            let bytes = tamper(kind, Some(&good), &mut Noise::new(9)).expect("a record");
            let flipped: u32 = bytes.iter().zip(good).map(|(a, b)| (a ^ b).count_ones()).sum();
            assert_eq!(flipped, count);
        }
    }

    #[test]
    fn without_a_good_record_only_resembling_noise_can_be_made() {
        assert!(tamper(TamperKind::OtherBuild, None, &mut Noise::new(1)).is_none());
        let bytes = tamper(TamperKind::Resembling, None, &mut Noise::new(1)).expect("noise");
        assert!(crashrig_wire::record::read(&bytes).record().is_none());
        assert_eq!(bytes.get(..4), Some(b"RIGR".as_slice()));
    }
}

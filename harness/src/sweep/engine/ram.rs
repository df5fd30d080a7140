//! What a reset does to RAM, the same on each engine.

use crate::noise::Noise;
use crate::sweep::fault::RamPolicy;

/// What a reset does to a range of RAM. Of decayed RAM one bit in 64 is another.
pub(super) fn change(bytes: &mut [u8], policy: RamPolicy, noise: &mut Noise) {
    match policy {
        RamPolicy::Kept => {}
        RamPolicy::Noise => noise.fill(bytes),
        RamPolicy::Decayed => {
            for word in bytes.chunks_mut(8) {
                let bit = noise.below(64) as usize;
                if let Some(byte) = word.get_mut(bit / 8) {
                    *byte ^= 1 << (bit % 8);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decayed_ram_differs_in_one_bit_of_64() {
        let mut bytes = [0x5a; 800];
        change(&mut bytes, RamPolicy::Decayed, &mut Noise::new(1));
        for word in bytes.chunks(8) {
            let flipped: u32 = word.iter().map(|byte| (byte ^ 0x5a).count_ones()).sum();
            assert_eq!(flipped, 1);
        }
        change(&mut bytes, RamPolicy::Kept, &mut Noise::new(1));
        let kept = bytes;
        change(&mut bytes, RamPolicy::Noise, &mut Noise::new(1));
        assert_ne!(kept, bytes);
    }
}

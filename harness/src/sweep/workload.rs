//! What an engine runs: the image, the boots of the golden run with their commands, and where
//! things are in memory. The same for all engines; nothing here depends on how a run is done.

use super::commands::commands;
use super::fault::RamPolicy;
use super::hash::Fnv;
use crate::application;
use crate::image::{Flash, Image};
use crate::noise::Noise;
use crate::run::Places;
use crate::scenario::{Scenario, Start};
use crate::target::BenchError;
use crashrig_layout::Need;
use crashrig_wire::command::MAILBOX_LENGTH;
use crashrig_wire::marker::MARKER_LENGTH;
use std::sync::Arc;

/// One boot of the golden run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedBoot {
    /// How it starts.
    pub start: Start,
    /// For a cold start: what fills RAM.
    pub fill_seed: u64,
    /// Its command.
    pub mailbox: [u8; MAILBOX_LENGTH],
}

/// What an engine runs.
#[derive(Debug, Clone)]
pub struct Workload {
    /// The image.
    pub image: Arc<Image>,
    /// What stands in flash behind a bootloader, if there is one.
    pub application: Option<Flash>,
    /// What the target must have.
    pub needs: Vec<Need>,
    /// The boots, in order; at least one.
    pub boots: Vec<PlannedBoot>,
    /// Where mailbox, marker and crash region are.
    pub places: Places,
}

impl Workload {
    /// The workload of a scenario with an image.
    ///
    /// # Errors
    /// The image lacks a symbol, or does not fit its bootloader.
    pub fn new(scenario: &Scenario, image: Arc<Image>, seed: u64) -> Result<Self, BenchError> {
        let mut noise = Noise::new(!seed);
        let application = application::in_flash(&image, scenario.application, &mut noise)?;
        let boots = scenario.boots.iter().zip(commands(scenario, seed));
        let boots = boots.map(|(boot, command)| PlannedBoot {
            start: boot.start,
            fill_seed: noise.next_word(),
            mailbox: command.to_bytes(),
        });
        let boots = boots.collect();
        let places = Places::of(&image, scenario)?;
        Ok(Self { application, needs: scenario.needs.clone(), boots, places, image })
    }
}

/// A hash over all RAM but mailbox, marker and crash region. `ranges` are `(start, bytes)`.
#[must_use]
pub fn hash_of_ram(places: &Places, ranges: &[(u32, Vec<u8>)]) -> u64 {
    let kept = [
        (places.mailbox, MAILBOX_LENGTH),
        (places.marker, MARKER_LENGTH),
        (places.crash_start, places.crash_size as usize),
    ];
    let mut hash = Fnv::default();
    for (start, bytes) in ranges {
        let mut bytes = bytes.clone();
        for (address, size_bytes) in kept {
            let Some(first) = address.checked_sub(*start) else { continue };
            let first = first as usize;
            if let Some(part) = bytes.get_mut(first..first + size_bytes) {
                part.fill(0);
            }
        }
        hash.add_part(&bytes);
    }
    hash.value()
}

/// What a reset with a policy makes of one range of RAM.
pub fn apply(policy: RamPolicy, bytes: &mut [u8], noise: &mut Noise) {
    match policy {
        RamPolicy::Kept => {}
        RamPolicy::Noise => noise.fill(bytes),
        RamPolicy::Decayed => {
            for chunk in bytes.chunks_mut(8) {
                let bit = noise.below(64);
                if let Some(byte) = chunk.get_mut((bit / 8) as usize) {
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
    fn one_bit_in_64_decays() {
        let mut bytes = [0xA5; 4096];
        apply(RamPolicy::Decayed, &mut bytes, &mut Noise::new(3));
        for chunk in bytes.chunks(8) {
            let flipped: u32 = chunk.iter().map(|byte| (byte ^ 0xA5).count_ones()).sum();
            assert_eq!(flipped, 1);
        }
        apply(RamPolicy::Kept, &mut bytes, &mut Noise::new(3));
        let before = bytes;
        apply(RamPolicy::Noise, &mut bytes, &mut Noise::new(3));
        assert_ne!(bytes, before);
    }

    #[test]
    fn what_is_judged_by_itself_is_not_in_the_hash() {
        let places = Places {
            mailbox: 0x10,
            marker: 0x80,
            crash_start: 0x100,
            crash_size: 0x400,
            ..Places::default()
        };
        let hash = |change: usize| {
            let mut bytes = vec![0_u8; 0x600];
            bytes[change] ^= 1;
            hash_of_ram(&places, &[(0, bytes)])
        };
        let same = hash(0x10);
        assert!([0x4f, 0x80, 0x100, 0x4ff].iter().all(|at| hash(*at) == same));
        assert!([0x0f, 0x50, 0xff, 0x500].iter().all(|at| hash(*at) != same));
    }
}

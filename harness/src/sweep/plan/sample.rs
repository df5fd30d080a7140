//! Which points a sample has: drawn without replacement, from a seed, in rising order.

use crate::noise::Noise;
use crate::scenario::sweep::Sample;
use std::collections::BTreeSet;

/// The numbers of the points, from 1, out of so many; nothing where the sample would be all.
///
/// Floyd's method (Bentley and Floyd, "A sample of brilliance", 1987): as many draws as points.
pub(super) fn drawn(sample: Sample, total: u64) -> Option<Vec<u64>> {
    if sample.count >= total {
        return None;
    }
    let mut noise = Noise::new(sample.seed);
    let mut chosen = BTreeSet::new();
    for bound in total - sample.count + 1..=total {
        let candidate = 1 + below(&mut noise, bound);
        if !chosen.insert(candidate) {
            chosen.insert(bound);
        }
    }
    Some(chosen.into_iter().collect())
}

/// A number below a bound of 64 bits, without a bias that could be measured.
fn below(noise: &mut Noise, bound: u64) -> u64 {
    let wide = u128::from(noise.next_word()) * u128::from(bound);
    u64::try_from(wide >> 64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_so_many_different_points_and_is_the_same_again() {
        for (count, total) in [(1, 2), (5, 6), (100, 32_768), (999, 1_000)] {
            let points = drawn(Sample { count, seed: 7, of: None }, total).unwrap();
            assert_eq!(points.len() as u64, count);
            assert!(points.is_sorted_by(|a, b| a < b), "each once");
            assert!(points.iter().all(|point| (1..=total).contains(point)));
            assert_eq!(drawn(Sample { count, seed: 7, of: None }, total), Some(points));
        }
        assert_ne!(
            drawn(Sample { count: 9, seed: 1, of: None }, 99),
            drawn(Sample { count: 9, seed: 2, of: None }, 99)
        );
        assert_eq!(drawn(Sample { count: 9, seed: 1, of: None }, 9), None);
    }

    /// Each point must have its chance: none is left out, however many samples are drawn.
    #[test]
    fn every_point_is_drawn_sooner_or_later() {
        let mut times = [0_u32; 10];
        for seed in 0..2_000 {
            for point in drawn(Sample { count: 3, seed, of: None }, 10).unwrap() {
                times[point as usize - 1] += 1;
            }
        }
        // 600 of each are expected; five standard deviations are about 100.
        assert!(times.iter().all(|times| (500..=700).contains(times)), "{times:?}");
    }
}

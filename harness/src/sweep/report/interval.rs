//! How far a share that was found in a sample may be from that of all.

/// The 97.5 % point of the normal distribution: an interval of 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// Wilson's interval of 95 % for a share of which `hits` of `count` were seen (E. B. Wilson 1927,
/// J. Am. Stat. Assoc. 22). It holds near 0 and 1 as well, where `± e` does not.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub fn wilson(hits: u64, count: u64) -> (f64, f64) {
    if count == 0 {
        return (0.0, 1.0);
    }
    let (n, p) = (count as f64, hits as f64 / count as f64);
    let scale = 1.0 + Z * Z / n;
    let centre = (p + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    // At the ends the exact bound is 0 or 1, and rounding must not say otherwise.
    let low = if hits == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if hits >= count { 1.0 } else { (centre + half).min(1.0) };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_is_that_of_the_books() {
        // Newcombe 1998, Stat. Med. 17, table I, method 3: 81/263, 15/148, 0/20, 1/29.
        for (hits, count, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0000, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let found = wilson(hits, count);
            assert!((found.0 - low).abs() < 5e-5 && (found.1 - high).abs() < 5e-5, "{found:?}");
        }
    }

    #[test]
    fn the_share_lies_within_and_more_runs_narrow_it() {
        for count in 1..60 {
            for hits in 0..=count {
                let ((low, high), share) = (wilson(hits, count), hits as f64 / count as f64);
                assert!(low <= share && share <= high, "{hits}/{count}: {low} {high}");
                let more = wilson(hits * 4, count * 4);
                assert!(more.1 - more.0 < high - low, "{hits}/{count}");
            }
        }
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }
}

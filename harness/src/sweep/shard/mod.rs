//! Which part of a sweep one process runs: point `p` belongs to shard `i` of `n` if
//! `(p - 1) mod n = i - 1`. It follows from the number alone, so shards need to know nothing of
//! each other, and an open sweep is divided as well as one whose end is known.

pub mod environment;

use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};
use std::num::NonZeroU64;
use std::str::FromStr;

/// One of so many parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    /// From 1 to `count`.
    number: u64,
    count: NonZeroU64,
}

impl Shard {
    /// The whole sweep.
    pub const WHOLE: Self = Self { number: 1, count: NonZeroU64::MIN };

    /// Shard `number` of `count`, if there is one.
    #[must_use]
    pub fn new(number: u64, count: u64) -> Option<Self> {
        let count = NonZeroU64::new(count)?;
        (1..=count.get()).contains(&number).then_some(Self { number, count })
    }

    /// Its first point.
    #[must_use]
    pub const fn first(self) -> u64 {
        self.number
    }

    /// From one of its points to the next.
    #[must_use]
    pub const fn step(self) -> u64 {
        self.count.get()
    }

    /// Whether a point belongs to it.
    #[must_use]
    pub const fn has(self, point: u64) -> bool {
        point >= self.number && (point - self.number).is_multiple_of(self.count.get())
    }

    /// How many points up to one belong to it.
    #[must_use]
    pub const fn points_to(self, last: u64) -> u64 {
        if last < self.number { 0 } else { (last - self.number) / self.count.get() + 1 }
    }

    /// Part of a file name: `1-of-4`.
    #[must_use]
    pub fn stem(self) -> String {
        format!("{}-of-{}", self.number, self.count)
    }
}

impl Display for Shard {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.number, self.count)
    }
}

/// A text that is no shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found \"{0}\", expected I/N with I from 1 to N, e.g. 2/8")]
pub struct NoShard(String);

impl FromStr for Shard {
    type Err = NoShard;

    fn from_str(text: &str) -> Result<Self, NoShard> {
        text.split_once('/')
            .and_then(|(number, count)| Some((number.parse().ok()?, count.parse().ok()?)))
            .and_then(|(number, count)| Self::new(number, count))
            .ok_or_else(|| NoShard(text.to_owned()))
    }
}

impl TryFrom<String> for Shard {
    type Error = NoShard;

    fn try_from(text: String) -> Result<Self, NoShard> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_belongs_to_exactly_one_shard() {
        for count in 1..=7 {
            let shards: Vec<_> = (1..=count).filter_map(|i| Shard::new(i, count)).collect();
            assert_eq!(u64::try_from(shards.len()), Ok(count));
            for last in 0..40 {
                let parts: u64 = shards.iter().map(|shard| shard.points_to(last)).sum();
                assert_eq!(parts, last);
                if last > 0 {
                    assert_eq!(shards.iter().filter(|shard| shard.has(last)).count(), 1);
                }
            }
        }
    }

    #[test]
    fn a_shard_is_written_as_it_is_read() {
        for text in ["1/1", "2/8", "8/8"] {
            assert_eq!(text.parse::<Shard>().map(|shard| shard.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "1", "0/4", "5/4", "1/0", "-1/4", "a/b", "1/2/3", "1 / 2"] {
            assert_eq!(text.parse::<Shard>(), Err(NoShard(text.to_owned())));
        }
    }
}

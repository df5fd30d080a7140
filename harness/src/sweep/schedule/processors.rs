//! Which processors of the host workers run on. An emulator that is pinned to one repeats itself,
//! and is faster than one that wanders.

use crate::sweep::shard::Shard;
use rustix::thread::{CpuSet, sched_getaffinity};

/// A processor for each of so many workers: those that this process may run on, in turn. Without a
/// number there is a worker for each, but no more than the system grants time for. A shard begins
/// behind the one before it, since several may run on one machine. Where the system does not say
/// which processors there are, they are taken to be the first ones, as many as it grants.
#[must_use]
pub fn processors(jobs: Option<usize>, shard: Shard) -> Vec<usize> {
    let granted = std::thread::available_parallelism().map_or(1, usize::from);
    let said = sched_getaffinity(None)
        .map(|set| (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect::<Vec<_>>());
    let allowed = match said {
        Ok(allowed) if !allowed.is_empty() => allowed,
        _ => (0..granted).collect(),
    };
    let jobs = jobs.unwrap_or_else(|| granted.min(allowed.len()));
    let before = (shard.first() - 1).saturating_mul(u64::try_from(jobs).unwrap_or(u64::MAX));
    let count = u64::try_from(allowed.len()).unwrap_or(u64::MAX);
    let skipped = usize::try_from(before % count).unwrap_or(0);
    allowed.into_iter().cycle().skip(skipped).take(jobs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_worker_has_a_processor_of_its_own_while_there_are_some() {
        let all = processors(None, Shard::WHOLE);
        assert!(!all.is_empty());
        let mut distinct = all.clone();
        distinct.dedup();
        assert_eq!(distinct, all);
        let more = processors(Some(3 * all.len() + 1), Shard::WHOLE);
        assert_eq!(more.len(), 3 * all.len() + 1);
        assert!(processors(Some(0), Shard::WHOLE).is_empty());
    }

    #[test]
    fn shards_on_one_machine_do_not_crowd_on_one_processor() {
        let all = processors(None, Shard::WHOLE);
        let count = u64::try_from(all.len()).unwrap();
        let shards = (1..=count).filter_map(|number| Shard::new(number, count));
        let mut found: Vec<_> = shards.flat_map(|shard| processors(Some(1), shard)).collect();
        found.sort();
        assert_eq!(found, all);
    }
}

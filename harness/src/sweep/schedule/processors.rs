//! Which processors of the host workers run on. An emulator that is pinned to one repeats itself,
//! and is faster than one that wanders.

use rustix::thread::{CpuSet, sched_getaffinity};

/// A processor for each of so many workers: those that this process may run on, in turn. Without a
/// number there is a worker for each, but no more than the system grants time for. Where the system
/// does not say which there are, they are `None`.
#[must_use]
pub fn processors(jobs: Option<usize>) -> Vec<Option<usize>> {
    let granted = std::thread::available_parallelism().map_or(1, usize::from);
    let allowed: Vec<_> = sched_getaffinity(None).map_or_else(
        |_| vec![None],
        |set| (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).map(Some).collect(),
    );
    let jobs = jobs.unwrap_or_else(|| granted.min(allowed.len().max(1)));
    allowed.into_iter().cycle().take(jobs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_worker_has_a_processor_of_its_own_while_there_are_some() {
        let all = processors(None);
        assert!(!all.is_empty());
        let mut distinct = all.clone();
        distinct.dedup();
        assert_eq!(distinct, all);
        let more = processors(Some(3 * all.len() + 1));
        assert_eq!(more.len(), 3 * all.len() + 1);
        assert!(processors(Some(0)).is_empty());
    }
}

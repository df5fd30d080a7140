//! Traces of allocations: what ESP-IDF's tests of its heap trace hold, and random ones against a
//! naive list.

use crate::ram::Random;
use crashrig_memory::heap::{Mode, Origin, Record, Summary, Trace, TraceError};

fn origin(caller: u32) -> Origin {
    Origin { owner: caller + 1, caller }
}

/// A trace that runs.
fn started(records: &mut [Record], mode: Mode) -> Trace<'_> {
    let mut trace = Trace::new();
    trace.init(records).unwrap();
    trace.start(mode).unwrap();
    trace
}

fn addresses(trace: &Trace<'_>) -> Vec<u32> {
    trace.iter().map(|record| record.address).collect()
}

#[test]
fn leaks_are_what_was_not_released() {
    let mut records = vec![Record::EMPTY; 8];
    let mut trace = started(&mut records, Mode::Leaks);
    trace.allocated(0x100, 64, origin(1));
    trace.allocated(0x200, 96, origin(2));
    trace.freed(0x100, 9);
    // Somebody's from before the start: counted, and no record goes.
    trace.freed(0x900, 9);
    let expected =
        Record { address: 0x200, size_bytes: 96, origin: origin(2), freed_by: None, sequence: 2 };
    assert_eq!((trace.get(0), trace.get(1)), (Some(&expected), None));
    let expected = Summary {
        mode: Mode::Leaks,
        is_running: true,
        total_allocations: 2,
        total_frees: 2,
        records: 1,
        capacity: 8,
        high_water_records: 2,
        dropped: 0,
    };
    assert_eq!(trace.summary(), expected);
}

#[test]
fn all_keeps_who_released() {
    let mut records = vec![Record::EMPTY; 8];
    let mut trace = started(&mut records, Mode::All);
    trace.allocated(0x100, 64, origin(1));
    trace.freed(0x100, 9);
    trace.allocated(0x100, 32, origin(2));
    let freed: Vec<_> = trace.iter().map(|it| (it.size_bytes, it.freed_by)).collect();
    assert_eq!(freed, [(64, Some(9)), (32, None)]);
    trace.freed(0x100, 10);
    // Released twice: the heap refuses that, and a trace does not fall for it.
    trace.freed(0x100, 11);
    let freed: Vec<_> = trace.iter().map(|it| it.freed_by).collect();
    assert_eq!(freed, [Some(9), Some(10)]);
}

#[test]
fn the_oldest_makes_room() {
    for mode in [Mode::All, Mode::Leaks] {
        let mut records = vec![Record::EMPTY; 3];
        let mut trace = started(&mut records, mode);
        for address in 1..=8 {
            trace.allocated(address, 8, origin(0));
            assert_eq!(trace.summary().has_overflowed(), address > 3);
        }
        assert_eq!(addresses(&trace), [6, 7, 8]);
        let summary = trace.summary();
        assert_eq!((summary.dropped, summary.high_water_records, summary.records), (5, 3, 3));
        // A block whose record is gone.
        trace.freed(2, 9);
        assert_eq!((addresses(&trace), trace.summary().total_frees), (vec![6, 7, 8], 1));
        trace.freed(7, 9);
        trace.allocated(9, 8, origin(0));
        let expected = if mode == Mode::All { [7, 8, 9] } else { [6, 8, 9] };
        assert_eq!(addresses(&trace), expected);
        trace.start(mode).unwrap();
        let summary = trace.summary();
        assert_eq!((summary.records, summary.high_water_records, summary.dropped), (0, 0, 0));
    }
}

#[test]
fn it_can_be_stopped_and_go_on() {
    let mut records = vec![Record::EMPTY; 4];
    let mut trace = started(&mut records, Mode::Leaks);
    trace.allocated(1, 8, origin(0));
    trace.allocated(2, 8, origin(0));
    assert_eq!((trace.stop(), trace.stop()), (Ok(()), Err(TraceError::NotRunning)));
    trace.freed(1, 9);
    trace.allocated(3, 8, origin(0));
    assert_eq!(addresses(&trace), [1, 2], "nothing is recorded while it is stopped");
    assert_eq!((trace.resume(), trace.resume()), (Ok(()), Err(TraceError::Running)));
    trace.freed(2, 9);
    trace.allocated(4, 8, origin(0));
    assert_eq!((addresses(&trace), trace.get(1).unwrap().sequence), (vec![1, 4], 3));
    let (mut other, mut refused) = ([Record::EMPTY; 2], [Record::EMPTY; 2]);
    assert_eq!(trace.init(&mut refused), Err(TraceError::Running));
    trace.stop().unwrap();
    assert_eq!(trace.init(&mut []), Err(TraceError::NoRecords));
    let mut short = Trace::new();
    assert_eq!(short.start(Mode::All), Err(TraceError::NoRecords));
    assert_eq!(short.resume(), Err(TraceError::NoRecords));
    short.init(&mut other).unwrap();
    short.start(Mode::All).unwrap();
    assert_eq!(short.summary().capacity, 2);
}

#[test]
fn a_pause_keeps_looking_at_releases() {
    let mut records = vec![Record::EMPTY; 4];
    let mut trace = started(&mut records, Mode::Leaks);
    trace.allocated(1, 8, origin(0));
    trace.allocated(2, 8, origin(0));
    assert_eq!((trace.pause(), trace.pause()), (Ok(()), Err(TraceError::NotRunning)));
    trace.allocated(3, 8, origin(0));
    trace.freed(3, 9);
    assert_eq!(addresses(&trace), [1, 2], "who came in the pause is not known");
    trace.freed(1, 9);
    assert_eq!((addresses(&trace), trace.summary().total_allocations), (vec![2], 2));
    assert_eq!((trace.resume(), trace.resume()), (Ok(()), Err(TraceError::Running)));
    trace.allocated(4, 8, origin(0));
    assert_eq!((addresses(&trace), trace.summary().total_frees), (vec![2, 4], 2));
    // To stop it ends a pause, and so does to start it anew.
    trace.pause().unwrap();
    assert_eq!((trace.stop(), trace.pause()), (Ok(()), Err(TraceError::NotRunning)));
    trace.resume().unwrap();
    trace.allocated(5, 8, origin(0));
    trace.pause().unwrap();
    trace.start(Mode::Leaks).unwrap();
    trace.allocated(6, 8, origin(0));
    assert_eq!(addresses(&trace), [6]);
}

/// The numbers go on where the records end, and the newest record outlives those before it.
#[test]
fn releases_of_blocks_without_a_record_are_counted() {
    for (mode, left) in [(Mode::All, vec![3, 4]), (Mode::Leaks, vec![4])] {
        let mut records = vec![Record::EMPTY; 2];
        let mut trace = started(&mut records, mode);
        (1..=4).for_each(|address| trace.allocated(address, 100, origin(0)));
        (1..=3).for_each(|address| trace.freed(address, 9));
        let Summary { total_allocations, total_frees, dropped, .. } = trace.summary();
        assert_eq!((total_allocations, total_frees, dropped), (4, 3, 2));
        assert_eq!(addresses(&trace), left);
    }
}

/// A block that went while the trace was stopped leaves its record behind; the next one at its
/// address is another.
#[test]
fn a_release_is_that_of_the_newest_block_at_its_address() {
    for mode in [Mode::All, Mode::Leaks] {
        let mut records = vec![Record::EMPTY; 4];
        let mut trace = started(&mut records, mode);
        trace.allocated(0x100, 64, origin(1));
        trace.stop().unwrap();
        trace.freed(0x100, 9);
        trace.resume().unwrap();
        trace.allocated(0x100, 32, origin(2));
        trace.freed(0x100, 10);
        let left: Vec<_> = trace.iter().map(|it| (it.size_bytes, it.freed_by)).collect();
        let expected = [(64, None), (32, Some(10))];
        assert_eq!(left, expected[..if mode == Mode::All { 2 } else { 1 }]);
    }
}

/// A list that only knows how to append, to drop its first and to search from its end.
fn naive_step(list: &mut Vec<Record>, step: Result<Record, u32>, capacity: usize, mode: Mode) {
    match step {
        Ok(record) => {
            list.push(record);
            if list.len() > capacity {
                list.remove(0);
            }
        }
        Err(address) => {
            let is_it = |it: &Record| it.address == address && it.freed_by.is_none();
            let Some(place) = list.iter().rposition(is_it) else { return };
            match mode {
                Mode::All => list[place].freed_by = Some(address ^ 1),
                Mode::Leaks => _ = list.remove(place),
            }
        }
    }
}

#[test]
fn random_traces_are_those_of_a_naive_list() {
    for (seed, mode) in (1..40).flat_map(|seed| [(seed, Mode::All), (seed, Mode::Leaks)]) {
        println!("seed {seed}, {mode:?}");
        let mut random = Random(seed);
        let capacity = 1 + random.below(9) as usize;
        let mut records = vec![Record::EMPTY; capacity];
        let mut trace = started(&mut records, mode);
        let (mut list, mut live, mut count) = (Vec::new(), Vec::new(), 0);
        for _ in 0..if cfg!(miri) { 20 } else { 400 } {
            if live.is_empty() || random.below(2) == 0 {
                // An address comes again, and never while it is in use.
                let free = |address: &u32| !live.contains(address);
                let address = (0..).map(|step| 16 + step * 8).find(free).unwrap();
                let (size_bytes, origin) = (random.below(100), origin(random.below(9)));
                count += 1;
                let record =
                    Record { address, size_bytes, origin, freed_by: None, sequence: count };
                trace.allocated(address, size_bytes, origin);
                naive_step(&mut list, Ok(record), capacity, mode);
                live.push(address);
            } else {
                let address = live.swap_remove(random.below(live.len() as u32) as usize);
                trace.freed(address, address ^ 1);
                naive_step(&mut list, Err(address), capacity, mode);
            }
            assert_eq!(trace.iter().copied().collect::<Vec<_>>(), list);
        }
    }
}

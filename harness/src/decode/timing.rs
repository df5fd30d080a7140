//! What of a record's bytes depends on time, taken out before two runs are compared.

use crashrig_wire::field::Class;
use crashrig_wire::section::{StackWindow, ThreadRow, TransferRow};

/// Clears how much each stack was used at most: more, if an interrupt came where it was deep.
pub(super) fn clear_high_water(rows: &mut [u8]) {
    for row in rows.as_chunks_mut::<{ 4 * ThreadRow::WORDS }>().0 {
        if let Some(bytes) = row.get_mut(ThreadRow::HIGH_WATER_BYTES) {
            bytes.fill(0);
        }
    }
}

/// Clears what depends on when each thread was taken off the core, which is another time behind a
/// probe: one that could run and did not stood wherever it was; and where one run has it ready that
/// the other has waiting, its time had come in one of them.
pub(super) fn clear_preempted(rows: &mut [u8], others: &mut [u8]) {
    let rows = rows.as_chunks_mut::<{ 4 * ThreadRow::WORDS }>().0;
    let others = others.as_chunks_mut::<{ 4 * ThreadRow::WORDS }>().0;
    for pair in rows.iter_mut().zip(others) {
        let states = [&*pair.0, &*pair.1].map(|row| {
            let [_, state, _, flags, ..] = *row;
            (flags & ThreadRow::RAN == 0).then_some(state)
        });
        let [Some(one), Some(other)] = states else { continue };
        let may_differ = [ThreadRow::READY, ThreadRow::WAITING];
        if [one, other].contains(&ThreadRow::READY)
            && may_differ.contains(&one)
            && may_differ.contains(&other)
        {
            for row in [pair.0, pair.1] {
                let [_, state, ..] = row;
                *state = 0;
                row[ThreadRow::STACK_POINTER_BYTES].fill(0);
            }
        }
    }
}

/// Clears how many items each transfer had left: a stream goes on while the device is stopped.
pub(super) fn clear_items_left(rows: &mut [u8]) {
    for row in rows.as_chunks_mut::<{ 4 * TransferRow::WORDS }>().0 {
        if let Some(bytes) = row.get_mut(TransferRow::ITEMS_LEFT_BYTES) {
            bytes.fill(0);
        }
    }
}

/// Pointer and start of a window, and its words from the pointer up. What lies below the pointer is
/// what handlers have left that came and went.
pub(super) fn from_the_pointer(window: &[u8]) -> Vec<u8> {
    let Some((head, words)) = window.split_at_checked(4 * StackWindow::HEAD_WORDS) else {
        return window.to_vec();
    };
    let word = |at: usize| head.get(at..)?.first_chunk().map(|it| u32::from_le_bytes(*it));
    let below = word(0).zip(word(4)).map_or(0, |(pointer, start)| pointer.wrapping_sub(start) & !3);
    let above = words.get(below as usize..).unwrap_or_default();
    [head, above].concat()
}

/// What of some bytes does not depend on time.
pub(super) fn masked(bytes: &[u8], class: Class) -> Vec<u8> {
    match class {
        Class::Exact | Class::Identity => bytes.to_vec(),
        Class::ExactBits(mask) => {
            bytes.iter().zip(mask.to_le_bytes()).map(|(byte, mask)| byte & mask).collect()
        }
        Class::Timing => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_depends_on_time_is_not_compared() {
        let bytes = [0xFF; 4];
        assert_eq!(masked(&bytes, Class::Exact), bytes);
        assert_eq!(masked(&bytes, Class::Identity), bytes);
        assert_eq!(masked(&bytes, Class::ExactBits(0x9FF)), [0xFF, 0x09, 0, 0]);
        assert!(masked(&bytes, Class::Timing).is_empty());
    }

    fn window(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn a_window_counts_from_its_pointer_up() {
        let whole = window(&[0x1008, 0x1000, 1, 2, 3, 4]);
        assert_eq!(from_the_pointer(&whole), window(&[0x1008, 0x1000, 3, 4]));
        let at_its_start = window(&[0x1000, 0x1000, 3]);
        assert_eq!(from_the_pointer(&at_its_start), at_its_start);
        assert_eq!(from_the_pointer(&window(&[0, 4, 3])), window(&[0, 4]), "a pointer below it");
        assert_eq!(from_the_pointer(&[1, 2, 3]), [1, 2, 3]);
    }

    #[test]
    fn what_a_thread_waits_for_may_have_come_in_one_run() {
        let [ready, waiting, ended] = [ThreadRow::READY, ThreadRow::WAITING, 3];
        let row = |state, flags, pointer: u8| {
            let mut row = vec![1, state, 16, flags];
            row.extend([7; 8]);
            row.extend([pointer; 4]);
            row
        };
        let are_equal = |mut one: Vec<u8>, mut other: Vec<u8>| {
            clear_preempted(&mut one, &mut other);
            one == other
        };
        assert!(are_equal(row(ready, 0, 1), row(ready, 0, 2)), "taken off wherever they were");
        assert!(are_equal(row(ready, 0, 1), row(waiting, 0, 2)), "its time had come in one");
        assert!(!are_equal(row(waiting, 0, 1), row(waiting, 0, 2)), "both wait, elsewhere");
        assert!(!are_equal(row(ready, ThreadRow::RAN, 1), row(ready, ThreadRow::RAN, 2)), "it ran");
        assert!(!are_equal(row(ready, 0, 1), row(ended, 0, 1)), "ended in one");
    }
}

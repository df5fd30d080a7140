//! Who changed a word last: the core, or a bus master that the host supplies.
//!
//! Nothing is said unless both are known: the last store of the core, from the log of the observer,
//! and the write, from the device itself; both counted in instructions since power-on.

use crate::evidence::Watched;
use crate::target::BusWrite;

/// The write of a bus master that changed a word behind the last store of the core to it. Nothing
/// if the core wrote later, or nobody watched that word.
#[must_use]
pub fn changed_by(address: u32, watched: Option<Watched>, writes: &[BusWrite]) -> Option<BusWrite> {
    let word = address & !3;
    let last_store = watched.filter(|watched| watched.address == word)?.last_store;
    let covers = |write: &&BusWrite| write.start < word.saturating_add(4) && word < write.end;
    let write = writes.iter().rev().find(covers)?;
    // A store with this number was executed before the write, one with a higher number behind it.
    (last_store <= write.instruction).then_some(*write)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_wrote_last_is_blamed() {
        let write =
            |start, instruction| BusWrite { stream: 0x20, start, end: start + 8, instruction };
        let writes = [write(0x100, 50), write(0x200, 60)];
        let check = |address, watched, last_store, expected: Option<usize>| {
            let watched = Some(Watched { address: watched, last_store });
            let found = changed_by(address, watched, &writes);
            assert_eq!(
                found,
                expected.and_then(|index| writes.get(index).copied()),
                "{address:#x}"
            );
        };
        check(0x104, 0x104, 0, Some(0));
        check(0x104, 0x104, 50, Some(0));
        check(0x104, 0x104, 51, None);
        check(0x106, 0x104, 9, Some(0));
        check(0x204, 0x204, 55, Some(1));
        check(0x208, 0x208, 0, None);
        check(0x104, 0x100, 0, None);
        assert_eq!(changed_by(0x104, None, &writes), None, "nobody watched");
    }
}

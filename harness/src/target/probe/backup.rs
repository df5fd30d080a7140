//! Memory on a battery as a debugger reaches it: behind the bits that its chip file names, which
//! are put back afterwards, so that the program finds its registers as it left them.

use super::connect::failed;
use crate::target::BenchError;
use crashrig_layout::parse::{Chip, ChipClockEnable};
use probe_rs::{Core, MemoryInterface as _};

/// What opens the memory on a battery of a chip, in its order; nothing where it has none.
pub(super) fn enables(chip: &Chip) -> Vec<ChipClockEnable> {
    let region = chip.backup.as_ref().map(|backup| &backup.region);
    let enables = chip.clock_enables.iter();
    enables.filter(|enable| Some(&enable.region) == region).cloned().collect()
}

/// Does something with the memory open.
pub(super) fn with_open(
    core: &mut Core<'_>,
    enables: &[ChipClockEnable],
    action: impl FnOnce(&mut Core<'_>) -> Result<(), probe_rs::Error>,
) -> Result<(), BenchError> {
    let mut old = Vec::new();
    let opened = enables.iter().try_for_each(|enable| {
        let register = u64::from(enable.register);
        let word = core.read_word_32(register)?;
        old.push((register, word));
        core.write_word_32(register, word | 1 << enable.bit)
    });
    let done = opened.and_then(|()| action(core));
    let mut closed = Ok(());
    for (register, word) in old.into_iter().rev() {
        closed = closed.and(core.write_word_32(register, word));
    }
    done.and(closed).map_err(|error| failed("use memory on a battery", &error))
}

//! Memory on a battery of the device that is run: what it holds, and damage to it.

use super::Driver;
use crate::target::BenchError;
use crashrig_layout::parse::AddressRange;
use crashrig_wire::history::HISTORY_SLOT_BYTES;

impl Driver<'_> {
    /// Registers and history on a battery; nothing where the session has none.
    pub(super) fn left_on_battery(&mut self) -> Result<[Vec<u8>; 2], BenchError> {
        let Some((registers, history)) = self.places.backup else { return Ok(Default::default()) };
        let mut read = |range: AddressRange| {
            let bytes = self.session.read_backup(range.start, range.size_bytes)?;
            Ok::<_, BenchError>(bytes.unwrap_or_default())
        };
        Ok([read(registers)?, read(history)?])
    }

    /// Flips one bit in a slot of the history.
    pub(super) fn damage_history(&mut self, slot: usize) -> Result<(), BenchError> {
        let none = || BenchError("damage the history: the chip has none".to_owned());
        let (_, history) = self.places.backup.ok_or_else(none)?;
        let slot_bytes = u32::try_from(HISTORY_SLOT_BYTES).unwrap_or(0);
        let bit = self.noise.below(8 * slot_bytes);
        let offset = u32::try_from(slot).unwrap_or(0).saturating_mul(slot_bytes) + bit / 8;
        let address = history.start + offset;
        let byte = self.session.read_backup(address, 1)?.and_then(|bytes| bytes.first().copied());
        self.session.write_backup(address, &[byte.ok_or_else(none)? ^ 1 << (bit % 8)])
    }
}

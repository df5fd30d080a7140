//! What is done to the stopped device, by the connections of its emulator.

use super::device::Device;
use crate::sweep::engine::effect::{self, Still, changed};
use crate::sweep::fault::Effect;
use crate::target::BenchError;

/// Does it to a device that runs on at once: a word of RAM whose value is known changes in the same
/// message.
pub(super) fn carry_out_and_go(
    device: &mut Device,
    effect: &Effect,
    known: Option<u32>,
) -> Result<(), BenchError> {
    match (effect, known) {
        (Effect::Word { address, flip, set, clear }, Some(value)) => {
            let value = changed(value, *flip, *set, *clear);
            let hub = device.emulator.gdb().map_err(BenchError::of)?;
            hub.write_with_next(*address, &value.to_le_bytes()).map_err(BenchError::of)
        }
        _ => effect::carry_out(device, effect),
    }
}

/// The word of RAM that an effect changes, where that is what it does.
pub(super) fn word_of_ram(device: &Device, effect: &Effect) -> Option<u32> {
    let Effect::Word { address, .. } = effect else { return None };
    let holds = |(start, size): &&(u32, u32)| {
        address.checked_sub(*start).is_some_and(|offset| offset < *size)
    };
    device.workload.ram.iter().find(holds).map(|_| *address)
}

impl Still for Device {
    fn read(&mut self, address: u32, bytes: &mut [u8]) -> Result<(), BenchError> {
        self.emulator.read(address, bytes).map_err(BenchError::of)
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), BenchError> {
        self.emulator.write(address, bytes).map_err(BenchError::of)
    }

    fn write_program(&mut self, address: u32, bytes: &[u8]) -> Result<(), BenchError> {
        let hub = self.emulator.gdb().map_err(BenchError::of)?;
        hub.write_program(address, bytes).map_err(BenchError::of)
    }

    fn core_word(&mut self, address: u32) -> Result<u32, BenchError> {
        self.emulator.core_word(address).map_err(BenchError::of)
    }

    fn write_core_word(&mut self, address: u32, value: u32) -> Result<(), BenchError> {
        self.emulator.write_core_word(address, value).map_err(BenchError::of)
    }

    fn register(&mut self, name: &str) -> Result<Option<u32>, BenchError> {
        let hub = self.emulator.gdb().map_err(BenchError::of)?;
        let value = hub.read_register(name).map_err(BenchError::of)?;
        Ok(value.and_then(|value| u32::try_from(value).ok()))
    }

    fn write_register(&mut self, name: &str, value: u32) -> Result<bool, BenchError> {
        let hub = self.emulator.gdb().map_err(BenchError::of)?;
        hub.write_register(name, u64::from(value)).map_err(BenchError::of)
    }

    fn raise_interrupt(&mut self, number: u16) -> Result<(), BenchError> {
        self.emulator.raise_interrupt(number).map_err(BenchError::of)
    }

    fn raise_nmi(&mut self) -> Result<(), BenchError> {
        self.emulator.raise_nmi().map_err(BenchError::of)
    }
}

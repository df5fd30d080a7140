//! What is done to the stopped device, by the connections of its emulator.

use super::device::Device;
use crate::sweep::fault::Effect;
use crate::target::BenchError;
use crashrig_qemu::gdb::Hub;
use crashrig_qemu::is_wide;

/// From here on devices of the core answer (DDI0403E B3.1).
const CORE_DEVICES: u32 = 0xE000_0000;
/// Below this address lies flash on every chip there is, with aliases; only a debugger writes it.
const END_OF_FLASH: u32 = 0x1000_0000;

/// Does it to a device that runs on at once: a word of RAM whose value is known changes in the same
/// message.
pub(super) fn carry_out_and_go(
    device: &mut Device,
    effect: &Effect,
    known: Option<u32>,
) -> Result<(), BenchError> {
    match (effect, known) {
        (Effect::Word { address, flip, set, clear }, Some(value)) => {
            let value = (value ^ flip | set) & !clear;
            let hub = device.emulator.gdb().map_err(BenchError::of)?;
            hub.write_with_next(*address, &value.to_le_bytes()).map_err(BenchError::of)
        }
        _ => carry_out(device, effect),
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

/// Does it. A reset is not among what is done here: it ends the boot.
pub(super) fn carry_out(device: &mut Device, effect: &Effect) -> Result<(), BenchError> {
    match effect {
        Effect::Word { address, flip, set, clear } => {
            let value = read_word(device, *address)?;
            write_word(device, *address, (value ^ flip | set) & !clear)
        }
        Effect::Bytes { address, bytes } => write(device, *address, bytes),
        Effect::Register { name, flip, value } => {
            let hub = device.emulator.gdb().map_err(BenchError::of)?;
            let value = match value {
                Some(value) => *value,
                None => register(hub, name)?,
            };
            write_register(hub, name, value ^ flip)
        }
        Effect::Interrupt { number } => {
            device.emulator.raise_interrupt(*number).map_err(BenchError::of)
        }
        Effect::Nmi => device.emulator.raise_nmi().map_err(BenchError::of),
        Effect::Skip => skip(device),
        Effect::Reset { .. } => Ok(()),
    }
}

pub(super) fn read_word(device: &mut Device, address: u32) -> Result<u32, BenchError> {
    if address >= CORE_DEVICES {
        let hub = device.emulator.gdb().map_err(BenchError::of)?;
        return hub.read_word_as_core(address).map_err(BenchError::of);
    }
    let mut bytes = [0; 4];
    device.read(address, &mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn write_word(device: &mut Device, address: u32, value: u32) -> Result<(), BenchError> {
    // QEMU 7.2 drops what a debugger writes to a device; the other way sees no secure state.
    if address >= CORE_DEVICES && device.emulator.version().major >= 8 {
        let hub = device.emulator.gdb().map_err(BenchError::of)?;
        return hub.write_word_as_core(address, value).map_err(BenchError::of);
    }
    if address >= CORE_DEVICES {
        return device.emulator.memory().write_word(address, value).map_err(BenchError::of);
    }
    write(device, address, &value.to_le_bytes())
}

fn write(device: &mut Device, address: u32, bytes: &[u8]) -> Result<(), BenchError> {
    if address >= END_OF_FLASH {
        return device.write(address, bytes);
    }
    let hub = device.emulator.gdb().map_err(BenchError::of)?;
    hub.write_program(address, bytes).map_err(BenchError::of)
}

/// A register of 32 bits by GDB's name.
pub(super) fn register(hub: &mut Hub, name: &str) -> Result<u32, BenchError> {
    let value = hub.read_register(name).map_err(BenchError::of)?;
    let value = value.and_then(|value| u32::try_from(value).ok());
    value.ok_or_else(|| BenchError(format!("read register {name}: this QEMU does not offer it")))
}

fn write_register(hub: &mut Hub, name: &str, value: u32) -> Result<(), BenchError> {
    if hub.write_register(name, u64::from(value)).map_err(BenchError::of)? {
        return Ok(());
    }
    Err(BenchError(format!("write register {name}: this QEMU does not offer it")))
}

/// Lets the core go on behind the instruction that is next.
fn skip(device: &mut Device) -> Result<(), BenchError> {
    let hub = device.emulator.gdb().map_err(BenchError::of)?;
    let (pc, xpsr) = (register(hub, "pc")?, register(hub, "xpsr")?);
    let mut code = [0; 2];
    device.read(pc, &mut code)?;
    let size_bytes = if is_wide(u16::from_le_bytes(code)) { 4 } else { 2 };
    let hub = device.emulator.gdb().map_err(BenchError::of)?;
    let advanced = behind_instruction(xpsr);
    if advanced != xpsr {
        write_register(hub, "xpsr", advanced)?;
    }
    write_register(hub, "pc", pc.wrapping_add(size_bytes))
}

/// The program status behind an instruction that was not executed: an IT block goes on by one
/// (DDI0403E A7.3.3; bits 15 to 10 and 26 to 25 are its state, B1.4.2).
const fn behind_instruction(xpsr: u32) -> u32 {
    let state = xpsr >> 25 & 0b11 | xpsr >> 8 & 0xFC;
    let next = if state & 0b111 == 0 { 0 } else { state & 0xE0 | state << 1 & 0x1F };
    xpsr & !(0b11 << 25 | 0xFC << 8) | (next & 0b11) << 25 | (next & 0xFC) << 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_it_block_goes_on_by_one_instruction() {
        let xpsr = |state: u32| 0x0100_0003 | (state & 3) << 25 | (state & 0xFC) << 8;
        let check = |state, expected| {
            assert_eq!(behind_instruction(xpsr(state)), xpsr(expected), "{state:#x}");
        };
        check(0, 0);
        // `it eq` and its instruction; then the first two of `ittt eq`.
        check(0b0000_1000, 0);
        check(0b0000_0010, 0b0000_0100);
        check(0b0000_0100, 0b0000_1000);
        // The condition of an `ite` turns over.
        check(0b0000_1100, 0b0001_1000);
    }
}

//! What an effect does to a stopped device, by whoever reaches its memory and its registers.

use crate::sweep::fault::Effect;
use crate::target::BenchError;
use crashrig_qemu::is_wide;

/// From here on devices of the core answer (DDI0403E B3.1).
pub(super) const CORE_DEVICES: u32 = 0xE000_0000;
/// Below this address lies flash on every chip there is, with aliases; only a debugger writes it.
pub(super) const END_OF_FLASH: u32 = 0x1000_0000;

/// The number of the exception in xPSR; 0 in a thread (DDI0403E B1.4.2).
const EXCEPTION: u32 = 0x1FF;
/// CONTROL.SPSEL: threads use the process stack (DDI0403E B1.4.4).
const USES_PROCESS_STACK: u32 = 1 << 1;
/// Bits of a stack pointer that are always 0 (DDI0403E B1.4.1).
const NO_STACK_POINTER: u32 = 0b11;

/// A device that stands still.
pub(super) trait Still {
    /// Reads memory.
    fn read(&mut self, address: u32, bytes: &mut [u8]) -> Result<(), BenchError>;
    /// Writes RAM and devices of the chip.
    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), BenchError>;
    /// Writes memory as a debugger does.
    fn write_program(&mut self, address: u32, bytes: &[u8]) -> Result<(), BenchError>;
    /// Reads a word as the core would.
    fn core_word(&mut self, address: u32) -> Result<u32, BenchError>;
    /// Writes a word as the core would.
    fn write_core_word(&mut self, address: u32, value: u32) -> Result<(), BenchError>;
    /// Reads a register; nothing where the target does not offer it.
    fn register(&mut self, name: &str) -> Result<Option<u32>, BenchError>;
    /// Writes a register; false where the target does not offer it.
    fn write_register(&mut self, name: &str, value: u32) -> Result<bool, BenchError>;
    /// Makes an external interrupt pending.
    fn raise_interrupt(&mut self, number: u16) -> Result<(), BenchError>;
    /// Makes the non-maskable interrupt pending.
    fn raise_nmi(&mut self) -> Result<(), BenchError>;
}

/// Whether effects know a register.
pub(super) fn is_register(name: &str) -> bool {
    register_number(name).is_some()
}

/// The number of a register by GDB's name: 0 to 15 as the instruction set has them, 16 for `msp`
/// and 17 for `psp`.
pub(super) fn register_number(name: &str) -> Option<u8> {
    match name {
        "sp" => Some(13),
        "lr" => Some(14),
        "pc" => Some(15),
        "msp" => Some(16),
        "psp" => Some(17),
        _ => name.strip_prefix('r')?.parse().ok().filter(|number| *number <= 12),
    }
}

/// What becomes of a word: bits are flipped, then set, then cleared.
pub(super) const fn changed(word: u32, flip: u32, set: u32, clear: u32) -> u32 {
    (word ^ flip | set) & !clear
}

/// Does it. A reset is not among what is done here: it ends the boot.
pub(super) fn carry_out(device: &mut dyn Still, effect: &Effect) -> Result<(), BenchError> {
    match effect {
        Effect::Word { address, flip, set, clear } => {
            let word = read_word(device, *address)?;
            write(device, *address, &changed(word, *flip, *set, *clear).to_le_bytes())
        }
        Effect::Bytes { address, bytes } => write(device, *address, bytes),
        Effect::Register { name, flip, value } => {
            let value = match value {
                Some(value) => *value,
                None => read_register(device, name)?,
            };
            write_register(device, name, value ^ flip)
        }
        Effect::Interrupt { number } => device.raise_interrupt(*number),
        Effect::Nmi => device.raise_nmi(),
        Effect::Skip => skip(device),
        Effect::Reset { .. } => Ok(()),
    }
}

pub(super) fn read_word(device: &mut dyn Still, address: u32) -> Result<u32, BenchError> {
    if address >= CORE_DEVICES {
        return device.core_word(address);
    }
    let mut bytes = [0; 4];
    device.read(address, &mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn write(device: &mut dyn Still, address: u32, bytes: &[u8]) -> Result<(), BenchError> {
    if address >= CORE_DEVICES {
        let (words, _) = bytes.as_chunks();
        return (address..).step_by(4).zip(words).try_for_each(|(address, word)| {
            device.write_core_word(address, u32::from_le_bytes(*word))
        });
    }
    if address >= END_OF_FLASH {
        return device.write(address, bytes);
    }
    device.write_program(address, bytes)
}

/// A register by the name that this target has for it: of the two stack pointers, GDB does not
/// write the one that is not in use, and QEMU 7.2 knows neither by its own name.
fn name_here(device: &mut dyn Still, name: &str) -> Result<&'static str, BenchError> {
    let in_use = match device.register("xpsr")?.map(|xpsr| xpsr & EXCEPTION) {
        Some(0) => device.register("control")?.map(|control| match control & USES_PROCESS_STACK {
            0 => "msp",
            _ => "psp",
        }),
        Some(_) => Some("msp"),
        None => None,
    };
    let other = if name == "msp" { "msp" } else { "psp" };
    Ok(if in_use == Some(other) { "sp" } else { other })
}

fn read_register(device: &mut dyn Still, name: &str) -> Result<u32, BenchError> {
    let here = if is_banked(name) { name_here(device, name)? } else { name };
    let value = device.register(here)?;
    value.ok_or_else(|| BenchError(format!("read register {name}: this target does not offer it")))
}

fn write_register(device: &mut dyn Still, name: &str, value: u32) -> Result<(), BenchError> {
    let refused = |reason| Err(BenchError(format!("write register {name}: {reason}")));
    if !is_banked(name) {
        return match device.write_register(name, value)? {
            true => Ok(()),
            false => refused("this target does not offer it"),
        };
    }
    let here = name_here(device, name)?;
    let is_written = device.write_register(here, value)?;
    // QEMU 10 says that it has written the one that is not in use, and does not.
    match is_written && device.register(here)? == Some(value & !NO_STACK_POINTER) {
        true => Ok(()),
        false => refused("this target does not write the stack pointer that is not in use"),
    }
}

fn is_banked(name: &str) -> bool {
    matches!(name, "msp" | "psp")
}

/// Lets the core go on behind the instruction that is next.
fn skip(device: &mut dyn Still) -> Result<(), BenchError> {
    let (pc, xpsr) = (read_register(device, "pc")?, read_register(device, "xpsr")?);
    let mut code = [0; 2];
    device.read(pc, &mut code)?;
    let size_bytes = if is_wide(u16::from_le_bytes(code)) { 4 } else { 2 };
    let advanced = behind_instruction(xpsr);
    if advanced != xpsr {
        write_register(device, "xpsr", advanced)?;
    }
    write_register(device, "pc", pc.wrapping_add(size_bytes))
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

    #[test]
    fn registers_are_known_by_their_names() {
        let check = |name, expected| assert_eq!(register_number(name), expected, "{name}");
        check("r0", Some(0));
        check("r12", Some(12));
        check("r13", None);
        check("sp", Some(13));
        check("psp", Some(17));
        check("rx", None);
        check("xpsr", None);
    }
}

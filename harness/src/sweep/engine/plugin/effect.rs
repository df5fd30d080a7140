//! An effect as a command of the plug-in.

use crate::sweep::fault::Effect;
use crate::target::BenchError;
use crashrig_qemu::steer::Command;

/// Below this address lies flash on every chip there is, with aliases. The plug-in writes as the
/// core does, which does not change it.
const END_OF_FLASH: u32 = 0x1000_0000;

/// The exception number of the first external interrupt (DDI0403E B1.5.2).
const FIRST_INTERRUPT: u16 = 16;
/// That of the non-maskable one.
const NMI: u16 = 2;

/// The command.
///
/// # Errors
/// There is none: a reset is no command, flash does not change, or the register is unknown.
pub(super) fn command(effect: &Effect) -> Result<Command, BenchError> {
    match effect {
        Effect::Word { address, .. } | Effect::Bytes { address, .. } if *address < END_OF_FLASH => {
            Err(BenchError(format!("change {address:#010x}: the plug-in does not change flash")))
        }
        Effect::Word { address, flip, set, clear } => {
            Ok(Command::Word { address: *address, flip: *flip, set: *set, clear: *clear })
        }
        Effect::Bytes { address, bytes } => {
            Ok(Command::Write { address: *address, bytes: bytes.clone() })
        }
        Effect::Register { name, flip, value } => {
            let number = register(name)
                .ok_or_else(|| BenchError(format!("change register {name}: it is not known")))?;
            Ok(value.map_or(Command::FlipRegister(number, *flip), |value| {
                Command::WriteRegister(number, value ^ flip)
            }))
        }
        Effect::Interrupt { number } => Ok(Command::Pend(number.saturating_add(FIRST_INTERRUPT))),
        Effect::Nmi => Ok(Command::Pend(NMI)),
        Effect::Skip => Ok(Command::Skip),
        Effect::Reset { .. } => Err(BenchError("carry out a reset: it ends the boot".to_owned())),
    }
}

/// Whether the guest stands elsewhere after an effect.
pub(super) fn moves_on(effect: &Effect) -> bool {
    match effect {
        Effect::Skip => true,
        Effect::Register { name, .. } => register(name) == Some(15),
        _ => false,
    }
}

/// The number of a register by GDB's name, 16 for `msp` and 17 for `psp`.
fn register(name: &str) -> Option<u8> {
    match name {
        "sp" => Some(13),
        "lr" => Some(14),
        "pc" => Some(15),
        "msp" => Some(16),
        "psp" => Some(17),
        _ => name.strip_prefix('r')?.parse().ok().filter(|number| *number <= 12),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_known_by_their_names() {
        let check = |name, expected| assert_eq!(register(name), expected, "{name}");
        check("r0", Some(0));
        check("r12", Some(12));
        check("r13", None);
        check("sp", Some(13));
        check("psp", Some(17));
        check("rx", None);
        check("xpsr", None);
    }

    #[test]
    fn what_the_plug_in_cannot_do_is_refused() {
        let check = |effect, part: &str| {
            let message = command(&effect).unwrap_err().to_string();
            assert!(message.contains(part), "{part:?} in {message:?}");
        };
        check(Effect::Word { address: 0x0800_0000, flip: 1, set: 0, clear: 0 }, "flash");
        check(Effect::Bytes { address: 0, bytes: vec![1] }, "flash");
        check(Effect::Register { name: "s0".into(), flip: 1, value: None }, "s0");
    }
}

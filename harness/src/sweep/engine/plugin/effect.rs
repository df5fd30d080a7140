//! An effect as a command of the plug-in.

use crate::sweep::engine::effect::register_number;
use crate::sweep::fault::Effect;
use crate::target::BenchError;
use crashrig_qemu::steer::Command;

/// The exception number of the first external interrupt (DDI0403E B1.5.2).
const FIRST_INTERRUPT: u16 = 16;
/// That of the non-maskable one.
const NMI: u16 = 2;

/// The command.
///
/// # Errors
/// There is none: a reset is no command, or the register is unknown.
pub(super) fn command(effect: &Effect) -> Result<Command, BenchError> {
    match effect {
        Effect::Word { address, flip, set, clear } => {
            Ok(Command::Word { address: *address, flip: *flip, set: *set, clear: *clear })
        }
        Effect::Bytes { address, bytes } => {
            Ok(Command::Write { address: *address, bytes: bytes.clone() })
        }
        Effect::Register { name, flip, value } => {
            let number = register_number(name)
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

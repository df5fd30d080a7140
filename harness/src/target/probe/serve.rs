//! What a device asks its debugger for: semihosting. Only the log and the exit of the image are
//! served; files of this machine are out of reach, whatever an image asks for.

use crate::target::{BenchError, Logs};
use probe_rs::semihosting::SemihostingCommand;
use probe_rs::{Core, RegisterValue};
use std::num::NonZeroU32;

/// The one file there is: the console.
const CONSOLE: &str = ":tt";
/// Its handle.
const HANDLE: NonZeroU32 = NonZeroU32::MIN;
/// What every refused call answers.
const REFUSED: u32 = u32::MAX;

/// What comes after a call.
pub(super) enum After {
    /// The device goes on.
    GoesOn,
    /// It has left, with a status.
    Left(i32),
}

/// Serves one call. The core stands at it, and is let go by the caller.
pub(super) fn serve(
    command: SemihostingCommand,
    core: &mut Core<'_>,
    logs: &mut Logs,
) -> Result<After, BenchError> {
    match command {
        SemihostingCommand::ExitSuccess => return Ok(After::Left(0)),
        SemihostingCommand::ExitError(details) => {
            let status = details.exit_status.unwrap_or(1);
            return Ok(After::Left(status.cast_signed()));
        }
        SemihostingCommand::Open(request) => {
            if request.path(core).map_err(BenchError::of)? == CONSOLE {
                request.respond_with_handle(core, HANDLE).map_err(BenchError::of)?;
            } else {
                refuse(core)?;
            }
        }
        SemihostingCommand::Write(request) if request.file_handle() == HANDLE.get() => {
            logs.frames.extend(request.read(core).map_err(BenchError::of)?);
            request.write_status(core, 0).map_err(BenchError::of)?;
        }
        SemihostingCommand::WriteConsole(request) => {
            let text = request.read(core).map_err(BenchError::of)?;
            logs.console.extend(text.into_bytes());
        }
        _ => refuse(core)?,
    }
    Ok(After::GoesOn)
}

fn refuse(core: &mut Core<'_>) -> Result<(), BenchError> {
    let result = core.registers().get_argument_register(0);
    let Some(result) = result else { return Ok(()) };
    core.write_core_reg(result.id(), RegisterValue::U32(REFUSED)).map_err(BenchError::of)
}

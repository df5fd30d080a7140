//! The TCG plug-in that QEMU loads: it counts every instruction, logs stores to watched ranges, and
//! hands over memory at a lockup, where QEMU itself ends by abort.
//!
//! It stands apart from the rest because it is written against QEMU's plug-in interface, whose
//! header is GPL-2.0-or-later, and so is this crate; all else here is MIT or Apache-2.0. It must
//! never be needed for a run: without it a lockup loses memory, sweeps are slower, and everything
//! else works. Unless it steers, it must never change what the guest does.
//!
//! With a second argument `steering=PATH`, another such socket, the harness takes the guest over at
//! its first instruction: snapshots, stops at exact points, and what is done to the guest there,
//! all inside of QEMU (`control`, `commands`). It needs a QEMU that exports its own functions,
//! and instructions that are counted (`-icount`); a QEMU without ends at once and says what is
//! missing. `count` then counts only while the trace is on.
//!
//! First argument: `socket=PATH`, a unix socket on which the harness listens. Each of its lines is
//! answered; all numbers are decimal:
//!
//! * `count`: `count N`, the instructions begun since power-on.
//! * `watch START SIZE`: `watching N`, the number of ranges, up to 8; or `refused REASON`, e.g. for
//!   the first range after the guest has run.
//! * `stores`: the log since the last time, `store INSTRUCTION PC ADDRESS SIZE` for each store of
//!   the newest 4096, the oldest first, then `end DROPPED`, how many older ones gave way. A store
//!   belongs to the log when one byte of it is watched; INSTRUCTION is what `count` is while the
//!   instruction is executed, SIZE is in bytes.
//! * anything else: `unknown ...`.
//!
//! At a lockup the plug-in says `lockup` by itself, and QEMU lives until the harness says `go`,
//! hangs up, or ten seconds are over. `go` is answered like `stores`, with `last DROPPED` at the
//! end, for that log may follow an unfinished answer to `stores`.

mod commands;
mod control;
mod count;
mod effect;
mod first;
mod interface;
mod internals;
mod link;
mod lockup;
mod snapshot;
mod stop;
mod stores;
mod trace;
mod version;
mod vmstate;

use std::ffi::{CStr, OsStr, c_int};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::interface::{Arguments, Information, PluginId};

/// What QEMU takes as a refusal of the plug-in; it then ends with a message of its own.
const REFUSED: c_int = -1;

/// Called by QEMU once, before the machine is made.
#[unsafe(no_mangle)]
pub extern "C" fn qemu_plugin_install(
    id: PluginId,
    _information: *const Information,
    count: c_int,
    arguments: Arguments,
) -> c_int {
    match install(id, &collect(count, arguments)) {
        Ok(()) => 0,
        Err(reason) => {
            eprintln!("crashrig-plugin: {reason}");
            REFUSED
        }
    }
}

fn install(id: PluginId, arguments: &[&CStr]) -> Result<(), String> {
    let (path, steering) = match arguments {
        [socket] => (path(socket, "socket=")?, None),
        [socket, steering] => (path(socket, "socket=")?, Some(path(steering, "steering=")?)),
        _ => return Err(format!("expected one or two arguments, found {}", arguments.len())),
    };
    link::open(&path).map_err(|error| format!("connect to {}: {error}", path.display()))?;
    if let Some(path) = steering {
        let connected = UnixStream::connect(&path);
        let stream =
            connected.map_err(|error| format!("connect to {}: {error}", path.display()))?;
        control::prepare(stream)?;
    }
    count::begin(id);
    Ok(())
}

/// The path in an argument.
fn path(argument: &CStr, key: &str) -> Result<PathBuf, String> {
    let path = argument.to_bytes().strip_prefix(key.as_bytes());
    path.map(|path| Path::new(OsStr::from_bytes(path)).to_path_buf())
        .ok_or_else(|| format!("expected {key}PATH, found {}", argument.to_string_lossy()))
}

/// The arguments, which QEMU keeps until the installation is over.
fn collect<'a>(count: c_int, arguments: Arguments) -> Vec<&'a CStr> {
    let count = usize::try_from(count).unwrap_or(0);
    let mut collected = Vec::with_capacity(count);
    for index in 0..count {
        // SAFETY: QEMU passes `count` pointers, so that this one is inside.
        let place = unsafe { arguments.add(index) };
        // SAFETY: as above; the pointers are initialised.
        let argument = unsafe { *place };
        // SAFETY: each points to a text that ends with a zero byte and outlives the installation.
        collected.push(unsafe { CStr::from_ptr(argument) });
    }
    collected
}

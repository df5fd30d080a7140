//! The one GDB connection of an emulator, and the one owner of it.
//!
//! QEMU's stub serves a single client and gives a second one no answer, so everything that needs
//! breakpoints, watchpoints or a register written goes through [`Hub`]. It connects on first use:
//! connecting is what costs, an idle listening socket does not.
//!
//! Rules of the stub that were measured and are kept here:
//! * any byte sent to it stops a running guest, so nothing is sent while the guest runs;
//! * `c` does not pass a breakpoint at the current pc: remove, step, insert again;
//! * 7.2 answers `p` and `P` only after the description of the registers was read;
//! * `?` removes all breakpoints, and `bs` makes QEMU abort: neither is ever sent;
//! * 7.2 drops writes to device registers and says OK: use [`crate::qtest`] for those;
//! * without physical-memory mode a guard region hides its whole page from `m`.

mod client;
mod description;
mod hub;
mod packet;
mod sprint;
mod stepping;

pub use client::StopReply;
pub(crate) use hub::Stepped;
pub use hub::{Access, Hub, Token};
pub(crate) use sprint::Halt;
pub(crate) use stepping::{Core, Step};

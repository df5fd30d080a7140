//! Start, steer and stop one emulator, and say why it stopped.
//!
//! This crate knows QEMU and nothing else: no scenario, no crash record, no chip. [`Emulator`] is
//! the door; the other modules are its parts and can be used alone. Three sockets lead to each
//! QEMU, all of them unix sockets in a private folder: QMP ([`qmp`]) steers, qtest ([`qtest`])
//! reads and writes memory without stopping anything, GDB ([`gdb`]) is connected only when a
//! breakpoint or a watchpoint is wanted. Up to two more lead to the plug-in, where a launch asks
//! for it: one to observe ([`observer`]), one to steer the guest from inside ([`steer`]). A keeper
//! process ([`keeper`]) makes sure that no QEMU outlives its harness.
//!
//! What must never happen here: a crash of the guest reported as an error. A reset, an exit, a
//! lockup and a hang are values of [`Stop`]; [`Error`] means that the bench itself failed.

#![forbid(unsafe_code)]

mod answers;
mod channel;
pub mod command;
mod core_words;
pub mod discover;
mod disk;
mod emulator;
mod error;
pub mod gdb;
mod guest_ram;
mod interrupts;
pub mod keeper;
pub mod models;
pub mod mtree;
pub mod observer;
pub mod output;
pub mod probe;
mod process;
pub mod qmp;
pub mod qtest;
mod registers;
pub mod snapshot;
pub mod sprint;
mod start;
pub mod steer;
mod stop;
pub mod stores;
mod thumb;
pub mod tools;
mod trap;
mod wait;

pub use command::Launch;
pub use discover::{Program, Version};
pub use emulator::Emulator;
pub use error::Error;
pub use guest_ram::{GuestRam, RamRange};
pub use keeper::KeeperProgram;
pub use output::{Mark, OutputFiles, read_from};
pub use registers::{REGISTER_NAMES, Registers};
pub use snapshot::Snapshot;
pub use steer::Steered;
pub use stop::{Limits, Stop};
pub use stores::{Store, StoreLog};
pub use thumb::is_wide;

//! A virtual board behind a debug probe: QEMU with the debug port of a real chip in front of it.
//!
//! Programs for boards talk to a debug port, and QEMU has none. Here is one, at the level of
//! registers and acknowledges: whatever talks to boards through it runs unmodified. From the wire
//! to the emulator: [`VirtualBoard`] (power, reset line, trouble), `dp` (transfers and
//! acknowledges), `ap` (byte lanes and addresses), `memory` (debug registers, or memory of the
//! emulator), `run` (what halting, stepping and resets mean), and the one owner of the GDB
//! connection at the end.
//!
//! It tests hosts, not chips. What is not as on silicon: there are no wait states; a write to flash
//! from the bus is ignored; the guest does not see that a debugger is there; after a lockup that
//! QEMU cannot survive, RAM is there only where it was observed ([`crate::Launch::observer`]), and
//! no register of the core can be written. Works with QEMU 10; 7.2 gives no access to MSP, PSP and
//! the special registers, which read as zero there.

mod ap;
mod board;
mod bus;
mod chip;
mod core;
mod core_registers;
mod dp;
mod facts;
mod flash;
mod glasgow;
#[cfg(test)]
mod glasgow_tests;
mod memory;
mod points;
#[cfg(test)]
mod port_tests;
mod run;
mod server;
mod stand;
mod trouble;
mod units;

pub use board::VirtualBoard;
pub use dp::{Answer, Refusal};
pub use facts::ChipFacts;
pub use flash::{
    ERASED, STUB, STUB_ERASE_ALL, STUB_ERASE_SECTOR, STUB_INITIALISE, STUB_OFFSET,
    STUB_PROGRAM_PAGE,
};
pub use server::{Place, Server};
pub use trouble::{TROUBLES, Trouble, UnknownTrouble};

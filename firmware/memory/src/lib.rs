//! The portable memory model: what a crash means, how it is kept over a reset, and the heap.
//!
//! No assembly, no registers, no addresses of a chip: the port hands in what it read from the core
//! and what the chip file says, so everything here is tested on the host. This crate knows what
//! detected a crash and never what was asked for: the command types of `wire` are out of its sight.
//!
//! * [`map`]: whose memory an address is.
//! * [`classify`]: fault registers → kind, detector, thread, and whether a stacked frame exists.
//! * [`application`]: whether a bootloader may start what is in flash.
//! * [`capture`]: the record of a crash, in two steps.
//! * [`check`]: what is wrong with the stack in use.
//! * [`errors`]: the errors of this boot, as Mbed OS users know them.
//! * [`reboot`]: how many crashes in a row lead to safe mode.
//! * [`retain`]: the crash region: ledger, slot FIRST, slot LAST.
//! * [`history`]: copies of the newest records where a loss of power does not reach.
//! * [`heap`]: memory of several regions, handed out by what it can be used for.
//! * [`dma`]: what a DMA transfer may do, and memory for it that cannot be misused.
//! * [`kernel`]: the scheduler; [`stack`]: bounds, canary and paint of one stack.
//! * [`vectors`]: a vector table that is damaged, and a crash that it explains.
//! * [`misuse`]: which refusals of kernel and heap are mistakes of the caller.
//! * [`raw`]: where an address becomes memory; that of DMA does in `dma/raw.rs`.
#![no_std]
#![deny(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod application;
pub mod capture;
pub mod check;
pub mod classify;
pub mod dma;
pub mod errors;
pub mod heap;
pub mod history;
pub mod kernel;
mod ledgers;
pub mod map;
pub mod misuse;
pub mod raw;
pub mod reboot;
pub mod retain;
pub mod sections;
pub mod stack;
mod store;
pub mod vectors;
pub mod words;

//! Chips, boards and memory regions as data: TOML in, linker script and region table out.
//!
//! The one place that knows where memory lies. Chip files state silicon, board files state what
//! is chosen (clock, crash region, stacks) and how an emulator deviates from the silicon;
//! everything else is generated from them or checked against them. Without the feature `parse`
//! this crate is the small `no_std` vocabulary that the generated table uses on the device.
//!
//! It never touches a device, and it never guesses: what a file does not state is an error.
#![cfg_attr(not(feature = "parse"), no_std)]
#![forbid(unsafe_code)]

mod access;
mod capabilities;
mod device;
#[cfg(feature = "parse")]
pub mod emit;
mod heap_map;
mod names;
mod need;
#[cfg(feature = "parse")]
pub mod parse;
mod region;
mod request;
mod sets;
mod width;

pub use access::{Access, AccessError, Memory};
pub use capabilities::{Capabilities, PRIORITIES};
pub use device::{Device, DeviceName};
pub use heap_map::{AdditionError, HeapMap, Piece, SMALLEST_PIECE_BYTES};
pub use names::UnknownName;
pub use need::Need;
pub use region::{Alias, AliasKind, Backup, ClockEnable, Region, RegionKind, ResetCause};
pub use request::DmaNeeds;
pub use sets::{Master, Masters, Reset, Resets};
pub use width::Width;

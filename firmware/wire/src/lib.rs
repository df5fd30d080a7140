//! The binary interface between device and host: everything both sides must agree on, stated once.
//!
//! The device writes these bytes while it is dying; the host reads them after a reset, from a
//! bundle months later, or from a dump out of the field. So every structure is little-endian,
//! carries a magic, a version, a length and a CRC-32, has its offsets asserted at compile time, and
//! has a total reader: any bytes give a [`record::Reading`], never a panic.
//!
//! * [`command`]: host → device, the mailbox. `memory` and `port` never name it (`tidy` checks).
//! * [`marker`]: device → host, the end marker of a boot.
//! * [`record`]: device → host, the crash record, tier 1.
//! * [`section`]: device → host, tier 2 of it: sections behind the record, each sealed by itself.
//! * [`image_header`]: host → bootloader, what an image in flash says of itself.
//! * [`region`] and [`ledger`]: where records lie in the crash region and which were read.
//! * [`history`]: device → host, tier 3: copies of the newest records, each sealed by itself.
//! * [`fault`], [`heap_damage`], [`detector`], [`dma`], [`kind`], [`thread`], [`status`]: the
//!   closed lists of names.
//! * [`script`]: both directions, requests to a heap of the device and its answers, in turns.
//! * [`cfsr`]: the fault bits that both sides judge by.
//! * [`trail`]: how a chain of frame pointers is followed and when a return address is believed.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod bytes;
pub mod cfsr;
pub mod command;
pub mod crc;
pub mod detector;
pub mod dma;
pub mod fault;
pub mod field;
pub mod heap_damage;
pub mod history;
pub mod image_header;
pub mod kind;
pub mod ledger;
pub mod marker;
mod names;
pub mod record;
pub mod region;
pub mod script;
pub mod section;
pub mod status;
pub mod thread;
pub mod trail;

pub use command::Mailbox;
pub use detector::Detector;
pub use dma::{DmaRule, TransferState};
pub use fault::{Fault, Mark, Way};
pub use heap_damage::HeapDamage;
pub use kind::Kind;
pub use ledger::Ledger;
pub use marker::{EndMarker, Observation};
pub use names::UnknownName;
pub use record::{Reading, Record};
pub use status::{Misuse, Status};
pub use thread::Thread;

/// The first eight bytes of the image's GNU build id (the note the linker writes): which build
/// wrote this, and which ELF decodes it.
pub type BuildId = [u8; 8];

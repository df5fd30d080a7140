//! DMA as a contract: what a transfer may do, of which memory, and for how long.
//!
//! Portable: no register is touched here. [`plan`] writes a transfer down, [`arming`] says whether
//! its controller can carry it out (`pl081` has the rules of that one), [`buffer`] holds memory
//! that DMA reaches so that nobody moves, frees or uses it meanwhile, and [`transfer`] is the time
//! in between. What happens on the bus is the driver's to see (`port/src/dma`); which layer catches
//! what stands in `docs/dma.md`.

pub mod arming;
pub mod buffer;
mod pl081;
pub mod plan;
pub mod protected;
mod raw;
pub mod transfer;

pub use arming::{Matrix, PeripheralBus, Refusal, check};
pub use buffer::{DmaBuffer, DmaSource, PlacedBuffer};
pub use plan::{Burst, Controller, Direction, Mode, Plan, Side, StreamId, Threshold, Width};
pub use transfer::{Stream, Transfer, TransferError};

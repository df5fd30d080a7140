//! The decoders against what devices and emulators really write, and against what nobody should.
//!
//! * `image`, `backtrace`, `log`: on a small image that these tests build byte by byte.
//! * `oracle`: logs that QEMU 7.2 and 10.0 wrote, with the records of the same boots.
//! * `sections`, `transfers`: what stands behind a record, written here.
//! * `real`: the test image, built here.
//! * `hostile`: seeded noise, cut files and flipped bits into every reader.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may end at the first thing that is not as it should be"
)]

mod backtrace;
mod hostile;
mod image;
mod log;
mod oracle;
mod real;
mod sample;
mod sections;
mod transfers;

//! The bench image: replays traces of requests against this project's heap and against others.
//!
//! It is an image without kernel, so that nothing interrupts what is measured. The host writes into
//! RAM what one boot is to do (`device/exchange.rs`), and watches the stores that the image makes
//! right before and right behind each call of a heap; the plug-in of `qemu/plugin` tells the exact
//! number of the instruction of each. The image itself measures nothing and knows no figure. It
//! must never treat one heap otherwise than another: all are called by the same machine code, and
//! one of them does nothing, whose cost is taken off. For a host this crate is the program that
//! records one of the traces.
#![cfg_attr(target_os = "none", no_std, no_main)]

/// The board, generated from its file by the build script.
#[cfg(target_os = "none")]
#[expect(dead_code, reason = "the generated table is complete; this image uses a part of it")]
mod board {
    include!(concat!(env!("OUT_DIR"), "/regions.rs"));
}

#[cfg(target_os = "none")]
mod device;
#[cfg(target_os = "none")]
mod trace;

#[cfg(not(target_os = "none"))]
mod record;

#[cfg(not(target_os = "none"))]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    record::main()
}

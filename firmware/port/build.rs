//! Tells the crate which architecture it is built for, where the compiler itself does not say.

use std::env;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(armv8m)");
    if env::var("TARGET")?.starts_with("thumbv8m.main") {
        println!("cargo:rustc-cfg=armv8m");
    }
    Ok(())
}

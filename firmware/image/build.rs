//! Board file → linker script and region table. Nothing else in the image states an address.

use crashrig_layout::parse::{Board, Program};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Which board the image is for; the name of a file in `firmware/boards` without its ending.
const BOARD_VARIABLE: &str = "CRASHRIG_BOARD";
const DEFAULT_BOARD: &str = "netduinoplus2";

/// The package whose features a board may name.
const IMAGE: &str = "crashrig-image";
/// The package that is the bootloader's; this build script serves each image.
const BOOTLOADER: &str = "crashrig-bootloader";
/// The package whose start-up is not ours: it is linked as `cortex-m-rt` wants it.
const HAL: &str = "crashrig-hal";
/// The same with the log of others.
const RTT: &str = "crashrig-rtt";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rustc-check-cfg=cfg(armv8m)");
    if env::var("TARGET")?.starts_with("thumbv8m.main") {
        println!("cargo:rustc-cfg=armv8m");
    }
    println!("cargo:rerun-if-env-changed={BOARD_VARIABLE}");
    let firmware = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("..").canonicalize()?;
    for folder in ["boards", "chips", "hal/build-id.x", "port/sections.x"] {
        println!("cargo:rerun-if-changed={}", firmware.join(folder).display());
    }
    let name = env::var(BOARD_VARIABLE).unwrap_or_else(|_| DEFAULT_BOARD.to_owned());
    let board = Board::load(&firmware.join("boards"), &name)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    check_features(&board)?;
    let package = env::var("CARGO_PKG_NAME")?;
    let is_bootloader = package == BOOTLOADER;
    let program = if is_bootloader { Program::Bootloader } else { Program::Application };
    fs::write(out.join("memory.x"), crashrig_layout::emit::memory_x(&board, program))?;
    fs::write(out.join("regions.rs"), crashrig_layout::emit::regions_rs(&board))?;
    if env::var("CARGO_CFG_TARGET_OS")? == "none" {
        let (target, wanted) = (env::var("TARGET")?, board.chip.core.rust_target());
        if target != wanted {
            return Err(format!("build for {target}: expected {wanted}, as {name} wants").into());
        }
        println!("cargo:rustc-link-search={}", out.display());
        for folder in ["hal", "port"] {
            println!("cargo:rustc-link-search={}", firmware.join(folder).display());
        }
        let scripts: &[_] = match package.as_str() {
            HAL => &["-Tlink.x", "-Tbuild-id.x"],
            RTT => &["-Tlink.x", "-Tbuild-id.x", "-Tdefmt.x"],
            _ => &["-Tsections.x", "-Tdefmt.x"],
        };
        for argument in scripts.iter().chain(&["--build-id=sha1", "--nmagic"]) {
            println!("cargo:rustc-link-arg-bins={argument}");
        }
    }
    Ok(())
}

/// The board's image is built with the features that its file names, or not at all.
fn check_features(board: &Board) -> Result<(), Box<dyn Error>> {
    if env::var("CARGO_PKG_NAME")? != IMAGE || env::var("CARGO_CFG_TARGET_OS")? != "none" {
        return Ok(());
    }
    for feature in &board.image_features {
        let variable = format!("CARGO_FEATURE_{}", feature.to_uppercase().replace('-', "_"));
        if env::var_os(variable).is_none() {
            let board = &board.name;
            return Err(format!("build without {feature}: expected it, as {board} wants").into());
        }
    }
    Ok(())
}

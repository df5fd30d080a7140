//! `cargo ci size`: bytes of flash and RAM of every part of the image, without the switches of the
//! feature `injection`, held against the budget in `ci/size.toml`. `cargo ci size-budget` writes
//! that file anew.

mod parts;

use crate::jobs::cargo;
use crate::workspace;
use anyhow::{Context as _, Result, bail};
use crashrig_layout::parse::Board;
use parts::{Size, TOTAL, sizes};
use std::collections::BTreeMap;
use std::fs;

/// The budget, relative to the root.
const BUDGET: &str = "ci/size.toml";
/// What stands above the first board.
const HEADER: &str = "\
# Bytes of the parts of the image without the feature `injection`: [flash, RAM]. `cargo ci size`
# fails where a part has grown; `cargo ci size-budget` writes this file anew, and a person reads the
# difference.
";
/// Boards whose images are measured: one for each architecture.
const BOARDS: [&str; 2] = ["mps2-an505", "netduinoplus2"];
/// The part that must not be there without its feature.
const INJECTION: &str = "injection";

/// Board → part → flash and RAM.
type Budget = BTreeMap<String, BTreeMap<String, [u64; 2]>>;

/// Measures and compares.
///
/// # Errors
/// If a part has grown, or the switches of `injection` take a byte without it.
pub fn run() -> Result<()> {
    let budget = read_budget()?;
    let mut problems = Vec::new();
    for name in BOARDS {
        let (plain, with_switches) = (measure(name, false)?, measure(name, true)?);
        println!("\n{name:24} {:>8} {:>8}   of budget", "flash", "RAM");
        for (part, size) in &plain {
            let allowed = budget.get(name).and_then(|parts| parts.get(part));
            let [flash, ram] = *allowed.with_context(|| {
                format!("{BUDGET} has no part \"{part}\" of {name}; `cargo ci size-budget`")
            })?;
            let Size { flash_bytes, ram_bytes } = *size;
            println!("{part:24} {flash_bytes:8} {ram_bytes:8}   {flash} {ram}");
            for (what, found, allowed) in [("flash", flash_bytes, flash), ("RAM", ram_bytes, ram)] {
                if found > allowed {
                    problems.push(format!(
                        "{name}, {part}: found {found} bytes of {what}, expected at most {allowed}"
                    ));
                }
            }
        }
        let of =
            |sizes: &BTreeMap<String, Size>, part| sizes.get(part).copied().unwrap_or_default();
        let off = of(&plain, INJECTION);
        if off != Size::default() {
            problems.push(format!("{name}, {INJECTION} when off: found {off:?}, expected 0 bytes"));
        }
        let (on, without) = (of(&with_switches, TOTAL), of(&plain, TOTAL));
        println!(
            "{:24} {:8} {:8}   (0 when off)",
            "injection, when on",
            on.flash_bytes.saturating_sub(without.flash_bytes),
            on.ram_bytes.saturating_sub(without.ram_bytes)
        );
    }
    if !problems.is_empty() {
        bail!("{}", problems.join("\nerror: "));
    }
    Ok(())
}

/// Writes the budget anew: what the image takes now.
///
/// # Errors
/// If an image cannot be built or the file cannot be written.
pub fn write_budget() -> Result<()> {
    let mut text = HEADER.to_owned();
    for name in BOARDS {
        text.push_str(&format!("\n[{name}]\n"));
        for (part, Size { flash_bytes, ram_bytes }) in measure(name, false)? {
            text.push_str(&format!("\"{part}\" = [{flash_bytes}, {ram_bytes}]\n"));
        }
    }
    fs::write(workspace::root().join(BUDGET), text)
        .with_context(|| format!("cannot write {BUDGET}"))?;
    println!("wrote {BUDGET}");
    Ok(())
}

fn read_budget() -> Result<Budget> {
    let text = fs::read_to_string(workspace::root().join(BUDGET))
        .with_context(|| format!("cannot read {BUDGET}"))?;
    toml::from_str(&text).with_context(|| format!("cannot read {BUDGET}"))
}

/// Builds the image of a board into a folder of its own and measures it.
fn measure(board: &str, with_injection: bool) -> Result<BTreeMap<String, Size>> {
    let boards = workspace::boards()?;
    let is_it = |candidate: &&Board| candidate.name == board;
    let found = boards.iter().find(is_it).with_context(|| format!("there is no board {board}"))?;
    let triple = found.chip.core.rust_target();
    let folder = workspace::root().join("target/crashrig/size");
    let mut build = cargo(["build", "--package", "crashrig-image", "--profile", "firmware"])
        .args(["--target", triple, "--target-dir"])
        .arg(&folder)
        .env("CRASHRIG_BOARD", board)
        .env("DEFMT_LOG", "trace");
    if !with_injection {
        build = build.arg("--no-default-features");
    }
    build.run()?;
    let elf = folder.join(triple).join("firmware/crashrig-image");
    let bytes = fs::read(&elf).with_context(|| format!("cannot read {}", elf.display()))?;
    sizes(&bytes)
}

//! A hash over the sources that decide what becomes of an injection, so that results of a sweep are
//! never gone on with by a program that might judge otherwise. Of the sources, and not of the
//! program: machines of a cluster may each have built their own, in folders of their own.

#[path = "src/sweep/hash.rs"]
mod hash;

use std::io;
use std::path::{Path, PathBuf};

/// The folders, relative to this crate: what plans, carries out, reads and judges.
const FOLDERS: [&str; 5] =
    ["src", "../firmware/wire/src", "../firmware/layout/src", "../qemu/src", "../qemu/plugin/src"];

fn main() -> io::Result<()> {
    let mut hash = hash::Fnv::default();
    for folder in FOLDERS {
        println!("cargo::rerun-if-changed={folder}");
        for file in files(Path::new(folder))? {
            hash.add_part(file.as_os_str().as_encoded_bytes());
            hash.add_part(&std::fs::read(&file)?);
        }
    }
    println!("cargo::rustc-env=CRASHRIG_SOURCES={:016x}", hash.value());
    Ok(())
}

/// All files below a folder, in the order of their names.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

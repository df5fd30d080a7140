//! Address → function, file and line, inlined functions included.
//!
//! From the DWARF of the image by `addr2line`, built once and only when the first address is asked
//! for; without DWARF, or where it says nothing, from the symbol table. An answer is a help for
//! people and for scenarios that name a function: no answer is never an error.

use crate::image::{Image, What, demangle};
use gimli::{DebugFrame, EndianSlice, LittleEndian, SectionId};
use std::cell::OnceCell;

/// How the sections of an image are read.
pub(crate) type Reader<'a> = EndianSlice<'a, LittleEndian>;

/// Functions inlined into one another that are followed at one address.
const MAXIMUM_INLINE_DEPTH: usize = 64;

/// Where an address lies in the source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// Path of the function, without hash.
    pub function: Option<String>,
    /// Source file, shortened by [`shorten`].
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<u32>,
    /// Whether the function was inlined into the one of the next place.
    pub inlined: bool,
}

/// The names of an image's addresses.
pub struct Symbols<'a> {
    image: &'a Image,
    context: OnceCell<Option<addr2line::Context<Reader<'a>>>>,
    compile_directories: OnceCell<Vec<String>>,
}

impl<'a> Symbols<'a> {
    /// The names of an image. Costs nothing yet.
    #[must_use]
    pub const fn new(image: &'a Image) -> Self {
        Self { image, context: OnceCell::new(), compile_directories: OnceCell::new() }
    }

    /// The image.
    #[must_use]
    pub const fn image(&self) -> &'a Image {
        self.image
    }

    /// Path of the function that covers an address, as the symbol table has it: never an inlined
    /// one.
    #[must_use]
    pub fn function_at(&self, address: u32) -> Option<String> {
        let symbol = self.image.symbol_at(address)?;
        (symbol.what == What::Function).then(|| symbol.path())
    }

    /// The places of an address: the innermost inlined function first, the function that was
    /// compiled last. Never empty; an address that nothing is known of has one empty place.
    #[must_use]
    pub fn places_at(&self, address: u32) -> Vec<Place> {
        let mut places = self.places_by_dwarf(address);
        if places.is_empty() {
            places.push(Place::default());
        }
        if let Some(last) = places.last_mut() {
            last.inlined = false;
            last.function = self.function_at(address).or(last.function.take());
        }
        places
    }

    /// A source path as [`shorten`] makes it, whichever crate of the image it comes from.
    #[must_use]
    pub fn shorten_path(&self, path: &str) -> String {
        let directories = self.compile_directories.get_or_init(|| self.read_compile_directories());
        let around = directories.iter().filter(|directory| {
            path.strip_prefix(directory.as_str()).is_some_and(|rest| rest.starts_with('/'))
        });
        shorten(path, around.min_by_key(|directory| directory.len()).map_or("", String::as_str))
    }

    /// What the image says about unwinding, for [`crate::decode::backtrace`].
    pub(crate) fn debug_frame(&self) -> DebugFrame<Reader<'a>> {
        const ADDRESS_SIZE_BYTES: u8 = 4;
        let section = self.image.section(SectionId::DebugFrame.name()).unwrap_or_default();
        let mut frame = DebugFrame::new(section, LittleEndian);
        frame.set_address_size(ADDRESS_SIZE_BYTES);
        frame
    }

    fn dwarf(&self) -> Option<gimli::Dwarf<Reader<'a>>> {
        let load = |id: SectionId| {
            let bytes = self.image.section(id.name()).unwrap_or_default();
            Ok::<_, gimli::Error>(EndianSlice::new(bytes, LittleEndian))
        };
        gimli::Dwarf::load(load).ok()
    }

    fn context(&self) -> Option<&addr2line::Context<Reader<'a>>> {
        let build = || addr2line::Context::from_dwarf(self.dwarf()?).ok();
        self.context.get_or_init(build).as_ref()
    }

    /// Where the compiler ran for each unit of the image, each once.
    fn read_compile_directories(&self) -> Vec<String> {
        let mut directories = Vec::new();
        let Some(dwarf) = self.dwarf() else { return directories };
        let mut units = dwarf.units();
        while let Ok(Some(header)) = units.next() {
            let directory = dwarf.unit(header).ok().and_then(|unit| unit.comp_dir);
            if let Some(directory) = directory.map(|bytes| bytes.to_string_lossy().into_owned())
                && !directories.contains(&directory)
            {
                directories.push(directory);
            }
        }
        directories
    }

    fn places_by_dwarf(&self, address: u32) -> Vec<Place> {
        let Some(context) = self.context() else { return Vec::new() };
        let probe = u64::from(address);
        let unit = context.find_dwarf_and_unit(probe).skip_all_loads();
        let compile_directory = unit
            .and_then(|unit| unit.comp_dir.map(|directory| directory.to_string_lossy()))
            .unwrap_or_default();
        let Ok(mut frames) = context.find_frames(probe).skip_all_loads() else { return Vec::new() };
        let mut places = Vec::new();
        while let Ok(Some(frame)) = frames.next()
            && places.len() < MAXIMUM_INLINE_DEPTH
        {
            let name = frame.function.as_ref().and_then(|function| function.raw_name().ok());
            let location = frame.location;
            places.push(Place {
                function: name.map(|name| demangle(&name)),
                file: location
                    .as_ref()
                    .and_then(|location| location.file)
                    .map(|file| shorten(file, &compile_directory)),
                line: location.and_then(|location| location.line),
                inlined: true,
            });
        }
        places
    }
}

/// The path of a source file without what belongs to the machine it was compiled on: relative to
/// the workspace for its own files, from the package's name on for packages of a registry, from
/// `library` on for the standard library. Any other path stays as it is.
#[must_use]
pub fn shorten(path: &str, compile_directory: &str) -> String {
    /// Rust's own sources, in a toolchain with sources and in one without.
    const LIBRARY: &[&str] = &["/lib/rustlib/src/rust/", "/rustc/"];
    if let Some((_, rest)) = path.split_once("/registry/src/")
        && let Some((_index, package)) = rest.split_once('/')
    {
        return package.to_owned();
    }
    let in_library = LIBRARY.iter().any(|part| path.contains(part));
    if in_library && let Some(start) = path.find("/library/") {
        return path.get(start + 1..).unwrap_or(path).to_owned();
    }
    let below = path.strip_prefix(compile_directory.trim_end_matches('/'));
    match below.and_then(|rest| rest.strip_prefix('/')) {
        Some(rest) if !compile_directory.is_empty() => rest.to_owned(),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, compile_directory: &str, expected: &str) {
        assert_eq!(shorten(path, compile_directory), expected, "{path} in {compile_directory}");
    }

    #[test]
    fn paths_lose_the_machine_and_keep_the_rest() {
        check("/build/rig/firmware/image/src/main.rs", "/build/rig", "firmware/image/src/main.rs");
        check("/build/rig/firmware/image/src/main.rs", "/build/rig/", "firmware/image/src/main.rs");
        check("/build/rigging/src/main.rs", "/build/rig", "/build/rigging/src/main.rs");
        check("src/main.rs", "", "src/main.rs");
        check("/src/main.rs", "", "/src/main.rs");
        check("/any/registry/src/index-1/crc-3.4.0/src/lib.rs", "/any", "crc-3.4.0/src/lib.rs");
        check("/rustc/0123abcd/library/core/src/ptr/mod.rs", "/b", "library/core/src/ptr/mod.rs");
        check(
            "/any/toolchain/lib/rustlib/src/rust/library/core/src/fmt/mod.rs",
            "/build/rig",
            "library/core/src/fmt/mod.rs",
        );
        check("/build/rig/library/src/lib.rs", "/build/rig", "library/src/lib.rs");
        check("", "/build/rig", "");
    }
}

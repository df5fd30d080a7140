//! What the file of an image says: build id, code, constants, symbols, areas.
//!
//! The harness knows a device by these bytes and by `wire` and `layout` only, so everything that is
//! said about an address of the image begins here. The file may come from anywhere: any bytes give
//! an image or an error that names what was found, never a panic. Nothing here reads a file.

mod flash;
mod read;

pub use flash::{Flash, seal};

use crashrig_wire::BuildId;
use object::LittleEndian;
use object::read::elf::ElfFile32;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Why a file is no image that this harness can work with. Every problem that was found is listed.
#[derive(Debug, thiserror::Error)]
#[error("read image {path}: {}", list(.problems))]
pub struct ImageError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it; never empty.
    pub problems: Vec<ImageProblem>,
}

fn list(problems: &[ImageProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// One thing that is wrong with the file of an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageProblem {
    /// A field of the ELF header is not what an image for this architecture has.
    #[error("{field} at offset {offset}: found {found}, expected {expected}")]
    Header {
        /// Name of the field.
        field: &'static str,
        /// Where it stands in the file, in bytes.
        offset: usize,
        /// What is there.
        found: String,
        /// What should be there.
        expected: &'static str,
    },
    /// A table of the file leads out of the file or contradicts itself.
    #[error("{part}: {message}")]
    Malformed {
        /// Which table.
        part: &'static str,
        /// What the reader says.
        message: String,
    },
    /// The linker wrote no build id.
    #[error(
        "section .note.gnu.build-id: found no GNU build id, expected one of 8 bytes or more \
         (link with --build-id=sha1)"
    )]
    NoBuildId,
    /// The build id is too short to tell builds apart.
    #[error("section .note.gnu.build-id: found {found} bytes, expected 8 or more")]
    ShortBuildId {
        /// Its length in bytes.
        found: usize,
    },
}

/// What a symbol stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A function.
    Function,
    /// A variable or constant.
    Object,
    /// A bare address or number, as linker scripts define them.
    Label,
}

/// A symbol of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// The name as the file has it.
    pub name: String,
    /// Its address, without the Thumb bit; for some labels just a number.
    pub address: u32,
    /// Size in bytes; 0 if the file does not say.
    pub size_bytes: u32,
    /// What it stands for.
    pub what: What,
}

impl Symbol {
    /// The path of a Rust item without its hash, e.g. `crashrig_image::faults::carry_out`; any
    /// other name as it is.
    #[must_use]
    pub fn path(&self) -> String {
        demangle(&self.name)
    }

    fn contains(&self, address: u32) -> bool {
        address.checked_sub(self.address).is_some_and(|offset| offset < self.size_bytes)
    }
}

/// A mangled name of either Rust scheme as a path without hash; any other name as it is.
#[must_use]
pub fn demangle(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

/// A named range of RAM that the linker script laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// The name in scenario files and reports.
    pub name: &'static str,
    /// First address.
    pub start: u32,
    /// The address after the last.
    pub end: u32,
}

/// How the end of an area is known.
enum AreaEnd {
    At(&'static str),
    AfterBytes(&'static str),
}

/// Every area: its name, the linker symbol of its first address, and how its end is known.
const AREAS: &[(&str, &str, AreaEnd)] = &[
    ("vectors", "__crashrig_vectors_start", AreaEnd::AfterBytes("__crashrig_vectors_size_bytes")),
    ("crash-region", "__crashrig_crash_start", AreaEnd::AfterBytes("__crashrig_crash_size_bytes")),
    ("main-stack-guard", "__crashrig_main_guard_start", AreaEnd::At("__crashrig_main_guard_end")),
    ("main-stack", "__crashrig_main_stack_start", AreaEnd::At("__crashrig_main_stack_end")),
    (
        "timer-stack-guard",
        "__crashrig_timer_guard_start",
        AreaEnd::At("__crashrig_timer_stack_start"),
    ),
    ("timer-stack", "__crashrig_timer_stack_start", AreaEnd::At("__crashrig_timer_stack_end")),
    ("idle-stack-guard", "__crashrig_idle_guard_start", AreaEnd::At("__crashrig_idle_stack_start")),
    ("idle-stack", "__crashrig_idle_stack_start", AreaEnd::At("__crashrig_idle_stack_end")),
    ("isr-stack-guard", "__crashrig_isr_guard_start", AreaEnd::At("__crashrig_isr_guard_end")),
    ("isr-stack", "__crashrig_isr_stack_start", AreaEnd::At("__crashrig_isr_stack_end")),
];

/// The file of an image, read.
pub struct Image {
    origin: PathBuf,
    bytes: Vec<u8>,
    build_id: Vec<u8>,
    build_key: BuildId,
    /// Virtual address and place in `bytes` of everything that is loaded from the file.
    segments: Vec<(u32, Range<usize>)>,
    code: Vec<Range<u32>>,
    sections: Vec<(String, Range<usize>)>,
    /// By address; of equal ones, functions last.
    symbols: Vec<Symbol>,
    areas: Vec<Area>,
    bootloader: Option<Box<Image>>,
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (origin, build_id) = (&self.origin, self.build_id_hex());
        f.debug_struct("Image").field("origin", origin).field("build_id", &build_id).finish()
    }
}

impl Image {
    /// Reads an executable for ARM: ELF, 32 bits, little-endian, linked, with a GNU build id.
    /// `origin` is only a name.
    ///
    /// # Errors
    /// The bytes are not such a file; see [`ImageProblem`].
    pub fn parse(bytes: Vec<u8>, origin: &Path) -> Result<Self, ImageError> {
        let error = |problems| ImageError { path: origin.to_owned(), problems };
        let problems = read::check_header(&bytes);
        if !problems.is_empty() {
            return Err(error(problems));
        }
        let file = ElfFile32::<LittleEndian>::parse(bytes.as_slice())
            .map_err(|source| error(vec![read::malformed("section or symbol table", &source)]))?;
        let build_id = read::build_id(&file).map_err(|problem| error(vec![problem]))?;
        let short = || error(vec![ImageProblem::ShortBuildId { found: build_id.len() }]);
        let build_key = *build_id.first_chunk().ok_or_else(short)?;
        let (segments, sections) = (read::segments(&file), read::sections(&file));
        let (code, symbols) = (read::code_ranges(&file), read::symbols(&file));
        drop(file);
        let mut image = Self {
            origin: origin.to_owned(),
            bytes,
            build_id,
            build_key,
            segments,
            code,
            sections,
            symbols,
            areas: Vec::new(),
            bootloader: None,
        };
        image.areas = AREAS.iter().filter_map(|area| image.area(area)).collect();
        Ok(image)
    }

    /// The same image with the bootloader that stands in front of it in flash.
    #[must_use]
    pub fn behind(self, bootloader: Self) -> Self {
        Self { bootloader: Some(Box::new(bootloader)), ..self }
    }

    /// The bootloader in front of it, if there is one.
    #[must_use]
    pub fn bootloader(&self) -> Option<&Self> {
        self.bootloader.as_deref()
    }

    /// The file that it came from.
    #[must_use]
    pub fn origin(&self) -> &Path {
        &self.origin
    }

    /// The whole file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The part of the build id that records carry.
    #[must_use]
    pub const fn build_id(&self) -> BuildId {
        self.build_key
    }

    /// The whole build id in hexadecimal.
    #[must_use]
    pub fn build_id_hex(&self) -> String {
        self.build_id.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The symbol of a name as the file has it or of a Rust path without hash. Of several with the
    /// same path (instances of a generic function), the one at the lowest address.
    #[must_use]
    pub fn symbol(&self, name: &str) -> Option<&Symbol> {
        self.symbols.iter().find(|symbol| symbol.name == name).or_else(|| {
            let is_path = name.contains("::");
            self.symbols.iter().find(|symbol| is_path && symbol.path() == name)
        })
    }

    /// The function or object that covers an address; without one, a function just before it whose
    /// size the file does not say.
    #[must_use]
    pub fn symbol_at(&self, address: u32) -> Option<&Symbol> {
        let named = || self.symbols.iter().filter(|symbol| symbol.what != What::Label);
        // Of nested symbols the innermost is the one that begins last.
        named().rfind(|symbol| symbol.contains(address)).or_else(|| {
            let code = self.code.iter().find(|range| range.contains(&address))?;
            let before = named().rfind(|symbol| symbol.address <= address)?;
            (before.size_bytes == 0 && code.contains(&before.address)).then_some(before)
        })
    }

    /// Address ranges that hold code.
    #[must_use]
    pub fn code_ranges(&self) -> &[Range<u32>] {
        &self.code
    }

    /// The halfword at an address of the code; nothing outside of it.
    #[must_use]
    pub fn code_halfword(&self, address: u32) -> Option<u16> {
        let inside = self.code.iter().any(|range| range.contains(&address));
        let bytes = if inside { self.flash_bytes(address, 2)? } else { return None };
        bytes.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
    }

    /// What the file puts at an address of the running image: code, constants, and the initial
    /// values of data. Nothing if the file has not all of it.
    #[must_use]
    pub fn flash_bytes(&self, address: u32, length_bytes: usize) -> Option<&[u8]> {
        self.segments.iter().find_map(|(start, place)| {
            let offset = usize::try_from(address.checked_sub(*start)?).ok()?;
            let end = offset.checked_add(length_bytes)?;
            self.bytes.get(place.clone())?.get(offset..end)
        })
    }

    /// The contents of a section, if the file has it uncompressed.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&[u8]> {
        let (_, place) = self.sections.iter().find(|(other, _)| other == name)?;
        self.bytes.get(place.clone())
    }

    /// The areas that this image has.
    #[must_use]
    pub fn areas(&self) -> &[Area] {
        &self.areas
    }

    /// The area that covers an address.
    #[must_use]
    pub fn area_at(&self, address: u32) -> Option<&Area> {
        self.areas.iter().find(|area| (area.start..area.end).contains(&address))
    }

    fn area(&self, (name, start, end): &(&'static str, &str, AreaEnd)) -> Option<Area> {
        let value = |name: &str| self.symbol(name).map(|symbol| symbol.address);
        let start = value(start)?;
        let end = match end {
            AreaEnd::At(symbol) => value(symbol)?,
            AreaEnd::AfterBytes(symbol) => start.checked_add(value(symbol)?)?,
        };
        Some(Area { name, start, end })
    }
}

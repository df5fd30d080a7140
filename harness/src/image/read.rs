//! The tables of an ELF file as an image keeps them. Everything here is total: what a table says
//! wrong is left out or named, and no address or size of the file is believed before it is checked.

use super::{ImageProblem, Symbol, What};
use object::elf::{PF_X, SHF_ALLOC, SHF_EXECINSTR};
use object::read::elf::ElfFile32;
use object::{
    LittleEndian, Object, ObjectSection, ObjectSegment, ObjectSymbol, SectionFlags, SegmentFlags,
    SymbolKind,
};
use std::ops::Range;

pub(super) fn malformed(part: &'static str, source: &object::Error) -> ImageProblem {
    ImageProblem::Malformed { part, message: source.to_string() }
}

/// The fields that decide whether this is a file for us at all, all of them.
pub(super) fn check_header(bytes: &[u8]) -> Vec<ImageProblem> {
    const FIELDS: &[(&str, usize, &[u8], &str)] = &[
        ("file class", 4, &[1], "1 (32 bits)"),
        ("byte order", 5, &[1], "1 (little-endian)"),
        ("file type", 16, &[2, 0], "2 (linked executable)"),
        ("machine", 18, &[40, 0], "40 (ARM)"),
    ];
    const MAGIC: &[u8] = b"\x7fELF";
    let problem = |field, offset, found, expected| {
        vec![ImageProblem::Header { field, offset, found, expected }]
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x} ")).collect::<String>();
    let magic = bytes.get(..MAGIC.len().min(bytes.len())).unwrap_or_default();
    if magic != MAGIC {
        let found = format!("{} ({} bytes in all)", hex(magic).trim_end(), bytes.len());
        return problem("magic", 0, found.trim_start().to_owned(), "7f 45 4c 46 (an ELF file)");
    }
    let check =
        |&(field, offset, wanted, expected): &(&'static str, usize, &[u8], &'static str)| {
            let found = bytes.get(offset..offset + wanted.len());
            let number =
                |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
            match found {
                Some(found) if found == wanted => Vec::new(),
                Some(found) => problem(field, offset, number(found).to_string(), expected),
                None => problem(field, offset, "the end of the file".to_owned(), expected),
            }
        };
    FIELDS.iter().flat_map(check).collect()
}

pub(super) fn build_id(file: &ElfFile32<'_, LittleEndian>) -> Result<Vec<u8>, ImageProblem> {
    match file.build_id() {
        Ok(Some(id)) => Ok(id.to_vec()),
        Ok(None) => Err(ImageProblem::NoBuildId),
        Err(error) => Err(malformed("section .note.gnu.build-id", &error)),
    }
}

/// A place in the file that `file_range` answered, cut to what an index can be.
fn place(offset: u64, size: u64) -> Option<Range<usize>> {
    Some(usize::try_from(offset).ok()?..usize::try_from(offset.checked_add(size)?).ok()?)
}

pub(super) fn segments(file: &ElfFile32<'_, LittleEndian>) -> Vec<(u32, Range<usize>)> {
    let loaded = file.segments().filter_map(|segment| {
        let (offset, size) = segment.file_range();
        Some((u32::try_from(segment.address()).ok()?, place(offset, size)?))
    });
    loaded.filter(|(_, place)| !place.is_empty()).collect()
}

pub(super) fn sections(file: &ElfFile32<'_, LittleEndian>) -> Vec<(String, Range<usize>)> {
    let plain = file.sections().filter_map(|section| {
        let range = section.compressed_file_range().ok()?;
        let plain = range.format == object::CompressionFormat::None;
        let place = plain.then(|| place(range.offset, range.uncompressed_size)).flatten()?;
        Some((section.name().ok()?.to_owned(), place))
    });
    plain.collect()
}

/// Executable sections; in a file without section headers, executable segments.
pub(super) fn code_ranges(file: &ElfFile32<'_, LittleEndian>) -> Vec<Range<u32>> {
    let range = |address: u64, size: u64| {
        let start = u32::try_from(address).ok()?;
        Some(start..start.checked_add(u32::try_from(size).ok()?)?)
    };
    let is_code = |flags| {
        let wanted = SHF_ALLOC | SHF_EXECINSTR;
        matches!(flags, SectionFlags::Elf { sh_flags, .. } if sh_flags.contains(wanted))
    };
    let sections = file.sections().filter(|section| is_code(section.flags()));
    let code: Vec<_> =
        sections.filter_map(|section| range(section.address(), section.size())).collect();
    if !code.is_empty() {
        return code;
    }
    let is_code =
        |flags| matches!(flags, SegmentFlags::Elf { p_flags, .. } if p_flags.contains(PF_X));
    let segments = file.segments().filter(|segment| is_code(segment.flags()));
    segments.filter_map(|segment| range(segment.address(), segment.size())).collect()
}

pub(super) fn symbols(file: &ElfFile32<'_, LittleEndian>) -> Vec<Symbol> {
    let mut symbols: Vec<_> = file.symbols().filter_map(|symbol| read_symbol(&symbol)).collect();
    symbols.sort_by(|a, b| (a.address, b.what).cmp(&(b.address, a.what)));
    symbols
}

fn read_symbol<'data>(symbol: &impl ObjectSymbol<'data>) -> Option<Symbol> {
    /// Bit 0 of the address of a function says that it is Thumb code.
    const THUMB: u32 = 1;
    let what = match symbol.kind() {
        SymbolKind::Text => What::Function,
        SymbolKind::Data | SymbolKind::Tls => What::Object,
        SymbolKind::File | SymbolKind::Section => return None,
        _ => What::Label,
    };
    let name = symbol.name().ok()?;
    // Mapping symbols ($t, $d) tell code from data inside a section and name nothing.
    if symbol.is_undefined() || name.is_empty() || name.starts_with('$') {
        return None;
    }
    let address = u32::try_from(symbol.address()).ok()?;
    Some(Symbol {
        name: name.to_owned(),
        address: if what == What::Function { address & !THUMB } else { address },
        size_bytes: u32::try_from(symbol.size()).ok()?,
        what,
    })
}

//! What an image is in flash: its bytes by load address, and the header that a bootloader reads.
//!
//! The linker cannot write a CRC of what it links, so the header is filled in here, once, when the
//! image was built: `seal` changes the bytes of the file. What stands between two segments is what
//! erased flash holds.

use super::ImageProblem;
use super::read::malformed;
use crashrig_wire::image_header::{HEADER_LENGTH, HEADER_OFFSET, ImageHeader};
use object::read::elf::{ElfFile32, FileHeader, ProgramHeader};
use object::{LittleEndian, Object, ObjectSection};

/// A byte of erased flash.
const ERASED: u8 = 0xFF;
/// More than any flash of a chip of this kind; a larger image is a mistake of its file.
const LARGEST_BYTES: u64 = 64 << 20;
/// The section of the build id; the id itself begins behind the head of the note.
const BUILD_ID_SECTION: &str = ".note.gnu.build-id";
const NOTE_HEADER_BYTES: u64 = 16;

/// A part of flash as the host writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flash {
    /// First address.
    pub start: u32,
    /// What stands there.
    pub bytes: Vec<u8>,
}

/// A piece of the file: where it is loaded, and where it stands in the file.
struct Piece {
    address: u64,
    offset: u64,
    size: u64,
}

impl Flash {
    /// What the file of an image puts into flash.
    ///
    /// # Errors
    /// Its tables contradict themselves, or it puts nothing there.
    pub fn of(file: &[u8]) -> Result<Self, ImageProblem> {
        let wrong = |message: String| ImageProblem::Malformed { part: "segments", message };
        let pieces = pieces(file)?;
        let start = pieces.iter().map(|it| it.address).min();
        let start = start.ok_or_else(|| wrong("nothing to be loaded".to_owned()))?;
        let end = pieces.iter().map(|it| it.address + it.size).max().unwrap_or(start);
        let address = u32::try_from(start).map_err(|error| wrong(error.to_string()))?;
        if end - start > LARGEST_BYTES {
            return Err(wrong(format!("{} bytes of flash, up to {LARGEST_BYTES}", end - start)));
        }
        let mut bytes = vec![ERASED; usize::try_from(end - start).unwrap_or(0)];
        for piece in &pieces {
            let source = range(piece.offset, piece.size).and_then(|range| file.get(range));
            let target = range(piece.address - start, piece.size);
            let target = target.and_then(|range| bytes.get_mut(range));
            let (Some(source), Some(target)) = (source, target) else {
                return Err(wrong("a segment outside of the file".to_owned()));
            };
            target.copy_from_slice(source);
        }
        Ok(Self { start: address, bytes })
    }
}

/// Fills in the header of an image, in the bytes of its file. An image without room for one, as
/// firmware that is not ours, stays as it is.
///
/// # Errors
/// The file is not one of an image.
pub fn seal(file: &mut [u8]) -> Result<(), ImageProblem> {
    let mut flash = Flash::of(file)?;
    let start = u64::from(flash.start);
    let build_id = {
        let elf = ElfFile32::<LittleEndian>::parse(&*file)
            .map_err(|source| malformed("section table", &source))?;
        let note = elf.section_by_name(BUILD_ID_SECTION).ok_or(ImageProblem::NoBuildId)?;
        (note.address() + NOTE_HEADER_BYTES).checked_sub(start)
    };
    let build_id = build_id.and_then(|offset| usize::try_from(offset).ok());
    if !build_id.is_some_and(|offset| ImageHeader::seal(&mut flash.bytes, offset)) {
        return Ok(());
    }
    let header = flash.bytes.get(HEADER_OFFSET..HEADER_OFFSET + HEADER_LENGTH);
    let piece = pieces(file)?.into_iter().find(|piece| piece.address == start);
    let place =
        piece.and_then(|piece| range(piece.offset + HEADER_OFFSET as u64, HEADER_LENGTH as u64));
    if let (Some(header), Some(target)) = (header, place.and_then(|place| file.get_mut(place))) {
        target.copy_from_slice(header);
    }
    Ok(())
}

/// Everything that is loaded from the file, by the address at which it is kept.
fn pieces(file: &[u8]) -> Result<Vec<Piece>, ImageProblem> {
    let wrong = |source: &object::Error| malformed("segments", source);
    let elf = ElfFile32::<LittleEndian>::parse(file).map_err(|source| wrong(&source))?;
    let endian = elf.endian();
    let headers =
        elf.elf_header().program_headers(endian, file).map_err(|source| wrong(&source))?;
    let loaded = headers.iter().filter(|it| it.p_type(endian) == object::elf::PT_LOAD);
    let piece = loaded.map(|it| Piece {
        address: u64::from(it.p_paddr(endian)),
        offset: u64::from(it.p_offset(endian)),
        size: u64::from(it.p_filesz(endian)),
    });
    Ok(piece.filter(|it| it.size > 0).collect())
}

fn range(start: u64, size: u64) -> Option<std::ops::Range<usize>> {
    let end = start.checked_add(size)?;
    Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}

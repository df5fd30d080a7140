//! What an image says of itself in flash: how long it is, which build it is, and its CRC-32.
//!
//! The linker keeps the room, directly behind the vector table, and puts the end mark behind the
//! last byte; the host fills the header in once the image is linked ([`ImageHeader::seal`]); a
//! bootloader reads both before it hands over. The end mark tells an image that was written in part
//! from one whose bytes changed.

use crate::bytes::{get_array, get_u16, get_u32, put, put_u16, put_u32};
use crate::crc::crc32_of_pieces;
use crate::status::{Code, Module, Status};
use crate::{BuildId, field};

/// First word of the header: the bytes `CRIH`.
pub const MAGIC: u32 = u32::from_le_bytes(*b"CRIH");
/// Last word of an image: the bytes `CREN`.
pub const END_MARK: u32 = u32::from_le_bytes(*b"CREN");
/// The version this crate writes and reads.
pub const VERSION: u16 = 1;
/// Where the header stands, in bytes from the start of the image: behind a vector table with the
/// 256 entries that the architecture allows at most.
pub const HEADER_OFFSET: usize = 256 * 4;
/// Length of the header in bytes.
pub const HEADER_LENGTH: usize = 28;

const VERSION_AT: usize = HEADER_OFFSET + 4;
const HEADER_LENGTH_AT: usize = HEADER_OFFSET + 6;
const LENGTH_AT: usize = HEADER_OFFSET + 8;
const BUILD_ID_OFFSET_AT: usize = HEADER_OFFSET + 12;
const BUILD_ID_AT: usize = HEADER_OFFSET + 16;
const CRC_AT: usize = HEADER_OFFSET + 24;
/// An image has at least vector table, header and end mark.
const LEAST_LENGTH: usize = HEADER_OFFSET + HEADER_LENGTH + 4;

const _: () = assert!(BUILD_ID_AT + size_of::<BuildId>() == CRC_AT);
const _: () = assert!(CRC_AT + 4 == HEADER_OFFSET + HEADER_LENGTH);
const _: () = assert!(field::BUILD_ID.size == size_of::<BuildId>());

crate::names::closed_list! {
    /// Why a bootloader does not hand over to an image.
    Refusal, "refusal";
    /// The initial stack pointer is not in RAM or not a multiple of 8, or the reset vector is no
    /// Thumb address in the image's flash.
    Vector = 1, "vector";
    /// There is no header, its length cannot be, or the image does not end there.
    Length = 2, "length";
    /// The bytes are not those that were sealed.
    Crc = 3, "crc";
    /// The build id in the header is not the one that the linker wrote.
    BuildId = 4, "build-id";
}

impl Refusal {
    /// The status of a record about it.
    #[must_use]
    pub const fn status(self) -> Status {
        let code = match self {
            Self::Vector => Code::ImageVector,
            Self::Length => Code::ImageLength,
            Self::Crc => Code::ImageCrc,
            Self::BuildId => Code::ImageBuildId,
        };
        Status::of_code(Module::Platform, code)
    }
}

/// The header of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageHeader {
    /// Length of the whole image in bytes, from the vector table to the end mark.
    pub length_bytes: u32,
    /// Where the linker wrote the build id, in bytes from the start of the image.
    pub build_id_offset: u32,
    /// The build id.
    pub build_id: BuildId,
    /// CRC-32 over all bytes of the image but these four.
    pub crc: u32,
}

impl ImageHeader {
    /// Reads the header of an image; `flash` begins with it and may go on behind it. Nothing unless
    /// there is a header of this version.
    #[must_use]
    pub fn read(flash: &[u8]) -> Option<Self> {
        let sound = flash.len() >= LEAST_LENGTH
            && get_u32(flash, HEADER_OFFSET) == MAGIC
            && get_u16(flash, VERSION_AT) == VERSION
            && usize::from(get_u16(flash, HEADER_LENGTH_AT)) == HEADER_LENGTH;
        sound.then(|| Self {
            length_bytes: get_u32(flash, LENGTH_AT),
            build_id_offset: get_u32(flash, BUILD_ID_OFFSET_AT),
            build_id: get_array(flash, BUILD_ID_AT),
            crc: get_u32(flash, CRC_AT),
        })
    }

    /// Whether the image in `flash` is the one that was sealed.
    ///
    /// # Errors
    /// The first thing that is wrong, of [`Refusal::Length`], [`Refusal::Crc`] and
    /// [`Refusal::BuildId`].
    pub fn check(flash: &[u8]) -> Result<Self, Refusal> {
        let header = Self::read(flash).ok_or(Refusal::Length)?;
        let image = usize::try_from(header.length_bytes)
            .ok()
            .filter(|length| *length >= LEAST_LENGTH && length.is_multiple_of(4))
            .and_then(|length| flash.get(..length))
            .filter(|image| image.ends_with(&END_MARK.to_le_bytes()))
            .ok_or(Refusal::Length)?;
        if crc_of(image) != header.crc {
            return Err(Refusal::Crc);
        }
        let linked = usize::try_from(header.build_id_offset)
            .ok()
            .and_then(|offset| image.get(offset..)?.first_chunk());
        if linked == Some(&header.build_id) { Ok(header) } else { Err(Refusal::BuildId) }
    }

    /// Fills in the header of an image, which `image` is the whole of. Says whether it could: there
    /// is room for the header, the end mark, and a build id at the offset given.
    pub fn seal(image: &mut [u8], build_id_offset: usize) -> bool {
        let id = image.get(build_id_offset..).and_then(|rest| rest.first_chunk::<8>()).copied();
        let (Some(id), true) = (id, image.len() >= LEAST_LENGTH) else { return false };
        let (Ok(length), Ok(offset)) = (u32::try_from(image.len()), u32::try_from(build_id_offset))
        else {
            return false;
        };
        if !image.ends_with(&END_MARK.to_le_bytes()) {
            return false;
        }
        put_u32(image, HEADER_OFFSET, MAGIC);
        put_u16(image, VERSION_AT, VERSION);
        put_u16(image, HEADER_LENGTH_AT, HEADER_LENGTH as u16);
        put_u32(image, LENGTH_AT, length);
        put_u32(image, BUILD_ID_OFFSET_AT, offset);
        put(image, BUILD_ID_AT, &id);
        let crc = crc_of(image);
        put_u32(image, CRC_AT, crc);
        true
    }

    /// Writes the CRC that the image has as it is now, whatever else its header says.
    pub fn seal_again(image: &mut [u8]) {
        let crc = crc_of(image);
        put_u32(image, CRC_AT, crc);
    }
}

fn crc_of(image: &[u8]) -> u32 {
    let (front, back) = (image.get(..CRC_AT), image.get(CRC_AT + 4..));
    crc32_of_pieces(&[front.unwrap_or_default(), back.unwrap_or_default()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const BUILD_ID_OFFSET: usize = 1100;

    fn image() -> Vec<u8> {
        let mut image: Vec<u8> = (0..1200_u32).map(|index| (index % 251) as u8).collect();
        image.extend(END_MARK.to_le_bytes());
        assert!(ImageHeader::seal(&mut image, BUILD_ID_OFFSET));
        image
    }

    #[test]
    fn what_was_sealed_is_whole_with_anything_behind_it() {
        let mut flash = image();
        let header = ImageHeader::check(&flash).unwrap();
        assert_eq!(header.length_bytes, 1204);
        assert_eq!(Some(&header.build_id), flash[BUILD_ID_OFFSET..].first_chunk());
        flash.extend([0xFF; 64]);
        assert_eq!(ImageHeader::check(&flash), Ok(header));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = image();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let refusal = ImageHeader::check(&bad).unwrap_err();
            let of_length = matches!(bit / 8, HEADER_OFFSET..1036) || bit / 8 >= good.len() - 4;
            let expected = if of_length { Refusal::Length } else { Refusal::Crc };
            assert_eq!(refusal, expected, "bit {bit}");
        }
    }

    #[test]
    fn every_truncated_image_is_too_short() {
        let good = image();
        for length in 0..good.len() {
            for erased in [0x00, 0xFF] {
                let mut bad = good[..length].to_vec();
                assert_eq!(ImageHeader::check(&bad), Err(Refusal::Length), "{length}");
                bad.resize(good.len() + 64, erased);
                assert_eq!(ImageHeader::check(&bad), Err(Refusal::Length), "{length}");
            }
        }
    }

    #[test]
    fn a_sealed_image_of_another_build_is_refused() {
        let mut bad = image();
        bad[BUILD_ID_OFFSET] ^= 1;
        ImageHeader::seal_again(&mut bad);
        assert_eq!(ImageHeader::check(&bad), Err(Refusal::BuildId));
    }

    #[test]
    fn a_length_that_cannot_be_is_refused() {
        for length in [0, 4, 1052, 1202, 1208, u32::MAX - 3, u32::MAX] {
            let mut bad = image();
            put_u32(&mut bad, LENGTH_AT, length);
            ImageHeader::seal_again(&mut bad);
            assert_eq!(ImageHeader::check(&bad), Err(Refusal::Length), "{length}");
        }
    }

    #[test]
    fn what_has_no_room_is_not_sealed() {
        assert!(!ImageHeader::seal(&mut [0; 1024], 1000));
        let mut without_mark = [0; 1204];
        assert!(!ImageHeader::seal(&mut without_mark, BUILD_ID_OFFSET));
        let mut image = image();
        let end = image.len();
        assert!(!ImageHeader::seal(&mut image, end - 4));
    }
}

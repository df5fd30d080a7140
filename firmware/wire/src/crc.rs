//! CRC-32 (ISO-HDLC, the one of Ethernet and zip) over the bytes of every structure on the wire,
//! and CRC-16 (IBM-3740) over the small sections of a record.
//!
//! From the `crc` crate: well kept, `no_std`, its table built at compile time; 1 KiB of flash.

use crc::{CRC_16_IBM_3740, CRC_32_ISO_HDLC, Crc, Digest, Table};

const CRC: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);
static ENGINE: Crc<u32, Table<1>> = CRC;

/// The CRC-32 of some bytes.
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    ENGINE.checksum(bytes)
}

/// The CRC-32 of several pieces as if they stood behind each other.
#[must_use]
pub fn crc32_of_pieces(pieces: &[&[u8]]) -> u32 {
    let mut digest: Digest<'static, u32, Table<1>> = ENGINE.digest();
    for piece in pieces {
        digest.update(piece);
    }
    digest.finalize()
}

/// A CRC-32 over words as they come, little-endian.
pub struct Crc32(Digest<'static, u32, Table<1>>);

impl Default for Crc32 {
    fn default() -> Self {
        Self(ENGINE.digest())
    }
}

impl Crc32 {
    /// Adds a word.
    pub fn word(&mut self, word: u32) {
        self.0.update(&word.to_le_bytes());
    }

    /// The CRC of all words.
    #[must_use]
    pub fn value(self) -> u32 {
        self.0.finalize()
    }
}

const SHORT: Crc<u16, Table<1>> = Crc::<u16, Table<1>>::new(&CRC_16_IBM_3740);
static SHORT_ENGINE: Crc<u16, Table<1>> = SHORT;

/// A CRC-16 over words as they come, little-endian.
pub(crate) struct Crc16(Digest<'static, u16, Table<1>>);

impl Crc16 {
    pub(crate) fn new() -> Self {
        Self(SHORT_ENGINE.digest())
    }

    pub(crate) fn word(&mut self, word: u32) {
        self.0.update(&word.to_le_bytes());
    }

    pub(crate) fn value(self) -> u16 {
        self.0.finalize()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_check_value_of_the_catalogue_comes_out() {
        assert_eq!(super::crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(super::crc32_of_pieces(&[b"1234", b"", b"56789"]), 0xCBF4_3926);
        assert_eq!(super::SHORT_ENGINE.checksum(b"123456789"), 0x29B1);
    }

    #[test]
    fn words_count_as_their_bytes_little_endian() {
        let mut crc = super::Crc16::new();
        crc.word(u32::from_le_bytes(*b"1234"));
        crc.word(u32::from_le_bytes(*b"5678"));
        assert_eq!(crc.value(), super::SHORT_ENGINE.checksum(b"12345678"));
        let mut crc = super::Crc32::default();
        crc.word(u32::from_le_bytes(*b"1234"));
        crc.word(u32::from_le_bytes(*b"5678"));
        assert_eq!(crc.value(), super::crc32(b"12345678"));
    }
}

//! How much one access on a bus moves.

/// Width of an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Width {
    /// One byte.
    Byte,
    /// Two bytes.
    Half,
    /// Four bytes.
    Word,
}

impl Width {
    /// Its size in bytes: 1, 2 or 4.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        1 << self as u32
    }

    /// The bits of a word that an access of this width moves.
    #[must_use]
    pub const fn mask(self) -> u32 {
        u32::MAX >> (32 - 8 * self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_masks() {
        for (width, bytes, mask) in
            [(Width::Byte, 1, 0xff), (Width::Half, 2, 0xffff), (Width::Word, 4, u32::MAX)]
        {
            assert_eq!((width.bytes(), width.mask()), (bytes, mask), "{width:?}");
        }
    }
}

//! Capabilities of memory between the words of a record and the names of chip files.

use crashrig_layout::Capabilities;

/// The names of capabilities; what chip files cannot name stands as its bits.
#[must_use]
pub fn names(bits: u32) -> Vec<String> {
    let named = Capabilities::from_named_bits(bits);
    let rest = bits & !named.bits();
    let rest = (rest != 0).then(|| format!("{rest:#x}"));
    named.names().map(str::to_owned).chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_named_as_in_chip_files() {
        assert_eq!(names(1 << 3 | 1 << 12), ["dma", "default"]);
        assert_eq!(names(1 << 3 | 1 << 31), ["dma", "0x80000000"]);
        assert_eq!(names(0), Vec::<String>::new());
    }
}

//! Memory by words: how everything here that works on RAM reaches it.

/// Words in memory, addressed as the core addresses them.
pub trait Words {
    /// The word at an address, which is a multiple of four.
    fn read(&self, address: u32) -> u32;
    /// Changes the word at an address, which is a multiple of four.
    fn write(&mut self, address: u32, word: u32);
}

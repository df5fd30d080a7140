//! Memory that keeps its contents over a reset, word by word.

use crashrig_wire::section::WordSink;

/// Memory that keeps its contents over a reset, addressed by bytes from its start.
pub trait Store {
    /// Size in bytes; at least [`crashrig_wire::region::SMALLEST_REGION`].
    fn size(&self) -> usize;
    /// Copies bytes out, from an offset that is a multiple of four; bytes past the end read as
    /// zero.
    fn read(&self, offset: usize, out: &mut [u8]);
    /// Writes one word at an offset that is a multiple of four; past the end nothing happens.
    fn write_word(&mut self, offset: usize, word: u32);
}

/// A slot, as the writer of sections sees it.
#[derive(Debug)]
pub struct SlotSink<'a, S> {
    store: &'a mut S,
    base: usize,
}

impl<'a, S: Store> SlotSink<'a, S> {
    /// The slot at an offset of the region, in bytes.
    pub const fn new(store: &'a mut S, base: usize) -> Self {
        Self { store, base }
    }
}

impl<S: Store> WordSink for SlotSink<'_, S> {
    fn write_word(&mut self, offset: usize, word: u32) {
        self.store.write_word(self.base + offset, word);
    }
}

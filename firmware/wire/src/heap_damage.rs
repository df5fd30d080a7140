//! What we do to the heap: the closed list of words that are written over, and how.
//!
//! An overrun comes from the owner of the block below, word by word up to the one that is meant; an
//! underrun from the owner of the block itself, downwards; a stray store writes that one word.
//! Which words a block has, and in which order, is said in `memory`'s heap.

crate::names::closed_list! {
    /// Damage to a word of the heap. The first word that is written holds [`HeapDamage::FIRST`],
    /// each further one 1 more.
    HeapDamage, "damage";
    /// The canary behind a block, by an overrun of one word; the block is released.
    TailCanaryOverrun = 1, "tail-canary-overrun";
    /// The canary behind a block, by a stray store; the block is released.
    TailCanaryStray = 2, "tail-canary-stray";
    /// The canary in front of a block, by an underrun of one word; the block is released.
    HeadCanaryUnderrun = 3, "head-canary-underrun";
    /// The canary in front of a block, by a stray store; the block is released.
    HeadCanaryStray = 4, "head-canary-stray";
    /// The size that was asked for, by a stray store; the block is released.
    AskedSizeStray = 5, "asked-size-stray";
    /// The size of a block, by an overrun of two words; the block is released.
    SizeOverrun = 6, "size-overrun";
    /// The size of a block, by an underrun of four words; the block is released.
    SizeUnderrun = 7, "size-underrun";
    /// The size of a block, by a stray store; the block is released.
    SizeStray = 8, "size-stray";
    /// The size of the block before, by an underrun of three words; the block is released.
    PreviousSizeUnderrun = 9, "previous-size-underrun";
    /// The size of the block before, by a stray store; the block is released.
    PreviousSizeStray = 10, "previous-size-stray";
    /// The link of a free block to the next one, by a stray store; the block is asked for.
    NextLinkStray = 11, "next-link-stray";
    /// The link of a free block to the one before, by a stray store; that one is asked for.
    PreviousLinkStray = 12, "previous-link-stray";
    /// Both words of the end mark, by an overrun of three words; the last block is released.
    EndMarkOverrun = 13, "end-mark-overrun";
    /// The word of the end mark that leads back, by a stray store; the last block is released.
    EndMarkStray = 14, "end-mark-stray";
    /// The word of the heap's own state that leads to a free block, by a stray store; the block is
    /// asked for.
    ListHeadStray = 15, "list-head-stray";
    /// A block that was released, by its owner; it is asked for again. Only a heap that fills free
    /// memory can notice.
    UseAfterFree = 16, "use-after-free";
    /// Who asked for a block, by a stray store; the block is released. Only a heap that tracks
    /// knows it.
    OwnerStray = 17, "owner-stray";
}

impl HeapDamage {
    /// What the first word holds that is written. No size, canary, fill or address of a heap.
    pub const FIRST: u32 = 0x5EED_BAD0;
}

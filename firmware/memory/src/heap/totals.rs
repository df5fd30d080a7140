//! Numbers about a heap or a part of it.

/// Sums over regions. Sizes are in bytes that can be handed out: headers do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// What could be handed out if nothing were.
    pub total_bytes: u32,
    /// What free blocks hold together now.
    pub free_bytes: u32,
    /// The least that free blocks ever held: the sum over regions, each at its own worst moment. A
    /// region that was added later counts from then on.
    pub minimum_free_bytes: u32,
    /// The largest size that a request without alignment would be given now.
    pub largest_free_block: u32,
    /// Blocks handed out.
    pub allocated_blocks: u32,
    /// Free blocks.
    pub free_blocks: u32,
    /// Requests that a region was asked for and could not serve, whether or not another region
    /// then did.
    pub failed_allocations: u32,
}

impl Totals {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            total_bytes: self.total_bytes.saturating_add(other.total_bytes),
            free_bytes: self.free_bytes.saturating_add(other.free_bytes),
            minimum_free_bytes: self.minimum_free_bytes.saturating_add(other.minimum_free_bytes),
            largest_free_block: self.largest_free_block.max(other.largest_free_block),
            allocated_blocks: self.allocated_blocks.saturating_add(other.allocated_blocks),
            free_blocks: self.free_blocks.saturating_add(other.free_blocks),
            failed_allocations: self.failed_allocations.saturating_add(other.failed_allocations),
        }
    }
}

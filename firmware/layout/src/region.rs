//! Regions, aliases, clock enables, reset causes and memory on a battery as the device sees them:
//! the types of the generated table.

use crate::{Capabilities, Master, Masters, PRIORITIES, Reset, Resets};

crate::names::closed_list! {
    /// What a region is made of.
    RegionKind, "kind of region";
    /// Memory that loses its contents without power, or keeps them from a battery.
    Ram = "ram";
    /// Memory that the chip can erase and program by sectors.
    Flash = "flash";
    /// Memory that a running program only reads.
    Rom = "rom";
    /// RAM that holds the program: something outside of the chip fills it before the first reset.
    /// To a program it is flash; nothing but a protection unit keeps stores out of it.
    CodeRam = "code-ram";
}

crate::names::closed_list! {
    /// How an alias shows its target.
    AliasKind, "kind of alias";
    /// The same bytes at another address; which region it shows is selected when the chip starts.
    Boot = "boot";
    /// Each bit of the target as one word (32 times the size).
    BitBand = "bit-band";
    /// The same bytes at another address, always: a decoder that leaves address bits out, or the
    /// non-secure address of memory on a chip with TrustZone.
    Mirror = "mirror";
}

/// One memory region of the chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// Name in the chip file.
    pub name: &'static str,
    /// First address.
    pub start: u32,
    /// Size in bytes, never zero; the region ends below 4 GiB.
    pub size_bytes: u32,
    /// What it is made of.
    pub kind: RegionKind,
    /// What it can be used for.
    pub capabilities: Capabilities,
    /// The same in the order in which the heap offers it; nothing if the heap keeps off the region.
    pub heap: Option<[Capabilities; PRIORITIES]>,
    /// Whether a stack of start-up lies in it, so that the heap has it only once that is released.
    pub startup_stack: bool,
    /// What address and size of memory for DMA must be multiples of: 1, or the line of a cache.
    pub dma_alignment_bytes: u32,
    /// Bus masters that reach it.
    pub masters: Masters,
    /// Resets over which it keeps its contents.
    pub retained_over: Resets,
}

impl RegionKind {
    /// Whether it is what a program lies in.
    #[must_use]
    pub const fn holds_code(self) -> bool {
        matches!(self, Self::Flash | Self::CodeRam)
    }
}

impl Region {
    /// Whether an address lies in the region.
    #[must_use]
    pub const fn contains(&self, address: u32) -> bool {
        self.start <= address && address - self.start < self.size_bytes
    }

    /// Whether `size_bytes` bytes from an address lie in the region.
    #[must_use]
    pub const fn contains_range(&self, start: u32, size_bytes: u32) -> bool {
        self.start <= start
            && size_bytes <= self.size_bytes
            && start - self.start <= self.size_bytes - size_bytes
    }

    /// Whether a bus master reaches it.
    #[must_use]
    pub const fn reached_by(&self, master: Master) -> bool {
        self.masters.contains(master)
    }

    /// Whether it keeps its contents over a kind of reset.
    #[must_use]
    pub const fn is_retained_over(&self, reset: Reset) -> bool {
        self.retained_over.contains(reset)
    }
}

/// A second address of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alias {
    /// Name in the chip file.
    pub name: &'static str,
    /// How it shows its target.
    pub kind: AliasKind,
    /// First address.
    pub start: u32,
    /// Size in bytes.
    pub size_bytes: u32,
    /// First address of what it shows; for a boot alias, of what it shows by default.
    pub target_start: u32,
    /// Size of what it shows, in bytes.
    pub target_size_bytes: u32,
}

/// One bit that must be set before a region can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockEnable {
    /// Name of the bit in the reference manual.
    pub name: &'static str,
    /// The region that needs it.
    pub region: &'static str,
    /// Address of the register to set it in.
    pub register: u32,
    /// Its number, 0 to 31.
    pub bit: u8,
    /// Address of the register that tells when it is in force; often the same.
    pub ready_register: u32,
    /// Number of the bit there that is then set, 0 to 31.
    pub ready_bit: u8,
}

/// The register that tells why the chip was reset. All masks are of the byte of flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResetCause {
    /// Its address.
    pub register: u32,
    /// Lowest bit of the eight that hold the flags, 0 to 24.
    pub shift: u8,
    /// Bit that clears all flags when it is written as one, 0 to 31.
    pub clear_bit: u8,
    /// All flags.
    pub flags: u8,
    /// Flags of which any one says that power was away.
    pub power_on: u8,
    /// Flags of which any one says that a watchdog ran out; 0 if there is none.
    pub watchdog: u8,
}

/// Memory that a battery keeps while all other power is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backup {
    /// The region whose clock enables open all of it.
    pub region: &'static str,
    /// Address of the first register.
    pub registers: u32,
    /// Size of all registers in bytes.
    pub registers_bytes: u32,
    /// First address of the part of the region that the history of records has.
    pub history: u32,
    /// Size of that part in bytes; 0 for none.
    pub history_bytes: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_at_the_borders() {
        let region = Region {
            name: "top",
            start: 0xFFFF_F000,
            size_bytes: 0x1000,
            kind: RegionKind::Ram,
            capabilities: Capabilities::NONE,
            heap: None,
            startup_stack: false,
            dma_alignment_bytes: 1,
            masters: Masters::NONE,
            retained_over: Resets::NONE,
        };
        let check = |start, size_bytes, expected| {
            assert_eq!(region.contains_range(start, size_bytes), expected, "{start:#x}");
        };
        check(0xFFFF_F000, 0x1000, true);
        check(0xFFFF_F001, 0x1000, false);
        check(0xFFFF_FFFF, 1, true);
        check(0xFFFF_FFFF, 2, false);
        check(0xFFFF_EFFF, 1, false);
        assert!(region.contains(u32::MAX) && !region.contains(0xFFFF_EFFF));
    }
}

//! What an address can be used for, by the region table: DMA, execution, access by bytes.
//!
//! The questions of ESP-IDF's `esp_memory_utils.h`, asked of data instead of macros. A capability
//! is a promise of the allocation; whoever arms a DMA engine asks again here. An alias is not the
//! memory it shows: the core reaches it, and no other bus master does.

use crate::{Alias, Capabilities, Region};

/// What memory is to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A DMA engine reads or writes it.
    Dma,
    /// The core fetches instructions from it.
    Execution,
    /// The core reads or writes single bytes.
    Bytes,
}

/// Why memory cannot be used so. Addresses are the first that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessError {
    /// There are no bytes, or they go beyond the last address.
    Range,
    /// No region of the chip lies there.
    Unmapped {
        /// Where.
        address: u32,
    },
    /// It is a second address of memory. The first one has to be used.
    Alias {
        /// Name of the alias in the chip file.
        alias: &'static str,
    },
    /// The region lacks the capability: out of reach of DMA, not executable, or for words only.
    NotCapable {
        /// Name of the region in the chip file.
        region: &'static str,
        /// What it lacks.
        lacks: Capabilities,
    },
    /// Address and size are not the multiples that DMA needs there.
    Unaligned {
        /// What both must be multiples of, in bytes.
        align_bytes: u32,
    },
}

/// The memory of a chip as its tables say.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Regions of the chip.
    pub regions: &'static [Region],
    /// Second addresses of memory.
    pub aliases: &'static [Alias],
    /// The part of RAM that may hold code: first address, and size in bytes.
    pub executable: Option<(u32, u32)>,
}

impl Memory {
    /// Checks that `size_bytes` bytes from an address can be used in a way. They may lie in several
    /// regions without a gap, if each can.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn check(self, address: u32, size_bytes: u32, access: Access) -> Result<(), AccessError> {
        let span = size_bytes.checked_sub(1).ok_or(AccessError::Range)?;
        let last = address.checked_add(span).ok_or(AccessError::Range)?;
        let mut next = address;
        loop {
            let region = self.region(next)?;
            let lacks = access.capability().without(self.capabilities(region, next));
            if lacks != Capabilities::NONE {
                return Err(AccessError::NotCapable { region: region.name, lacks });
            }
            let align_bytes = region.dma_alignment_bytes;
            let aligned =
                address.is_multiple_of(align_bytes) && size_bytes.is_multiple_of(align_bytes);
            if access == Access::Dma && !aligned {
                return Err(AccessError::Unaligned { align_bytes });
            }
            let end = self.end_of_alike(region, next);
            if last <= end {
                return Ok(());
            }
            next = end.checked_add(1).ok_or(AccessError::Range)?;
        }
    }

    /// As `esp_ptr_dma_capable`, for all bytes of a buffer.
    #[must_use]
    pub fn is_dma_capable(self, address: u32, size_bytes: u32) -> bool {
        self.check(address, size_bytes, Access::Dma).is_ok()
            && !self.has(address, Capabilities::SPIRAM)
    }

    /// As `esp_ptr_dma_ext_capable`: in external RAM, and aligned for DMA.
    #[must_use]
    pub fn is_external_dma_capable(self, address: u32, size_bytes: u32) -> bool {
        self.check(address, size_bytes, Access::Dma).is_ok()
            && self.has(address, Capabilities::SPIRAM)
    }

    /// As `esp_ptr_executable`, for one address.
    #[must_use]
    pub fn is_executable(self, address: u32) -> bool {
        self.check(address, 1, Access::Execution).is_ok()
    }

    /// As `esp_ptr_byte_accessible`.
    #[must_use]
    pub fn is_byte_accessible(self, address: u32) -> bool {
        self.check(address, 1, Access::Bytes).is_ok()
    }

    /// As `esp_ptr_internal`.
    #[must_use]
    pub fn is_internal(self, address: u32) -> bool {
        self.has(address, Capabilities::INTERNAL)
    }

    /// As `esp_ptr_external_ram`.
    #[must_use]
    pub fn is_external_ram(self, address: u32) -> bool {
        self.has(address, Capabilities::SPIRAM)
    }

    /// As `esp_ptr_word_aligned`.
    #[must_use]
    pub const fn is_word_aligned(address: u32) -> bool {
        address.is_multiple_of(4)
    }

    /// The region that an address lies in.
    ///
    /// # Errors
    /// It lies in none, or in an alias.
    pub fn region(self, address: u32) -> Result<&'static Region, AccessError> {
        let region = self.regions.iter().find(|region| region.contains(address));
        let alias = || {
            self.aliases
                .iter()
                .find(|alias| alias.start <= address && address - alias.start < alias.size_bytes)
        };
        region.ok_or_else(|| {
            alias().map_or(AccessError::Unmapped { address }, |alias| AccessError::Alias {
                alias: alias.name,
            })
        })
    }

    /// The address of the memory itself, where `address` is a second one of as many bytes; any
    /// other address as it is, also one in a bit-band alias.
    #[must_use]
    pub fn behind_alias(self, address: u32) -> u32 {
        let shown = self.aliases.iter().find_map(|alias| {
            let offset = address.wrapping_sub(alias.start);
            let is_byte_by_byte = alias.size_bytes == alias.target_size_bytes;
            let is_shown = offset < alias.size_bytes && is_byte_by_byte;
            is_shown.then(|| alias.target_start.wrapping_add(offset))
        });
        shown.unwrap_or(address)
    }

    fn has(self, address: u32, wanted: Capabilities) -> bool {
        self.region(address).is_ok_and(|region| region.capabilities.contains(wanted))
    }

    /// Of RAM only the board's executable part is fetched from.
    fn capabilities(self, region: &Region, address: u32) -> Capabilities {
        let code = self
            .executable
            .is_some_and(|(start, bytes)| start <= address && address - start < bytes);
        if region.kind == crate::RegionKind::Ram && !code {
            region.capabilities.without(Capabilities::EXEC)
        } else {
            region.capabilities
        }
    }

    /// The last address from `address` on that has the same capabilities.
    fn end_of_alike(self, region: &Region, address: u32) -> u32 {
        let end = region.start.saturating_add(region.size_bytes - 1);
        let borders = self.executable.into_iter().flat_map(|(start, bytes)| {
            [start.saturating_sub(1), start.saturating_add(bytes.saturating_sub(1))]
        });
        borders.filter(|last| address <= *last).fold(end, u32::min)
    }
}

impl Access {
    /// The capability that it takes.
    #[must_use]
    pub const fn capability(self) -> Capabilities {
        match self {
            Self::Dma => Capabilities::DMA,
            Self::Execution => Capabilities::EXEC,
            Self::Bytes => Capabilities::BYTE,
        }
    }
}

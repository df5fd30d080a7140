//! A checked chip: what silicon has, for the part that a board carries.
//!
//! Read from `chips/<name>.toml` by [`super::Board::load`]; all rules hold once it is handed out.

mod aliases;
mod backup;
mod capabilities;
mod check;
mod devices;
mod regions;
mod reset_cause;
mod start;

pub use backup::ChipBackup;
pub(crate) use check::check;
pub use reset_cause::ChipResetCause;

use super::range::AddressRange;
use crate::{AliasKind, Capabilities, Device, Masters, PRIORITIES, RegionKind, Reset, Resets};

crate::names::closed_list! {
    /// The core of a chip.
    Core, "core";
    /// Cortex-M0 and M0+: no fault status registers.
    CortexM0 = "cortex-m0";
    /// Cortex-M3.
    CortexM3 = "cortex-m3";
    /// Cortex-M4 without floating point.
    CortexM4 = "cortex-m4";
    /// Cortex-M4 with single-precision floating point.
    CortexM4f = "cortex-m4f";
    /// Cortex-M7.
    CortexM7 = "cortex-m7";
    /// Cortex-M33, with stack limit registers.
    CortexM33 = "cortex-m33";
}

impl Core {
    /// The Rust target that programs for this core are built for.
    #[must_use]
    pub const fn rust_target(self) -> &'static str {
        match self {
            Self::CortexM0 => "thumbv6m-none-eabi",
            Self::CortexM3 => "thumbv7m-none-eabi",
            Self::CortexM4 => "thumbv7em-none-eabi",
            Self::CortexM4f | Self::CortexM7 => "thumbv7em-none-eabihf",
            Self::CortexM33 => "thumbv8m.main-none-eabihf",
        }
    }
}

/// A chip.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Chip {
    /// Name of the file without its ending.
    pub name: String,
    /// The family that the file describes.
    pub family: String,
    /// Its core.
    pub core: Core,
    /// Device interrupts, without the sixteen entries of the core.
    pub interrupts: u32,
    /// Regions of the memory protection unit; zero without one.
    pub mpu_regions: u32,
    /// An address where nothing answers.
    pub unmapped_address: u32,
    /// Names of the contiguous regions that programs use as RAM, lowest first; never empty.
    pub main_ram: Vec<String>,
    /// The parts of the family.
    pub parts: Vec<Part>,
    /// Memory regions, as in the file.
    pub regions: Vec<ChipRegion>,
    /// Second addresses of memory.
    pub aliases: Vec<ChipAlias>,
    /// Register that selects what the boot alias shows (`SYSCFG_MEMRMP`), if the chip has one.
    pub boot_remap_register: Option<u32>,
    /// What the boot pins select.
    pub boot_modes: Vec<BootMode>,
    /// Bits that must be set before regions can be used, in the order of setting.
    pub clock_enables: Vec<ChipClockEnable>,
    /// The register that tells why the chip was reset, if the file names one.
    pub reset_cause: Option<ChipResetCause>,
    /// Memory that a battery keeps, if the file names some.
    pub backup: Option<ChipBackup>,
    /// Devices whose registers drivers use.
    pub devices: Vec<Device>,
}

/// What one part has less than its family.
#[derive(Debug, Clone)]
pub struct Part {
    /// Name as the vendor writes it, e.g. `STM32F407VG`.
    pub name: String,
    /// Size of its flash in bytes.
    pub flash_bytes: u32,
    /// Bus masters it does not have.
    pub lacks_masters: Masters,
}

/// One memory region.
#[derive(Debug, Clone)]
pub struct ChipRegion {
    /// Name, in kebab case.
    pub name: String,
    /// Where it lies.
    pub range: AddressRange,
    /// How many bytes of it, from its first address, programs of the board use; all of them unless
    /// the board file says otherwise of RAM, and 0 for none.
    pub used_bytes: u32,
    /// What it is made of.
    pub kind: RegionKind,
    /// What it can be used for.
    pub capabilities: Capabilities,
    /// The same in the order in which the heap offers it; nothing if the heap keeps off the region.
    pub heap: Option<[Capabilities; PRIORITIES]>,
    /// Whether a stack of start-up lies in it, so that the heap has it only once that is released.
    pub startup_stack: bool,
    /// What address and size of memory for DMA must be multiples of; a power of two.
    pub dma_alignment_bytes: u32,
    /// Bus masters that reach it.
    pub masters: Masters,
    /// Resets over which it keeps its contents.
    pub retained_over: Resets,
    /// Sectors of flash, lowest first; empty for anything else.
    pub sectors: Vec<AddressRange>,
    /// Where address and size are from.
    pub source: String,
}

/// A second address of memory.
#[derive(Debug, Clone)]
pub struct ChipAlias {
    /// Name, in kebab case.
    pub name: String,
    /// How it shows its target.
    pub kind: AliasKind,
    /// Where it lies; for a boot alias, as large as its default target.
    pub range: AddressRange,
    /// What it shows; for a boot alias, by default.
    pub target: AddressRange,
    /// Regions it can show, default first; empty if it shows registers.
    pub target_names: Vec<String>,
}

/// What the chip boots from with its pins at certain levels.
#[derive(Debug, Clone)]
pub struct BootMode {
    /// Level of BOOT0; nothing if it does not matter.
    pub boot0: Option<bool>,
    /// Level of BOOT1; nothing if it does not matter.
    pub boot1: Option<bool>,
    /// The region that the boot alias then shows.
    pub region: String,
    /// The value of the remap register that selects the same.
    pub mem_mode: u8,
}

/// One bit that must be set before a region can be used.
#[derive(Debug, Clone)]
pub struct ChipClockEnable {
    /// Name of the bit in the reference manual.
    pub name: String,
    /// The region that needs it.
    pub region: String,
    /// Address of its register.
    pub register: u32,
    /// Its number, 0 to 31.
    pub bit: u8,
    /// Address of the register that tells when it is in force.
    pub ready_register: u32,
    /// Number of the bit there, 0 to 31.
    pub ready_bit: u8,
    /// Whether start-up code sets it; otherwise whoever uses the region does.
    pub at_boot: bool,
}

impl ChipRegion {
    /// Whether it keeps its contents over a kind of reset.
    #[must_use]
    pub const fn is_retained_over(&self, reset: Reset) -> bool {
        self.retained_over.contains(reset)
    }
}

impl Chip {
    /// The region of a name.
    #[must_use]
    pub fn region(&self, name: &str) -> Option<&ChipRegion> {
        self.regions.iter().find(|region| region.name == name)
    }

    /// The part of a name.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }

    /// The flash that programs lie in, or the RAM that takes its place.
    #[must_use]
    pub fn flash(&self) -> Option<&ChipRegion> {
        self.regions.iter().find(|region| region.kind.holds_code())
    }

    /// The contiguous RAM that programs of the board use, as one range; empty at 0 if the file
    /// names none.
    #[must_use]
    pub fn main_ram_range(&self) -> AddressRange {
        let mut pieces = self.main_ram.iter().filter_map(|name| self.region(name));
        let Some(first) = pieces.next() else { return AddressRange { start: 0, size_bytes: 0 } };
        let rest: u32 = pieces.map(|region| region.used_bytes).sum();
        AddressRange { start: first.range.start, size_bytes: first.used_bytes.saturating_add(rest) }
    }

    /// Size of the vector table in bytes: sixteen entries of the core, then the interrupts.
    #[must_use]
    pub const fn vector_table_bytes(&self) -> u32 {
        self.interrupts.saturating_add(16).saturating_mul(4)
    }

    /// Alignment that VTOR demands of the table: the next power of two, at least 128
    /// (DDI0403E B3.2.5).
    #[must_use]
    pub const fn vector_table_alignment(&self) -> u32 {
        match self.vector_table_bytes().checked_next_power_of_two() {
            Some(size) if size > 128 => size,
            _ => 128,
        }
    }

    /// The chip as one of its parts: smaller flash, fewer bus masters.
    #[must_use]
    pub(crate) fn into_part(mut self, part: &Part) -> Self {
        for region in &mut self.regions {
            let masters = region.masters.iter().filter(|it| !part.lacks_masters.contains(*it));
            region.masters = masters.collect();
            if region.kind.holds_code() {
                region.range.size_bytes = part.flash_bytes;
                region.used_bytes = part.flash_bytes;
                let end = region.range.end();
                region.sectors.retain(|sector| sector.end() <= end);
            }
        }
        let flash = self.flash().map(|flash| (flash.name.clone(), flash.range));
        for alias in self.aliases.iter_mut().filter(|alias| alias.kind == AliasKind::Boot) {
            if let Some((name, range)) = &flash
                && alias.target_names.first() == Some(name)
            {
                alias.target = *range;
                alias.range.size_bytes = range.size_bytes;
            }
        }
        self
    }
}

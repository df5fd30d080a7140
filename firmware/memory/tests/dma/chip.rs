//! STM32F405 and AN505 as their chip files have them, and a made-up chip around memory of the host.

use crashrig_layout::{Capabilities, Masters, Memory, Region, RegionKind, Resets};
use crashrig_memory::dma::{Matrix, PeripheralBus};

#[expect(dead_code, reason = "only some of the generated items are looked at here")]
mod stm32f4 {
    include!("../../../layout/tests/generated/netduinoplus2.regions.rs.txt");
}

#[expect(dead_code, reason = "only some of the generated items are looked at here")]
mod an505 {
    include!("../../../layout/tests/generated/mps2-an505.regions.rs.txt");
}

/// What the PL081 engines of AN505 are connected to.
pub const AN505: Matrix = Matrix {
    memory: Memory { regions: an505::REGIONS, aliases: an505::ALIASES, executable: None },
    peripherals: &[],
};

const PERIPHERALS: &[PeripheralBus] = &[
    PeripheralBus { start: 0x4000_0000, size_bytes: 0x8000, by_dma1: true, by_dma2: true },
    PeripheralBus { start: 0x4001_0000, size_bytes: 0x8000, by_dma1: false, by_dma2: true },
];

/// What the controllers of the STM32F405 are connected to.
pub const STM32F405: Matrix = Matrix {
    memory: Memory { regions: stm32f4::REGIONS, aliases: stm32f4::ALIASES, executable: None },
    peripherals: PERIPHERALS,
};

/// A chip whose one region is the memory around an address of the host, by its low 32 bits.
pub fn around(address: usize, capabilities: Capabilities) -> Memory {
    let region = Region {
        name: "host",
        start: (address as u32) & !0xFFFF,
        size_bytes: 0x2_0000,
        kind: RegionKind::Ram,
        capabilities,
        heap: None,
        startup_stack: false,
        dma_alignment_bytes: 1,
        masters: Masters::NONE,
        retained_over: Resets::NONE,
    };
    Memory { regions: Box::leak(Box::new([region])), aliases: &[], executable: None }
}

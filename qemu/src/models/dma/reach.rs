//! What each port of the two controllers reaches: the bus matrix.
//!
//! Memory comes from the chip file, by way of whoever makes the model. Peripherals are no regions
//! of a chip file, so their buses stand here. That DMA1 gets to APB1 and fails at AHB1 was seen on
//! an STM32F407 by others (a GPIO port read by it: transfer error); the rest is RM0090 §2.1, figure
//! 1, and §10.3.1, from memory, not checked. What is in neither is reached by nobody.

/// A port of a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// The memory port of DMA1.
    Memory1,
    /// The peripheral port of DMA1. It is no master of the bus matrix and sees only APB1 (§10.3.1).
    Peripheral1,
    /// The memory port of DMA2.
    Memory2,
    /// The peripheral port of DMA2, a master of the bus matrix.
    Peripheral2,
}

/// A piece of memory and who reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// First address.
    pub start: u32,
    /// Size in bytes.
    pub size_bytes: u32,
    /// Ports that reach it.
    pub ports: Vec<Port>,
    /// Whether a write there is carried out. A write to flash, whose interface is not in the mode
    /// for it, ends in a bus error: from memory, not checked.
    pub writable: bool,
}

/// First address, size and ports of the buses of peripherals.
const BUSES: [(u32, u32, &[Port]); 4] = [
    // APB1. DMA2 gets there by the bridge that is a slave of the bus matrix.
    (0x4000_0000, 0x8000, &[Port::Peripheral1, Port::Memory2, Port::Peripheral2]),
    // APB2.
    (0x4001_0000, 0x8000, &[Port::Memory2, Port::Peripheral2]),
    // AHB1.
    (0x4002_0000, 0x6_0000, &[Port::Memory2, Port::Peripheral2]),
    // AHB2.
    (0x5000_0000, 0x6_0c00, &[Port::Memory2, Port::Peripheral2]),
];

/// How many bytes from an address a port can read or write without leaving what the address lies
/// in; zero if it cannot at all. An item never leaves it either, since it is aligned to its size.
pub(super) fn room_bytes(memory: &[Reach], port: Port, address: u32, writes: bool) -> u32 {
    let room = |start: u32, size_bytes: u32| {
        let offset = address.wrapping_sub(start);
        (offset < size_bytes).then(|| size_bytes - offset)
    };
    if let Some((reach, room)) =
        memory.iter().find_map(|it| Some((it, room(it.start, it.size_bytes)?)))
    {
        let can = reach.ports.contains(&port) && (reach.writable || !writes);
        return if can { room } else { 0 };
    }
    let buses = BUSES.iter().filter(|(.., ports)| ports.contains(&port));
    buses.filter_map(|(start, size, _)| room(*start, *size)).next().unwrap_or_default()
}

/// Whether an address is one of memory, and not of a peripheral: it may be read in any width, and
/// in pieces as large as wanted.
pub(super) fn is_memory(memory: &[Reach], address: u32) -> bool {
    memory.iter().any(|it| inside(address, it.start, it.size_bytes))
}

const fn inside(address: u32, start: u32, size_bytes: u32) -> bool {
    address.wrapping_sub(start) < size_bytes
}

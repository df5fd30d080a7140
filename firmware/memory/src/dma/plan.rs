//! What a DMA transfer is to do, in the terms of the STM32F4's controllers; those that can less
//! take fewer of the plans.
//!
//! A plan is data: it says what would be programmed and touches nothing. Combinations that the
//! controller has no bits for cannot be written down here (double buffering is always circular);
//! what the bits allow and the controller does not is refused by [`check`](super::arming::check).

pub use crashrig_layout::Width;
pub use crashrig_wire::{DmaRule, TransferState};

/// A controller of one of the chips. Which a chip has, its chip file says by their bus masters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    /// DMA1, whose peripheral port sees only the bus APB1.
    Dma1,
    /// DMA2, both of whose ports are masters of the bus matrix.
    Dma2,
    /// A PL081 of Arm's FPGA images, 0 to 3. Its one port is the master for both sides.
    Pl081(u8),
}

/// A stream of a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamId {
    /// The controller.
    pub controller: Controller,
    /// Its number: 0 to 7, of a PL081, whose manual calls it a channel, 0 or 1.
    pub number: u8,
}

impl StreamId {
    /// Controller, counted from 1, in bits 4 to 7, and number in bits 0 to 3: as in a record.
    #[must_use]
    pub const fn code(self) -> u8 {
        let controller = match self.controller {
            Controller::Dma1 => 0x10,
            Controller::Dma2 => 0x20,
            Controller::Pl081(number) => ((number & 3) + 1) << 4,
        };
        controller | self.number & 7
    }
}

/// Which way items go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the peripheral side to the memory side, as the peripheral asks for it.
    Receive,
    /// From the memory side to the peripheral side, as the peripheral asks for it.
    Transmit,
    /// From memory at the peripheral port to memory at the memory port, as fast as it goes.
    Copy,
}

/// How many accesses go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Burst {
    /// One.
    Single,
    /// Four.
    Four,
    /// Eight.
    Eight,
    /// Sixteen.
    Sixteen,
}

impl Burst {
    /// Accesses in one burst: 1, 4, 8 or 16.
    #[must_use]
    pub const fn beats(self) -> u32 {
        match self {
            Self::Single => 1,
            Self::Four => 4,
            Self::Eight => 8,
            Self::Sixteen => 16,
        }
    }
}

/// How full the FIFO is when the memory port becomes active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// Four bytes.
    Quarter,
    /// Eight bytes.
    Half,
    /// Twelve bytes.
    ThreeQuarters,
    /// All sixteen bytes.
    Full,
}

/// Capacity of a stream's FIFO in bytes (RM0090 §10.3.12).
pub const FIFO_BYTES: u32 = 16;

impl Threshold {
    /// Bytes in the FIFO at this level.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        4 * (self as u32 + 1)
    }
}

/// One side of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    /// First address.
    pub address: u32,
    /// Width of an access.
    pub width: Width,
    /// Accesses that go together.
    pub burst: Burst,
    /// Whether each access is behind the one before; otherwise all go to one address.
    pub advances: bool,
}

impl Side {
    /// Memory that is moved through, by single accesses.
    #[must_use]
    pub const fn memory(address: u32, width: Width) -> Self {
        Self { address, width, burst: Burst::Single, advances: true }
    }

    /// A register of a peripheral.
    #[must_use]
    pub const fn register(address: u32, width: Width) -> Self {
        Self { address, width, burst: Burst::Single, advances: false }
    }
}

/// What happens at the end of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The stream stops.
    Once,
    /// It begins anew.
    Circular,
    /// It begins anew with the other of two memories, whose address this is.
    Double {
        /// First address of the second memory.
        second: u32,
    },
}

/// A transfer as it is to be programmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Which way.
    pub direction: Direction,
    /// What the peripheral port accesses: the source of a copy.
    pub peripheral: Side,
    /// What the memory port accesses.
    pub memory: Side,
    /// Items of the width of the peripheral side, 1 to 65,535.
    pub items: u32,
    /// The threshold of the FIFO; nothing for direct mode.
    pub fifo: Option<Threshold>,
    /// What happens at the end of a round.
    pub mode: Mode,
}

impl Plan {
    /// A copy of bytes from memory to memory, by words through the FIFO if addresses and size allow
    /// it.
    #[must_use]
    pub const fn copy(source: u32, destination: u32, size_bytes: u32) -> Self {
        let width = match (source | destination | size_bytes) & 3 {
            0 => Width::Word,
            2 => Width::Half,
            _ => Width::Byte,
        };
        Self {
            direction: Direction::Copy,
            peripheral: Side::memory(source, width),
            memory: Side::memory(destination, width),
            items: size_bytes / width.bytes(),
            fifo: Some(Threshold::Full),
            mode: Mode::Once,
        }
    }

    /// Bytes from memory to a register that takes them one by one, in direct mode.
    #[must_use]
    pub const fn transmit(source: u32, register: u32, size_bytes: u32) -> Self {
        Self {
            direction: Direction::Transmit,
            peripheral: Side::register(register, Width::Byte),
            memory: Side::memory(source, Width::Byte),
            items: size_bytes,
            fifo: None,
            mode: Mode::Once,
        }
    }

    /// Bytes from a register that gives them one by one to memory, in direct mode.
    #[must_use]
    pub const fn receive(register: u32, destination: u32, size_bytes: u32) -> Self {
        Self {
            direction: Direction::Receive,
            memory: Side::memory(destination, Width::Byte),
            ..Self::transmit(0, register, size_bytes)
        }
    }

    /// Bytes of one round.
    #[must_use]
    pub const fn size_bytes(&self) -> u32 {
        self.items.saturating_mul(self.peripheral.width.bytes())
    }

    /// The side that is read, and the side that is written.
    #[must_use]
    pub const fn ends(&self) -> (Side, Side) {
        match self.direction {
            Direction::Transmit => (self.memory, self.peripheral),
            Direction::Receive | Direction::Copy => (self.peripheral, self.memory),
        }
    }

    /// Bytes that one side occupies.
    #[must_use]
    pub const fn occupied_bytes(&self, side: &Side) -> u32 {
        if side.advances { self.size_bytes() } else { side.width.bytes() }
    }

    /// Whether some of the bytes from an address on belong to memory that it moves to or from.
    #[must_use]
    pub fn uses(&self, address: u32, size_bytes: u32) -> bool {
        let second = match self.mode {
            Mode::Double { second } => Some(second),
            Mode::Once | Mode::Circular => None,
        };
        let sides =
            [(self.peripheral, self.peripheral.address), (self.memory, self.memory.address)];
        let sides = sides.into_iter().chain(second.map(|second| (self.memory, second)));
        sides.into_iter().any(|(side, start)| {
            address.wrapping_sub(start) < self.occupied_bytes(&side)
                || start.wrapping_sub(address) < size_bytes
        })
    }
}

//! The registers of one stream, and what the controller does to them when it is enabled
//! (RM0090 §10.5.5 to §10.5.10).
//!
//! Section numbers and rules are from memory, not checked, where they do not say otherwise.

use crate::models::Width;

/// SxCR: the bits that are named here (§10.5.5).
pub(super) mod control {
    pub const ENABLE: u32 = 1 << 0;
    /// The enables of interrupts, four bits.
    pub const INTERRUPTS: u32 = 0x1e;
    pub const PERIPHERAL_CONTROLS_FLOW: u32 = 1 << 5;
    pub const CIRCULAR: u32 = 1 << 8;
    pub const PERIPHERAL_INCREMENTS: u32 = 1 << 9;
    pub const MEMORY_INCREMENTS: u32 = 1 << 10;
    pub const MEMORY_SIZE: u32 = 3 << 13;
    pub const OFFSET_IS_FOUR: u32 = 1 << 15;
    pub const DOUBLE_BUFFER: u32 = 1 << 18;
    pub const CURRENT_TARGET: u32 = 1 << 19;
    pub const PERIPHERAL_BURST: u32 = 3 << 21;
    pub const MEMORY_BURST: u32 = 3 << 23;
    /// All bits but the reserved ones.
    pub const ALL: u32 = 0x0fef_ffff;
}

/// SxFCR (§10.5.10).
pub(super) mod fifo {
    pub const THRESHOLD: u32 = 3;
    /// Set: the FIFO is used. Clear: direct mode.
    pub const USED: u32 = 1 << 2;
    pub const ERROR_INTERRUPT: u32 = 1 << 7;
    /// Its capacity in bytes.
    pub const BYTES: u32 = 16;
}

/// The events of a stream, as its six bits in LISR and HISR (§10.5.1).
pub(super) mod flag {
    pub const FIFO_ERROR: u32 = 1 << 0;
    pub const TRANSFER_ERROR: u32 = 1 << 3;
    pub const HALF: u32 = 1 << 4;
    pub const COMPLETE: u32 = 1 << 5;
    /// All, with the direct-mode error: it means that the bus was not granted in time, and here it
    /// always is.
    pub const ALL: u32 = 0x3d;
}

/// SxCR.DIR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From a peripheral to memory.
    Receive,
    /// From memory to a peripheral.
    Transmit,
    /// From memory that the peripheral port reads to memory that the memory port writes.
    Copy,
}

/// One stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stream {
    pub control: u32,
    /// SxNDTR: items that are left, in sizes of the peripheral side.
    pub items: u32,
    pub peripheral: u32,
    pub memory: [u32; 2],
    pub fifo_control: u32,
    pub flags: u32,
    /// SxNDTR as the guest wrote it last.
    pub programmed_items: u32,
    /// Items of the round that is going on.
    pub round_items: u32,
    /// Bytes that have reached or left memory in this round.
    pub memory_bytes: u32,
    /// What was read from the peripheral port and not written yet.
    pub fifo: Vec<u8>,
    /// Items that an endless stream may move before the next event of the guest.
    pub credit_items: u32,
}

impl Stream {
    /// A stream after a reset (§10.5.10: SxFCR is 0x21; the FIFO state in it is made when read).
    pub fn new() -> Self {
        Self {
            control: 0,
            items: 0,
            peripheral: 0,
            memory: [0; 2],
            fifo_control: 1,
            flags: 0,
            programmed_items: 0,
            round_items: 0,
            memory_bytes: 0,
            fifo: Vec::new(),
            credit_items: 0,
        }
    }

    pub fn is(&self, bits: u32) -> bool {
        self.control & bits != 0
    }

    pub fn direction(&self) -> Option<Direction> {
        match self.control >> 6 & 3 {
            0 => Some(Direction::Receive),
            1 => Some(Direction::Transmit),
            2 => Some(Direction::Copy),
            _ => None,
        }
    }

    pub fn channel(&self) -> u32 {
        self.control >> 25 & 7
    }

    pub fn priority(&self) -> u32 {
        self.control >> 16 & 3
    }

    pub fn peripheral_width(&self) -> Width {
        width(self.control >> 11).unwrap_or(Width::Word)
    }

    pub fn memory_width(&self) -> Width {
        width(self.control >> 13).unwrap_or(Width::Word)
    }

    /// Bytes from one item on the peripheral side to the next.
    pub fn peripheral_step(&self) -> u32 {
        match (self.is(control::PERIPHERAL_INCREMENTS), self.is(control::OFFSET_IS_FOUR)) {
            (false, _) => 0,
            (true, true) => 4,
            (true, false) => self.peripheral_width().bytes(),
        }
    }

    /// Items in one burst of the memory port, 1 without bursts.
    pub fn memory_burst(&self) -> u32 {
        burst(self.control >> 23)
    }

    /// Items in one burst of the peripheral port, 1 without bursts.
    pub fn peripheral_burst(&self) -> u32 {
        burst(self.control >> 21)
    }

    /// Whether it starts again by itself when it has come to its end.
    pub fn is_endless(&self) -> bool {
        self.is(control::CIRCULAR | control::DOUBLE_BUFFER)
    }

    /// The memory that it moves to or from now.
    pub fn target(&self) -> u32 {
        let [first, second] = self.memory;
        let is_second = self.is(control::DOUBLE_BUFFER) && self.is(control::CURRENT_TARGET);
        if is_second { second } else { first }
    }

    /// Bytes that are gathered before the memory port writes them.
    pub fn threshold_bytes(&self) -> u32 {
        if self.fifo_control & fifo::USED == 0 {
            return self.memory_width().bytes();
        }
        4 * ((self.fifo_control & fifo::THRESHOLD) + 1)
    }

    /// SxFCR with the state of the FIFO: by quarters, then empty and full.
    pub fn read_fifo_control(&self) -> u32 {
        let state = match self.fifo.len() as u32 {
            0 => 4,
            fifo::BYTES.. => 5,
            bytes => bytes / 4,
        };
        self.fifo_control | state << 3
    }

    /// Bits of `flags` for which the interrupt line is high.
    pub fn interrupts(&self) -> u32 {
        let fifo_error = u32::from(self.fifo_control & fifo::ERROR_INTERRUPT != 0);
        self.flags & ((self.control & control::INTERRUPTS) << 1 | fifo_error)
    }

    /// A write to SxNDTR, which an enabled stream ignores (§10.5.6).
    pub fn write_items(&mut self, value: u32) {
        if !self.is(control::ENABLE) {
            self.items = value & 0xffff;
            self.programmed_items = self.items;
        }
    }

    /// A write to SxPAR, which an enabled stream ignores (§10.5.7).
    pub fn write_peripheral(&mut self, value: u32) {
        if !self.is(control::ENABLE) {
            self.peripheral = value;
        }
    }

    /// A write to SxM0AR or SxM1AR. An enabled stream takes it in double buffer mode for the memory
    /// it does not use now; for the other one it is a transfer error (§10.3.10, §10.3.19).
    pub fn write_memory(&mut self, index: usize, value: u32) {
        let used = usize::from(self.is(control::CURRENT_TARGET));
        if self.is(control::ENABLE) {
            if !self.is(control::DOUBLE_BUFFER) {
                return;
            }
            if index == used {
                self.fail(flag::TRANSFER_ERROR);
                return;
            }
        }
        if let Some(memory) = self.memory.get_mut(index) {
            *memory = value;
        }
    }

    /// A write to SxFCR. Threshold and mode are locked while the stream is enabled (§10.5.10).
    pub fn write_fifo_control(&mut self, value: u32) {
        let open = if self.is(control::ENABLE) {
            fifo::ERROR_INTERRUPT
        } else {
            fifo::ERROR_INTERRUPT | fifo::USED | fifo::THRESHOLD
        };
        self.fifo_control = self.fifo_control & !open | value & open;
    }

    /// A write to SxCR. While the stream is enabled, all is locked but the enables of interrupts
    /// and EN itself (§10.5.5). True if the stream has to be stopped.
    pub fn write_control(&mut self, value: u32) -> bool {
        if self.is(control::ENABLE) {
            self.control = self.control & !control::INTERRUPTS | value & control::INTERRUPTS;
            return value & control::ENABLE == 0;
        }
        self.control = value & control::ALL & !control::ENABLE;
        if value & control::ENABLE != 0 {
            self.enable();
        }
        false
    }

    /// EN was written as one. The manual demands that the flags of the stream were cleared before
    /// (§10.5.5). Otherwise it stays off, as was seen with TEIF on a chip of the family (issue 10
    /// of plusk01/airdamon_f3). HTIF alone does not keep it off: `Transfer::next_transfer` of
    /// stm32f4xx-hal 0.23, which clears TCIF only, restarts streams whose half was reported. That
    /// reserved values of sizes and direction keep it off too is an assumption.
    fn enable(&mut self) {
        let reserved = self.direction().is_none()
            || width(self.control >> 11).is_none()
            || width(self.control >> 13).is_none();
        if self.flags & !flag::HALF != 0 || reserved {
            return;
        }
        if self.direction() == Some(Direction::Copy) {
            // Neither circular nor direct mode is allowed (§10.3.6); that the bits then have no
            // effect is an assumption.
            self.fifo_control |= fifo::USED;
            self.control &= !(control::CIRCULAR | control::DOUBLE_BUFFER);
        }
        if self.fifo_control & fifo::USED == 0 {
            // Direct mode: single transfers, both sides of the size of the peripheral (§10.3.12).
            let size = (self.control >> 11 & 3) << 13;
            let bursts = control::MEMORY_BURST | control::PERIPHERAL_BURST;
            self.control &= !(control::MEMORY_SIZE | bursts | control::OFFSET_IS_FOUR);
            self.control |= size;
        }
        if self.is(control::PERIPHERAL_BURST) {
            self.control &= !control::OFFSET_IS_FOUR;
        }
        if self.is(control::PERIPHERAL_CONTROLS_FLOW) {
            self.control &= !control::CIRCULAR;
            self.items = 0xffff;
        }
        if self.is(control::DOUBLE_BUFFER) {
            self.control |= control::CIRCULAR;
        }
        if !self.bursts_fit() {
            self.flags |= flag::FIFO_ERROR;
            return;
        }
        if self.items == 0 {
            self.items = self.programmed_items;
        }
        self.control |= control::ENABLE;
        self.begin_round();
    }

    /// Whether the FIFO holds a whole number of memory bursts at its threshold (§10.3.13 with table
    /// 48, read in a copy), and a burst of the peripheral at all; that the latter is reported in
    /// the same way is an assumption.
    fn bursts_fit(&self) -> bool {
        let memory = self.memory_burst() * self.memory_width().bytes();
        let peripheral = self.peripheral_burst() * self.peripheral_width().bytes();
        let single = self.memory_burst() == 1;
        (single || self.threshold_bytes().is_multiple_of(memory)) && peripheral <= fifo::BYTES
    }

    /// The addresses start anew, with as many items as SxNDTR says.
    pub fn begin_round(&mut self) {
        self.round_items = self.items;
        self.memory_bytes = 0;
        self.credit_items = self.credit_items.max(self.items);
        self.fifo.clear();
    }

    /// Ends the stream with an error.
    pub fn fail(&mut self, error: u32) {
        self.flags |= error;
        self.control &= !control::ENABLE;
    }
}

fn width(bits: u32) -> Option<Width> {
    match bits & 3 {
        0 => Some(Width::Byte),
        1 => Some(Width::Half),
        2 => Some(Width::Word),
        _ => None,
    }
}

fn burst(bits: u32) -> u32 {
    match bits & 3 {
        0 => 1,
        more => 2 << more,
    }
}

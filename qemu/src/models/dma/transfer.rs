//! Moving items of one stream between its two ports (RM0090 §10.3.6 to §10.3.14).
//!
//! Two things the manual says of an address and this model takes further, both from memory and not
//! checked: the bits of an address below the size of the item have no effect, and a burst that
//! crosses a boundary of 1 KiB ends in an error of the bus that no register reports (§10.3.11).
//! Such a burst moves nothing here: what was to be written keeps its value, what was to be read
//! reads as zero.

use super::reach::{Port, Reach, is_memory, room_bytes};
use super::stream::{Direction, Stream, control, fifo, flag};
use crate::error::Error;
use crate::models::{Bus, Width};

/// Boundary that no burst may cross, as a power of two.
const BURST_BOUNDARY_SHIFT: u32 = 10;

/// What one controller is connected to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wiring<'a> {
    pub memory: &'a [Reach],
    pub memory_port: Port,
    pub peripheral_port: Port,
}

/// A row of items at one port.
#[derive(Debug, Clone, Copy)]
struct Row {
    port: Port,
    start: u32,
    width: Width,
    step_bytes: u32,
    /// Items in a burst; 1 without bursts.
    burst: u32,
    /// Items of the whole round: those behind the last full burst are moved singly.
    round: u32,
}

impl Row {
    fn address(&self, index: u32) -> u32 {
        let address = self.start.wrapping_add(index.wrapping_mul(self.step_bytes));
        address & !(self.width.bytes() - 1)
    }

    /// How many of the items from `from` to below `end` can be reached before one cannot.
    fn reached(&self, memory: &[Reach], from: u32, end: u32, writes: bool) -> u32 {
        let mut index = from;
        while index < end {
            let room = room_bytes(memory, self.port, self.address(index), writes);
            if room == 0 {
                break;
            }
            let items = if self.step_bytes == 0 { end } else { room.div_ceil(self.step_bytes) };
            index += items.min(end - index);
        }
        index - from
    }

    /// Whether an item belongs to a burst that crosses the boundary.
    fn is_lost(&self, index: u32) -> bool {
        let first = index - index % self.burst;
        if self.burst == 1 || self.step_bytes == 0 || first + self.burst > self.round {
            return false;
        }
        let last = self.address(first + self.burst - 1);
        (self.address(first) ^ last) >> BURST_BOUNDARY_SHIFT != 0
    }

    /// Whether items can be moved in one piece.
    fn is_plain(&self, memory: &[Reach], from: u32, end: u32) -> bool {
        self.step_bytes == self.width.bytes()
            && is_memory(memory, self.address(from))
            && (self.burst == 1 || !(from..end).any(|index| self.is_lost(index)))
    }

    fn read(
        &self,
        (from, end): (u32, u32),
        memory: &[Reach],
        bus: &mut dyn Bus,
    ) -> Result<Vec<u8>, Error> {
        let size = self.width.bytes() as usize;
        let mut bytes = vec![0; size * (end - from) as usize];
        if self.is_plain(memory, from, end) {
            bus.read(self.address(from), &mut bytes)?;
            return Ok(bytes);
        }
        for (index, item) in (from..end).zip(bytes.chunks_mut(size)) {
            if !self.is_lost(index) {
                let value = bus.load(self.address(index), self.width)?.to_le_bytes();
                item.copy_from_slice(value.get(..size).unwrap_or_default());
            }
        }
        Ok(bytes)
    }

    fn write(
        &self,
        from: u32,
        bytes: &[u8],
        memory: &[Reach],
        bus: &mut dyn Bus,
    ) -> Result<(), Error> {
        let size = self.width.bytes() as usize;
        let end = from + (bytes.len() / size) as u32;
        if self.is_plain(memory, from, end) {
            return bus.write(self.address(from), bytes);
        }
        for (index, item) in (from..end).zip(bytes.chunks(size)) {
            if !self.is_lost(index) {
                let value = item.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
                bus.store(self.address(index), self.width, value)?;
            }
        }
        Ok(())
    }
}

impl Stream {
    fn peripheral_row(&self, wiring: Wiring<'_>) -> Row {
        Row {
            port: wiring.peripheral_port,
            start: self.peripheral,
            width: self.peripheral_width(),
            step_bytes: self.peripheral_step(),
            burst: self.peripheral_burst(),
            round: self.round_items,
        }
    }

    fn memory_row(&self, wiring: Wiring<'_>) -> Row {
        let width = self.memory_width();
        let increments = self.is(control::MEMORY_INCREMENTS);
        Row {
            port: wiring.memory_port,
            start: self.target(),
            width,
            step_bytes: if increments { width.bytes() } else { 0 },
            burst: self.memory_burst(),
            round: self.round_items * self.peripheral_width().bytes() / width.bytes(),
        }
    }

    /// Moves up to `limit` items and brings registers and flags up to date. An error of the bus
    /// disables the stream; what came before it has been moved (§10.3.19).
    pub(super) fn advance(
        &mut self,
        limit: u32,
        wiring: Wiring<'_>,
        bus: &mut dyn Bus,
    ) -> Result<(), Error> {
        let before = self.items;
        let mut count = limit.min(self.items);
        if self.is_endless() {
            count = count.min(self.credit_items);
        }
        let moved = if self.direction() == Some(Direction::Transmit) {
            self.transmit(count, wiring, bus)?
        } else {
            self.receive(count, wiring, bus)?
        };
        self.credit_items = self.credit_items.saturating_sub(moved);
        let half = self.round_items / 2;
        if self.items <= half && before > half {
            self.flags |= flag::HALF;
        }
        if self.items == 0 && self.is(control::ENABLE) {
            self.end_round();
        }
        Ok(())
    }

    /// All items have arrived (§10.3.9, §10.3.10).
    fn end_round(&mut self) {
        self.flags |= flag::COMPLETE;
        if !self.is_endless() {
            self.control &= !control::ENABLE;
            return;
        }
        if self.is(control::DOUBLE_BUFFER) {
            self.control ^= control::CURRENT_TARGET;
        }
        self.items = self.programmed_items;
        let credit = self.credit_items;
        self.begin_round();
        self.credit_items = credit;
    }

    fn transmit(
        &mut self,
        count: u32,
        wiring: Wiring<'_>,
        bus: &mut dyn Bus,
    ) -> Result<u32, Error> {
        let (memory, peripheral) = (self.memory_row(wiring), self.peripheral_row(wiring));
        let size = peripheral.width.bytes();
        let done = self.round_items - self.items;
        let to = peripheral.reached(wiring.memory, done, done + count, true);
        // The memory port reads whole items of its own size, of which a part may be used.
        let (skip, width) = (self.memory_bytes % memory.width.bytes(), memory.width.bytes());
        let first = self.memory_bytes / width;
        let end = first + (skip + to * size).div_ceil(width);
        let from = memory.reached(wiring.memory, first, end, false) * width;
        let fit = (from.saturating_sub(skip) / size).min(to);
        if fit > 0 {
            let end = first + (skip + fit * size).div_ceil(width);
            let bytes = memory.read((first, end), wiring.memory, bus)?;
            let used = bytes.get(skip as usize..(skip + fit * size) as usize).unwrap_or_default();
            peripheral.write(done, used, wiring.memory, bus)?;
        }
        self.memory_bytes += fit * size;
        self.items -= fit;
        if fit < count {
            self.fail(flag::TRANSFER_ERROR);
        }
        Ok(fit)
    }

    fn receive(&mut self, count: u32, wiring: Wiring<'_>, bus: &mut dyn Bus) -> Result<u32, Error> {
        let (memory, peripheral) = (self.memory_row(wiring), self.peripheral_row(wiring));
        let size = peripheral.width.bytes();
        let count = self.before_overlap(count, &peripheral, &memory);
        let done = self.round_items - self.items;
        let from = peripheral.reached(wiring.memory, done, done + count, false);
        let first = self.memory_bytes / memory.width.bytes();
        let waiting = self.fifo.len() as u32;
        let end = first + (waiting + from * size).div_ceil(memory.width.bytes());
        let to = memory.reached(wiring.memory, first, end, true) * memory.width.bytes();
        let fit = (to.saturating_sub(waiting) / size).min(from);
        if fit > 0 {
            let bytes = peripheral.read((done, done + fit), wiring.memory, bus)?;
            self.fifo.extend(bytes);
            self.items -= fit;
        }
        let is_last = self.items == 0 || fit < count;
        let threshold = match self.direction() {
            // Memory is always ready for the next items, so nothing has to wait for the threshold.
            Some(Direction::Copy) => 0,
            _ => self.threshold_bytes() as usize,
        };
        if is_last || self.fifo.len() >= threshold {
            self.drain(is_last, wiring, bus)?;
        }
        if fit < count {
            self.fail(flag::TRANSFER_ERROR);
        }
        Ok(fit)
    }

    /// Items that can be read before one is that the same stream has still to write: no more are on
    /// their way at one time than the FIFO holds.
    fn before_overlap(&self, count: u32, source: &Row, target: &Row) -> u32 {
        if source.step_bytes == 0 || target.step_bytes == 0 {
            return count;
        }
        let done = self.round_items - self.items;
        let distance = target.address(self.memory_bytes / target.width.bytes());
        let distance = distance.wrapping_sub(source.address(done));
        if distance == 0 || distance >= count.saturating_mul(source.step_bytes) {
            return count;
        }
        let bytes = (distance - distance % fifo::BYTES).max(fifo::BYTES);
        count.min(bytes / source.width.bytes())
    }

    /// EN was cleared by software: what waits in the FIFO is written, the end is reported as that
    /// of a whole transfer is, and SxNDTR keeps its value (§10.3.13, read in a copy).
    pub(super) fn suspend(&mut self, wiring: Wiring<'_>, bus: &mut dyn Bus) -> Result<(), Error> {
        self.drain(true, wiring, bus)?;
        self.flags |= flag::COMPLETE;
        self.control &= !control::ENABLE;
        Ok(())
    }

    /// Writes what waits in the FIFO; the last bytes too if nothing more comes, filled up with
    /// zeros to the size of an item of memory: with what, the manual does not say (§10.3.13).
    fn drain(&mut self, is_last: bool, wiring: Wiring<'_>, bus: &mut dyn Bus) -> Result<(), Error> {
        let row = self.memory_row(wiring);
        let width = row.width.bytes() as usize;
        if is_last {
            self.fifo.resize(self.fifo.len().next_multiple_of(width), 0);
        }
        let whole = self.fifo.len() - self.fifo.len() % width;
        let bytes: Vec<u8> = self.fifo.drain(..whole).collect();
        let first = self.memory_bytes / row.width.bytes();
        let end = first + (whole / width) as u32;
        if row.reached(wiring.memory, first, end, true) < end - first {
            self.fail(flag::TRANSFER_ERROR);
            return Ok(());
        }
        if !bytes.is_empty() {
            row.write(first, &bytes, wiring.memory, bus)?;
        }
        self.memory_bytes += whole as u32;
        Ok(())
    }
}

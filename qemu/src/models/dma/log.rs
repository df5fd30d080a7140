//! What the streams wrote: a bus that takes notes.

use crate::error::Error;
use crate::models::{Bus, BusWrite, Width};

/// How many ranges are kept.
const LIMIT: usize = 256;

/// A bus for the work of one stream.
pub(super) struct Logged<'a> {
    pub bus: &'a mut dyn Bus,
    pub log: &'a mut Vec<BusWrite>,
    /// The stream, as in [`BusWrite::stream`].
    pub stream: u8,
}

impl Logged<'_> {
    /// A write right behind the last one of the same stream is part of that. One to the same
    /// address again, as of a register, is no other range.
    fn note(&mut self, start: u32, size_bytes: u32) {
        let end = start.saturating_add(size_bytes);
        if let Some(last) = self.log.last_mut().filter(|last| last.stream == self.stream) {
            if last.start <= start && end <= last.end {
                return;
            }
            if last.end == start {
                last.end = end;
                return;
            }
        }
        if self.log.len() == LIMIT {
            self.log.remove(0);
        }
        // Without counted instructions there is no time, and nothing is concluded from the write.
        let since_ns = self.bus.target_time_ns().unwrap_or(0);
        self.log.push(BusWrite { stream: self.stream, start, end, since_ns });
    }
}

impl Bus for Logged<'_> {
    fn read(&mut self, address: u32, bytes: &mut [u8]) -> Result<(), Error> {
        self.bus.read(address, bytes)
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        self.note(address, bytes.len() as u32);
        self.bus.write(address, bytes)
    }

    fn program(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        self.bus.program(address, bytes)
    }

    fn load(&mut self, address: u32, width: Width) -> Result<u32, Error> {
        self.bus.load(address, width)
    }

    fn store(&mut self, address: u32, width: Width, value: u32) -> Result<(), Error> {
        self.note(address, width.bytes());
        self.bus.store(address, width, value)
    }

    fn set_interrupt(&mut self, line: u32, high: bool) -> Result<(), Error> {
        self.bus.set_interrupt(line, high)
    }

    fn target_time_ns(&mut self) -> Result<u64, Error> {
        self.bus.target_time_ns()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::NoBus;

    #[test]
    fn ranges_grow_and_the_oldest_give_way() {
        let (mut bus, mut log) = (NoBus { now_ns: 7 }, Vec::new());
        let mut write = |stream, address: u32, size: usize| {
            Logged { bus: &mut bus, log: &mut log, stream }.write(address, &vec![0; size]).unwrap();
        };
        write(0x20, 0x100, 8);
        write(0x20, 0x108, 8);
        write(0x21, 0x110, 4);
        write(0x20, 0x110, 4);
        write(0x20, 0x110, 4);
        (0..LIMIT as u32).for_each(|index| write(0x13, 0x1000 + 8 * index, 4));
        let range = |write: &BusWrite| (write.stream, write.start, write.end, write.since_ns);
        assert_eq!(log.len(), LIMIT);
        assert_eq!(log.first().map(range), Some((0x13, 0x1000, 0x1004, 7)));
        log.clear();
        let mut logged = Logged { bus: &mut bus, log: &mut log, stream: 0x20 };
        logged.write(0x100, &[0; 8]).unwrap();
        logged.write(0x108, &[0; 8]).unwrap();
        logged.store(0x10c, Width::Word, 1).unwrap();
        assert_eq!(log.iter().map(range).collect::<Vec<_>>(), [(0x20, 0x100, 0x110, 7)]);
    }
}

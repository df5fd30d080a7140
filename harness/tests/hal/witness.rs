//! The models of DMA1 and DMA2 with somebody who counts what they move.

use crashrig_qemu::Error;
use crashrig_qemu::models::dma::Dma;
use crashrig_qemu::models::{Bus, MmioModel, Registers, Reset, Width};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What the controllers have written: how many bytes at each address.
#[derive(Debug, Clone, Default)]
pub struct Moved(Arc<Mutex<BTreeMap<u32, usize>>>);

impl Moved {
    /// Bytes that were written to addresses of a range, each as often as it was.
    pub fn bytes(&self, start: u32, size_bytes: u32) -> usize {
        let written = self.0.lock().unwrap();
        written.range(start..start + size_bytes).map(|(_, count)| count).sum()
    }

    fn add(&self, start: u32, size_bytes: usize) {
        let mut written = self.0.lock().unwrap();
        for address in (start..).take(size_bytes) {
            *written.entry(address).or_default() += 1;
        }
    }
}

/// The controllers, and the count.
#[derive(Debug)]
pub struct Witnessed {
    pub controllers: Dma,
    pub moved: Moved,
}

struct Count<'a> {
    bus: &'a mut dyn Bus,
    moved: Moved,
}

impl Bus for Count<'_> {
    fn read(&mut self, address: u32, bytes: &mut [u8]) -> Result<(), Error> {
        self.bus.read(address, bytes)
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        self.moved.add(address, bytes.len());
        self.bus.write(address, bytes)
    }

    fn program(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        self.bus.program(address, bytes)
    }

    fn load(&mut self, address: u32, width: Width) -> Result<u32, Error> {
        self.bus.load(address, width)
    }

    fn store(&mut self, address: u32, width: Width, value: u32) -> Result<(), Error> {
        self.moved.add(address, width.bytes() as usize);
        self.bus.store(address, width, value)
    }

    fn set_interrupt(&mut self, line: u32, high: bool) -> Result<(), Error> {
        self.bus.set_interrupt(line, high)
    }

    fn target_time_ns(&mut self) -> Result<u64, Error> {
        self.bus.target_time_ns()
    }
}

impl MmioModel for Witnessed {
    fn registers(&self) -> Vec<Registers> {
        self.controllers.registers()
    }

    fn read(&mut self, address: u32, width: Width, bus: &mut dyn Bus) -> Result<u32, Error> {
        let bus = &mut Count { bus, moved: self.moved.clone() };
        self.controllers.read(address, width, bus)
    }

    fn write(
        &mut self,
        address: u32,
        width: Width,
        value: u32,
        bus: &mut dyn Bus,
    ) -> Result<(), Error> {
        let bus = &mut Count { bus, moved: self.moved.clone() };
        self.controllers.write(address, width, value, bus)
    }

    fn event(&mut self) {
        self.controllers.event();
    }

    fn step(&mut self, bus: &mut dyn Bus) -> Result<bool, Error> {
        let bus = &mut Count { bus, moved: self.moved.clone() };
        self.controllers.step(bus)
    }

    fn reset(&mut self, reset: Reset) {
        self.controllers.reset(reset);
    }
}

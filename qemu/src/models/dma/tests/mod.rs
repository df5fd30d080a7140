//! The controllers against the register descriptions of RM0090 §10.5 and the rules of §10.3, with
//! memory as a table of bytes. Sections that a test names are from memory, not checked, but for
//! table 48 and the rules for the end of the FIFO, which were read in a copy.

mod errors;
mod modes;
mod registers;

use super::*;
use std::collections::{BTreeMap, BTreeSet};

/// Offsets of the registers of a stream (§10.5.5 to §10.5.10).
const CR: u32 = 0x00;
const NDTR: u32 = 0x04;
const PAR: u32 = 0x08;
const M0AR: u32 = 0x0c;
const M1AR: u32 = 0x10;
const FCR: u32 = 0x14;

/// SxCR.
const EN: u32 = 1 << 0;
const TEIE: u32 = 1 << 2;
const HTIE: u32 = 1 << 3;
const TCIE: u32 = 1 << 4;
const PFCTRL: u32 = 1 << 5;
const FROM_MEMORY: u32 = 1 << 6;
const MEMORY_TO_MEMORY: u32 = 2 << 6;
const CIRC: u32 = 1 << 8;
const PINC: u32 = 1 << 9;
const MINC: u32 = 1 << 10;
const PSIZE_HALF: u32 = 1 << 11;
const PSIZE_WORD: u32 = 2 << 11;
const MSIZE_HALF: u32 = 1 << 13;
const MSIZE_WORD: u32 = 2 << 13;
const PINCOS: u32 = 1 << 15;
const DBM: u32 = 1 << 18;
const CT: u32 = 1 << 19;
const PBURST_4: u32 = 1 << 21;
const CHANNEL_4: u32 = 4 << 25;
/// From memory to memory by words, both addresses incrementing.
const COPY: u32 = MEMORY_TO_MEMORY | PINC | MINC | PSIZE_WORD | MSIZE_WORD;
/// SxFCR.DMDIS.
const DMDIS: u32 = 1 << 2;

/// Flags of stream 0.
const FEIF: u32 = 1 << 0;
const TEIF: u32 = 1 << 3;
const HTIF: u32 = 1 << 4;
const TCIF: u32 = 1 << 5;

const SRAM: u32 = 0x2000_0000;
const CCM: u32 = 0x1000_0000;
const FLASH: u32 = 0x0800_0000;
/// USART1, whose requests are on channel 4 of streams 2, 5 and 7 of DMA2.
const USART: u32 = 0x4001_1000;

/// Memory, and the lines that are high.
#[derive(Default)]
struct TestBus {
    bytes: BTreeMap<u32, u8>,
    /// Words of devices, and each write to one.
    devices: BTreeMap<u32, u32>,
    written: Vec<(u32, u32)>,
    lines: BTreeSet<u32>,
}

impl Bus for TestBus {
    fn read(&mut self, address: u32, bytes: &mut [u8]) -> Result<(), Error> {
        for (byte, address) in bytes.iter_mut().zip(address..) {
            *byte = self.bytes.get(&address).copied().unwrap_or_default();
        }
        Ok(())
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        self.bytes.extend((address..).zip(bytes.iter().copied()));
        Ok(())
    }

    fn program(&mut self, _: u32, _: &[u8]) -> Result<(), Error> {
        panic!("DMA does not program flash");
    }

    fn load(&mut self, address: u32, width: Width) -> Result<u32, Error> {
        if let Some(value) = self.devices.get(&address) {
            return Ok(*value & width.mask());
        }
        let mut bytes = [0; 4];
        self.read(address, &mut bytes[..width.bytes() as usize])?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn store(&mut self, address: u32, width: Width, value: u32) -> Result<(), Error> {
        self.written.push((address, value));
        self.write(address, &value.to_le_bytes()[..width.bytes() as usize])
    }

    fn set_interrupt(&mut self, line: u32, high: bool) -> Result<(), Error> {
        assert!(if high { self.lines.insert(line) } else { self.lines.remove(&line) });
        Ok(())
    }

    fn target_time_ns(&mut self) -> Result<u64, Error> {
        Ok(0)
    }
}

/// Both controllers and what they are connected to.
struct Bench {
    dma: Dma,
    bus: TestBus,
}

impl Bench {
    fn new() -> Self {
        let all = vec![Port::Memory1, Port::Memory2, Port::Peripheral2];
        let range = |start, size_bytes, ports: &[Port], writable| Reach {
            start,
            size_bytes,
            ports: ports.to_vec(),
            writable,
        };
        let memory = vec![
            range(SRAM, 0x1_c000, &all, true),
            range(SRAM + 0x1_c000, 0x4000, &all, true),
            range(CCM, 0x1_0000, &[], true),
            range(FLASH, 0x10_0000, &all, false),
        ];
        Self { dma: Dma::new(memory), bus: TestBus::default() }
    }

    /// The address of a register of a stream of DMA1 or DMA2.
    fn at(controller: u32, stream: u32, offset: u32) -> u32 {
        START + (controller - 1) * CONTROLLER_BYTES + STREAMS + stream * STREAM_BYTES + offset
    }

    fn read(&mut self, address: u32) -> u32 {
        self.dma.read(address, Width::Word, &mut self.bus).unwrap()
    }

    fn write(&mut self, address: u32, value: u32) {
        self.dma.write(address, Width::Word, value, &mut self.bus).unwrap();
    }

    /// A register of stream 0 of DMA2, which most tests use.
    fn get(&mut self, offset: u32) -> u32 {
        self.read(Self::at(2, 0, offset))
    }

    fn set(&mut self, offset: u32, value: u32) {
        self.write(Self::at(2, 0, offset), value);
    }

    /// The flags of stream 0 of DMA2.
    fn flags(&mut self) -> u32 {
        self.read(START + CONTROLLER_BYTES) & 0x3d
    }

    fn clear_flags(&mut self) {
        self.write(START + CONTROLLER_BYTES + 8, 0x3d);
    }

    /// Programs stream 0 of DMA2 and enables it.
    fn arm(&mut self, control: u32, items: u32, peripheral: u32, memory: u32) {
        self.set(NDTR, items);
        self.set(PAR, peripheral);
        self.set(M0AR, memory);
        self.set(CR, control | EN);
    }

    fn step(&mut self) -> bool {
        self.dma.step(&mut self.bus).unwrap()
    }

    /// Steps until nothing can go on; the number of steps has a limit.
    fn finish(&mut self) {
        assert!((0..1000).any(|_| !self.step()), "it goes on for ever");
    }

    /// Bytes 1, 2, 3, ... from an address.
    fn fill(&mut self, address: u32, count: u32) {
        let bytes: Vec<u8> = (1..=count).map(|it| it as u8).collect();
        self.bus.write(address, &bytes).unwrap();
    }

    fn bytes(&mut self, address: u32, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.bus.read(address, &mut bytes).unwrap();
        bytes
    }
}

//! The debug port and its access port on an array in place of a chip.

use crate::models::Width;
use crate::probe::bus::{Bus, BusError};
use crate::probe::dp::{DebugPort, Refusal};

/// Memory at 0x1000, of which the word at 0x1010 does not answer.
struct Memory {
    bytes: Vec<u8>,
    accesses: Vec<(u32, Width, usize)>,
    is_gone: bool,
}

const START: u32 = 0x1000;
const BROKEN: u32 = 0x1010;

impl Memory {
    fn new() -> Self {
        let bytes = (0..0x1000_u32).map(|number| (number % 251) as u8).collect();
        Self { bytes, accesses: Vec::new(), is_gone: false }
    }

    fn place(&mut self, address: u32, width: Width, length: usize) -> Result<usize, BusError> {
        assert_eq!(address % width.bytes(), 0, "{address:#x} is not aligned");
        self.accesses.push((address, width, length));
        if self.is_gone {
            return Err(BusError::Gone);
        }
        let end = address + length as u32;
        let is_broken = address < BROKEN + 4 && end > BROKEN;
        if is_broken || address < START || end > START + 0x1000 {
            return Err(BusError::Refused);
        }
        Ok((address - START) as usize)
    }
}

impl Bus for Memory {
    fn read(&mut self, address: u32, width: Width, bytes: &mut [u8]) -> Result<(), BusError> {
        let place = self.place(address, width, bytes.len())?;
        bytes.copy_from_slice(&self.bytes[place..place + bytes.len()]);
        Ok(())
    }

    fn write(&mut self, address: u32, width: Width, bytes: &[u8]) -> Result<(), BusError> {
        let place = self.place(address, width, bytes.len())?;
        self.bytes[place..place + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}

const CSW: u8 = 0;
const TAR: u8 = 4;
const DRW: u8 = 0xC;
const RDBUFF: u8 = 0xC;
const CTRL_STAT: u8 = 4;
const STICKY_ERROR: u32 = 1 << 5;
const BYTES: u32 = 0x10;
const HALVES: u32 = 0x11;
const WORDS: u32 = 0x12;

fn port() -> DebugPort {
    let mut port = DebugPort::new();
    port.write_dp(CTRL_STAT, 0x5000_0000).unwrap();
    port
}

fn write(port: &mut DebugPort, memory: &mut Memory, register: u8, values: &[u32]) {
    assert_eq!(port.write_ap(memory, register, values), (values.len(), Ok(())));
}

/// Results of reads, the posting undone.
fn read(port: &mut DebugPort, memory: &mut Memory, register: u8, count: usize) -> Vec<u32> {
    let mut values = vec![0; count];
    assert_eq!(port.read_ap(memory, register, &mut values), (count, Ok(())));
    values.remove(0);
    values.push(port.read_dp(RDBUFF).unwrap());
    values
}

#[test]
fn reads_are_posted() {
    let (mut port, mut memory) = (port(), Memory::new());
    write(&mut port, &mut memory, CSW, &[WORDS]);
    write(&mut port, &mut memory, TAR, &[START]);
    let mut first = [0xDEAD];
    port.read_ap(&mut memory, DRW, &mut first).1.unwrap();
    assert_eq!(first, [0]);
    let mut second = [0];
    port.read_ap(&mut memory, DRW, &mut second).1.unwrap();
    assert_eq!(second, [0x0302_0100]);
    assert_eq!(port.read_dp(RDBUFF), Ok(0x0706_0504));
}

#[test]
fn narrow_data_travels_in_the_lanes_of_its_address() {
    let check = |csw, tar, expected: &[u32]| {
        let (mut port, mut memory) = (port(), Memory::new());
        write(&mut port, &mut memory, CSW, &[csw]);
        write(&mut port, &mut memory, TAR, &[tar]);
        assert_eq!(read(&mut port, &mut memory, DRW, expected.len()), expected, "{csw:#x}");
    };
    check(BYTES, START + 1, &[0x0000_0100, 0x0002_0000, 0x0300_0000, 0x0000_0004]);
    check(HALVES, START + 2, &[0x0302_0000, 0x0000_0504]);
    check(WORDS, START + 4, &[0x0706_0504, 0x0B0A_0908]);
    // Without increment the same place again.
    check(0x00, START + 3, &[0x0300_0000, 0x0300_0000]);
}

#[test]
fn narrow_writes_take_the_lanes_of_their_address() {
    let (mut port, mut memory) = (port(), Memory::new());
    write(&mut port, &mut memory, CSW, &[BYTES]);
    write(&mut port, &mut memory, TAR, &[START + 1]);
    write(&mut port, &mut memory, DRW, &[0x1122_3344, 0x5566_7788]);
    assert_eq!(memory.bytes[..5], [0, 0x33, 0x66, 3, 4]);
    write(&mut port, &mut memory, CSW, &[HALVES]);
    write(&mut port, &mut memory, TAR, &[START + 2]);
    write(&mut port, &mut memory, DRW, &[0xAABB_CCDD]);
    assert_eq!(memory.bytes[..5], [0, 0x33, 0xBB, 0xAA, 4]);
}

#[test]
fn the_address_wraps_at_each_kib() {
    let (mut port, mut memory) = (port(), Memory::new());
    write(&mut port, &mut memory, CSW, &[WORDS]);
    write(&mut port, &mut memory, TAR, &[START + 0x7F8]);
    let word = |offset: u32| {
        let byte = |number: u32| ((offset + number) % 251) << (8 * number);
        byte(0) | byte(1) | byte(2) | byte(3)
    };
    let expected = [word(0x7F8), word(0x7FC), word(0x400), word(0x404)];
    assert_eq!(read(&mut port, &mut memory, DRW, 4), expected);
    assert_eq!(read(&mut port, &mut memory, TAR, 1), [START + 0x408]);
    let runs = [(START + 0x7F8, Width::Word, 8), (START + 0x400, Width::Word, 8)];
    assert_eq!(memory.accesses, runs);
}

#[test]
fn banked_data_is_beside_the_address_and_does_not_move_it() {
    let (mut port, mut memory) = (port(), Memory::new());
    write(&mut port, &mut memory, CSW, &[WORDS]);
    write(&mut port, &mut memory, TAR, &[START + 0x28]);
    port.write_dp(8, 0x10).unwrap();
    assert_eq!(read(&mut port, &mut memory, 0x4, 1), [0x2726_2524]);
    write(&mut port, &mut memory, 0xC, &[0x0102_0304]);
    assert_eq!(memory.bytes[0x2C..0x30], [4, 3, 2, 1]);
    port.write_dp(8, 0).unwrap();
    assert_eq!(read(&mut port, &mut memory, TAR, 1), [START + 0x28]);
}

#[test]
fn a_bus_error_is_sticky_until_it_is_cleared() {
    let (mut port, mut memory) = (port(), Memory::new());
    write(&mut port, &mut memory, CSW, &[WORDS]);
    write(&mut port, &mut memory, TAR, &[BROKEN]);
    // The transfer that fails was acknowledged; the next one is not.
    write(&mut port, &mut memory, DRW, &[1]);
    assert_eq!(port.write_ap(&mut memory, DRW, &[2]), (0, Err(Refusal::Fault)));
    assert_eq!(port.read_dp(RDBUFF), Err(Refusal::Fault));
    assert_eq!(port.write_dp(8, 0), Err(Refusal::Fault));
    let status = port.read_dp(CTRL_STAT).unwrap();
    assert_eq!(status & STICKY_ERROR, STICKY_ERROR);
    assert_eq!(port.read_dp(0), Ok(0x2BA0_1477));
    // Only its own bit of ABORT clears it.
    port.write_dp(0, 1 << 3).unwrap();
    assert_eq!(port.read_dp(RDBUFF), Err(Refusal::Fault));
    port.write_dp(0, 1 << 2).unwrap();
    assert_eq!(port.read_dp(CTRL_STAT).map(|status| status & STICKY_ERROR), Ok(0));
    // The address has not moved.
    assert_eq!(read(&mut port, &mut memory, TAR, 1), [BROKEN]);
}

#[test]
fn a_run_ends_where_its_transfers_would_have_ended() {
    let (mut port, mut memory) = (port(), Memory::new());
    write(&mut port, &mut memory, CSW, &[WORDS]);
    write(&mut port, &mut memory, TAR, &[BROKEN - 8]);
    let mut values = [0; 5];
    // Two are read, the third fails but is acknowledged, the fourth is not.
    assert_eq!(port.read_ap(&mut memory, DRW, &mut values), (3, Err(Refusal::Fault)));
    assert_eq!(values[1..3], [0x0B0A_0908, 0x0F0E_0D0C]);
    port.write_dp(0, 1 << 2).unwrap();
    assert_eq!(read(&mut port, &mut memory, TAR, 1), [BROKEN]);
    write(&mut port, &mut memory, TAR, &[BROKEN - 4]);
    assert_eq!(port.write_ap(&mut memory, DRW, &[7, 8, 9]), (2, Err(Refusal::Fault)));
    assert_eq!(memory.bytes[0xC..0x10], [7, 0, 0, 0]);
    assert_eq!(memory.bytes[0x14], 0x14);
}

#[test]
fn access_without_power_faults() {
    let (mut port, mut memory) = (DebugPort::new(), Memory::new());
    assert_eq!(port.write_ap(&mut memory, TAR, &[0]), (0, Err(Refusal::Fault)));
    assert_eq!(port.read_dp(CTRL_STAT), Ok(STICKY_ERROR));
    port.write_dp(0, 0x1E).unwrap();
    port.write_dp(CTRL_STAT, 0x5000_0000).unwrap();
    assert_eq!(port.read_dp(CTRL_STAT), Ok(0xF000_0000));
    write(&mut port, &mut memory, TAR, &[0]);
}

#[test]
fn a_chip_that_is_gone_does_not_answer() {
    let (mut port, mut memory) = (port(), Memory::new());
    memory.is_gone = true;
    assert_eq!(port.read_ap(&mut memory, DRW, &mut [0; 3]).1, Err(Refusal::NoAnswer));
    assert_eq!(port.write_ap(&mut memory, DRW, &[0; 3]).1, Err(Refusal::NoAnswer));
}

#[test]
fn identification_is_that_of_a_cortex_m4() {
    let (mut port, mut memory) = (port(), Memory::new());
    port.write_dp(8, 0xF0).unwrap();
    assert_eq!(read(&mut port, &mut memory, 0x8, 1), [0xE00F_F003]);
    assert_eq!(read(&mut port, &mut memory, 0xC, 1), [0x2477_0011]);
    // There is one access port.
    port.write_dp(8, 0x0100_00F0).unwrap();
    assert_eq!(read(&mut port, &mut memory, 0xC, 1), [0]);
}

#[test]
fn packed_transfers_are_not_there() {
    let (mut port, mut memory) = (port(), Memory::new());
    write(&mut port, &mut memory, CSW, &[0x20]);
    assert_eq!(read(&mut port, &mut memory, CSW, 1)[0] & 0x30, 0);
    write(&mut port, &mut memory, CSW, &[WORDS]);
    assert_eq!(read(&mut port, &mut memory, CSW, 1)[0] & 0x77, 0x52);
}

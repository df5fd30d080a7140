//! The flash interface against RM0090 §3.5 to §3.9 (from memory, not checked), over two sectors.

use super::*;
use std::collections::BTreeMap;

const FLASH: u32 = 0x0800_0000;
const SECTOR_BYTES: u32 = 0x100;
const PG: u32 = control::PROGRAM;
const WORDS: u32 = 2 << 8;

/// Erased memory, and the line of the interface.
#[derive(Default)]
struct TestBus {
    bytes: BTreeMap<u32, u8>,
    line: bool,
}

impl Bus for TestBus {
    fn read(&mut self, address: u32, bytes: &mut [u8]) -> Result<(), Error> {
        for (byte, address) in bytes.iter_mut().zip(address..) {
            *byte = self.bytes.get(&address).copied().unwrap_or(0xff);
        }
        Ok(())
    }

    fn write(&mut self, _: u32, _: &[u8]) -> Result<(), Error> {
        panic!("flash is not written like RAM");
    }

    fn program(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        self.bytes.extend((address..).zip(bytes.iter().copied()));
        Ok(())
    }

    fn load(&mut self, _: u32, _: Width) -> Result<u32, Error> {
        panic!("the interface is no master of registers");
    }

    fn store(&mut self, _: u32, _: Width, _: u32) -> Result<(), Error> {
        panic!("the interface is no master of registers");
    }

    fn set_interrupt(&mut self, line: u32, high: bool) -> Result<(), Error> {
        assert_eq!((line, self.line), (4, !high));
        self.line = high;
        Ok(())
    }

    fn target_time_ns(&mut self) -> Result<u64, Error> {
        Ok(0)
    }
}

struct Bench {
    flash: Flash,
    bus: TestBus,
}

impl Bench {
    fn new() -> Self {
        let sectors = vec![(FLASH, SECTOR_BYTES), (FLASH + SECTOR_BYTES, SECTOR_BYTES)];
        Self { flash: Flash::new(sectors), bus: TestBus::default() }
    }

    /// With FLASH_CR open and set.
    fn open(control: u32) -> Self {
        let mut bench = Self::new();
        bench.set(0x04, KEYS[0]);
        bench.set(0x04, KEYS[1]);
        bench.set(0x10, control);
        bench
    }

    fn set(&mut self, offset: u32, value: u32) {
        self.flash.write(INTERFACE + offset, Width::Word, value, &mut self.bus).unwrap();
    }

    fn get(&mut self, offset: u32) -> u32 {
        self.flash.read(INTERFACE + offset, Width::Word, &mut self.bus).unwrap()
    }

    fn store(&mut self, address: u32, width: Width, value: u32) {
        self.flash.write(address, width, value, &mut self.bus).unwrap();
    }

    fn word(&mut self, address: u32) -> u32 {
        let mut bytes = [0; 4];
        self.bus.read(address, &mut bytes).unwrap();
        u32::from_le_bytes(bytes)
    }
}

/// §3.9: values after a reset.
#[test]
fn registers_after_a_reset() {
    let mut bench = Bench::new();
    let found = [0x00, 0x04, 0x08, 0x0c, 0x10, 0x14].map(|offset| bench.get(offset));
    assert_eq!(found, [0, 0, 0, 0, 0x8000_0000, 0x0fff_aaed]);
}

/// §3.6.1: two keys in their order open FLASH_CR; anything else closes it until a reset.
#[test]
fn keys_open_the_control_register() {
    let check = |keys: &[u32], opened: bool| {
        let mut bench = Bench::new();
        keys.iter().for_each(|key| bench.set(0x04, *key));
        bench.set(0x10, PG);
        let expected = if opened { PG } else { control::LOCK };
        assert_eq!(bench.get(0x10), expected, "{keys:x?}");
    };
    let [first, second] = KEYS;
    check(&[first, second], true);
    check(&[], false);
    check(&[first], false);
    check(&[second, first], false);
    check(&[first, first, second], false);
    check(&[0, first, second], false);
    let mut bench = Bench::new();
    bench.set(0x04, 0);
    bench.flash.reset(Reset::SystemReset);
    KEYS.iter().for_each(|key| bench.set(0x04, *key));
    assert_eq!(bench.get(0x10), 0);
    bench.set(0x10, control::LOCK);
    bench.set(0x10, PG);
    assert_eq!(bench.get(0x10), control::LOCK);
}

/// §3.6.4: programming clears bits; §3.9.5: PSIZE is the width of the store.
#[test]
fn what_is_programmed() {
    let mut bench = Bench::open(PG | WORDS);
    bench.store(FLASH + 4, Width::Word, 0x1234_ffff);
    assert_eq!((bench.word(FLASH + 4), bench.get(0x0c)), (0x1234_ffff, 0));
    bench.store(FLASH + 4, Width::Word, 0xffff_5678);
    assert_eq!(bench.word(FLASH + 4), 0x1234_5678);
    bench.set(0x10, PG);
    bench.store(FLASH + 8, Width::Byte, 0x0f);
    assert_eq!((bench.word(FLASH + 8), bench.get(0x0c)), (0xffff_ff0f, 0));
}

/// A store that fails, and the flag for it; memory keeps its value. §3.9.4.
#[track_caller]
fn check_error(mut bench: Bench, address: u32, width: Width, flag: u32) {
    bench.store(address, width, 0);
    assert_eq!(bench.get(0x0c), flag);
    assert_eq!(bench.word(address), u32::MAX);
    bench.set(0x0c, flag);
    assert_eq!(bench.get(0x0c), 0);
}

#[test]
fn each_error_has_its_flag() {
    check_error(Bench::new(), FLASH, Width::Word, status::SEQUENCE);
    check_error(Bench::open(WORDS), FLASH, Width::Word, status::SEQUENCE);
    check_error(Bench::open(PG), FLASH, Width::Word, status::PARALLELISM);
    check_error(Bench::open(PG | WORDS), FLASH, Width::Half, status::PARALLELISM);
    check_error(Bench::open(PG | 3 << 8), FLASH, Width::Word, status::PARALLELISM);
    check_error(Bench::open(PG | WORDS), FLASH + 14, Width::Word, status::ALIGNMENT);
    let errors = control::ERROR_INTERRUPT;
    let flags = status::SEQUENCE | status::OPERATION;
    check_error(Bench::open(WORDS | errors), FLASH, Width::Word, flags);
}

/// §3.7.3 and §3.9.6: a sector whose bit of nWRP is clear is neither programmed nor erased.
#[test]
fn a_protected_sector_stays_as_it_is() {
    let mut bench = Bench::open(PG | WORDS);
    bench.set(0x14, 0);
    assert_eq!(bench.get(0x14), OPTIONS_AT_RESET, "it is locked");
    bench.set(0x08, OPTION_KEYS[0]);
    bench.set(0x08, OPTION_KEYS[1]);
    bench.set(0x14, OPTIONS_AT_RESET & !(1 << 16) & !OPTION_LOCK);
    bench.store(FLASH + SECTOR_BYTES, Width::Word, 1);
    assert_eq!((bench.word(FLASH + SECTOR_BYTES), bench.get(0x0c)), (1, 0));
    bench.store(FLASH, Width::Word, 1);
    assert_eq!((bench.word(FLASH), bench.get(0x0c)), (u32::MAX, status::PROTECTED));
    for control in [control::ERASE_SECTOR, control::ERASE_ALL] {
        bench.set(0x0c, status::PROTECTED);
        bench.set(0x10, control | control::START);
        assert_eq!(bench.get(0x0c), status::PROTECTED);
    }
    assert_eq!(bench.word(FLASH + SECTOR_BYTES), 1);
}

/// §3.6.3: one sector, or all; a number that there is not, or no choice, is an error.
#[test]
fn what_is_erased() {
    let erase = |control: u32| {
        let mut bench = Bench::open(PG | WORDS);
        let places = [FLASH, FLASH + SECTOR_BYTES - 4, FLASH + SECTOR_BYTES];
        places.iter().for_each(|place| bench.store(*place, Width::Word, 0));
        bench.set(0x10, control | control::START);
        (places.map(|place| bench.word(place)), bench.get(0x0c))
    };
    let (old, new) = (0, u32::MAX);
    assert_eq!(erase(control::ERASE_SECTOR), ([new, new, old], 0));
    assert_eq!(erase(control::ERASE_SECTOR | 1 << 3), ([old, old, new], 0));
    assert_eq!(erase(control::ERASE_ALL), ([new, new, new], 0));
    assert_eq!(erase(control::ERASE_SECTOR | 2 << 3), ([old; 3], status::SEQUENCE));
    assert_eq!(erase(0), ([old; 3], status::SEQUENCE));
}

/// §3.9.4: EOP comes only with its interrupt.
#[test]
fn the_end_is_an_interrupt() {
    let mut bench = Bench::open(PG | WORDS | control::END_INTERRUPT);
    bench.store(FLASH, Width::Word, 0);
    assert_eq!((bench.get(0x0c), bench.bus.line), (status::END, true));
    bench.set(0x0c, status::END);
    assert_eq!((bench.get(0x0c), bench.bus.line), (0, false));
}

/// Whoever programs flash without the interface says so, and the next emulator has that.
#[test]
fn what_a_debugger_programs_in_a_changed_sector_is_kept() {
    let mut bench = Bench::open(PG | WORDS);
    bench.store(FLASH, Width::Word, 0x1234_5678);
    assert!(bench.flash.poke(FLASH + 2, &[0xab, 0xcd]));
    assert!(!bench.flash.poke(FLASH + SECTOR_BYTES, &[0]), "an unchanged one is not held");
    bench.bus = TestBus::default();
    bench.flash.attached(&mut bench.bus).unwrap();
    assert_eq!(bench.word(FLASH), 0xcdab_5678);
}

//! The test image itself, built here if it is not fresh: symbols, lines, areas, and backtraces.

use crate::hostile::{ask, flipped};
use crate::log::{encode, frame, text};
use crate::sample::record;
use crashrig_harness::decode::backtrace::{RamRange, backtrace};
use crashrig_harness::decode::log::LogDecoder;
use crashrig_harness::decode::symbols::Symbols;
use crashrig_harness::image::{Image, seal};
use crashrig_harness::noise::Noise;
use crashrig_harness::rig::{DEFAULT_BOARD, Rig};
use crashrig_wire::record::Trust;
use crashrig_wire::trail::{Memory, is_return_address};
use std::path::Path;

fn image() -> Image {
    let path = Rig::here().image(DEFAULT_BOARD, &[]).unwrap_or_else(|error| panic!("{error}"));
    Image::parse(std::fs::read(&path).unwrap(), &path).unwrap()
}

/// The code of an image, without any stack.
struct Code<'a>(&'a Image);

impl Memory for Code<'_> {
    fn stack_word(&self, _: u32) -> Option<u32> {
        None
    }
    fn code_halfword(&self, address: u32) -> Option<u16> {
        self.0.code_halfword(address)
    }
}

/// The first address in a function that a call of it would return to, with the Thumb bit. At its
/// very start would return what the function in front of it calls last.
fn return_address(image: &Image, function: &str) -> u32 {
    let symbol = image.symbol(function).unwrap_or_else(|| panic!("no function {function}"));
    let mut inside = symbol.address + 3..symbol.address + symbol.size_bytes;
    inside.find(|address| is_return_address(&Code(image), *address)).unwrap()
}

#[test]
fn the_image_has_everything_that_reports_name() {
    let image = image();
    let names: Vec<_> = image.areas().iter().map(|area| area.name).collect();
    let expected = [
        "vectors",
        "crash-region",
        "main-stack-guard",
        "main-stack",
        "timer-stack-guard",
        "timer-stack",
        "idle-stack-guard",
        "idle-stack",
        "isr-stack-guard",
        "isr-stack",
    ];
    assert_eq!(names, expected);
    assert!(image.areas().iter().all(|area| area.start < area.end), "{:?}", image.areas());
    assert_eq!(image.build_id_hex().len(), 40, "SHA-1");
    let symbols = Symbols::new(&image);
    let function = "crashrig_image::faults::access::bus_read";
    let address = image.symbol(function).unwrap().address;
    assert_eq!(symbols.function_at(address).as_deref(), Some(function));
    let place = symbols.places_at(address).pop().unwrap();
    assert_eq!(place.function.as_deref(), Some(function));
    assert_eq!(place.file.as_deref(), Some("firmware/image/src/faults/access.rs"));
    assert!(place.line.is_some_and(|line| line > 0) && !place.inlined, "{place:?}");
}

#[test]
fn a_lost_pc_over_the_real_image_still_tells_who_called() {
    let image = image();
    let functions = [
        "crashrig_inject_overflow",
        "crashrig_image::faults::carry_out",
        "crashrig_image::device::main",
    ];
    let stack = image.areas().iter().find(|area| area.name == "main-stack").unwrap();
    let mut words = Vec::new();
    for (index, function) in (1..).zip(functions) {
        words.extend([stack.start + 8 * index, return_address(&image, function)]);
    }
    let ram: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    let mut record = record();
    record.trust = Trust(Trust::CALLEE_SAVED);
    (record.stack_start, record.stack_size) = (stack.start, stack.end - stack.start);
    record.registers.r[7] = stack.start;
    let ranges = [RamRange { start: stack.start, bytes: &ram }];
    let frames = backtrace(&record, &ranges, &Symbols::new(&image));
    assert_eq!(frames[0].address, None);
    let compiled: Vec<_> = frames.iter().skip(1).filter(|frame| !frame.inlined).collect();
    for (frame, function) in compiled.iter().zip(functions) {
        assert_eq!(frame.function.as_deref(), Some(function));
        let file = frame.file.as_deref().unwrap();
        assert!(file.starts_with("firmware/image/src/"), "{file}");
    }
    assert_eq!(compiled.len(), functions.len());
}

/// A crash in the first instructions of a function: before and after it pushed its return address,
/// and while r7 is still its caller's.
#[test]
fn a_frame_that_is_not_linked_yet_is_found_by_call_frame_information() {
    let image = image();
    let function = image.symbol("crashrig_image::faults::carry_out").unwrap();
    let push = image.code_halfword(function.address).unwrap();
    assert_eq!(push & 0xFF80, 0xB580, "PUSH of r7 and lr first (DDI0403E A7.7.101)");
    let pushed_bytes = 4 * ((push & 0xFF).count_ones() + 1);
    let stack = image.areas().iter().find(|area| area.name == "main-stack").unwrap();
    let caller = return_address(&image, "crashrig_image::device::main");
    let mut ram = vec![0; 64];
    let at = pushed_bytes as usize - 4;
    ram[at..at + 4].copy_from_slice(&caller.to_le_bytes());
    let ranges = [RamRange { start: stack.start, bytes: &ram }];
    let check = |pc: u32, lr: u32, ram: &[RamRange<'_>], expected: Option<&str>| {
        let mut record = record();
        record.trust = Trust(Trust::CALLEE_SAVED | Trust::FRAME | Trust::PC | Trust::STACK_POINTER);
        (record.registers.pc, record.registers.lr, record.registers.sp) = (pc, lr, stack.start);
        let frames = backtrace(&record, ram, &Symbols::new(&image));
        let found = frames.iter().find(|frame| frame.address == Some(caller & !1));
        assert_eq!(found.and_then(|frame| frame.note.as_deref()), expected, "pc {pc:#010x}");
    };
    let before = function.address;
    check(before, caller, &[], Some("from lr"));
    check(before + 2, 0, &ranges, Some("from the stack, frame not linked yet"));
    check(before + 2, caller, &[], None);
}

#[test]
fn a_line_of_the_real_image_has_its_place_in_the_source() {
    let image = image();
    // The name of the format string's symbol is its description, and its address is the index.
    let index = (1..500).find(|address| {
        let symbol = image.symbol_at(*address);
        symbol.is_some_and(|symbol| symbol.name.contains(r#""data":"fault {=str}""#))
    });
    let index = u16::try_from(index.unwrap()).unwrap();
    let bytes = encode(&frame(index, 3, &text("bus-read")));
    let log = LogDecoder::new(&Symbols::new(&image)).decode(&bytes);
    let line = log.lines.first().unwrap();
    assert_eq!((line.level, line.message.as_str()), ("info", "fault bus-read"));
    assert_eq!(line.file.as_deref(), Some("firmware/image/src/main.rs"));
    assert!(line.line.is_some(), "{line:?}");
}

#[test]
fn flipped_bits_in_the_real_image_harm_nobody() {
    let bytes = image().bytes().to_vec();
    let mut noise = Noise::new(0x5EED);
    for _ in 0..20 {
        let mut broken = flipped(&mut noise, &bytes, 2000);
        // Whatever comes out, it is an answer.
        let _ = seal(&mut broken);
        if let Ok(image) = Image::parse(broken, Path::new("broken.elf")) {
            ask(&image, &record(), &[1, 2, 3, 0]);
        }
    }
}

//! Seeded noise, cut files and flipped bits into every reader: an answer, and never a panic.

use crate::log::{encode, frame, text};
use crate::sample::{CODE, STACK, Sample, record};
use crashrig_harness::decode::backtrace::{RamRange, backtrace};
use crashrig_harness::decode::log::LogDecoder;
use crashrig_harness::decode::symbols::Symbols;
use crashrig_harness::decode::{fault_text, oracle, records, witness};
use crashrig_harness::image::Image;
use crashrig_harness::noise::Noise;
use crashrig_wire::Record;
use crashrig_wire::record::{Architecture, RECORD_LENGTH, State, read};
use std::path::Path;

const SEED: u64 = 0x5EED;

fn below(noise: &mut Noise, limit: usize) -> usize {
    noise.below(u32::try_from(limit).unwrap()) as usize
}

/// A copy with some bits flipped.
pub fn flipped(noise: &mut Noise, bytes: &[u8], bits: usize) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    for _ in 0..bits {
        let bit = below(noise, 8 * copy.len());
        copy[bit / 8] ^= 1 << (bit % 8);
    }
    copy
}

/// Everything that can be asked of an image.
pub fn ask(image: &Image, record: &Record, log: &[u8]) {
    let symbols = Symbols::new(image);
    for address in [0, 1, CODE, CODE + 9, STACK, u32::MAX - 1, u32::MAX] {
        let _ = (image.symbol_at(address), image.area_at(address), symbols.places_at(address));
    }
    let ram = [RamRange { start: STACK, bytes: log }];
    assert!(!backtrace(record, &ram, &symbols).is_empty());
    let _ = LogDecoder::new(&symbols).decode(log);
}

#[test]
fn broken_images_are_refused_or_answer() {
    let mut noise = Noise::new(SEED);
    let whole = Sample::default().with_defmt().bytes();
    let log = encode(&frame(1, 1, &[7, 0, 0, 0]));
    let mut readable = 0;
    for round in 0..3000 {
        let bits = 1 + below(&mut noise, 8);
        let broken = flipped(&mut noise, &whole, bits);
        if let Ok(image) = Image::parse(broken, Path::new("broken.elf")) {
            readable += 1;
            ask(&image, &record(), &log);
        }
        let mut random = vec![0; below(&mut noise, 2048)];
        noise.fill(&mut random);
        for (to, from) in random.iter_mut().zip(&whole).take(round % 64) {
            *to = *from;
        }
        let _ = Image::parse(random, Path::new("random.elf"));
    }
    assert!(readable > 500, "most flips leave an image that can be asked: {readable}");
}

#[test]
fn records_of_any_content_are_described() {
    let mut noise = Noise::new(SEED);
    let image = Sample::default().image();
    let symbols = Symbols::new(&image);
    let whole = record().to_bytes(State::Complete);
    let mut described = 0;
    for _ in 0..2000 {
        let mut bytes = [0; RECORD_LENGTH];
        noise.fill(&mut bytes);
        let _ = records::slots(&bytes);
        // A sound record whose registers are noise.
        let mut hostile = *read(&whole).record().unwrap();
        let mut word = || u32::try_from(noise.next_word() >> 32).unwrap();
        hostile.registers.r = std::array::from_fn(|_| word());
        hostile.registers.r[7] = STACK + (word() & 0xFC);
        (hostile.registers.pc, hostile.registers.lr) =
            (CODE + (word() & 0x3F), CODE + (word() & 0x3F));
        (hostile.stack_start, hostile.stack_size) = (STACK & word(), word());
        hostile.trust.0 = word() as u16;
        hostile.trail_length = word() as u16;
        (hostile.faults.cfsr, hostile.faults.hfsr) = (word(), word());
        let mut ram = vec![0; 0x100];
        noise.fill(&mut ram);
        let ranges = [RamRange { start: STACK, bytes: &ram }];
        described += backtrace(&hostile, &ranges, &symbols).len();
        for architecture in Architecture::ALL {
            let _ = fault_text::describe(*architecture, &hostile.faults);
        }
        let _ = witness::agree(&hostile, &[]);
    }
    assert!(described >= 2000);
}

#[test]
fn logs_of_any_content_are_decoded() {
    let mut noise = Noise::new(SEED);
    let image = Sample::default().with_defmt().image();
    let symbols = Symbols::new(&image);
    let decoder = LogDecoder::new(&symbols);
    let good =
        [encode(&frame(2, 1, &text("some words"))), encode(&frame(4, 1, &[5, 0, 5, 0, 1, 0]))];
    for _ in 0..1000 {
        let mut bytes = vec![0; below(&mut noise, 512)];
        noise.fill(&mut bytes);
        let log = decoder.decode(&bytes);
        assert!(log.trailing_bytes <= bytes.len());
        let bits = below(&mut noise, 6);
        let log = decoder.decode(&flipped(&mut noise, &good.concat(), bits));
        assert!(log.lines.len() + log.malformed_frames <= 12);
    }
}

#[test]
fn emulator_logs_of_any_content_are_read() {
    let mut noise = Noise::new(SEED);
    let lines = "Taking exception 4 [Data Abort] on CPU 0\n...with CFSR.DACCVIOL and MMFAR 0x2\n\
        ...taking pending nonsecure exception 4\n\
        Exception return: magic PC f previous exception 4\n\
        RCC: unimplemented device write (size 4, offset 0x030, value 0x00100000)\n";
    for _ in 0..2000 {
        let mut bytes = vec![0; below(&mut noise, 256)];
        noise.fill(&mut bytes);
        bytes.extend(flipped(&mut noise, lines.as_bytes(), 12));
        let end = below(&mut noise, bytes.len());
        let read = oracle::parse(&bytes[..end]);
        let _ = (witness::agree(&record(), &read.events), read.unmodelled_lines());
    }
}

#[test]
fn an_emulator_log_has_limits() {
    let tick = "...taking pending nonsecure exception 15\n".repeat(oracle::MAXIMUM_EVENTS + 1);
    let read = oracle::parse(tick.as_bytes());
    assert_eq!(read.events.len(), oracle::MAXIMUM_EVENTS / 2 + 1);
    assert_eq!(read.left_out, oracle::MAXIMUM_EVENTS as u64 / 2);
    let accesses: String = (0..oracle::MAXIMUM_UNMODELLED + 5)
        .map(|offset| format!("DMA: unimplemented device read  (size 4, offset {offset:#05x})\n"))
        .collect();
    let read = oracle::parse(accesses.as_bytes());
    assert_eq!((read.unmodelled.len(), read.left_out), (oracle::MAXIMUM_UNMODELLED, 5));
}

//! Logs of the sample image, sound and broken.

use crate::sample::Sample;
use crashrig_harness::decode::log::{Log, LogDecoder, MAXIMUM_FRAME_BYTES, MAXIMUM_LINES};
use crashrig_harness::decode::symbols::Symbols;

const BOOT: u16 = 1;
const FAILED: u16 = 2;
const PLAIN: u16 = 3;
const NESTED: u16 = 4;
const AGAIN: u16 = 5;

/// A frame as a device sends it: rzCOBS, between zero bytes.
pub fn encode(frame: &[u8]) -> Vec<u8> {
    let mut out = vec![0];
    let (mut run, mut zeros) = (0_u8, 0_u8);
    for byte in frame {
        if *byte != 0 {
            out.push(*byte);
        }
        if run < 7 {
            zeros |= u8::from(*byte == 0) << run;
            run += 1;
            if run == 7 && zeros != 0 {
                out.push(zeros);
                (run, zeros) = (0, 0);
            }
        } else if *byte == 0 {
            out.push((run - 7) | 0x80);
            (run, zeros) = (0, 0);
        } else {
            run += 1;
            if run == 134 {
                out.push(0xFF);
                (run, zeros) = (0, 0);
            }
        }
    }
    match run {
        0 => {}
        1..7 => out.push((zeros | (0xFF << run)) & 0x7F),
        _ => out.push((run - 7) | 0x80),
    }
    out.push(0);
    out
}

/// Index, timestamp in milliseconds, arguments.
pub fn frame(index: u16, time_ms: u32, arguments: &[u8]) -> Vec<u8> {
    let mut frame = index.to_le_bytes().to_vec();
    frame.extend(time_ms.to_le_bytes());
    frame.extend(arguments);
    frame
}

pub fn text(text: &str) -> Vec<u8> {
    let mut bytes = u32::try_from(text.len()).unwrap().to_le_bytes().to_vec();
    bytes.extend(text.bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Log {
    let image = Sample::default().with_defmt().image();
    LogDecoder::new(&Symbols::new(&image)).decode(bytes)
}

fn check(bytes: &[u8], lines: &[&str], notes: &[&str]) {
    let log = decode(bytes);
    let found: Vec<_> = log
        .lines
        .iter()
        .map(|line| {
            let time = line.timestamp.as_deref().unwrap_or("-");
            format!("{time} {} {}", line.level, line.message)
        })
        .collect();
    assert_eq!(found, lines);
    assert_eq!(log.notes, notes);
}

#[test]
fn sound_frames_become_lines() {
    let mut bytes = encode(&frame(BOOT, 1, &7_u32.to_le_bytes()));
    bytes.extend(encode(&frame(FAILED, 12, &text("no memory"))));
    bytes.extend(encode(&frame(PLAIN, 1500, &[])));
    let lines = ["0.001 info boot 7", "0.012 error failed: no memory", "1.500 print plain"];
    check(&bytes, &lines, &[]);
    check(&[], &[], &[]);
    check(&[0, 0, 0], &[], &[]);
}

#[test]
fn broken_frames_are_counted_and_cost_no_other() {
    let good = encode(&frame(BOOT, 1, &7_u32.to_le_bytes()));
    let line = "0.001 info boot 7";
    let unknown = encode(&frame(999, 1, &[]));
    check(&[good.clone(), unknown, good.clone()].concat(), &[line, line], &["1 malformed frames"]);
    let short = encode(&frame(BOOT, 1, &[7]));
    check(&[short, good.clone()].concat(), &[line], &["1 malformed frames"]);
    let cut = [&good[..], &good[..good.len() - 1]].concat();
    check(&cut, &[line], &["5 bytes of a frame that was cut short"]);
    let log = decode(&cut);
    assert_eq!((log.malformed_frames, log.trailing_bytes), (0, 5));
}

#[test]
fn text_of_a_device_does_not_steer_the_terminal() {
    let bytes = encode(&frame(FAILED, 0, &text("\u{1b}[2Jgone\r")));
    check(&bytes, &["0.000 error failed: \\u{1b}[2Jgone\\r"], &[]);
}

#[test]
fn a_log_has_limits() {
    let good = encode(&frame(BOOT, 1, &7_u32.to_le_bytes()));
    let log = decode(&good.repeat(MAXIMUM_LINES + 3));
    assert_eq!(log.lines.len(), MAXIMUM_LINES);
    assert_eq!(log.notes, ["3 lines left out after the first 10000"]);
    let long = encode(&frame(FAILED, 0, &text(&"x".repeat(MAXIMUM_FRAME_BYTES))));
    check(&[long, good].concat(), &["0.001 info boot 7"], &["1 malformed frames"]);
    // As deep as a frame can nest; the end is missing, so it is malformed, and nothing worse.
    let deep: Vec<u8> = AGAIN.to_le_bytes().repeat(2000);
    check(&encode(&frame(NESTED, 0, &deep)), &[], &["1 malformed frames"]);
}

#[test]
fn an_image_without_a_table_decodes_nothing_and_says_so() {
    let image = Sample::default().image();
    let log = LogDecoder::new(&Symbols::new(&image)).decode(&[1, 2, 3]);
    assert_eq!(log.lines, []);
    assert_eq!(log.notes, ["3 bytes of log not decoded: the image has no defmt table"]);
}

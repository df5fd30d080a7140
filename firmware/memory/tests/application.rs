//! Which images a bootloader starts, and why it refuses the others.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use crashrig_memory::application::check;
use crashrig_wire::image_header::{END_MARK, ImageHeader, Refusal};

const START: u32 = 0x0800_8000;
const RAM: std::ops::Range<u32> = 0x2000_0000..0x2002_0000;
const LENGTH: usize = 2048;
const STACK_POINTER: u32 = RAM.end;
const RESET: u32 = START + 1200 + 1;

fn image(stack_pointer: u32, reset: u32) -> Vec<u8> {
    let mut image = vec![0x5A; LENGTH];
    image[..4].copy_from_slice(&stack_pointer.to_le_bytes());
    image[4..8].copy_from_slice(&reset.to_le_bytes());
    image[LENGTH - 4..].copy_from_slice(&END_MARK.to_le_bytes());
    assert!(ImageHeader::seal(&mut image, 1100));
    // The rest of flash is erased.
    image.resize(4 * LENGTH, 0xFF);
    image
}

fn verdict(image: &[u8]) -> Result<u32, Refusal> {
    let is_ram = |start, size| RAM.contains(&start) && size <= RAM.end - start;
    check(image, START, is_ram).map(|application| application.vectors)
}

#[test]
fn a_whole_image_is_started() {
    assert_eq!(verdict(&image(STACK_POINTER, RESET)), Ok(START));
    assert_eq!(verdict(&image(RAM.start + 8, START + 1052 + 1)), Ok(START));
}

#[test]
fn vectors_that_lead_nowhere_are_refused_though_they_were_sealed() {
    let stack_pointers =
        [0, 4, RAM.start, RAM.start + 4, RAM.end - 4, RAM.end + 8, START, u32::MAX, u32::MAX - 7];
    for stack_pointer in stack_pointers {
        let found = verdict(&image(stack_pointer, RESET));
        assert_eq!(found, Err(Refusal::Vector), "{stack_pointer:#x}");
    }
    let resets = [
        0,
        1,
        RESET - 1,
        START + 1,
        START - 7,
        // Into the header.
        START + 1024 + 1,
        START + 1050 + 1,
        // Behind the image, inside of flash and outside.
        START + LENGTH as u32 + 1,
        START + 4 * LENGTH as u32 + 1,
        RAM.start + 1,
        u32::MAX,
    ];
    for reset in resets {
        let found = verdict(&image(STACK_POINTER, reset));
        assert_eq!(found, Err(Refusal::Vector), "{reset:#x}");
    }
}

#[test]
fn what_is_sealed_no_more_is_refused() {
    let mut flipped = image(STACK_POINTER, RESET);
    flipped[1500] ^= 0x10;
    assert_eq!(verdict(&flipped), Err(Refusal::Crc));
    let mut truncated = image(STACK_POINTER, RESET);
    truncated[1500..LENGTH].fill(0xFF);
    assert_eq!(verdict(&truncated), Err(Refusal::Length));
    let good = image(STACK_POINTER, RESET);
    assert_eq!(verdict(&good[..4]), Err(Refusal::Vector));
    assert_eq!(verdict(&good[..1500]), Err(Refusal::Length));
    assert_eq!(verdict(&[0xFF; 4096]), Err(Refusal::Vector));
    assert_eq!(verdict(&[0; 4096]), Err(Refusal::Vector));
    assert_eq!(verdict(&[]), Err(Refusal::Vector));
}

#[test]
fn the_build_is_said() {
    let flash = image(STACK_POINTER, RESET);
    let application = check(&flash, START, |_, _| true).unwrap();
    assert_eq!(application.build_id, [0x5A; 8]);
}

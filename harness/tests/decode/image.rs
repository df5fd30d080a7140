//! What is read of an image, and what is said of files that are none.

use crate::sample::{CODE, FUNCTION, OBJECT, STACK, Sample};
use crashrig_harness::image::Image;
use std::path::Path;

fn check(bytes: Vec<u8>, expected: &str) {
    let error = Image::parse(bytes, Path::new("some.elf")).unwrap_err().to_string();
    assert_eq!(error, format!("read image some.elf: {expected}"));
}

#[test]
fn a_file_that_is_no_image_is_refused_with_what_was_found() {
    check(
        Vec::new(),
        "magic at offset 0: found (0 bytes in all), expected 7f 45 4c 46 (an ELF file)",
    );
    check(
        b"RIGR and more".to_vec(),
        "magic at offset 0: found 52 49 47 52 (13 bytes in all), \
         expected 7f 45 4c 46 (an ELF file)",
    );
    check(
        b"\x7fELF\x01\x01".to_vec(),
        "file type at offset 16: found the end of the file, expected 2 (linked executable); \
         machine at offset 18: found the end of the file, expected 40 (ARM)",
    );
    let mut other = Sample::default().bytes();
    other[4] = 2;
    other[5] = 2;
    other[16] = 3;
    other[18] = 62;
    check(
        other,
        "file class at offset 4: found 2, expected 1 (32 bits); \
         byte order at offset 5: found 2, expected 1 (little-endian); \
         file type at offset 16: found 3, expected 2 (linked executable); \
         machine at offset 18: found 62, expected 40 (ARM)",
    );
    let short = Sample { build_id: vec![1, 2, 3, 4], ..Sample::default() };
    check(short.bytes(), "section .note.gnu.build-id: found 4 bytes, expected 8 or more");
    let mut without = Sample::default().bytes();
    let name = without.windows(4).position(|part| part == b"GNU\0").unwrap();
    without[name] = b'X';
    check(
        without,
        "section .note.gnu.build-id: found no GNU build id, expected one of 8 bytes or more \
         (link with --build-id=sha1)",
    );
}

#[test]
fn a_cut_file_is_refused() {
    let whole = Sample::default().bytes();
    for length in 0..whole.len() {
        let cut = Image::parse(whole[..length].to_vec(), Path::new("cut.elf"));
        assert!(cut.is_err(), "cut after {length} of {} bytes", whole.len());
    }
}

#[test]
fn names_lead_to_symbols_with_and_without_mangling() {
    let mut sample = Sample::default();
    sample.symbol("_ZN6sample5outer17hffffffffffffffffE", (CODE + 40) | 1, 4, FUNCTION, 1);
    let image = sample.image();
    let address = |name: &str| image.symbol(name).map(|symbol| symbol.address);
    assert_eq!(address("sample::outer"), Some(CODE), "the first of two with the same path");
    assert_eq!(address("sample::middle"), Some(CODE + 16));
    assert_eq!(address("inner"), Some(CODE + 32));
    assert_eq!(address("_RNvC6sample6middle"), Some(CODE + 16));
    assert_eq!(address("sample::inner"), None);
    assert_eq!(address("$t"), None);
    assert_eq!(address(""), None);
}

#[test]
fn addresses_lead_to_the_innermost_symbol() {
    let mut sample = Sample::default();
    sample.symbol("TABLE", CODE + 8, 4, OBJECT, 1);
    sample.symbol("unsized_function", (CODE + 48) | 1, 0, FUNCTION, 1);
    sample.code.resize(32, 0xBF00);
    let image = sample.image();
    let at = |address| image.symbol_at(address).map(|symbol| symbol.path());
    assert_eq!(at(CODE).as_deref(), Some("sample::outer"));
    assert_eq!(at(CODE + 9).as_deref(), Some("TABLE"));
    assert_eq!(at(CODE + 12).as_deref(), Some("sample::outer"));
    assert_eq!(at(CODE + 47).as_deref(), Some("inner"));
    assert_eq!(at(CODE + 50).as_deref(), Some("unsized_function"));
    assert_eq!(at(CODE - 1), None);
    assert_eq!(at(CODE + 64), None, "behind the code");
    assert_eq!(at(STACK), None, "labels name no memory");
}

#[test]
fn code_and_constants_are_read_by_address() {
    let image = Sample::default().image();
    let [range] = image.code_ranges() else { panic!("{:?}", image.code_ranges()) };
    assert_eq!(range, &(CODE..CODE + 48));
    assert_eq!(image.code_halfword(CODE + 4), Some(0xF000));
    assert_eq!(image.code_halfword(CODE + 46), Some(0xBF00));
    assert_eq!(image.code_halfword(CODE + 47), None, "half outside");
    assert_eq!(image.code_halfword(CODE - 2), None);
    assert_eq!(image.flash_bytes(CODE, 4), Some(&[0x00, 0xBF, 0x00, 0xBF][..]));
    assert_eq!(image.flash_bytes(CODE, 49), None);
    assert_eq!(image.flash_bytes(u32::MAX, usize::MAX), None);
    assert_eq!(image.build_id(), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(image.build_id_hex(), "000102030405060708090a0b0c0d0e0f10111213");
}

#[test]
fn areas_come_from_linker_symbols_and_a_missing_one_is_left_out() {
    let image = Sample::default().image();
    let found: Vec<_> =
        image.areas().iter().map(|area| (area.name, area.start, area.end)).collect();
    let expected = [
        ("vectors", 0x2000_0000, 0x2000_0188),
        ("crash-region", 0x2000_0188, 0x2000_1188),
        ("main-stack-guard", STACK - 0x80, STACK),
        ("main-stack", STACK, STACK + 0x100),
    ];
    assert_eq!(found, expected);
    let name = |address| image.area_at(address).map(|area| area.name);
    assert_eq!(name(STACK - 1), Some("main-stack-guard"));
    assert_eq!(name(STACK), Some("main-stack"));
    assert_eq!(name(STACK + 0x100), None);
}

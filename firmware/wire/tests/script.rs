//! Batches of heap scripts: golden bytes, round trips, and what is no batch.

use crashrig_wire::script::{
    BATCH_LIMIT, Entry, Outcome, REQUESTS_LENGTH, RESPONSES_LENGTH, Request, Response, ScriptLevel,
    number_in, read, write,
};

const REQUESTS: [Request; 9] = [
    Request::Open { level: ScriptLevel::Comprehensive },
    Request::Region { offset: 8, size: 4096, caps: [1, 2, 4] },
    Request::Allocate { slot: 3, size: 100, caps: 4, alignment: 64 },
    Request::Reallocate { slot: 3, size: 200, caps: 8, alignment: 8 },
    Request::Free { slot: 65535 },
    Request::Overrun { slot: 2, size: 4 },
    Request::Check,
    Request::Totals { caps: 0x1004 },
    Request::Close,
];

#[test]
fn requests_and_answers_come_back() {
    let mut bytes = [0; REQUESTS_LENGTH];
    let length = write(&mut bytes, 7, REQUESTS).unwrap();
    assert!(length < REQUESTS_LENGTH);
    let batch = read::<Request>(&bytes).unwrap();
    assert_eq!(batch.number, 7);
    assert_eq!(batch.entries().collect::<Option<Vec<_>>>().unwrap(), REQUESTS);

    let mut bytes = [0; RESPONSES_LENGTH];
    let answers = || Outcome::ALL.iter().map(|outcome| Response::new(*outcome, &[1, 2]));
    write(&mut bytes, 8, answers()).unwrap();
    let found: Vec<_> = read::<Response>(&bytes).unwrap().entries().flatten().collect();
    assert_eq!(found, answers().collect::<Vec<_>>());
    assert!(read::<Request>(&bytes).is_none(), "answers are no requests");
}

/// What a device of this version reads and writes.
#[test]
fn the_bytes_are_the_golden_ones() {
    let mut bytes = [0; REQUESTS_LENGTH];
    let length = write(&mut bytes, 2, [REQUESTS[2]]).unwrap();
    let golden: [&[u8]; 4] = [
        b"RIGQ\x01\0\x28\0\x02\0\0\0",
        b"\x03\0\x03\0\x64\0\0\0\x04\0\0\0\x40\0\0\0\0\0\0\0\0\0\0\0",
        b"",
        &crashrig_wire::crc::crc32(&bytes[..36]).to_le_bytes(),
    ];
    assert_eq!(bytes[..length], golden.concat());
}

#[test]
fn a_full_batch_fits_and_one_more_does_not() {
    let requests = |count| std::iter::repeat_n(Request::Check, count);
    let mut bytes = [0; REQUESTS_LENGTH];
    assert_eq!(write(&mut bytes, 1, requests(BATCH_LIMIT)), Some(REQUESTS_LENGTH));
    assert_eq!(write(&mut bytes, 1, requests(BATCH_LIMIT + 1)), None);
    assert_eq!(write(&mut [0; 15], 1, requests(0)), None);
    assert_eq!(write(&mut [0; 16], 1, requests(0)), Some(16));
}

#[test]
fn a_flipped_bit_or_a_cut_is_no_batch() {
    let mut bytes = [0; REQUESTS_LENGTH];
    let length = write(&mut bytes, 7, REQUESTS).unwrap();
    for bit in 0..8 * length {
        let mut flipped = bytes;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(read::<Request>(&flipped).is_none(), "bit {bit}");
    }
    for cut in 0..length {
        assert!(read::<Request>(&bytes[..cut]).is_none(), "{cut} bytes");
        assert_eq!(number_in::<Request>(&bytes[..cut]).is_some(), cut >= 12);
    }
}

#[test]
fn an_entry_that_nobody_knows_is_told_and_not_guessed() {
    let mut unknown = [0; Request::LENGTH];
    unknown[0] = 200;
    assert_eq!(Request::get(&unknown), None);
    let level = Request::Open { level: ScriptLevel::Off };
    let mut bytes = [0; Request::LENGTH];
    level.put(&mut bytes);
    assert_eq!(Request::get(&bytes), Some(level));
    bytes[5] = 1;
    assert_eq!(Request::get(&bytes), None, "a level of more than one byte");
}

//! The wire protocol of a Glasgow probe on a board without power: every request has its answer,
//! whatever comes of it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::command::Launch;
use crate::discover::{Program, Version};
use crate::probe::board::VirtualBoard;
use crate::probe::facts::ChipFacts;
use crate::probe::glasgow::{BUSY, Conversation, IDENTIFIER, Malformed, frame};
use crate::probe::server::{Place, Server};
use crate::probe::trouble::Trouble;

fn board() -> VirtualBoard {
    let program = Program {
        path: "/nowhere".into(),
        version: Version { major: 10, minor: 0, patch: 0 },
        share: None,
        modules: None,
    };
    let facts = ChipFacts {
        flash_start: 0x0800_0000,
        sectors_bytes: vec![0x4000],
        ram: Vec::new(),
        algorithm_address: 0x2000_0000,
        identification: (0xE004_2000, 0x1000_6413),
        debug_unit: 0xE004_2004..0xE004_2010,
        part_number: 0x413,
    };
    VirtualBoard::new(Launch::new(program, "none", Path::new("/nowhere")), facts)
}

/// What endpoints answer to bytes that come in pieces of a size: endpoint and data of each frame.
fn ask(board: &mut VirtualBoard, bytes: &[u8], piece: usize) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut conversation = Conversation::default();
    let mut answers = Vec::new();
    for piece in bytes.chunks(piece) {
        answers.extend(conversation.receive(piece, board)?);
    }
    let frames = answers.split(|byte| *byte == 0).filter(|frame| !frame.is_empty());
    Ok(frames.map(|frame| cobs::decode_vec(frame).unwrap()).collect())
}

/// The same of one endpoint, all frames as one.
fn check(endpoint: u8, requests: &[u8], expected: &[u8]) {
    for piece in [1, 3, 1000] {
        let answers = ask(&mut board(), &frame(endpoint, requests), piece).unwrap();
        assert!(answers.iter().all(|answer| answer[0] == endpoint));
        let data: Vec<u8> = answers.iter().flat_map(|answer| answer[1..].to_vec()).collect();
        assert_eq!(data, expected, "{requests:x?} in pieces of {piece}");
    }
}

#[test]
fn the_probe_says_what_it_is() {
    check(0, &[0x00], IDENTIFIER);
    check(0, &[0x10], &48_000_000_u32.to_le_bytes());
    // The divisor is set, which has no answer, and read.
    check(0, &[0x12, 0x34, 0x12, 0x11], &[0x34, 0x12]);
    check(0, &[0x20, 0x21], &[]);
}

#[test]
fn each_transfer_has_an_answer_and_a_sequence_has_none() {
    // Without power nobody answers on the wire, which is an answer of the probe.
    check(1, &[0x02], &[0x20]);
    check(1, &[0x20 | 8, 1, 2, 3, 4, 0x02], &[0x20]);
    check(1, &[0x0F, 0x0F, 0x0F, 0x0E], &[0x20; 4]);
    check(1, &[0x0D, 1, 0, 0, 0, 0x0D, 2, 0, 0, 0, 0x04, 9, 9, 9, 9], &[0x20; 3]);
}

#[test]
fn a_request_may_come_in_two_frames() {
    let mut bytes = frame(1, &[0x0D, 1, 0]);
    bytes.extend(frame(1, &[0, 0]));
    let answers = ask(&mut board(), &bytes, 1000).unwrap();
    assert_eq!(answers, [vec![1, 0x20]]);
    let mut bytes = frame(0, &[0x12, 7]);
    bytes.extend(frame(0, &[0, 0x11]));
    assert_eq!(ask(&mut board(), &bytes, 1), Ok(vec![vec![0, 7, 0]]));
}

#[test]
fn what_is_not_of_this_protocol_ends_it() {
    assert_eq!(ask(&mut board(), &frame(2, &[0]), 100), Err(Malformed));
    assert_eq!(ask(&mut board(), &frame(0, &[0x77]), 100), Err(Malformed));
    assert_eq!(ask(&mut board(), &[5, 1, 0], 100), Err(Malformed));
}

#[test]
fn a_busy_probe_says_so() {
    let mut board = board();
    board.set_troubles(vec![Trouble::Busy]).unwrap();
    let expected = [&[0], &BUSY[..]].concat();
    assert_eq!(ask(&mut board, &frame(0, &[0]), 100), Ok(vec![expected]));
}

#[test]
fn a_second_client_is_told_and_the_next_one_served() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::Unix(folder.path().join("s"));
    let server = Server::listen(&place).unwrap();
    let is_over = AtomicBool::new(false);
    let connect = || {
        let stream = UnixStream::connect(folder.path().join("s")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    };
    let identify = |mut stream: &UnixStream| {
        stream.write_all(&frame(0, &[0])).unwrap();
        let mut answer = [0; 15];
        stream.read_exact(&mut answer).unwrap();
        cobs::decode_vec(&answer[..14]).unwrap()[1..].to_vec()
    };
    std::thread::scope(|scope| {
        scope.spawn(|| server.serve(&mut board(), &|| is_over.load(Ordering::Relaxed)).unwrap());
        let first = connect();
        assert_eq!(identify(&first), IDENTIFIER);
        let second = connect();
        assert_eq!(identify(&second), BUSY);
        assert_eq!(identify(&first), IDENTIFIER);
        drop(first);
        // Whoever comes right after may still be told that it is busy.
        let mut tries = 0;
        while identify(&connect()) == BUSY {
            tries += 1;
            assert!(tries < 1_000, "the board was not freed");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    drop(server);
    assert!(!folder.path().join("s").exists());
}

#[test]
fn a_socket_is_taken_over_only_from_the_dead() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::Unix(folder.path().join("s"));
    let alive = Server::listen(&place).unwrap();
    assert!(Server::listen(&place).is_err());
    // As after a kill: the socket stays, and nobody listens.
    drop(alive);
    drop(std::os::unix::net::UnixListener::bind(folder.path().join("s")).unwrap());
    assert!(folder.path().join("s").exists());
    Server::listen(&place).unwrap();
}

#[test]
fn loopback_has_a_port_of_its_own() {
    let server = Server::listen(&Place::Loopback(0)).unwrap();
    let text = server.place().to_string();
    let port = text.strip_prefix("20b7:9db1:tcp:127.0.0.1:").expect("a selector");
    assert_ne!(port.parse::<u16>().unwrap(), 0);
}

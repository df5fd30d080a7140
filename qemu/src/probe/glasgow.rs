//! The wire protocol of a Glasgow probe, as probe-rs 0.32 speaks it over a socket.
//!
//! Frames of COBS, each with the number of an endpoint in front: 0 for the probe itself, 1 for
//! transfers on the wire. An endpoint is a stream of bytes that does not know frames. Written down
//! from the driver of probe-rs (`probe/glasgow` of 0.32.0).
//!
//! Must never happen here: a request without its answer. The driver would wait for ever.

use crate::probe::board::VirtualBoard;
use crate::probe::dp::{Answer, Refusal};

/// What a probe that can be used says of itself.
pub(crate) const IDENTIFIER: &[u8; 12] = b"probe-rs,v01";
/// What it says to whoever comes second. The driver shows it, and gives up.
pub(crate) const BUSY: &[u8; 12] = b"busy: in use";
/// The clock that a divisor divides, in hertz. It has no effect.
const REFERENCE_CLOCK_HZ: u32 = 48_000_000;

/// Endpoints.
const ROOT: u8 = 0;
const WIRE: u8 = 1;

/// Requests to the probe.
const IDENTIFY: u8 = 0x00;
const GET_CLOCK: u8 = 0x10;
const GET_DIVISOR: u8 = 0x11;
const SET_DIVISOR: u8 = 0x12;
const ASSERT_RESET: u8 = 0x20;
const CLEAR_RESET: u8 = 0x21;

/// Bits of a request on the wire: a sequence of bits, not a transfer; to an access port; a read.
const IS_SEQUENCE: u8 = 0x20;
const IS_AP: u8 = 0x01;
const IS_READ: u8 = 0x02;
const ADDRESS: u8 = 0x0C;
/// Bytes of data behind a write or a sequence.
const DATA_BYTES: usize = 4;

/// Answers on the wire: with data, without, and trouble of the protocol.
const WITH_DATA: u8 = 0x00;
const WITHOUT_DATA: u8 = 0x10;
const PROTOCOL_ERROR: u8 = 0x20;
const OK: u8 = 0b001;
const WAIT: u8 = 0b010;
const FAULT: u8 = 0b100;

/// Bytes of requests that may wait for their end. The longest batch of probe-rs is far shorter.
const PENDING_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// What a client must not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// One conversation.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    frames: Vec<u8>,
    root: Vec<u8>,
    wire: Vec<u8>,
    divisor: u16,
}

impl Conversation {
    /// Takes bytes of the client and returns what is to be sent back.
    pub(crate) fn receive(
        &mut self,
        bytes: &[u8],
        board: &mut VirtualBoard,
    ) -> Result<Vec<u8>, Malformed> {
        self.frames.extend_from_slice(bytes);
        while let Some(end) = self.frames.iter().position(|byte| *byte == 0) {
            let frame: Vec<u8> = self.frames.drain(..=end).collect();
            self.take(frame.get(..end).unwrap_or_default())?;
        }
        if self.frames.len() + self.root.len() + self.wire.len() > PENDING_LIMIT_BYTES {
            return Err(Malformed);
        }
        let mut answer = frame(ROOT, &self.serve_root(board)?);
        answer.extend(frame(WIRE, &self.serve_wire(board)));
        Ok(answer)
    }

    fn take(&mut self, frame: &[u8]) -> Result<(), Malformed> {
        let payload = cobs::decode_vec(frame).map_err(|_| Malformed)?;
        match payload.split_first() {
            Some((&ROOT, data)) => self.root.extend_from_slice(data),
            Some((&WIRE, data)) => self.wire.extend_from_slice(data),
            _ => return Err(Malformed),
        }
        Ok(())
    }

    fn serve_root(&mut self, board: &mut VirtualBoard) -> Result<Vec<u8>, Malformed> {
        let mut answer = Vec::new();
        let mut requests = self.root.iter().copied();
        let mut rest = Vec::new();
        while let Some(request) = requests.next() {
            match request {
                IDENTIFY if board.check_open().is_ok() => answer.extend(IDENTIFIER),
                IDENTIFY => answer.extend(BUSY),
                GET_CLOCK => answer.extend(REFERENCE_CLOCK_HZ.to_le_bytes()),
                GET_DIVISOR => answer.extend(self.divisor.to_le_bytes()),
                SET_DIVISOR => match (requests.next(), requests.next()) {
                    (Some(low), Some(high)) => self.divisor = u16::from_le_bytes([low, high]),
                    (low, _) => rest = std::iter::once(SET_DIVISOR).chain(low).collect(),
                },
                // What fails is told by the next transfer.
                ASSERT_RESET => drop(board.set_reset(true)),
                CLEAR_RESET => drop(board.set_reset(false)),
                _ => return Err(Malformed),
            }
        }
        self.root = rest;
        Ok(answer)
    }

    fn serve_wire(&mut self, board: &mut VirtualBoard) -> Vec<u8> {
        let requests = std::mem::take(&mut self.wire);
        let mut left = requests.as_slice();
        let mut answer = Vec::new();
        while let Some(&request) = left.first() {
            let has_data = request & IS_SEQUENCE != 0 || request & IS_READ == 0;
            let size = if has_data { 1 + DATA_BYTES } else { 1 };
            if left.len() < size {
                break;
            }
            if request & IS_SEQUENCE != 0 {
                // Line resets and the like have no effect, and no answer.
                left = left.get(size..).unwrap_or_default();
                continue;
            }
            // Equal requests in a row are made at once.
            let same = left.chunks_exact(size).take_while(|chunk| chunk.first() == Some(&request));
            let run: Vec<u32> =
                same.map(|chunk| data(chunk.get(1..).unwrap_or_default())).collect();
            left = left.get(size * run.len()..).unwrap_or_default();
            transfer(board, request, run, &mut answer);
        }
        self.wire = left.to_vec();
        answer
    }
}

/// Makes equal transfers, and one answer for each.
fn transfer(board: &mut VirtualBoard, request: u8, mut run: Vec<u32>, answers: &mut Vec<u8>) {
    let address = request & ADDRESS;
    match (request & IS_AP != 0, request & IS_READ != 0) {
        (true, true) => {
            let mut done = 0;
            while let Some(rest) = run.get_mut(done..).filter(|rest| !rest.is_empty()) {
                let (count, answer) = board.read_ap(address, rest);
                let read = rest.iter().take(count);
                read.for_each(|value| push(answers, Ok(Some(*value))));
                done += count;
                if let Err(refusal) = answer {
                    push(answers, Err(refusal));
                    done += 1;
                }
            }
        }
        (true, false) => {
            let mut done = 0;
            while let Some(rest) = run.get(done..).filter(|rest| !rest.is_empty()) {
                let (count, answer) = board.write_ap(address, rest);
                (0..count).for_each(|_| push(answers, Ok(None)));
                done += count;
                if let Err(refusal) = answer {
                    push(answers, Err(refusal));
                    done += 1;
                }
            }
        }
        (false, true) => {
            run.iter().for_each(|_| push(answers, board.read_dp(address).map(Some)));
        }
        (false, false) => {
            for value in run {
                push(answers, board.write_dp(address, value).map(|()| None));
            }
        }
    }
}

fn push(answers: &mut Vec<u8>, answer: Answer<Option<u32>>) {
    match answer {
        Ok(Some(value)) => {
            answers.push(WITH_DATA | OK);
            answers.extend(value.to_le_bytes());
        }
        Ok(None) => answers.push(WITHOUT_DATA | OK),
        Err(Refusal::Wait) => answers.push(WITHOUT_DATA | WAIT),
        Err(Refusal::Fault) => answers.push(WITHOUT_DATA | FAULT),
        Err(Refusal::NoAnswer) => answers.push(PROTOCOL_ERROR),
    }
}

/// One frame, or nothing where there is nothing to say.
pub(crate) fn frame(endpoint: u8, data: &[u8]) -> Vec<u8> {
    if data.is_empty() {
        return Vec::new();
    }
    let mut payload = vec![endpoint];
    payload.extend_from_slice(data);
    let mut frame = cobs::encode_vec(&payload);
    frame.push(0);
    frame
}

/// What is said to a client that comes second.
pub(crate) fn busy() -> Vec<u8> {
    frame(ROOT, BUSY)
}

/// The data of a request; zero where it has none.
fn data(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

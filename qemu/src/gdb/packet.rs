//! GDB's packets: `$` payload `#` two digits of checksum.

/// A payload as it is sent.
pub(crate) fn encode(payload: &str) -> Vec<u8> {
    format!("${payload}#{:02x}", checksum(payload.as_bytes())).into_bytes()
}

/// What the beginning of a stream of bytes holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// No whole packet yet.
    Incomplete,
    /// A packet with its payload unescaped, and the bytes to drop with everything before it.
    Packet {
        /// Without escapes.
        payload: Vec<u8>,
        /// Bytes from the beginning of the stream to the end of the packet.
        length: usize,
    },
    /// A packet whose checksum does not fit, which a unix socket never causes.
    Damaged,
}

/// Reads the first packet of a stream; acknowledgements before it are skipped.
pub(crate) fn decode(stream: &[u8]) -> Decoded {
    let Some(start) = stream.iter().position(|byte| *byte == b'$') else {
        return Decoded::Incomplete;
    };
    let body = stream.get(start + 1..).unwrap_or_default();
    let Some(size) = body.iter().position(|byte| *byte == b'#') else {
        return Decoded::Incomplete;
    };
    let Some(digits) = body.get(size + 1..size + 3) else {
        return Decoded::Incomplete;
    };
    let payload = body.get(..size).unwrap_or_default();
    let expected = format!("{:02x}", checksum(payload));
    if !digits.eq_ignore_ascii_case(expected.as_bytes()) {
        return Decoded::Damaged;
    }
    Decoded::Packet { payload: unescape(payload), length: start + size + 4 }
}

/// Bytes in hexadecimal, as most payloads carry them.
pub(crate) fn decode_hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// The reverse of [`decode_hex`].
pub(crate) fn encode_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn checksum(payload: &[u8]) -> u8 {
    payload.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte))
}

fn unescape(payload: &[u8]) -> Vec<u8> {
    let mut bytes = payload.iter();
    let mut plain = Vec::with_capacity(payload.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'}' => plain.extend(bytes.next().map(|escaped| escaped ^ 0x20)),
            other => plain.push(*other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stream: &[u8], expected: Decoded) {
        assert_eq!(decode(stream), expected, "{}", String::from_utf8_lossy(stream));
    }

    fn packet(payload: &[u8], length: usize) -> Decoded {
        Decoded::Packet { payload: payload.to_vec(), length }
    }

    #[test]
    fn packets_are_found_in_a_stream() {
        check(b"", Decoded::Incomplete);
        check(b"+", Decoded::Incomplete);
        check(b"+$OK#9", Decoded::Incomplete);
        check(b"+$OK#9a", packet(b"OK", 7));
        check(b"$#00$OK#9a", packet(b"", 4));
        check(b"$OK#9b", Decoded::Damaged);
        check(b"$a}\x03b#43", packet(b"a#b", 8));
    }

    #[test]
    fn what_is_encoded_can_be_decoded() {
        check(&encode("m20000000,4"), packet(b"m20000000,4", 15));
        assert_eq!(decode_hex(&encode_hex(&[0, 0xab, 0xff])), Some(vec![0, 0xab, 0xff]));
        assert_eq!(decode_hex("abc"), None);
        assert_eq!(decode_hex("zz"), None);
    }
}

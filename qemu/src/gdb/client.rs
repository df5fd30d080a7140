//! The client side of GDB's protocol: one question, one answer, and stop replies.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use crate::channel::{Channel, answer_deadline};
use crate::error::Error;
use crate::gdb::description::{Description, Place};
use crate::gdb::hub::Access;
use crate::gdb::packet::{self, Decoded};

/// Documents of one description at most; both versions have below ten.
const DOCUMENT_LIMIT: usize = 64;

/// What the stub reports when the guest stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopReply {
    /// GDB's number of the signal: 5 for a breakpoint, watchpoint or finished step, 2 for a stop
    /// that the host asked for, 3 for a reset of the guest.
    pub signal: u8,
    /// The watchpoint that was hit: what it notices, and the first address of its range.
    pub watched: Option<(Access, u32)>,
}

/// A connection to the stub of a stopped guest.
#[derive(Debug)]
pub(crate) struct Client {
    channel: Channel,
    description: Description,
    /// Packets that go out with the next one.
    queued: Vec<u8>,
    /// Answers `OK` to such packets that are still to come, before any other.
    owed: usize,
}

impl Client {
    /// Connects, switches to physical memory and reads which registers there are. The guest must be
    /// stopped: connecting would stop it.
    pub(crate) fn connect(socket: &Path) -> Result<Self, Error> {
        let stream = UnixStream::connect(socket)
            .map_err(|source| Error::system("connect to the GDB socket", source))?;
        let channel = Channel::new(stream, "GDB")?;
        let mut client =
            Self { channel, description: Description::default(), queued: Vec::new(), owed: 0 };
        client.ask("qSupported:swbreak+;hwbreak+")?;
        let mut waiting = vec!["target.xml".to_owned()];
        for _ in 0..DOCUMENT_LIMIT {
            if waiting.is_empty() {
                client.ask_ok("Qqemu.PhyMemMode:1")?;
                return Ok(client);
            }
            let document = client.document(&waiting.remove(0))?;
            let mut includes = client.description.add(&document)?;
            includes.append(&mut waiting);
            waiting = includes;
        }
        Err(Error::Limit { what: "the number of register descriptions", limit: DOCUMENT_LIMIT })
    }

    /// The names of the registers this QEMU offers.
    pub(crate) fn register_names(&self) -> Vec<String> {
        self.description.names().map(str::to_owned).collect()
    }

    /// Reads a register of up to 64 bits; `None` when this QEMU does not offer it.
    pub(crate) fn read_register(&mut self, name: &str) -> Result<Option<u64>, Error> {
        let Some(place) = self.description.place(name) else {
            return Ok(None);
        };
        let answer = self.ask(&format!("p{:x}", place.number))?;
        let bytes = packet::decode_hex(&answer).filter(|bytes| bytes.len() == size_bytes(place));
        let bytes = bytes.ok_or_else(|| malformed("the value of a register", &answer))?;
        // Little-endian, like the target.
        Ok(Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))))
    }

    /// Writes a register; false when this QEMU does not offer it.
    pub(crate) fn write_register(&mut self, name: &str, value: u64) -> Result<bool, Error> {
        let Some(place) = self.description.place(name) else {
            return Ok(false);
        };
        let bytes = value.to_le_bytes();
        let bytes = bytes.get(..size_bytes(place)).unwrap_or(&bytes);
        self.ask_ok(&format!("P{:x}={}", place.number, packet::encode_hex(bytes)))?;
        Ok(true)
    }

    /// Reads a word as the core would: through its protection unit, its own devices included.
    pub(crate) fn read_word_as_core(&mut self, address: u32) -> Result<u32, Error> {
        self.ask_ok("Qqemu.PhyMemMode:0")?;
        let answer = self.ask(&format!("m{address:x},4"));
        self.ask_ok("Qqemu.PhyMemMode:1")?;
        let answer = answer?;
        let bytes = packet::decode_hex(&answer).and_then(|bytes| bytes.first_chunk().copied());
        bytes.map(u32::from_le_bytes).ok_or_else(|| malformed("a word of memory", &answer))
    }

    /// Writes a word as the core would, its own devices included.
    pub(crate) fn write_word_as_core(&mut self, address: u32, value: u32) -> Result<(), Error> {
        self.write_as_core(address, &value.to_le_bytes())
    }

    /// Writes up to 2000 bytes as a debugger of the core would: memory that it only reads as well.
    pub(crate) fn write_as_core(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        self.ask_ok("Qqemu.PhyMemMode:0")?;
        let digits = packet::encode_hex(bytes);
        let written = self.ask_ok(&format!("M{address:x},{:x}:{digits}", bytes.len()));
        self.ask_ok("Qqemu.PhyMemMode:1")?;
        written
    }

    /// Sends a packet and returns its answer as text.
    pub(crate) fn ask(&mut self, payload: &str) -> Result<String, Error> {
        self.send(payload)?;
        let answer = self.receive(answer_deadline())?;
        let answer = answer
            .ok_or_else(|| Error::Deadline { socket: "GDB", doing: format!("run {payload:?}") })?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Sends a packet whose only good answer is `OK`.
    pub(crate) fn ask_ok(&mut self, payload: &str) -> Result<(), Error> {
        let answer = self.ask(payload)?;
        if answer == "OK" {
            return Ok(());
        }
        Err(Error::Refused { socket: "GDB", command: payload.to_owned(), answer })
    }

    /// Runs a line of the human monitor and returns its text.
    pub(crate) fn monitor(&mut self, line: &str) -> Result<String, Error> {
        self.send(&format!("qRcmd,{}", packet::encode_hex(line.as_bytes())))?;
        let mut text = String::new();
        loop {
            let answer = self.receive(answer_deadline())?;
            let answer = answer
                .ok_or_else(|| Error::Deadline { socket: "GDB", doing: format!("run {line:?}") })?;
            let answer = String::from_utf8_lossy(&answer).into_owned();
            if answer == "OK" {
                return Ok(text);
            }
            let bytes = answer.strip_prefix('O').and_then(packet::decode_hex);
            let bytes = bytes.ok_or_else(|| malformed("a piece of the monitor's text", &answer))?;
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    /// Sends a packet without waiting for an answer.
    pub(crate) fn send(&mut self, payload: &str) -> Result<(), Error> {
        let mut bytes = std::mem::take(&mut self.queued);
        bytes.extend(packet::encode(payload));
        self.channel.send(&bytes)
    }

    /// Keeps a packet whose only good answer is `OK` until the next one is sent: both go out at
    /// once, in this order.
    pub(crate) fn queue(&mut self, payload: &str) {
        self.queued.extend(packet::encode(payload));
        self.owed += 1;
    }

    /// Takes answers to queued packets out of what was received.
    fn settle(&mut self) -> Result<(), Error> {
        while self.owed > 0
            && let Decoded::Packet { payload, length } = packet::decode(self.channel.received())
        {
            self.channel.take(length);
            self.owed -= 1;
            if payload != b"OK" {
                return Err(Error::Refused {
                    socket: "GDB",
                    command: "a packet sent with the next one".to_owned(),
                    answer: String::from_utf8_lossy(&payload).into_owned(),
                });
            }
        }
        Ok(())
    }

    /// Writes registers by name, which this QEMU must offer, and waits once for all of them.
    pub(crate) fn write_registers(&mut self, values: &[(&str, u32)]) -> Result<(), Error> {
        for (name, value) in values {
            let place = self.description.place(name);
            let place = place.ok_or_else(|| malformed("a register of that name", name))?;
            self.send(&format!(
                "P{:x}={}",
                place.number,
                packet::encode_hex(&value.to_le_bytes())
            ))?;
        }
        for (name, _) in values {
            let answer = self.receive(answer_deadline())?;
            if answer.as_deref() != Some(b"OK") {
                let answer = String::from_utf8_lossy(&answer.unwrap_or_default()).into_owned();
                let command = format!("write register {name}");
                return Err(Error::Refused { socket: "GDB", command, answer });
            }
        }
        Ok(())
    }

    /// Waits until a packet is there to be received; false when none came in time.
    pub(crate) fn has_packet(&mut self, until: Instant) -> Result<bool, Error> {
        loop {
            self.settle()?;
            if !matches!(packet::decode(self.channel.received()), Decoded::Incomplete) {
                return Ok(true);
            }
            if !self.channel.receive(until)? {
                return Ok(false);
            }
        }
    }

    /// Sends a packet and waits until QEMU has taken it. The stub acknowledges a packet and handles
    /// it in one go, so whatever is asked on another socket after this comes after it.
    pub(crate) fn send_taken(&mut self, payload: &str) -> Result<(), Error> {
        self.send(payload)?;
        let until = answer_deadline();
        while self.channel.received().is_empty() {
            if !self.channel.receive(until)? {
                let doing = format!("take {payload:?}");
                return Err(Error::Deadline { socket: "GDB", doing });
            }
        }
        Ok(())
    }

    /// The next stop reply, before the deadline of an answer. The end of the guest is
    /// [`Error::Closed`].
    pub(crate) fn stop_reply(&mut self) -> Result<StopReply, Error> {
        let answer = self.receive(answer_deadline())?;
        let answer = answer.ok_or_else(|| Error::Deadline {
            socket: "GDB",
            doing: "wait for the guest to stop".into(),
        })?;
        let text = String::from_utf8_lossy(&answer).into_owned();
        if text.starts_with(['W', 'X']) {
            // The guest has asked QEMU to exit, and QEMU is about to.
            return Err(Error::Closed { socket: "GDB" });
        }
        parse_stop(&text).ok_or_else(|| malformed("a stop reply", &text))
    }

    /// One document of the description, in as many pieces as needed.
    fn document(&mut self, name: &str) -> Result<String, Error> {
        let mut text = String::new();
        loop {
            let question = format!("qXfer:features:read:{name}:{:x},ff0", text.len());
            let answer = self.ask(&question)?;
            match answer.split_at_checked(1) {
                Some(("l", rest)) => {
                    text.push_str(rest);
                    return Ok(text);
                }
                Some(("m", rest)) if !rest.is_empty() => text.push_str(rest),
                _ => return Err(malformed("a piece of a description", &answer)),
            }
        }
    }

    /// The next packet; `None` when it did not come in time. It is not acknowledged: the stub takes
    /// the next packet for that, and does not have to wake up twice.
    fn receive(&mut self, until: Instant) -> Result<Option<Vec<u8>>, Error> {
        loop {
            self.settle()?;
            match packet::decode(self.channel.received()) {
                Decoded::Packet { payload, length } => {
                    self.channel.take(length);
                    return Ok(Some(payload));
                }
                Decoded::Damaged => {
                    let found = String::from_utf8_lossy(self.channel.received()).into_owned();
                    return Err(malformed("a packet with its checksum", &found));
                }
                Decoded::Incomplete => {
                    if !self.channel.receive(until)? {
                        return Ok(None);
                    }
                }
            }
        }
    }
}

fn size_bytes(place: Place) -> usize {
    (place.size_bits / 8) as usize
}

/// Reads `T05thread:01;watch:20000000;` and `S05`.
fn parse_stop(text: &str) -> Option<StopReply> {
    let rest = text.strip_prefix(['T', 'S'])?;
    let (digits, rest) = rest.split_at_checked(2)?;
    let signal = u8::from_str_radix(digits, 16).ok()?;
    let watched =
        rest.split(';').filter_map(|pair| pair.split_once(':')).find_map(|(key, value)| {
            let access = match key {
                "watch" => Access::Write,
                "rwatch" => Access::Read,
                "awatch" => Access::Any,
                _ => return None,
            };
            Some((access, u32::from_str_radix(value, 16).ok()?))
        });
    Some(StopReply { signal, watched })
}

fn malformed(expected: &'static str, found: &str) -> Error {
    Error::Malformed { socket: "GDB", expected, found: found.chars().take(200).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(u8, Option<(Access, u32)>)>) {
        let expected = expected.map(|(signal, watched)| StopReply { signal, watched });
        assert_eq!(parse_stop(text), expected, "{text:?}");
    }

    #[test]
    fn stop_replies_of_both_versions_are_read() {
        check("T05thread:01;", Some((5, None)));
        check("T05thread:01;watch:20000000;", Some((5, Some((Access::Write, 0x2000_0000)))));
        let any = Some((Access::Any, 0x4002_6000));
        check("T05thread:p01.01;awatch:40026000;", Some((5, any)));
        check("T05rwatch:e0001000;", Some((5, Some((Access::Read, 0xE000_1000)))));
        check("T03thread:01;", Some((3, None)));
        check("S05", Some((5, None)));
        check("W07", None);
        check("OK", None);
        check("T", None);
    }
}

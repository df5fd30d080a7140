//! qtest, QEMU's test protocol: memory and devices as the first CPU sees them, without stopping it.
//!
//! This is how RAM is read and written. It looks through no MPU, so a guard region does not hide
//! the page it lies in, as it does from GDB and from semihosting. It works while the guest runs and
//! while it is stopped, and reading does not change what the guest does. Addresses where nothing
//! answers read as zero and ignore writes; read-only memory ignores writes: qtest reports neither.

use std::os::unix::net::UnixStream;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::channel::{Channel, answer_deadline};
use crate::error::Error;
use crate::models::Width;

/// Bytes of memory moved by one command.
const BLOCK_BYTES: usize = 64 * 1024;

/// The memory connection of one QEMU.
#[derive(Debug)]
pub struct Qtest {
    channel: Channel,
}

impl Qtest {
    /// Wraps the connected socket; the protocol has no greeting.
    ///
    /// # Errors
    /// When the socket cannot be set up.
    pub fn new(stream: UnixStream) -> Result<Self, Error> {
        Ok(Self { channel: Channel::new(stream, "qtest")? })
    }

    /// Fills `bytes` from target memory.
    ///
    /// # Errors
    /// When the range leaves the address space, or QEMU has ended or does not answer in time.
    pub fn read(&mut self, address: u32, bytes: &mut [u8]) -> Result<(), Error> {
        check_range(address, bytes.len())?;
        let mut at = u64::from(address);
        for block in bytes.chunks_mut(BLOCK_BYTES) {
            let command = format!("b64read {at:#x} {:#x}", block.len());
            decode(&self.command(&command)?, block)?;
            at += block.len() as u64;
        }
        Ok(())
    }

    /// Writes bytes to target memory.
    ///
    /// # Errors
    /// As [`Qtest::read`].
    pub fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        check_range(address, bytes.len())?;
        let mut at = u64::from(address);
        for block in bytes.chunks(BLOCK_BYTES) {
            let encoded = STANDARD.encode(block);
            self.command(&format!("b64write {at:#x} {:#x} {encoded}", block.len()))?;
            at += block.len() as u64;
        }
        Ok(())
    }

    /// Writes several ranges, all of them sent at once.
    ///
    /// # Errors
    /// As [`Qtest::read`].
    pub fn write_many(&mut self, ranges: &[(u32, &[u8])]) -> Result<(), Error> {
        use std::fmt::Write;
        let mut commands = String::new();
        let mut count = 0;
        for (address, bytes) in ranges {
            check_range(*address, bytes.len())?;
            for (block, at) in bytes.chunks(BLOCK_BYTES).zip((*address..).step_by(BLOCK_BYTES)) {
                let encoded = STANDARD.encode(block);
                // Writing to a string cannot fail.
                let _ = writeln!(commands, "b64write {at:#x} {:#x} {encoded}", block.len());
                count += 1;
            }
        }
        self.channel.send(commands.as_bytes())?;
        for _ in 0..count {
            self.answer("b64write")?;
        }
        Ok(())
    }

    /// Reads several ranges, all of them asked for at once.
    ///
    /// # Errors
    /// As [`Qtest::read`].
    pub fn read_many(&mut self, ranges: &mut [(u32, &mut [u8])]) -> Result<(), Error> {
        use std::fmt::Write;
        let mut commands = String::new();
        for (address, bytes) in ranges.iter() {
            check_range(*address, bytes.len())?;
            let _ = writeln!(commands, "b64read {address:#x} {:#x}", bytes.len());
        }
        self.channel.send(commands.as_bytes())?;
        for (_, bytes) in ranges {
            decode(&self.answer("b64read")?, bytes)?;
        }
        Ok(())
    }

    /// Sets `size_bytes` bytes of target memory to one value.
    ///
    /// # Errors
    /// As [`Qtest::read`].
    pub fn fill(&mut self, address: u32, size_bytes: u32, value: u8) -> Result<(), Error> {
        check_range(address, size_bytes as usize)?;
        if size_bytes > 0 {
            self.command(&format!("memset {address:#x} {size_bytes:#x} {value:#x}"))?;
        }
        Ok(())
    }

    /// Reads a word with one access of four bytes, as a device expects it.
    ///
    /// # Errors
    /// As [`Qtest::read`].
    pub fn read_word(&mut self, address: u32) -> Result<u32, Error> {
        self.load(address, Width::Word)
    }

    /// Writes a word with one access of four bytes. See [`Qtest::store`].
    ///
    /// # Errors
    /// As [`Qtest::read`].
    pub fn write_word(&mut self, address: u32, value: u32) -> Result<(), Error> {
        self.store(address, Width::Word, value)
    }

    /// Reads with one access of a width, as a device expects it.
    ///
    /// # Errors
    /// As [`Qtest::read`].
    pub fn load(&mut self, address: u32, width: Width) -> Result<u32, Error> {
        check_range(address, width.bytes() as usize)?;
        let letter = letter(width);
        let answer = self.command(&format!("read{letter} {address:#x}"))?;
        let digits = answer.strip_prefix("0x").unwrap_or_default();
        u64::from_str_radix(digits, 16)
            .ok()
            .and_then(|value| u32::try_from(value).ok())
            .ok_or_else(|| malformed("a number in hexadecimal", &answer))
    }

    /// Writes with one access of a width. The only way to write device registers that works on QEMU
    /// 7.2, whose GDB stub drops such writes.
    ///
    /// # Errors
    /// As [`Qtest::read`].
    pub fn store(&mut self, address: u32, width: Width, value: u32) -> Result<(), Error> {
        check_range(address, width.bytes() as usize)?;
        self.command(&format!("write{} {address:#x} {value:#x}", letter(width)))?;
        Ok(())
    }

    /// Sets the level of an input of a device, given by its path in QEMU's tree of objects. A
    /// number that the device does not have makes QEMU abort.
    ///
    /// # Errors
    /// When there is no such device, or QEMU has ended or does not answer in time.
    pub fn set_input(&mut self, device: &str, number: u32, high: bool) -> Result<(), Error> {
        let level = u8::from(high);
        self.command(&format!("set_irq_in {device} unnamed-gpio-in {number} {level}"))?;
        Ok(())
    }

    /// The same for the only input of a name, which the device must have: otherwise QEMU aborts.
    ///
    /// # Errors
    /// As [`Qtest::set_input`].
    pub(crate) fn set_named_input(
        &mut self,
        device: &str,
        name: &str,
        high: bool,
    ) -> Result<(), Error> {
        self.command(&format!("set_irq_in {device} {name} 0 {}", u8::from(high)))?;
        Ok(())
    }

    /// Sends one line and returns what follows the `OK` of its answer.
    fn command(&mut self, command: &str) -> Result<String, Error> {
        let name = command.split(' ').take(3).collect::<Vec<_>>().join(" ");
        self.channel.send(format!("{command}\n").as_bytes())?;
        self.answer(&name)
    }

    /// The answer to the oldest command that has none yet.
    fn answer(&mut self, name: &str) -> Result<String, Error> {
        let deadline = answer_deadline();
        loop {
            let line = self.channel.line(deadline, name)?;
            match line.split_once(' ').unwrap_or((&line, "")) {
                ("OK", rest) => return Ok(rest.to_owned()),
                ("IRQ", _) => {}
                ("ERR" | "FAIL", _) => {
                    let command = name.to_owned();
                    return Err(Error::Refused { socket: "qtest", command, answer: line });
                }
                _ => return Err(malformed("`OK`, `ERR`, `FAIL` or `IRQ`", &line)),
            }
        }
    }
}

/// Reads bytes in base 64, as many as there is room for.
fn decode(answer: &str, bytes: &mut [u8]) -> Result<(), Error> {
    let decoded = STANDARD.decode(answer.as_bytes()).unwrap_or_default();
    if decoded.len() != bytes.len() {
        return Err(malformed("as many bytes as were asked for, in base 64", answer));
    }
    bytes.copy_from_slice(&decoded);
    Ok(())
}

/// Checks that a range lies in the 32-bit address space.
pub(crate) fn check_range(address: u32, size_bytes: usize) -> Result<(), Error> {
    let room = (1_u64 << 32) - u64::from(address);
    if size_bytes as u64 > room { Err(Error::Range { address, size_bytes }) } else { Ok(()) }
}

/// The letter of an access in the names of commands.
const fn letter(width: Width) -> char {
    match width {
        Width::Byte => 'b',
        Width::Half => 'w',
        Width::Word => 'l',
    }
}

fn malformed(expected: &'static str, found: &str) -> Error {
    Error::Malformed { socket: "qtest", expected, found: found.chars().take(200).collect() }
}

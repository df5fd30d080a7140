//! The commands of the steering socket, as `commands.rs` of `qemu/plugin` reads and answers them.
//!
//! Commands are data: whoever steers makes lists of them, many injections in one, and gets as many
//! replies. The table of codes and layouts stands there, once.

use std::io::Read;

use super::SOCKET;
use crate::error::Error;
use crate::guest_ram::RamRange;

/// Something that QEMU does between two instructions of the guest, or a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// One more range that snapshots keep.
    Ram(RamRange),
    /// Keeps CPU, devices and RAM in a slot, 0 to 127.
    Save {
        /// The slot.
        slot: u8,
        /// With the section that makes QEMU translate all code anew when it is restored: slow, and
        /// what the other way is compared with.
        whole: bool,
    },
    /// Puts a slot back.
    Restore {
        /// The slot.
        slot: u8,
        /// What of it.
        what: Restored,
    },
    /// Lets the guest run.
    Run {
        /// Most instructions, at least 1. None of them is executed twice or in part.
        limit: u64,
        /// What else ends it.
        until: Until,
        /// How many times that is passed over first, e.g. the instruction at which it stands.
        skip: u32,
    },
    /// Reads as the core does, privileged.
    Read {
        /// First address.
        address: u32,
        /// How many.
        size_bytes: u32,
    },
    /// Writes as the core does, privileged; read-only memory does not change.
    Write {
        /// First address.
        address: u32,
        /// What.
        bytes: Vec<u8>,
    },
    /// Changes a word: bits are flipped, then set, then cleared.
    Word {
        /// Its address.
        address: u32,
        /// Bits.
        flip: u32,
        /// Bits.
        set: u32,
        /// Bits.
        clear: u32,
    },
    /// Reads a register: 0 to 15, 16 for MSP, 17 for PSP (those two on QEMU 10 only).
    ReadRegister(u8),
    /// Flips bits of a register.
    FlipRegister(u8, u32),
    /// Writes a register.
    WriteRegister(u8, u32),
    /// Makes an exception pending by its number: 2 is the NMI, 16 the first interrupt.
    Pend(u16),
    /// Steps over the next instruction.
    Skip,
    /// Resets the machine; memory is kept.
    Reset,
    /// Switches the trace on or off.
    Trace(bool),
    /// Asks where the guest stands.
    State,
    /// Whether RAM is that of a slot.
    Compare(u8),
    /// Notes what instructions do first to each byte of a range, in the runs that follow.
    Watch(RamRange),
    /// What was noted of so many bytes, as many as are watched. None are then.
    First(u32),
}

/// What [`Command::First`] answers of a byte that was stored to before it was loaded.
pub const STORED_FIRST: u8 = 2;

/// What of a slot is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restored {
    /// CPU, devices and clocks, RAM as it is now.
    Devices = 1,
    /// RAM alone.
    Ram = 2,
    /// Both.
    All = 3,
}

/// What ends a run besides its limit, a reset and a lockup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Nothing.
    End,
    /// Before the instruction at an address, at which it is next for the `count`-th time.
    Address {
        /// Its address, bit 0 clear.
        address: u32,
        /// From 1.
        count: u64,
    },
    /// Before an instruction that loads from a range. Its access has been made once and is made
    /// again; of a device register that would be seen.
    Load {
        /// The range.
        range: RamRange,
        /// From 1.
        count: u64,
    },
    /// Before an instruction that stores to a range; as above.
    Store {
        /// The range.
        range: RamRange,
        /// From 1.
        count: u64,
    },
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It was the first instruction.
    Entry,
    /// The limit is used up.
    Instructions,
    /// See [`Until::Address`].
    Address,
    /// See [`Until::Load`].
    Access,
    /// The guest has asked for a reset.
    Reset,
    /// No fault can be taken any more; the CPU is of no use until something is restored.
    Lockup,
}

/// Where a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Why.
    pub reason: Reason,
    /// The address of the next instruction.
    pub pc: u32,
    /// Instructions executed.
    pub executed: u64,
}

/// What a command answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It is done.
    Done,
    /// A slot was kept.
    Saved {
        /// Size of what QEMU says of its devices, in bytes.
        devices_bytes: u32,
        /// Whether it is restored without translating all code anew.
        is_short: bool,
    },
    /// A run is over.
    Stopped(Stopped),
    /// Memory that was read.
    Bytes(Vec<u8>),
    /// The value of a register before.
    Register(u32),
    /// See [`super::Steered::state`].
    State {
        /// The hash.
        hash: u64,
        /// Instructions.
        begun: u64,
        /// Nanoseconds.
        time_ns: u64,
    },
    /// Whether it is the same.
    Same(bool),
}

impl Reply {
    /// This reply, where another kind was due.
    #[must_use]
    pub fn unexpected(&self) -> Error {
        let found = format!("{self:?}");
        Error::Malformed { socket: SOCKET, expected: "the reply of another command", found }
    }
}

impl Command {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ram(range) => put(out, 1, &[range.address, range.size_bytes]),
            Self::Save { slot, whole } => out.extend([2, *slot, u8::from(*whole)]),
            Self::Restore { slot, what } => out.extend([3, *slot, *what as u8]),
            Self::Run { limit, until, skip } => {
                let nothing = RamRange { address: 0, size_bytes: 0 };
                let (kind, range, count) = match *until {
                    Until::End => (0, nothing, 0),
                    Until::Address { address, count } => {
                        (1, RamRange { address, size_bytes: 0 }, count)
                    }
                    Until::Load { range, count } => (2, range, count),
                    Until::Store { range, count } => (3, range, count),
                };
                out.push(4);
                out.extend(limit.to_le_bytes());
                put(out, kind, &[range.address, range.size_bytes]);
                out.extend(count.to_le_bytes());
                out.extend(skip.to_le_bytes());
            }
            Self::Read { address, size_bytes } => put(out, 5, &[*address, *size_bytes]),
            Self::Write { address, bytes } => {
                put(out, 6, &[*address, length(bytes)]);
                out.extend(bytes);
            }
            Self::Word { address, flip, set, clear } => {
                put(out, 7, &[*address, *flip, *set, *clear]);
            }
            Self::ReadRegister(number) => put_register(out, *number, 0, 0),
            Self::FlipRegister(number, bits) => put_register(out, *number, 1, *bits),
            Self::WriteRegister(number, value) => put_register(out, *number, 2, *value),
            Self::Pend(exception) => {
                out.push(9);
                out.extend(exception.to_le_bytes());
            }
            Self::Skip => out.push(10),
            Self::Reset => out.push(11),
            Self::Trace(on) => out.extend([12, u8::from(*on)]),
            Self::State => out.push(13),
            Self::Compare(slot) => out.extend([14, *slot]),
            Self::Watch(range) => put(out, 15, &[range.address, range.size_bytes]),
            Self::First(_) => out.push(16),
        }
    }

    pub(super) fn read_reply(&self, replies: &mut impl Read) -> Result<Reply, Error> {
        check(self, replies)?;
        Ok(match self {
            Self::Save { .. } => {
                let devices_bytes = u32::from_le_bytes(take(replies)?);
                let [short] = take(replies)?;
                Reply::Saved { devices_bytes, is_short: short != 0 }
            }
            Self::Run { .. } => Reply::Stopped(read_stopped(replies)?),
            Self::Read { size_bytes, .. } | Self::First(size_bytes) => {
                let mut bytes = vec![0; *size_bytes as usize];
                fill(replies, &mut bytes)?;
                Reply::Bytes(bytes)
            }
            Self::ReadRegister(_) | Self::FlipRegister(..) | Self::WriteRegister(..) => {
                Reply::Register(u32::from_le_bytes(take(replies)?))
            }
            Self::State => Reply::State {
                hash: u64::from_le_bytes(take(replies)?),
                begun: u64::from_le_bytes(take(replies)?),
                time_ns: u64::from_le_bytes(take(replies)?),
            },
            Self::Compare(_) => {
                let [same] = take(replies)?;
                Reply::Same(same != 0)
            }
            _ => Reply::Done,
        })
    }
}

/// Reads that the guest was entered.
pub(super) fn read_stop(replies: &mut impl Read) -> Result<Stopped, Error> {
    check(&"enter the guest", replies)?;
    read_stopped(replies)
}

/// Reads whether a command was carried out.
fn check(command: &impl std::fmt::Debug, replies: &mut impl Read) -> Result<(), Error> {
    let [refused] = take(replies)?;
    if refused == 0 {
        return Ok(());
    }
    let mut text = vec![0; usize::from(u16::from_le_bytes(take(replies)?))];
    fill(replies, &mut text)?;
    Err(Error::Refused {
        socket: SOCKET,
        command: format!("{command:?}"),
        answer: String::from_utf8_lossy(&text).into_owned(),
    })
}

fn read_stopped(replies: &mut impl Read) -> Result<Stopped, Error> {
    let reason = match u32::from_le_bytes(take(replies)?) {
        1 => Reason::Entry,
        2 => Reason::Instructions,
        3 => Reason::Address,
        4 => Reason::Access,
        5 => Reason::Reset,
        6 => Reason::Lockup,
        other => {
            let found = other.to_string();
            return Err(Error::Malformed { socket: SOCKET, expected: "a reason", found });
        }
    };
    let pc = u32::from_le_bytes(take(replies)?);
    let executed = u64::from_le_bytes(take(replies)?);
    Ok(Stopped { reason, pc, executed })
}

fn put(out: &mut Vec<u8>, code: u8, words: &[u32]) {
    out.push(code);
    out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

fn put_register(out: &mut Vec<u8>, number: u8, what: u8, value: u32) {
    out.extend([8, number, what]);
    out.extend(value.to_le_bytes());
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn take<const LENGTH: usize>(replies: &mut impl Read) -> Result<[u8; LENGTH], Error> {
    let mut bytes = [0; LENGTH];
    fill(replies, &mut bytes)?;
    Ok(bytes)
}

fn fill(replies: &mut impl Read, bytes: &mut [u8]) -> Result<(), Error> {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    replies.read_exact(bytes).map_err(|error| match error.kind() {
        TimedOut | WouldBlock => {
            Error::Deadline { socket: SOCKET, doing: "carry out a command".into() }
        }
        _ => Error::Closed { socket: SOCKET },
    })
}

//! What can go wrong on the bench. A crash of the guest is never one of these.

use std::path::PathBuf;

/// Trouble with the emulator itself, each text fitting "failed to ...".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No QEMU was found in any of the places.
    #[error(
        "find qemu-system-arm (looked at {looked_at}); run `cargo ci setup`, or set \
         CRASHRIG_QEMU to the path of one"
    )]
    NoEmulator {
        /// The places, in the order in which they were tried.
        looked_at: String,
    },
    /// A QEMU was found, but it is older than what this crate was measured with.
    #[error(
        "use {}: found version {found}, expected {expected} or newer; run `cargo ci setup`",
        program.display()
    )]
    TooOld {
        /// The program that was asked.
        program: PathBuf,
        /// Its version.
        found: String,
        /// The oldest version that is supported.
        expected: String,
    },
    /// `--version` did not answer with a version of QEMU.
    #[error(
        "read the version of {}: expected \"QEMU emulator version X.Y.Z\", found {found:?}",
        program.display()
    )]
    NotQemu {
        /// The program that was asked.
        program: PathBuf,
        /// The first line of its answer, or its error.
        found: String,
    },
    /// The operating system refused something.
    #[error("{doing}: {source}")]
    System {
        /// What was tried, with the file or program it was tried on.
        doing: String,
        /// The reason given.
        source: std::io::Error,
    },
    /// QEMU ended before it could be steered: a wrong machine name, an image that cannot be loaded.
    #[error("start {}: it ended with {end} and said {text:?}", program.display())]
    EndedAtStart {
        /// The program that was started.
        program: PathBuf,
        /// Exit code or signal.
        end: String,
        /// The end of its standard error.
        text: String,
    },
    /// The keeper process could not do its work, or disappeared.
    #[error("keep an emulator process: {reason}")]
    Keeper {
        /// What the keeper reported, or what was expected of it.
        reason: String,
    },
    /// An answer did not come in time.
    #[error("{doing}: no answer on the {socket} socket before the deadline")]
    Deadline {
        /// The socket on which the answer was expected.
        socket: &'static str,
        /// What was asked.
        doing: String,
    },
    /// QEMU closed a socket: it has ended.
    #[error("use the {socket} socket: QEMU closed it")]
    Closed {
        /// The socket.
        socket: &'static str,
    },
    /// QEMU refused a command.
    #[error("run {command:?} on the {socket} socket: QEMU answered {answer:?}")]
    Refused {
        /// The socket.
        socket: &'static str,
        /// The command as it was sent.
        command: String,
        /// QEMU's answer.
        answer: String,
    },
    /// An answer does not have the shape that both supported versions give.
    #[error("understand the {socket} socket: expected {expected}, found {found:?}")]
    Malformed {
        /// The socket.
        socket: &'static str,
        /// The shape that was expected.
        expected: &'static str,
        /// The beginning of what came.
        found: String,
    },
    /// Something that must stay small grew too far.
    #[error("keep {what} below its limit of {limit}")]
    Limit {
        /// What grew.
        what: &'static str,
        /// The limit that was passed.
        limit: usize,
    },
    /// A range of addresses leaves the 32-bit address space.
    #[error("reach {size_bytes} bytes at {address:#010x}: the range ends above 0xffffffff")]
    Range {
        /// First address.
        address: u32,
        /// Size in bytes.
        size_bytes: usize,
    },
    /// The emulator is in a state in which the request makes no sense.
    #[error("{doing}: expected the emulator to be {expected}, found it {found}")]
    State {
        /// What was asked.
        doing: &'static str,
        /// The state that is needed.
        expected: &'static str,
        /// The state found, in QEMU's words where they are from QEMU.
        found: String,
    },
    /// The guest reaches for a modelled register in a way that is not carried out on the host.
    #[error(
        "carry out the instruction {} at {pc:#010x} on a modelled register: expected a load or \
         store of general registers, not exclusive and not relative to the program counter",
        code_words(*code)
    )]
    Instruction {
        /// Where it is.
        pc: u32,
        /// Its two halfwords, or the first one and what follows.
        code: [u16; 2],
    },
    /// The memory map that QEMU printed could not be read.
    #[error("read the memory map of the emulator: {problems}")]
    MemoryMap {
        /// All problems, with their line numbers.
        problems: String,
    },
}

impl Error {
    /// Wraps an error of the operating system with what was tried.
    pub(crate) fn system(doing: impl Into<String>, source: impl Into<std::io::Error>) -> Self {
        Self::System { doing: doing.into(), source: source.into() }
    }
}

/// An instruction as an assembler lists it: one halfword, or two.
fn code_words([first, second]: [u16; 2]) -> String {
    if crate::thumb::is_wide(first) {
        format!("{first:04x} {second:04x}")
    } else {
        format!("{first:04x}")
    }
}

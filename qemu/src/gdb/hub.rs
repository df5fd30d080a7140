//! Who wants the guest stopped where, and which of them a stop belongs to.

use std::path::PathBuf;

use crate::error::Error;
use crate::gdb::client::{Client, StopReply};

/// Points that may be set at one time.
const POINT_LIMIT: usize = 256;

/// The signal of a breakpoint, a watchpoint and a finished step.
pub(super) const TRAP_SIGNAL: u8 = 5;

/// The answer to a registration; a stop names the one it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u32);

/// Which accesses a watchpoint notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Stores.
    Write,
    /// Loads.
    Read,
    /// Both.
    Any,
}

/// What a point is, with GDB's number of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Break,
    Watch(Access),
}

impl Kind {
    const fn number(self) -> u8 {
        match self {
            Self::Break => 0,
            Self::Watch(Access::Write) => 2,
            Self::Watch(Access::Read) => 3,
            Self::Watch(Access::Any) => 4,
        }
    }
}

/// One registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) token: Token,
    pub(super) kind: Kind,
    pub(super) address: u32,
    size_bytes: u32,
}

impl Point {
    /// The packet that sets (`Z`) or removes (`z`) it.
    fn packet(self, letter: char) -> String {
        format!("{letter}{},{:x},{:x}", self.kind.number(), self.address, self.size_bytes)
    }

    fn same_place(&self, other: &Self) -> bool {
        (self.kind, self.address, self.size_bytes) == (other.kind, other.address, other.size_bytes)
    }
}

/// How stepping over the points at which the guest stands went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stepped {
    /// It stands at none, so nothing was executed.
    Nowhere,
    /// One instruction was executed.
    Over,
    /// The instruction would make an access that another point watches.
    Hit(Token),
    /// It ended in something that is not a point, such as a reset.
    Elsewhere,
}

/// The owner of the GDB connection. All calls need a stopped guest.
#[derive(Debug)]
pub struct Hub {
    socket: PathBuf,
    client: Option<Client>,
    pub(super) points: Vec<Point>,
    next_token: u32,
    /// The watchpoint at which the guest stands, before the access.
    pub(super) stands_at_watch: Option<Token>,
    /// A stop reply is owed, because the guest was resumed through this connection.
    pub(super) running: bool,
}

impl Hub {
    /// A hub that will connect to this socket when it is first needed.
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self {
            socket,
            client: None,
            points: Vec::new(),
            next_token: 0,
            stands_at_watch: None,
            running: false,
        }
    }

    /// Whether the guest has to be resumed through this connection.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.client.is_some()
    }

    /// Stops the guest before it executes the instruction at an address; bit 0 is ignored, so that
    /// the address of a Thumb function can be given as it is. Code in the same 1 KiB page runs
    /// about twenty times slower while a breakpoint is set. When several registrations share an
    /// address, the oldest is named in the stop.
    ///
    /// # Errors
    /// When there are too many points, or QEMU refuses.
    pub fn break_at(&mut self, address: u32) -> Result<Token, Error> {
        self.insert(Kind::Break, address & !1, 2)
    }

    /// Stops the guest before an access to a range. Any size works, over devices too.
    ///
    /// # Errors
    /// As [`Hub::break_at`], and when the range leaves the address space.
    pub fn watch(&mut self, address: u32, size_bytes: u32, access: Access) -> Result<Token, Error> {
        crate::qtest::check_range(address, size_bytes as usize)?;
        self.insert(Kind::Watch(access), address, size_bytes)
    }

    /// Takes a registration back. A token that is not known any more is ignored.
    ///
    /// # Errors
    /// When QEMU refuses.
    pub fn remove(&mut self, token: Token) -> Result<(), Error> {
        let Some(index) = self.points.iter().position(|point| point.token == token) else {
            return Ok(());
        };
        let point = self.points.remove(index);
        if self.stands_at_watch == Some(token) {
            self.stands_at_watch = None;
        }
        if self.points.iter().any(|other| other.same_place(&point)) {
            return Ok(());
        }
        self.client()?.ask_ok(&point.packet('z'))
    }

    /// Reads a register by GDB's name (`pc`, `msp`, `d0`); `None` when this QEMU does not offer it:
    /// 7.2 has no `msp`, `psp`, `control`, `primask`, `basepri` and `faultmask`.
    ///
    /// # Errors
    /// When QEMU does not answer as expected.
    pub fn read_register(&mut self, name: &str) -> Result<Option<u64>, Error> {
        self.client()?.read_register(name)
    }

    /// Writes a register by GDB's name; false when this QEMU does not offer it.
    ///
    /// # Errors
    /// When QEMU refuses.
    pub fn write_register(&mut self, name: &str, value: u64) -> Result<bool, Error> {
        self.client()?.write_register(name, value)
    }

    /// Reads a word as the core would in its present state, devices of the core included: the
    /// System Control Block answers here and not over qtest, which sees no secure state.
    ///
    /// # Errors
    /// When the core itself could not read there.
    pub fn read_word_as_core(&mut self, address: u32) -> Result<u32, Error> {
        self.client()?.read_word_as_core(address)
    }

    /// Writes a word as the core would in its present state. QEMU 7.2 says that it has written a
    /// device of the core, and does not.
    ///
    /// # Errors
    /// When the core itself could not write there.
    pub fn write_word_as_core(&mut self, address: u32, value: u32) -> Result<(), Error> {
        self.client()?.write_word_as_core(address, value)
    }

    /// Writes memory of the stopped guest, also what is read-only to the core.
    ///
    /// # Errors
    /// When a debugger could not write there.
    pub fn write_program(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        self.program(address, bytes)
    }

    /// The names of all registers that this QEMU offers.
    ///
    /// # Errors
    /// When the connection cannot be made.
    pub fn register_names(&mut self) -> Result<Vec<String>, Error> {
        Ok(self.client()?.register_names())
    }

    /// Executes the instruction at which the guest stands, if points stop it there. Whatever that
    /// instruction caused has to be looked at before [`Hub::go_on`].
    pub(crate) fn step_over(&mut self) -> Result<Stepped, Error> {
        let pc = self.program_counter()?;
        let watch = self.stands_at_watch.take();
        let stops_here = |point: &Point| match point.kind {
            Kind::Break => point.address == pc,
            Kind::Watch(_) => Some(point.token) == watch,
        };
        let passed: Vec<Point> = self.points.iter().copied().filter(stops_here).collect();
        if passed.is_empty() {
            return Ok(Stepped::Nowhere);
        }
        let reply = self.step_without(&passed)?;
        if reply.signal != TRAP_SIGNAL {
            return Ok(Stepped::Elsewhere);
        }
        if let Some(token) = self.watch_token(&reply) {
            self.stands_at_watch = Some(token);
            return Ok(Stepped::Hit(token));
        }
        Ok(Stepped::Over)
    }

    /// Lets the guest run.
    pub(crate) fn go_on(&mut self) -> Result<(), Error> {
        self.running = true;
        // QEMU's state is asked for on the other socket: it must not be the one before this.
        self.client()?.send_taken("c")
    }

    /// Collects the stop reply that is owed after the guest has stopped, and says which point the
    /// stop belongs to, if any. Must be called once after each stop.
    pub(crate) fn stopped(&mut self) -> Result<Option<Token>, Error> {
        if !self.running {
            return Ok(None);
        }
        let reply = self.client()?.stop_reply()?;
        self.running = false;
        if reply.signal != TRAP_SIGNAL {
            return Ok(None);
        }
        if let Some(token) = self.watch_token(&reply) {
            self.stands_at_watch = Some(token);
            return Ok(Some(token));
        }
        let pc = self.program_counter()?;
        let hit = |point: &&Point| point.kind == Kind::Break && point.address == pc;
        Ok(self.points.iter().find(hit).map(|point| point.token))
    }

    /// Forgets where the guest stood: it stands elsewhere now. Points survive a reset.
    pub(crate) fn forget_position(&mut self) {
        self.stands_at_watch = None;
    }

    fn insert(&mut self, kind: Kind, address: u32, size_bytes: u32) -> Result<Token, Error> {
        if self.points.len() >= POINT_LIMIT {
            let what = "the number of breakpoints and watchpoints";
            return Err(Error::Limit { what, limit: POINT_LIMIT });
        }
        let token = Token(self.next_token);
        let point = Point { token, kind, address, size_bytes };
        if !self.points.iter().any(|other| other.same_place(&point)) {
            self.client()?.ask_ok(&point.packet('Z'))?;
        }
        self.next_token += 1;
        self.points.push(point);
        Ok(token)
    }

    /// Executes one instruction with some points removed. Interrupts are not taken in it.
    fn step_without(&mut self, passed: &[Point]) -> Result<StopReply, Error> {
        // Registrations at the same place were set once.
        let mut places: Vec<Point> = Vec::new();
        for point in passed {
            if !places.iter().any(|other| other.same_place(point)) {
                places.push(*point);
            }
        }
        let client = self.client()?;
        for point in &places {
            client.ask_ok(&point.packet('z'))?;
        }
        client.send("s")?;
        let reply = client.stop_reply()?;
        for point in &places {
            client.ask_ok(&point.packet('Z'))?;
        }
        Ok(reply)
    }

    pub(super) fn watch_token(&self, reply: &StopReply) -> Option<Token> {
        let (access, address) = reply.watched?;
        let hit = |point: &&Point| {
            let inside = address.wrapping_sub(point.address) < point.size_bytes.max(1);
            // Two may watch the same place, one for loads and one for stores.
            point.kind == Kind::Watch(access) && inside
        };
        self.points.iter().find(hit).map(|point| point.token)
    }

    pub(crate) fn program_counter(&mut self) -> Result<u32, Error> {
        let value = self.client()?.read_register("pc")?;
        value.and_then(|value| u32::try_from(value).ok()).ok_or(Error::Malformed {
            socket: "GDB",
            expected: "a 32-bit register named pc",
            found: format!("{value:?}"),
        })
    }

    pub(super) fn client(&mut self) -> Result<&mut Client, Error> {
        if self.client.is_none() {
            self.client = Some(Client::connect(&self.socket)?);
        }
        self.client.as_mut().ok_or(Error::Closed { socket: "GDB" })
    }
}

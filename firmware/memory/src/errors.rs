//! What went wrong in this boot: the first error, the last, how many, and the last four of them.
//!
//! As in Mbed OS (`platform/source/mbed_error.c`): warnings and fatal errors are one sequence; the
//! first and the last keep their context; index 0 of the history is the oldest entry. A fatal error
//! sets a flag, and a second one while the first is being handled changes no context.
//!
//! Nothing here prints, resets or locks. The state is a value without globals, which its owner
//! guards against interrupts; the hook is called by the owner after it has let go of the state, see
//! [`HookCall`]. It lives in RAM and is lost with the boot: what must survive is the crash record.

use crashrig_wire::status::{Code, Module, Type};
use crashrig_wire::{Record, Status, Thread};

/// How many errors the history holds.
pub const HISTORY_LENGTH: usize = 4;

/// What is known of one error: the fields of Mbed's error context, but for the file name, which
/// stays where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// What it is.
    pub status: Status,
    /// Where it happened: the program counter of a fault, else the caller of what reports.
    pub address: u32,
    /// Depends on the status: the object, the size, the number that was wrong.
    pub value: u32,
    /// Who ran.
    pub thread: Thread,
    /// Entry function of the thread, or 0.
    pub thread_entry: u32,
    /// First address of the thread's stack.
    pub stack_start: u32,
    /// Size of that stack in bytes.
    pub stack_size_bytes: u32,
    /// Stack pointer when it happened.
    pub stack_pointer: u32,
    /// Address of the source file's name, or 0.
    pub file: u32,
    /// Length in bytes of that name.
    pub file_length_bytes: u32,
    /// Line in that file, or 0.
    pub line: u32,
}

impl Context {
    /// A context of which only the status is known.
    #[must_use]
    pub const fn of_status(status: Status) -> Self {
        Self {
            status,
            address: 0,
            value: 0,
            thread: Thread::Unknown,
            thread_entry: 0,
            stack_start: 0,
            stack_size_bytes: 0,
            stack_pointer: 0,
            file: 0,
            file_length_bytes: 0,
            line: 0,
        }
    }

    /// The context that a crash record of the boot before stands for.
    #[must_use]
    pub fn of_record(record: &Record) -> Self {
        Self {
            status: record.status,
            address: record.registers.pc,
            value: record.value,
            thread: record.thread,
            thread_entry: record.thread_entry,
            stack_start: record.stack_start,
            stack_size_bytes: record.stack_size,
            stack_pointer: record.registers.sp,
            file: record.source_file,
            file_length_bytes: u32::from(record.source_file_length),
            line: u32::from(record.source_line),
        }
    }
}

/// What is called once for each error.
pub type Hook = fn(&Context);

/// A call of the hook that is due. The owner of [`Errors`] makes it with [`Self::call`] when it no
/// longer holds the state, so that the hook may report errors itself, and says so afterwards with
/// [`Errors::hook_returned`]. Errors in between are counted and kept, but call no hook.
#[derive(Debug, Clone, Copy)]
#[must_use = "the hook is called by whoever owns the state"]
pub struct HookCall {
    hook: Hook,
    context: Context,
}

impl HookCall {
    /// Calls the hook.
    pub fn call(&self) {
        (self.hook)(&self.context);
    }
}

/// What became of a fatal error.
#[derive(Debug, Clone, Copy)]
pub enum Raised {
    /// It is to be handled now.
    First(Option<HookCall>),
    /// Another one is being handled, and its context stays. Nothing is left to do but to end.
    WhileHandling,
}

/// The errors of this boot.
#[derive(Debug, Clone)]
pub struct Errors {
    first: Option<Context>,
    last: Option<Context>,
    count: u32,
    warnings: u32,
    /// A ring: `written % HISTORY_LENGTH` is the next place.
    history: [Option<Context>; HISTORY_LENGTH],
    written: usize,
    hook: Option<Hook>,
    hook_running: bool,
    in_progress: bool,
}

impl Default for Errors {
    fn default() -> Self {
        Self::new()
    }
}

impl Errors {
    /// No error so far, no hook.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first: None,
            last: None,
            count: 0,
            warnings: 0,
            history: [None; HISTORY_LENGTH],
            written: 0,
            hook: None,
            hook_running: false,
            in_progress: false,
        }
    }

    /// Sets what is called for each error, or nothing.
    pub const fn set_hook(&mut self, hook: Option<Hook>) {
        self.hook = hook;
    }

    /// A fatal error. The flag stays set: a fatal error ends the boot.
    pub fn raise(&mut self, context: &Context) -> Raised {
        self.count = self.count.saturating_add(1);
        if self.in_progress {
            return Raised::WhileHandling;
        }
        self.in_progress = true;
        Raised::First(self.keep(context))
    }

    /// An error that the caller survives. While a fatal error is being handled it is only counted.
    pub fn warn(&mut self, context: &Context) -> Option<HookCall> {
        self.count = self.count.saturating_add(1);
        self.warnings = self.warnings.saturating_add(1);
        if self.in_progress { None } else { self.keep(context) }
    }

    fn keep(&mut self, context: &Context) -> Option<HookCall> {
        let mut context = *context;
        if context.status.status_type().is_none() {
            // As Mbed does: whoever reports nonsense is at least found by the address.
            context.status = Status::of_code(Module::Unknown, Code::InvalidArgument);
        }
        self.first = self.first.or(Some(context));
        self.last = Some(context);
        if let Some(place) = self.history.get_mut(self.written % HISTORY_LENGTH) {
            *place = Some(context);
        }
        // Kept below twice the length, so that it never wraps and still tells a full ring.
        self.written += 1;
        if self.written == 2 * HISTORY_LENGTH {
            self.written = HISTORY_LENGTH;
        }
        let hook = self.hook.filter(|_| !self.hook_running)?;
        self.hook_running = true;
        Some(HookCall { hook, context })
    }

    /// The hook that was due has been called.
    pub const fn hook_returned(&mut self) {
        self.hook_running = false;
    }

    /// Forgets every error. The hook stays, and so does the flag of a fatal error being handled.
    pub const fn clear(&mut self) {
        let Self { hook, hook_running, in_progress, .. } = *self;
        *self = Self { hook, hook_running, in_progress, ..Self::new() };
    }

    /// The first error since the boot or [`Self::clear`].
    #[must_use]
    pub const fn first(&self) -> Option<&Context> {
        self.first.as_ref()
    }

    /// The last error.
    #[must_use]
    pub const fn last(&self) -> Option<&Context> {
        self.last.as_ref()
    }

    /// How many errors there were, warnings among them.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// How many of them were warnings.
    #[must_use]
    pub const fn warnings(&self) -> u32 {
        self.warnings
    }

    /// Whether a fatal error is being handled.
    #[must_use]
    pub const fn in_progress(&self) -> bool {
        self.in_progress
    }

    /// How many entries the history has, up to [`HISTORY_LENGTH`].
    #[must_use]
    pub fn history_count(&self) -> usize {
        self.written.min(HISTORY_LENGTH)
    }

    /// An entry of the history, 0 being the oldest; nothing from [`Self::history_count`] on.
    #[must_use]
    pub fn history(&self, index: usize) -> Option<&Context> {
        let oldest = self.written - self.history_count();
        let place = (oldest + index) % HISTORY_LENGTH;
        self.history.get(place).filter(|_| index < self.history_count())?.as_ref()
    }
}

/// A status of its parts, as Mbed's function of this name: what does not go together, a code
/// outside of its type's range, gives the status of an unknown error.
#[must_use]
pub const fn make_status(status_type: Type, module: u8, code: u16) -> Status {
    let status = Status::new(status_type, module, code);
    match status.status_type() {
        Some(_) => status,
        None => Status::of_code(Module::Unknown, Code::Unknown),
    }
}

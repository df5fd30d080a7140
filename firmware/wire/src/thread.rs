//! Who was running: threads and contexts as a record names them.

crate::names::closed_list! {
    /// What kind of context code runs in. Codes from that of `user` on name one user thread each.
    Context, "thread";
    /// No context could be established.
    Unknown = 0, "unknown";
    /// The main thread, on its own static stack (PSP).
    Main = 1, "main";
    /// Handler mode, on the scheduler/ISR stack (MSP).
    Isr = 2, "isr";
    /// Thread mode on the ISR stack, before the main thread was started.
    Boot = 3, "boot";
    /// The timer thread, on its own static stack.
    Timer = 4, "timer";
    /// The idle thread, on its own static stack.
    Idle = 5, "idle";
    /// A thread that was spawned, on a stack from the heap or its caller's.
    User = 16, "user";
}

/// The context a crash is charged to, or the owner of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the entries of `Context` say it")]
pub enum Thread {
    Unknown,
    Main,
    Isr,
    Boot,
    Timer,
    Idle,
    /// The one in this slot of the kernel's table of threads.
    User(u8),
}

impl Thread {
    /// What kind of context it is.
    #[must_use]
    pub const fn context(self) -> Context {
        match self {
            Self::Unknown => Context::Unknown,
            Self::Main => Context::Main,
            Self::Isr => Context::Isr,
            Self::Boot => Context::Boot,
            Self::Timer => Context::Timer,
            Self::Idle => Context::Idle,
            Self::User(_) => Context::User,
        }
    }

    /// The code used on the wire: that of the context, plus the slot of a user thread.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::User(slot) => Context::User.code().saturating_add(slot),
            other => other.context().code(),
        }
    }

    /// The thread of a code, or nothing if this version knows no such code.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        const USER: u8 = Context::User.code();
        Some(match Context::from_code(code) {
            Some(Context::Unknown) => Self::Unknown,
            Some(Context::Main) => Self::Main,
            Some(Context::Isr) => Self::Isr,
            Some(Context::Boot) => Self::Boot,
            Some(Context::Timer) => Self::Timer,
            Some(Context::Idle) => Self::Idle,
            Some(Context::User) => Self::User(0),
            None if code >= USER => Self::User(code - USER),
            None => return None,
        })
    }
}

/// Which of the image's areas owns an address, in one word: the kind of area in bits 0 to 7 and the
/// [`Thread`] code, where the area is a stack, in bits 8 to 15.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The kind of area.
    pub area: Area,
    /// Whose it is; [`Thread::Unknown`] where the area is nobody's stack.
    pub thread: Thread,
}

crate::names::closed_list! {
    /// The kinds of area an address can lie in.
    Area, "area";
    /// No address is known.
    None = 0, "no-address";
    /// Outside of every region of the chip.
    Unmapped = 1, "unmapped";
    /// The guard region under a stack.
    Guard = 2, "guard";
    /// A stack.
    Stack = 3, "stack";
    /// The crash region.
    CrashRegion = 4, "crash-region";
    /// The vector table in RAM.
    Vectors = 5, "vectors";
    /// Other RAM: static data or heap.
    Ram = 6, "ram";
    /// Flash.
    Flash = 7, "flash";
    /// Peripherals and everything else the chip file names.
    Other = 8, "other";
}

impl Owner {
    /// Nothing is known of the address.
    pub const NONE: Self = Self { area: Area::None, thread: Thread::Unknown };

    /// The word that stands in a record.
    #[must_use]
    pub const fn to_word(self) -> u32 {
        self.area as u32 | (self.thread.code() as u32) << 8
    }

    /// The owner a word stands for; nothing if it is not one of this version's.
    #[must_use]
    pub const fn from_word(word: u32) -> Option<Self> {
        let [area, thread, 0, 0] = word.to_le_bytes() else { return None };
        match (Area::from_code(area), Thread::from_code(thread)) {
            (Some(area), Some(thread)) => Some(Self { area, thread }),
            _ => None,
        }
    }
}

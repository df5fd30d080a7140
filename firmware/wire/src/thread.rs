//! Who was running: threads and contexts as a record names them.

/// The context a crash is charged to, or the owner of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Thread {
    /// No context could be established.
    Unknown,
    /// The main thread, on its own static stack (PSP).
    Main,
    /// Handler mode, on the scheduler/ISR stack (MSP).
    Isr,
    /// Thread mode on the ISR stack, before the main thread was started.
    Boot,
    /// The timer thread, on its own static stack.
    Timer,
    /// The idle thread, on its own static stack.
    Idle,
    /// The thread in a slot of the kernel's table, on a stack of its own.
    User(u8),
}

impl Thread {
    /// Code of the first user thread; its slot is added to it.
    pub const FIRST_USER_CODE: u8 = 16;
    /// Every context, in the order of the codes, with one user thread for all.
    pub const ALL: &'static [Self] =
        &[Self::Unknown, Self::Main, Self::Isr, Self::Boot, Self::Timer, Self::Idle, Self::User(0)];
    /// Every name, in the order of the codes.
    pub const NAMES: &'static [&'static str] =
        &["unknown", "main", "isr", "boot", "timer", "idle", "user"];

    /// The name used in scenario files, reports and documents: one for all user threads.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Main => "main",
            Self::Isr => "isr",
            Self::Boot => "boot",
            Self::Timer => "timer",
            Self::Idle => "idle",
            Self::User(_) => "user",
        }
    }

    /// The code used on the wire. Slots above 239 do not occur.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Main => 1,
            Self::Isr => 2,
            Self::Boot => 3,
            Self::Timer => 4,
            Self::Idle => 5,
            Self::User(slot) => Self::FIRST_USER_CODE.saturating_add(slot),
        }
    }

    /// The context of a code, or nothing if this version knows no such code.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Unknown,
            1 => Self::Main,
            2 => Self::Isr,
            3 => Self::Boot,
            4 => Self::Timer,
            5 => Self::Idle,
            Self::FIRST_USER_CODE.. => Self::User(code - Self::FIRST_USER_CODE),
            _ => return None,
        })
    }
}

impl core::str::FromStr for Thread {
    type Err = crate::UnknownName;

    /// For `user` the thread in slot 0, whichever is meant.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.iter().find(|thread| thread.name() == name);
        known.copied().ok_or(crate::UnknownName { what: "thread", known: Self::NAMES })
    }
}

impl core::fmt::Display for Thread {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.name())
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

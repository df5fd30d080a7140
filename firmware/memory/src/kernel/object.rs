//! Kernel objects: mutexes, semaphores, event flags, queues and timers, in one table.
//!
//! They lie in the kernel and not with their users, so that an overflowing stack or an unprivileged
//! thread cannot change them but by a call.

use super::call::Error;
use heapless::Deque;

/// Words that a queue can hold at most.
pub const QUEUE_LIMIT: usize = 16;

/// The slot that no table has.
const NO_SLOT: u8 = 0xFF;

/// The name of an object: slot in bits 0 to 7, generation in bits 8 to 23. Never negative as an
/// answer of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handle {
    pub(super) slot: u8,
    pub(super) generation: u16,
}

impl Handle {
    /// The word of the handle.
    #[must_use]
    pub const fn to_word(self) -> u32 {
        self.slot as u32 | (self.generation as u32) << 8
    }

    /// The handle that a word stands for. A word with bits above the generation names nothing.
    #[must_use]
    pub const fn from_word(word: u32) -> Self {
        let slot = if word >> 24 == 0 { word as u8 } else { NO_SLOT };
        Self { slot, generation: (word >> 8) as u16 }
    }
}

/// A timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    /// Address of the function to be called.
    pub function: u32,
    /// Its argument.
    pub argument: u32,
    /// When it expires next, in ticks; nothing while it is stopped.
    pub(super) deadline: Option<u32>,
    /// Ticks from one expiry to the next; 0 for a timer that expires once.
    pub(super) period: u32,
    /// Expiries that the timer thread has not seen yet. Where the count is full the oldest is lost.
    pub(super) expired: u8,
    /// When the oldest of them was due, in ticks.
    pub(super) due: u32,
    /// Expiries that the timer thread was told of and has not called the function for: those of a
    /// timer that was stopped meanwhile are void.
    pub(super) told: u8,
    /// An expiry was lost since the count was last below its limit.
    pub(super) overrun: bool,
}

/// What a slot of the table holds.
#[derive(Debug)]
pub(super) enum Object {
    Free,
    /// `depth`: how often the owner has locked it, up to 255 as in RTX5.
    Mutex {
        owner: Option<u8>,
        depth: u8,
    },
    Semaphore {
        count: u32,
        limit: u32,
    },
    Flags {
        bits: u32,
    },
    Queue {
        words: Deque<u32, QUEUE_LIMIT>,
        capacity: usize,
    },
    Timer(Timer),
}

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) generation: u16,
    pub(super) object: Object,
}

/// The table.
#[derive(Debug)]
pub(super) struct Objects<const N: usize> {
    slots: [Slot; N],
}

impl<const N: usize> Objects<N> {
    pub(super) const fn new() -> Self {
        assert!(N <= NO_SLOT as usize, "a handle has eight bits for the slot");
        Self { slots: [const { Slot { generation: 0, object: Object::Free } }; N] }
    }

    pub(super) fn add(&mut self, object: Object) -> Result<Handle, Error> {
        let free =
            self.slots.iter_mut().zip(0..).find(|(slot, _)| matches!(slot.object, Object::Free));
        let (slot, number) = free.ok_or(Error::TableFull)?;
        slot.object = object;
        Ok(Handle { slot: number, generation: slot.generation })
    }

    pub(super) fn remove(&mut self, handle: Handle) -> Result<(), Error> {
        let slot = self.slot(handle)?;
        slot.object = Object::Free;
        slot.generation = slot.generation.wrapping_add(1);
        Ok(())
    }

    /// The object of a handle. A free slot has no handle.
    pub(super) fn get(&mut self, handle: Handle) -> Result<&mut Object, Error> {
        Ok(&mut self.slot(handle)?.object)
    }

    fn slot(&mut self, handle: Handle) -> Result<&mut Slot, Error> {
        self.slots
            .get_mut(usize::from(handle.slot))
            .filter(|slot| slot.generation == handle.generation)
            .filter(|slot| !matches!(slot.object, Object::Free))
            .ok_or(Error::NoSuchObject)
    }

    /// Every object with its handle.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Handle, &mut Object)> {
        self.slots.iter_mut().zip(0..).map(|(slot, number)| {
            (Handle { slot: number, generation: slot.generation }, &mut slot.object)
        })
    }

    /// Every object with its handle.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Handle, &Object)> {
        self.slots.iter().zip(0..).map(|(slot, number)| {
            (Handle { slot: number, generation: slot.generation }, &slot.object)
        })
    }
}

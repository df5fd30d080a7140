//! Threads as an application uses them.

use super::{ask, switch, with, words_of};
use crate::errors::{self, Place};
use crate::{heap, platform};
use core::arch::naked_asm;
use core::cell::UnsafeCell;
use core::panic::Location;
use core::sync::atomic::{AtomicU32, Ordering};
use crashrig_layout::Capabilities;
use crashrig_memory::heap::Alignment;
use crashrig_memory::kernel::call::{Call, Error};
use crashrig_memory::kernel::object::Handle;
use crashrig_memory::kernel::thread::NewThread;
use crashrig_memory::misuse;
use crashrig_memory::stack::StackRange;
use crashrig_wire::Thread as Named;

/// What a thread runs; what it returns is its code, of which 31 bits count.
pub type Entry = extern "C" fn(u32) -> u32;

/// What a new thread is to be.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Its name, for logs and records.
    pub name: &'static str,
    /// 0 to 31; see [`super::priority`].
    pub priority: u32,
    /// Whether it may do everything. An unprivileged thread reaches flash, its own stack and the
    /// kernel's calls; the size of its stack is a power of two, at least 1024 bytes.
    pub privileged: bool,
}

/// QEMU hides a whole page of this size from debuggers if a guard covers its first byte.
const PAGE_BYTES: u32 = 1024;
/// Bytes in front of the guard in a [`Stack`], which begins with a page.
const GUARD_OFFSET: u32 = 128;

/// Memory for a stack that its owner keeps: 128 bytes unused, the guard, and the stack.
#[repr(C, align(1024))]
#[derive(Debug)]
pub struct Stack<const BYTES: usize>(UnsafeCell<[u8; BYTES]>);

// SAFETY: nothing but the thread that runs on it uses it; the kernel gives a stack to one thread at
// a time, in one step.
unsafe impl<const BYTES: usize> Sync for Stack<BYTES> {}

impl<const BYTES: usize> Stack<BYTES> {
    /// Memory that no thread runs on yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(UnsafeCell::new([0; BYTES]))
    }
}

impl<const BYTES: usize> Default for Stack<BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

pub use crashrig_memory::kernel::call::TERMINATED;

/// A thread, by its handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thread(u32);

impl Thread {
    /// Its handle as one word, of at most 24 bits.
    #[must_use]
    pub const fn to_word(self) -> u32 {
        self.0
    }

    /// The thread of a handle, which may be gone.
    #[must_use]
    pub(crate) const fn from_word(handle: u32) -> Self {
        Self(handle)
    }

    /// Waits until the thread has ended, at most `timeout` ticks; its code.
    ///
    /// # Errors
    /// The time was up, the thread is gone, or it is the caller itself.
    pub fn join(self, timeout: u32) -> Result<u32, Error> {
        ask(Call::Join { thread: self.0, timeout })
    }

    /// Ends the thread wherever it is. What it has locked goes on to who waits for it.
    ///
    /// # Errors
    /// The thread is gone, or it is the caller itself or one of the kernel's own.
    pub fn terminate(self) -> Result<(), Error> {
        ask(Call::Terminate { thread: self.0 }).map(|_| ())
    }

    /// Gives the thread another priority, 0 to 31.
    ///
    /// # Errors
    /// The thread is gone, or there is no such priority.
    pub fn set_priority(self, priority: u32) -> Result<(), Error> {
        ask(Call::SetPriority { thread: self.0, priority }).map(|_| ())
    }

    /// How many bytes of its stack the thread has ever used.
    ///
    /// # Errors
    /// The thread is gone.
    pub fn high_water_bytes(self) -> Result<u32, Error> {
        let stack = self.stack()?;
        Ok(stack.high_water_bytes(&words_of(stack)))
    }

    /// Where its stack lies.
    ///
    /// # Errors
    /// The thread is gone.
    pub fn stack(self) -> Result<StackRange, Error> {
        with(|kernel| {
            let slot = kernel.slot_of(self.0)?;
            kernel.thread(slot).map(|thread| thread.stack).ok_or(Error::NoSuchThread)
        })
    }
}

/// The calling thread waits for `ticks` of [`crate::clock::TICK_HZ`]; 0 only lets others run.
///
/// # Errors
/// Called from an interrupt handler or with interrupts masked.
pub fn sleep(ticks: u32) -> Result<(), Error> {
    ask(Call::Sleep { ticks }).map(|_| ())
}

/// Lets threads of the same priority run first.
///
/// # Errors
/// Called from an interrupt handler or with interrupts masked.
pub fn yield_now() -> Result<(), Error> {
    ask(Call::Yield {}).map(|_| ())
}

/// What the idle thread calls before it waits for an interrupt, or nothing.
static IDLE_HOOK: AtomicU32 = AtomicU32::new(0);

/// Has the idle thread call a function each time before it waits for an interrupt. The function
/// must not wait.
pub fn set_idle_hook(hook: fn()) {
    IDLE_HOOK.store(hook as usize as u32, Ordering::Relaxed);
}

pub(super) fn run_idle_hook() {
    let address = IDLE_HOOK.load(Ordering::Relaxed);
    if address != 0 {
        let pointer = core::ptr::with_exposed_provenance::<()>(address as usize);
        // SAFETY: only `set_idle_hook` writes it, a function of this type.
        let hook: fn() = unsafe { core::mem::transmute(pointer) };
        hook();
    }
}

/// The calling thread.
#[must_use]
pub fn current() -> Option<Thread> {
    super::running_handle()
}

/// Starts a thread on a stack that the caller owns and gives away for good.
///
/// # Errors
/// The table of threads is full, a priority is out of range, the memory is too small, or another
/// thread runs on it.
#[track_caller]
pub fn spawn_static<const BYTES: usize>(
    options: &Options,
    stack: &'static Stack<BYTES>,
    entry: Entry,
    argument: u32,
) -> Result<Thread, Error> {
    let first = stack.0.get().addr() as u32;
    let range = lay_out(options, first, first + BYTES as u32);
    let spawned = range.and_then(|range| spawn_on(options, range, false, entry, argument));
    warned(spawned, first, Location::caller())
}

/// Where in memory of a caller the stack lies, and its guard.
fn lay_out(options: &Options, first: u32, behind: u32) -> Result<StackRange, Error> {
    let guard_bytes = platform::guard_size_bytes();
    let (mut start, mut end) = (first + GUARD_OFFSET + guard_bytes, behind);
    if !options.privileged {
        // The largest part that is one region of the memory protection.
        let largest = |bits: u32| {
            let size_bytes = 1 << bits;
            let aligned = start.next_multiple_of(size_bytes);
            (aligned + size_bytes <= behind).then_some((aligned, aligned + size_bytes))
        };
        let bits = behind.saturating_sub(start).checked_ilog2().unwrap_or(0);
        (start, end) = (0..=bits).rev().find_map(largest).ok_or(Error::BadStack)?;
    }
    Ok(StackRange { thread: Named::Unknown, guard_start: start - guard_bytes, start, end })
}

/// Starts a thread on a stack of `stack_bytes` from the heap, in memory with all of `caps`. It goes
/// back to the heap when the thread has ended.
///
/// # Errors
/// There is no such memory, the table of threads is full, or a priority or size is out of range.
#[track_caller]
pub fn spawn(
    options: &Options,
    stack_bytes: u32,
    caps: Capabilities,
    entry: Entry,
    argument: u32,
) -> Result<Thread, Error> {
    let spawned = spawn_from_heap(options, stack_bytes, caps, entry, argument);
    warned(spawned, stack_bytes, Location::caller())
}

fn spawn_from_heap(
    options: &Options,
    stack_bytes: u32,
    caps: Capabilities,
    entry: Entry,
    argument: u32,
) -> Result<Thread, Error> {
    not_in_interrupt()?;
    let guard_bytes = platform::guard_size_bytes();
    let size_bytes = stack_bytes.checked_next_multiple_of(8).ok_or(Error::BadStack)?;
    // The guard ends where a page begins, or it would hide a page from debuggers; a stack that is
    // one region of the memory protection begins at a multiple of its size.
    let align_bytes = if options.privileged { PAGE_BYTES } else { size_bytes.max(PAGE_BYTES) };
    let alignment = Alignment { align_bytes, offset_bytes: guard_bytes };
    let whole = size_bytes.checked_add(guard_bytes).ok_or(Error::BadStack)?;
    let guard_start = heap::allocate_stack(whole, alignment, caps);
    let guard_start = guard_start.map_err(|error| misuse::no_stack(&error))?;
    let start = guard_start + guard_bytes;
    let thread = Named::Unknown;
    let range = StackRange { thread, guard_start, start, end: start + size_bytes };
    let spawned = spawn_on(options, range, true, entry, argument);
    if spawned.is_err() {
        // SAFETY: it was handed out above, and there is no thread.
        let _ = unsafe { heap::free_stack(guard_start) };
    }
    spawned
}

fn not_in_interrupt() -> Result<(), Error> {
    if crate::interrupts::active() == 0 { Ok(()) } else { Err(Error::FromInterrupt) }
}

/// Warns of a refused spawn.
fn warned(
    spawned: Result<Thread, Error>,
    value: u32,
    location: &'static Location<'static>,
) -> Result<Thread, Error> {
    if let Err(error) = spawned
        && let Some(misuse) = misuse::of_spawn(error)
    {
        errors::misuse((misuse, value), Place::Here(location));
    }
    spawned
}

/// Starts a thread on a stack; the range's owner is filled in here.
fn spawn_on(
    options: &Options,
    stack: StackRange,
    stack_from_heap: bool,
    entry: Entry,
    argument: u32,
) -> Result<Thread, Error> {
    let &Options { name, priority, privileged } = options;
    not_in_interrupt()?;
    if !privileged && !crate::mpu::can_hold(&stack) {
        return Err(Error::BadStack);
    }
    let entry = entry as usize as u32;
    let new = NewThread { name, priority, privileged, stack_from_heap, entry, stack };
    let handle = add(&new, argument)?;
    // A thread of higher priority runs at once; one of the same waits for its turn.
    if with(|kernel| kernel.should_switch()) {
        super::pend_switch();
    }
    Ok(Thread(handle.to_word()))
}

/// Takes slot and stack of a new thread, paints the stack, prepares its registers and makes it
/// ready.
pub(super) fn add(new: &NewThread, argument: u32) -> Result<Handle, Error> {
    let (slot, stack, handle) = with(|kernel| {
        let slot = kernel.free_slot()?;
        let unknown = new.stack.thread == Named::Unknown;
        let thread = if unknown { Named::User(slot) } else { new.stack.thread };
        let stack = StackRange { thread, ..new.stack };
        kernel.reserve(&NewThread { stack, ..*new }).map(|handle| (slot, stack, handle))
    })?;
    // With interrupts as they are, for it may be long: nobody else can have slot or stack now.
    stack.paint(stack.end, &mut words_of(stack));
    switch::prepare(slot, &stack, new.entry, argument, new.privileged);
    with(|kernel| kernel.start(handle))?;
    Ok(handle)
}

/// Gives stacks back to the heap that no thread runs on any more.
pub(super) fn release_finished_stacks() {
    while let Some(stack) = with(|kernel| kernel.take_finished_stack()) {
        // SAFETY: the kernel names stacks from the heap only, each once, when its thread has ended.
        if let Err(error) = unsafe { heap::free_stack(stack.guard_start) } {
            // The heap keeps the block, since somebody wrote over what it knows of it.
            let place = Place::Thread { stack, address: 0, stack_pointer: 0 };
            errors::misuse(misuse::of_address(&error), place);
        }
    }
}

/// The timer thread: calls the functions of timers that have expired, one by one.
pub(super) extern "C" fn run_timers(_: u32) -> u32 {
    loop {
        let Ok(word) = ask(Call::NextTimer {}) else { continue };
        // Whoever came in between may have stopped it.
        if let Some(timer) = with(|kernel| kernel.claim_expiry(Handle::from_word(word))) {
            let pointer = core::ptr::with_exposed_provenance::<()>(timer.function as usize);
            // SAFETY: only `Timer::new` makes timers, of a function of this type.
            let function: extern "C" fn(u32) = unsafe { core::mem::transmute(pointer) };
            function(timer.argument);
        }
    }
}

/// Where a thread's function returns to: the thread ends with what it returned.
///
/// # Safety
/// Only a thread's function returns here.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn crashrig_thread_end() {
    naked_asm!("mov r1, r0", "movs r0, #1", "svc #0", "udf #0",)
}

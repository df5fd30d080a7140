//! The kernel as the fault path sees it.
//!
//! The fault path runs alone, and may have come in the middle of a change: it takes no lock, and
//! goes through tables that are always of their fixed size. Nobody else may look in this way: while
//! interrupts are taken, what is looked at changes. Everybody else uses `with`.

use super::{KERNEL, STARTED, State, THREAD_LIMIT, isr_stack, main_stack, switch, words_of};
use core::sync::atomic::Ordering;
use crashrig_memory::kernel::thread::Thread as KernelThread;
use crashrig_memory::stack::StackRange;
use crashrig_wire::Thread;
use crashrig_wire::section::ThreadRow;

/// The kernel; nothing before the start.
fn look() -> Option<&'static State> {
    if !STARTED.load(Ordering::Relaxed) {
        return None;
    }
    let kernel = KERNEL.0.get().cast::<State>();
    // SAFETY: `STARTED` is set after the cell was filled. Everything but the caller has stopped for
    // good, so nothing changes while the caller looks.
    Some(unsafe { &*kernel })
}

/// The thread that runs, as a record names it.
pub(crate) fn running() -> Thread {
    look().and_then(State::running).map_or(Thread::Main, |thread| thread.stack.thread)
}

/// What a record says of a thread besides its stack.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts {
    pub(crate) entry: u32,
    pub(crate) name: &'static str,
    pub(crate) priority: u8,
}

/// What is known of a thread.
pub(crate) fn facts_of(wanted: Thread) -> Facts {
    look()
        .and_then(|kernel| {
            kernel.threads().map(|(_, thread)| thread).find(|it| it.stack.thread == wanted)
        })
        .map_or(Facts::default(), |thread| Facts {
            entry: thread.entry,
            name: thread.name,
            priority: thread.priority,
        })
}

/// The table of threads for a record, the running one first, its stack pointer as given.
pub(crate) fn thread_rows(psp: u32) -> impl Iterator<Item = ThreadRow> {
    let kernel = look();
    let current = kernel.and_then(State::current);
    let row = move |slot: u8, thread: &KernelThread| {
        let flags = [
            (current == Some(slot), ThreadRow::RAN),
            (!thread.privileged, ThreadRow::UNPRIVILEGED),
            (thread.stack_from_heap, ThreadRow::FROM_HEAP),
        ];
        let stack_pointer =
            if current == Some(slot) { psp } else { switch::stack_pointer_of(slot) };
        ThreadRow {
            thread: Some(thread.stack.thread),
            state: thread.state.code(),
            priority: thread.priority,
            flags: flags.iter().filter(|(is, _)| *is).fold(0, |bits, (_, bit)| bits | bit),
            stack_start: thread.stack.start,
            stack_size: thread.stack.size_bytes(),
            high_water: thread.stack.high_water_bytes(&words_of(thread.stack)),
            stack_pointer,
        }
    };
    let running = kernel.and_then(|kernel| {
        let slot = current?;
        Some(row(slot, kernel.thread(slot)?))
    });
    let others = kernel.into_iter().flat_map(State::threads);
    let others = others.filter(move |(slot, _)| current != Some(*slot));
    running.into_iter().chain(others.map(move |(slot, thread)| row(slot, thread)))
}

/// Every stack there is: that of each thread in its slot, then the ISR stack.
pub(crate) fn stacks() -> [StackRange; THREAD_LIMIT + 1] {
    let mut stacks = [StackRange::NONE; THREAD_LIMIT + 1];
    if let Some(kernel) = look() {
        for (slot, thread) in kernel.threads() {
            if let Some(stack) = stacks.get_mut(usize::from(slot)) {
                *stack = thread.stack;
            }
        }
    } else if let Some(first) = stacks.first_mut() {
        *first = main_stack();
    }
    if let Some(last) = stacks.last_mut() {
        *last = isr_stack();
    }
    stacks
}

//! The kernel on this core: the one instance, its tick, and what a record asks of it.
//!
//! What the kernel decides is portable and lies in `memory`; here are registers, stacks and the
//! switch. State lies in zero-initialised memory above the static stacks, and so do the registers
//! of threads that do not run: an overflowing stack cannot reach what is needed to report it, and
//! an unprivileged thread cannot change what it will run with.
//!
//! * `switch`: PendSV, registers of threads, the checks at each switch.
//! * `supervisor`: SVC, by which threads ask.
//! * [`thread`], [`sync`]: what an application uses.

mod supervisor;
mod switch;
pub mod sync;
pub mod thread;

pub use crashrig_memory::kernel::call::{Error, FOREVER};
pub use crashrig_memory::kernel::thread::priority;

use crate::registers::system_control;
use crate::{clock, errors, interrupts, platform, vectors};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering};
use crashrig_memory::kernel::call::{Answer, Call};
use crashrig_memory::kernel::misuse::misuse_of;
use crashrig_memory::kernel::thread::{NewThread, Thread as KernelThread};
use crashrig_memory::kernel::{Caller, Kernel};
use crashrig_memory::raw::RamWords;
use crashrig_memory::stack::StackRange;
use crashrig_wire::Thread;
use crashrig_wire::section::ThreadRow;

/// Threads that can be at the same time, those of the kernel included.
pub const THREAD_LIMIT: usize = 32;
/// Objects that can be at the same time.
pub const OBJECT_LIMIT: usize = 32;

type State = Kernel<THREAD_LIMIT, OBJECT_LIMIT>;

struct Cell(UnsafeCell<MaybeUninit<State>>);

// SAFETY: only `with` reaches it, with interrupts masked, and the fault path, which never returns.
unsafe impl Sync for Cell {}

/// A kernel without threads, in flash: it is copied into place, since it is larger than what is
/// left of the ISR stack.
static EMPTY: State = State::new();

#[unsafe(link_section = ".upper.kernel")]
static KERNEL: Cell = Cell(UnsafeCell::new(MaybeUninit::uninit()));
#[unsafe(link_section = ".upper.kernel_started")]
static STARTED: AtomicBool = AtomicBool::new(false);

/// The slots of the kernel's own threads, in the order in which they are added.
const MAIN_SLOT: u8 = 0;
const IDLE_SLOT: u8 = 2;

/// Lets nobody else at the kernel for as long as `work` takes. Not to be nested.
fn with<R>(work: impl FnOnce(&mut State) -> R) -> R {
    critical_section::with(|_| {
        let kernel = KERNEL.0.get().cast::<State>();
        // SAFETY: `start` has filled the cell before anything can call; interrupts are masked and
        // no caller nests, so the reference is the only one.
        let kernel = unsafe { &mut *kernel };
        work(kernel)
    })
}

/// The kernel as the fault path sees it, which runs alone; nothing before the start.
fn look() -> Option<&'static State> {
    if !STARTED.load(Ordering::Relaxed) {
        return None;
    }
    let kernel = KERNEL.0.get().cast::<State>();
    // SAFETY: `STARTED` is set after the cell was filled. Interrupts are masked or everything but
    // the caller has stopped for good, so nothing changes while the caller looks.
    Some(unsafe { &*kernel })
}

/// Adds the kernel's own threads; the main thread counts as running. Interrupts are masked.
pub(crate) fn start() {
    // SAFETY: nothing looks at the cell before `STARTED` is set; `EMPTY` owns nothing, so a copy
    // of it is another empty kernel.
    unsafe { core::ptr::copy_nonoverlapping(&raw const EMPTY, KERNEL.0.get().cast(), 1) };
    STARTED.store(true, Ordering::Relaxed);
    let own = [
        (main_stack(), priority::NORMAL, "main", 0),
        (timer_stack(), priority::TIMER, "timer", thread::run_timers as *const () as u32),
        (idle_stack(), priority::IDLE, "idle", idle as *const () as u32),
    ];
    for (stack, priority, name, entry) in own {
        let privileged = true;
        let new = NewThread { name, priority, privileged, stack_from_heap: false, entry, stack };
        let _ = thread::add(&new, 0);
    }
    // The timer thread waits for its first timer as soon as the main thread lets it run.
    switch::begin(MAIN_SLOT);
}

/// What there is to do when no thread is ready.
extern "C" fn idle(_: u32) -> u32 {
    loop {
        thread::run_idle_hook();
        cortex_m::asm::wfi();
    }
}

/// The stack that the caller runs on.
#[must_use]
pub fn stack_in_use() -> StackRange {
    let [running, isr] = stacks_in_use();
    if interrupts::active() == 0 { running } else { isr }
}

/// An address in the kernel's own data, which unprivileged threads cannot reach.
#[must_use]
pub fn data_start() -> u32 {
    KERNEL.0.get().addr() as u32
}

/// Paints the ISR stack, on which nothing lies. Interrupts are masked, and a thread runs.
pub(crate) fn paint_isr_stack() {
    let stack = isr_stack();
    stack.paint(stack.end, &mut words_of(stack));
}

/// The words of a stack of this image.
pub(crate) fn words_of(stack: StackRange) -> RamWords {
    // SAFETY: stacks are checked to be RAM of their own when their thread is added; the ISR stack
    // is, by the linker script.
    unsafe { RamWords::new(stack.start..stack.end) }
}

/// One tick: time for the kernel, and a switch if another thread's turn has come.
pub(crate) fn tick() {
    if with(State::tick) {
        pend_switch();
    }
}

/// Asks the kernel, from wherever: a thread by a supervisor call, an interrupt handler directly.
pub(crate) fn ask(call: Call) -> Result<u32, Error> {
    if interrupts::active() != 0 {
        return match carry_out(Caller::Interrupt, call) {
            Answer::Done(result) => result,
            Answer::Waits => Err(Error::WouldBlock),
        };
    }
    // A supervisor call with interrupts masked would be a HardFault (DDI0403E B1.5.14).
    if cortex_m::register::primask::read().is_inactive() {
        return Err(Error::Masked);
    }
    supervisor::call(call)
}

fn carry_out(caller: Caller, call: Call) -> Answer {
    let (answer, switch) = with(|kernel| {
        let answer = kernel.call(caller, call);
        (answer, kernel.should_switch())
    });
    if let Answer::Done(Err(error)) = answer
        && let Some(misuse) = misuse_of(call, error)
    {
        let [number, subject, ..] = call.to_words();
        errors::warning(misuse.status(), number << 24 | subject & 0xFF_FFFF);
    }
    thread::release_finished_stacks();
    if switch {
        pend_switch();
    }
    answer
}

fn pend_switch() {
    const PENDSVSET: u32 = 1 << 28;
    // SAFETY: PendSV's handler stands in the table; it runs when no other handler does.
    unsafe { system_control().icsr.write(PENDSVSET) };
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}

/// Installs the handlers of SVC, PendSV and SysTick in the table in RAM.
pub(crate) fn install_handlers() {
    const SVCALL: u32 = 11;
    const PENDSV: u32 = 14;
    vectors::install(SVCALL, supervisor::crashrig_svc_entry);
    vectors::install(PENDSV, switch::crashrig_pendsv_entry);
    vectors::install(clock::SYSTICK, crate::systick::crashrig_systick_entry);
}

/// The thread that runs, as a record names it.
pub(crate) fn running() -> Thread {
    look()
        .and_then(|kernel| kernel.thread(kernel.current()?))
        .map_or(Thread::Main, |thread| thread.stack.thread)
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

/// The stack of the running thread, and the ISR stack: what a check at a tick or a switch needs.
pub(crate) fn stacks_in_use() -> [StackRange; 2] {
    let current = look().and_then(|kernel| kernel.thread(kernel.current()?));
    [current.map_or(StackRange::NONE, |thread| thread.stack), isr_stack()]
}

fn static_stack(thread: Thread, start: u32, end: u32) -> StackRange {
    StackRange { thread, guard_start: start - platform::guard_size_bytes(), start, end }
}

fn main_stack() -> StackRange {
    static_stack(Thread::Main, platform::main_stack_start(), platform::main_stack_end())
}

fn timer_stack() -> StackRange {
    static_stack(Thread::Timer, platform::timer_stack_start(), platform::timer_stack_end())
}

fn idle_stack() -> StackRange {
    static_stack(Thread::Idle, platform::idle_stack_start(), platform::idle_stack_end())
}

pub(crate) fn isr_stack() -> StackRange {
    static_stack(Thread::Isr, platform::isr_stack_start(), platform::isr_stack_end())
}

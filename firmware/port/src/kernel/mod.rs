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
//! * `view`: the kernel as the fault path sees it.

pub(crate) mod supervisor;
mod switch;
pub mod sync;
pub mod thread;
pub(crate) mod view;

pub use crashrig_memory::kernel::call::{Error, FOREVER};
pub use crashrig_memory::kernel::thread::priority;

use crate::errors::{self, Place};
use crate::registers::system_control;
use crate::{clock, interrupts, platform, vectors};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::panic::Location;
use core::sync::atomic::{AtomicBool, Ordering};
use crashrig_memory::kernel::call::{Answer, Call};
use crashrig_memory::kernel::thread::NewThread;
#[cfg(feature = "heap-tracking")]
use crashrig_memory::kernel::thread::{State as ThreadState, Thread as KernelThread};
use crashrig_memory::kernel::{Caller, Kernel};
use crashrig_memory::misuse;
use crashrig_memory::raw::RamWords;
use crashrig_memory::stack::StackRange;
use crashrig_wire::{Misuse, Thread};

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

/// As [`with`]; nothing before the start.
fn with_started<R>(work: impl FnOnce(&mut State) -> R) -> Option<R> {
    STARTED.load(Ordering::Relaxed).then(|| with(work))
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
    let (switch, overrun) = with(|kernel| (kernel.tick(), kernel.take_overrun()));
    if let Some(timer) = overrun {
        let place = Place::Here(Location::caller());
        errors::misuse((Misuse::TimerQueueOverflow, timer.to_word()), place);
    }
    if switch {
        pend_switch();
    }
}

/// Asks the kernel, from wherever: a thread by a supervisor call, an interrupt handler directly.
/// Part of each service, so that the place of a supervisor call tells which one was asked for.
#[expect(clippy::inline_always, reason = "the supervisor call is to lie in the service")]
#[inline(always)]
#[track_caller]
pub(crate) fn ask(call: Call) -> Result<u32, Error> {
    // A supervisor call with interrupts masked would be a HardFault (DDI0403E B1.5.14).
    if interrupts::active() == 0 && cortex_m::register::primask::read().is_active() {
        return supervisor::call(call);
    }
    ask_outside_of_threads(call)
}

#[cold]
#[inline(never)]
#[track_caller]
fn ask_outside_of_threads(call: Call) -> Result<u32, Error> {
    let place = Place::Here(Location::caller());
    if interrupts::active() == 0 {
        return refuse(call, Error::Masked, place);
    }
    match carry_out(Caller::Interrupt, call, place) {
        Answer::Done(result) => result,
        Answer::Waits => Err(Error::WouldBlock),
    }
}

fn carry_out(caller: Caller, call: Call, place: Place) -> Answer {
    let (answer, switch) = with(|kernel| {
        let answer = kernel.call(caller, call);
        (answer, kernel.should_switch() || kernel.has_finished_stack())
    });
    if let Answer::Done(Err(error)) = answer {
        let _ = refuse(call, error, place);
    }
    if switch {
        pend_switch();
    }
    answer
}

/// Warns of a refused call, if it is a mistake.
fn refuse(call: Call, error: Error, place: Place) -> Result<u32, Error> {
    if let Some(misuse) = misuse::of_call(call, error) {
        let [number, subject, ..] = call.to_words();
        errors::misuse((misuse, number << 24 | subject & 0xFF_FFFF), place);
    }
    Err(error)
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
    const PENDSV: u32 = 14;
    vectors::install(supervisor::SVCALL, supervisor::crashrig_svc_entry);
    vectors::install(PENDSV, switch::crashrig_pendsv_entry);
    vectors::install(clock::SYSTICK, crate::systick::crashrig_systick_entry);
}

/// The thread that runs, as a record names it.
pub(crate) fn running() -> Thread {
    // A copy of the whole row would need room on stacks that have little.
    with_started(|kernel| kernel.running().map(|it| it.stack.thread))
        .flatten()
        .unwrap_or(Thread::Main)
}

/// The running thread by its handle; nothing before the start. Inside of a handler: the one that
/// was interrupted.
pub(crate) fn running_handle() -> Option<thread::Thread> {
    let handle = with_started(|kernel| kernel.handle_of(kernel.current()?)).flatten();
    handle.map(|handle| thread::Thread::from_word(handle.to_word()))
}

/// Whether a thread is there and has not ended, joined or not.
#[cfg(feature = "heap-tracking")]
pub(crate) fn is_alive(thread: thread::Thread) -> bool {
    let is_alive = |kernel: &mut State| {
        let slot = kernel.slot_of(thread.to_word()).ok()?;
        let ended = |it: &KernelThread| matches!(it.state, ThreadState::Ended(_));
        kernel.thread(slot).map(|it| !ended(it))
    };
    with_started(is_alive).flatten().unwrap_or(false)
}

/// Address of the function of a thread, or 0.
pub(crate) fn entry_of(wanted: Thread) -> u32 {
    let entry = |kernel: &mut State| {
        kernel.threads().find(|(_, it)| it.stack.thread == wanted).map(|(_, it)| it.entry)
    };
    with_started(entry).flatten().unwrap_or(0)
}

/// The stack of the running thread, and the ISR stack: what a check at a tick or a switch needs.
pub(crate) fn stacks_in_use() -> [StackRange; 2] {
    let running = with_started(|kernel| kernel.running().map(|it| it.stack)).flatten();
    [running.unwrap_or(StackRange::NONE), isr_stack()]
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

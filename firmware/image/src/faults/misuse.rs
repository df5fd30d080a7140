//! Services of the kernel used as they must not be: each is refused with its error, and kept.

use super::blocks;
use super::services::worker;
use core::sync::atomic::{AtomicU32, Ordering};
use crashrig_layout::Capabilities;
use crashrig_memory::errors::Context;
use crashrig_memory::heap::Alignment;
use crashrig_port::kernel::sync::{Mutex, Queue, Semaphore, Timer};
use crashrig_port::kernel::thread::{self, Stack};
use crashrig_port::kernel::{Error, FOREVER, priority};
use crashrig_port::{errors, heap, interrupts, platform};
use crashrig_wire::Thread as Named;
use crashrig_wire::status::Misuse;

static STACK: Stack<2048> = Stack::new();

static HOOK_CALLS: AtomicU32 = AtomicU32::new(0);

/// Misuse is warned of: the first and the last are kept, and the hook sees each.
pub fn is_kept() -> Result<bool, Error> {
    fn hook(context: &Context) {
        let kernels = context.status.module() == Misuse::NotOwner.status().module();
        HOOK_CALLS.fetch_add(u32::from(kernels), Ordering::Relaxed);
    }
    errors::clear();
    errors::set_hook(Some(hook));
    let mutex = Mutex::new()?;
    let refused = mutex.unlock().is_err();
    mutex.delete()?;
    let stale = mutex.unlock().is_err();
    let status = |context: Option<Context>| context.map(|context| context.status);
    let held = status(errors::first()) == Some(Misuse::NotOwner.status())
        && status(errors::last()) == Some(Misuse::InvalidObject.status())
        && errors::count() == 2
        && HOOK_CALLS.load(Ordering::Relaxed) == 2;
    errors::set_hook(None);
    let named = names_thread_and_place()? && each_is_told()?;
    errors::clear();
    Ok(held && refused && stale && named && errors::first().is_none())
}

/// What is kept names the thread that called and its stack, and the supervisor call in the service
/// that it called; for an interrupt handler a line of source.
fn names_thread_and_place() -> Result<bool, Error> {
    extern "C" fn misuse(mutex: u32) -> u32 {
        let mutex = Mutex::from_handle(mutex);
        u32::from(mutex.unlock().is_err() && mutex.lock(0).is_err())
    }
    extern "C" fn handler() {
        let _ = thread::sleep(1);
    }
    errors::clear();
    let worker = thread::spawn_static(&worker("misuser", priority::LOW), &STACK, misuse, 0xFF)?;
    let stack = worker.stack()?;
    let refused = worker.join(FOREVER)? == 1;
    let (Some(first), Some(second)) = (errors::first(), errors::last()) else { return Ok(false) };
    let by_worker = |context: &Context| {
        context.thread == stack.thread
            && (context.stack_start, context.stack_size_bytes) == (stack.start, stack.size_bytes())
            && (stack.start..stack.end).contains(&context.stack_pointer)
            && context.thread_entry == misuse as *const () as u32
            && context.line == 0
            && is_behind_supervisor_call(context.address)
    };
    let interrupt = interrupts::count() - 2;
    interrupts::install(interrupt, handler);
    interrupts::raise(interrupt);
    let by_handler = |context: Context| context.thread == Named::Isr && context.line != 0;
    Ok(refused
        && by_worker(&first)
        && by_worker(&second)
        && first.address != second.address
        && errors::last().is_some_and(by_handler))
}

/// Whether the instruction in front of an address of this image is `svc #0`.
fn is_behind_supervisor_call(address: u32) -> bool {
    const SVC_0: u16 = 0xDF00;
    let text = platform::text();
    let instruction = core::ptr::with_exposed_provenance::<u16>(address as usize - 2);
    // SAFETY: a halfword of this image's code.
    text.contains(&address) && unsafe { instruction.read_volatile() } == SVC_0
}

/// Whether a mistake is told once, by its own status or by that of a refusal; and whether it was
/// the refusal.
fn is_told(misuse: Misuse, make: fn()) -> (bool, bool) {
    errors::clear();
    make();
    let status = errors::last().map(|context| context.status);
    let is_refusal = [Misuse::OutOfMemory, Misuse::AllocationFailed]
        .iter()
        .any(|refusal| *refusal != misuse && status == Some(refusal.status()));
    let told = errors::count() == 1 && (is_refusal || status == Some(misuse.status()));
    if !told {
        defmt::error!("{=str}: {=u32} warnings", misuse.name(), errors::count());
    }
    (told, is_refusal)
}

/// Each mistake is told once, by its own status; where memory was refused before one was seen, that
/// is told, and the answer is an error. Those that take another thread, many calls or a
/// broken heap are left to the tests of the host.
fn each_is_told() -> Result<bool, Error> {
    const CAPS: Capabilities = Capabilities::DEFAULT;
    const TOO_LARGE: u32 = 1 << 24;
    extern "C" fn nothing(_: u32) -> u32 {
        0
    }
    fn spawn(stack_bytes: u32, priority: u32) {
        let _ = thread::spawn(&worker("x", priority), stack_bytes, CAPS, nothing, 0);
    }
    static IN_USE: Stack<1024> = Stack::new();
    static ODD: Stack<1020> = Stack::new();
    let rows: [(Misuse, fn()); 16] = [
        (Misuse::CallFromInterrupt, || {
            cortex_m::interrupt::free(|_| _ = thread::sleep(1));
        }),
        (Misuse::InvalidObject, || _ = Mutex::from_handle(0xFF).lock(0)),
        (Misuse::JoinSelf, || _ = thread::current().map(|thread| thread.join(0))),
        (Misuse::DoubleStart, || {
            let options = worker("x", priority::LOW);
            let first = thread::spawn_static(&options, &IN_USE, nothing, 0);
            let _ = thread::spawn_static(&options, &IN_USE, nothing, 0);
            let _ = first.and_then(|thread| thread.join(FOREVER));
        }),
        (Misuse::InvalidPriority, || spawn(1024, 32)),
        (Misuse::InvalidStackSize, || spawn(64, priority::LOW)),
        (Misuse::InvalidStackAlignment, || {
            let _ = thread::spawn_static(&worker("x", priority::LOW), &ODD, nothing, 0);
        }),
        (Misuse::ItemTooLarge, || _ = Queue::from_handle(0xFF).put(1 << 31, 0)),
        (Misuse::TimerLimit, || _ = Timer::from_handle(0xFF).start(0, 0)),
        (Misuse::OutOfMemory, || spawn(TOO_LARGE, priority::LOW)),
        (Misuse::AllocationFailed, || {
            let _ = heap::allocate(TOO_LARGE, Alignment::NATURAL, CAPS);
        }),
        (Misuse::InvalidAlignment, || {
            let alignment = Alignment { align_bytes: 24, offset_bytes: 0 };
            let _ = heap::allocate(8, alignment, CAPS);
        }),
        (Misuse::FreeForeign, || _ = blocks::free(0)),
        (Misuse::DoubleFree, || {
            if let Ok(block) = heap::allocate(64, Alignment::NATURAL, CAPS) {
                let _ = blocks::free(block).and_then(|_| blocks::free(block));
            }
        }),
        (Misuse::FreeInside, || {
            if let Ok(block) = heap::allocate(64, Alignment::NATURAL, CAPS) {
                let _ = blocks::free(block + 8);
                let _ = blocks::free(block);
            }
        }),
        (Misuse::InvalidArgument, || _ = Semaphore::new(2, 1)),
    ];
    heap::set_abort_on_corruption(false);
    let mut was_refused = false;
    let all_told = rows.iter().all(|(misuse, make)| {
        let (told, is_refusal) = is_told(*misuse, *make);
        was_refused |= is_refusal;
        told
    });
    heap::set_abort_on_corruption(true);
    if was_refused && all_told { Err(Error::OutOfMemory) } else { Ok(all_told) }
}

/// Each misuse has its error.
pub fn is_refused() -> Result<bool, Error> {
    extern "C" fn nothing(_: u32) -> u32 {
        0
    }
    let mutex = Mutex::new()?;
    let not_owner = mutex.unlock() == Err(Error::NotOwner);
    let priority = thread::spawn_static(&worker("x", 32), &STACK, nothing, 0);
    let masked = cortex_m::interrupt::free(|_| thread::sleep(1)) == Err(Error::Masked);
    let itself = thread::current().map(|thread| thread.join(0));
    let limit = Semaphore::new(2, 1) == Err(Error::OutOfRange);
    let stale = {
        mutex.delete()?;
        mutex.lock(0) == Err(Error::NoSuchObject)
    };
    Ok(not_owner
        && priority == Err(Error::OutOfRange)
        && masked
        && itself == Some(Err(Error::NotThisThread))
        && limit
        && stale)
}

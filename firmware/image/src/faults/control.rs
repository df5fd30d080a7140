//! Boots that never end by themselves, interrupts that nobody expects, and crashes in places of
//! their own.

use crate::board;
use core::arch::asm;
use core::hint::black_box;
use core::sync::atomic::{AtomicU32, Ordering};
use crashrig_port::kernel::{sync::Timer, thread};
use crashrig_port::{channel, errors, fault, interrupts, mpu, platform, reset};
use crashrig_wire::status::Misuse;

/// A handler that faults at once.
extern "C" fn faulting_handler() {
    // SAFETY: none; an undefined instruction inside HardFault locks the core up (DDI0403E B1.5.15).
    unsafe { asm!("udf #0") };
}

/// Replaces the HardFault handler by one that faults, then causes a HardFault: lockup.
#[inline(never)]
pub fn lock_up() {
    const HARD_FAULT: u32 = 3;
    interrupts::install_for_exception(HARD_FAULT, faulting_handler);
    cortex_m::interrupt::disable();
    // With interrupts masked no configurable fault can be taken, so this becomes a HardFault.
    // SAFETY: none; the instruction is meant to fault.
    unsafe { asm!("udf #0") };
    black_box(());
}

/// An endless loop with interrupts masked.
#[inline(never)]
pub fn hang() {
    cortex_m::interrupt::disable();
    loop {
        black_box(());
    }
}

/// Says so on the console and leaves the emulator, as an image that is not ours would end.
#[inline(never)]
pub fn foreign_exit(status: u32) -> ! {
    channel::console(c"leaving by a semihosting exit\n");
    channel::exit(status)
}

/// Raises an interrupt that still has the handler of every vector that nobody claimed.
#[inline(never)]
pub fn unexpected_interrupt() {
    interrupts::raise(interrupts::count() - 3);
}

/// Where the wild stack pointer goes.
static NOWHERE: AtomicU32 = AtomicU32::new(0);

/// An interrupt handler loses its stack pointer and faults: the core cannot write the frame, and a
/// fault handler that pushes before it has a stack of its own locks up.
#[inline(never)]
pub fn wild_stack_pointer(address: u32) {
    let interrupt = interrupts::count() - 2;
    NOWHERE.store(address, Ordering::Relaxed);
    interrupts::install(interrupt, handler_without_stack);
    interrupts::raise(interrupt);
}

extern "C" fn handler_without_stack() {
    let nowhere = NOWHERE.load(Ordering::Relaxed);
    // SAFETY: none; the stack pointer is meant to be lost and the instruction to fault.
    unsafe { asm!("msr msp, {0}", "udf #0", in(reg) nowhere) };
}

/// The address of the next crash.
static CRASH_ADDRESS: AtomicU32 = AtomicU32::new(0);

fn crash() {
    super::access::bus_read(CRASH_ADDRESS.load(Ordering::Relaxed));
}

/// A bus fault on the timer thread.
#[inline(never)]
pub fn timer_crash(address: u32) {
    extern "C" fn expired(_: u32) {
        crash();
    }
    CRASH_ADDRESS.store(address, Ordering::Relaxed);
    if let Ok(timer) = Timer::new(expired, 0) {
        let _ = timer.start(1, 0);
        let _ = thread::sleep(100);
    }
}

/// A bus fault in an interrupt handler.
#[inline(never)]
pub fn isr_crash(address: u32) {
    extern "C" fn handler() {
        crash();
    }
    CRASH_ADDRESS.store(address, Ordering::Relaxed);
    let interrupt = interrupts::count() - 2;
    interrupts::install(interrupt, handler);
    interrupts::raise(interrupt);
}

/// A handler uses floating point while the thread that it interrupted has state of its own that the
/// core has put off writing, and forbids the place first: the write fails late (MLSPERR).
#[inline(never)]
pub fn late_float() {
    const SMALLEST_REGION_BYTES: u32 = 32;
    extern "C" fn handler() {
        const FPCAR: usize = 0xE000_EF38;
        let register = core::ptr::with_exposed_provenance::<u32>(FPCAR);
        // SAFETY: reading FPCAR (DDI0403E B3.2.22) has no side effect.
        let place = unsafe { register.read_volatile() };
        let start = place.next_multiple_of(SMALLEST_REGION_BYTES);
        mpu::no_access(mpu::SPARE_REGION, start, SMALLEST_REGION_BYTES);
        // SAFETY: none; the core is meant to fail when it writes s0–s15 of the thread.
        unsafe { asm!("vmov s0, {0}", in(reg) 2_u32, out("s0") _) };
    }
    let interrupt = interrupts::count() - 2;
    interrupts::install(interrupt, handler);
    // SAFETY: s0 is not kept over calls.
    unsafe { asm!("vmov s0, {0}", in(reg) 1_u32, out("s0") _) };
    interrupts::raise(interrupt);
    black_box(());
}

/// Resets without having ended; with a parameter, as if the boot had ended in order.
#[inline(never)]
pub fn reset_loop(in_order: u32) -> ! {
    if in_order == 0 { reset::reset() } else { fault::end_boot() }
}

/// Reports that there is no memory, as Mbed's own test of its crash report does.
#[inline(never)]
pub fn error_call() {
    errors::fatal(Misuse::OutOfMemory.status(), 0x0DEA_DBAD)
}

/// Entries of a vector table in its first 128 bytes, to a multiple of which VTOR points (DDI0403E
/// B3.2.5).
const KEPT_ENTRIES: u32 = 32;

/// Moves the vector table to the last bytes of the CCM, so that the exceptions of the core have
/// their handlers and interrupts have none in memory, and raises the last of these.
///
/// This is for QEMU: the architecture asks for a rounder address with so many interrupts, and on
/// silicon no vector comes from the CCM at all, so the core would lock up (from memory, not tried).
#[inline(never)]
pub fn vector_table_lost() {
    const VTOR: usize = 0xE000_ED08;
    let Some(ccm) = board::REGIONS.iter().find(|region| region.name == "ccm") else { return };
    let place = ccm.start + ccm.size_bytes - 4 * KEPT_ENTRIES;
    for offset in (0..4 * KEPT_ENTRIES).step_by(4) {
        let from = (platform::vectors_start() + offset) as usize;
        // SAFETY: a word of the table in RAM.
        let entry = unsafe { core::ptr::with_exposed_provenance::<u32>(from).read_volatile() };
        let to = core::ptr::with_exposed_provenance_mut::<u32>((place + offset) as usize);
        // SAFETY: the heap has this memory, and loses its end mark there; the boot ends with it.
        unsafe { to.write_volatile(entry) };
    }
    let register = core::ptr::with_exposed_provenance_mut::<u32>(VTOR);
    // SAFETY: the entries of the core's exceptions stand there, the clock's among them.
    unsafe { register.write_volatile(place) };
    interrupts::raise(interrupts::count() - 1);
    black_box(());
}

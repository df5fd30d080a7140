//! From reset to the main thread.
//!
//! Order: data and zero-initialised data; fault handlers, FPU; vector table to RAM; why the chip
//! was reset; memory on a battery; clocks that memory needs; memory protection; what the image
//! wants first; kernel and its threads; main thread on its own stack (PSP); clock tick;
//! crash-record check; `main`. An image without kernel has its turn directly behind memory
//! protection. Nothing needed on the way lies in a region whose clock must first be enabled.

use crate::kernel::sync::Timer;
use crate::registers::system_control;
use crate::{
    backup, clock, fault, heap, interrupts, kept, kernel, limits, mpu, platform, reset_cause,
    vectors,
};
use core::arch::naked_asm;
use crashrig_memory::reboot::BootMode;
use crashrig_memory::retain::{BootFindings, BootReport};

/// What `main` learns of this boot.
#[derive(Debug, Clone, Copy)]
pub struct Boot {
    /// How this boot is to run.
    pub mode: BootMode,
    /// What the crash-record check found.
    pub findings: BootFindings,
    /// VTOR was read back and points to the table in RAM.
    pub vectors_in_ram: bool,
    /// The guards were read back from the MPU, and limits from their registers where there are any.
    pub guards_armed: bool,
    /// How many clocks of memory regions did not come up within their bounded wait.
    pub clocks_missing: u32,
}

/// Names the function that becomes the main thread and the platform of the image.
#[macro_export]
macro_rules! entry {
    ($main:path, $platform:expr) => {
        #[doc(hidden)]
        #[unsafe(no_mangle)]
        pub static CRASHRIG_PLATFORM: $crate::Platform = $platform;

        #[doc(hidden)]
        #[unsafe(no_mangle)]
        pub extern "Rust" fn crashrig_main(boot: $crate::Boot) -> ! {
            let main: fn($crate::Boot) -> ! = $main;
            main(boot)
        }

        #[doc(hidden)]
        #[unsafe(no_mangle)]
        pub extern "Rust" fn crashrig_prepared(clocks_missing: u32) -> ! {
            $crate::start::with_kernel(clocks_missing)
        }

        #[doc(hidden)]
        #[unsafe(no_mangle)]
        pub extern "Rust" fn crashrig_tables(writer: &mut $crate::sections::Writer<'_>, psp: u32) {
            $crate::sections::write_tables(writer, psp);
        }
    };
}

/// Names the function of an image without kernel, such as a bootloader, and the platform of it. The
/// function runs on the ISR stack with interrupts masked; the linker then leaves the kernel out.
#[macro_export]
macro_rules! entry_without_kernel {
    ($main:path, $platform:expr) => {
        #[doc(hidden)]
        #[unsafe(no_mangle)]
        pub static CRASHRIG_PLATFORM: $crate::Platform = $platform;

        #[doc(hidden)]
        #[unsafe(no_mangle)]
        pub extern "Rust" fn crashrig_prepared(_: u32) -> ! {
            let main: fn() -> ! = $main;
            main()
        }

        #[doc(hidden)]
        #[unsafe(no_mangle)]
        pub extern "Rust" fn crashrig_tables(_: &mut $crate::sections::Writer<'_>, _: u32) {}
    };
}

unsafe extern "Rust" {
    /// Defined by the image through [`entry!`].
    safe fn crashrig_main(boot: Boot) -> !;
    /// Defined by the image through [`entry!`] or [`entry_without_kernel!`].
    safe fn crashrig_prepared(clocks_missing: u32) -> !;
}

/// The first instruction after a reset. Runs without a stack until data are in place.
///
/// # Safety
/// Only the core calls this, through the vector table.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn crashrig_reset() -> ! {
    naked_asm!(
        // A debugger or a bootloader may have jumped here: mask and stack are set, not assumed.
        "cpsid i",
        "movs r0, #0",
        "msr control, r0",
        "isb",
        limits::take_limits_away!(),
        "ldr r0, =__crashrig_isr_stack_end",
        "mov sp, r0",
        "ldr r0, =__crashrig_data_start",
        "ldr r1, =__crashrig_data_end",
        "ldr r2, =__crashrig_data_load",
        "2: cmp r0, r1",
        "bhs 3f",
        "ldr r3, [r2], #4",
        "str r3, [r0], #4",
        "b 2b",
        "3: movs r3, #0",
        "ldr r0, =__crashrig_bss_start",
        "ldr r1, =__crashrig_bss_end",
        "4: cmp r0, r1",
        "bhs 5f",
        "str r3, [r0], #4",
        "b 4b",
        "5: ldr r0, =__crashrig_upper_start",
        "ldr r1, =__crashrig_upper_end",
        "6: cmp r0, r1",
        "bhs 7f",
        "str r3, [r0], #4",
        "b 6b",
        // A chain of frame pointers ends at zero.
        "7: mov r7, r3",
        "mov lr, r3",
        "bl {on_main_stack_pointer}",
        "udf #0",
        ".pool",
        on_main_stack_pointer = sym prepare,
    )
}

/// Everything before the main thread, on the ISR stack, with interrupts masked.
extern "C" fn prepare() -> ! {
    clock::stop_tick();
    mpu::disarm();
    enable_faults();
    enable_float();
    vectors::relocate();
    reset_cause::take();
    backup::open();
    kept::begin();
    let clocks_missing = clock::enable_memory_clocks(platform::platform().clock_enables);
    mpu::arm();
    limits::arm();
    crashrig_prepared(clocks_missing)
}

/// The rest of the way: kernel, main thread.
#[doc(hidden)]
pub fn with_kernel(clocks_missing: u32) -> ! {
    kernel::install_handlers();
    interrupts::lower();
    (platform::platform().before_kernel)();
    kernel::start();
    // SAFETY: the main stack is free: nothing has run on it in this boot.
    unsafe { to_main_thread(clocks_missing) }
}

/// Switches to the main thread's stack.
///
/// # Safety
/// Called once, in thread mode on the ISR stack, with interrupts masked.
#[unsafe(naked)]
unsafe extern "C" fn to_main_thread(clocks_missing: u32) -> ! {
    naked_asm!(
        "ldr r1, =__crashrig_main_stack_end",
        "msr psp, r1",
        "movs r1, #2",
        "msr control, r1",
        "isb",
        // The ISR stack is empty again: nothing returns to what lay on it.
        "ldr r1, =__crashrig_isr_stack_end",
        "msr msp, r1",
        "movs r7, #0",
        "mov lr, r7",
        "bl {main_thread}",
        "udf #0",
        ".pool",
        main_thread = sym main_thread,
    )
}

/// The main thread: the crash-record check, then the image's main.
extern "C" fn main_thread(clocks_missing: u32) -> ! {
    // Before the clock ticks: where access to memory on a battery costs time, none of it counts.
    kept::settle();
    clock::start_tick(platform::platform().core_clock_hz);
    kernel::paint_isr_stack();
    heap::start();
    // SAFETY: handlers and stacks are in place.
    unsafe { cortex_m::interrupt::enable() };
    let BootReport { mode, findings, .. } = fault::check_records();
    let healthy_after_ms = platform::platform().policy.healthy_after_ms;
    // With a table of its own for objects and nobody before it, this cannot fail.
    let _ = Timer::new(fault::note_healthy, 0)
        .and_then(|timer| timer.start(ms_to_ticks(healthy_after_ms), 0));
    crashrig_main(Boot {
        mode,
        findings,
        vectors_in_ram: vectors::in_ram(),
        guards_armed: mpu::guards_armed() && limits::armed(),
        clocks_missing,
    })
}

fn ms_to_ticks(ms: u32) -> u32 {
    (ms / (1000 / clock::TICK_HZ)).max(1)
}

/// Gives each configurable fault its own handler, traps division by zero, forgets old fault status,
/// and puts the clock and the switch below every fault (DDI0403E B3.2.8, B3.2.10, B3.2.13).
fn enable_faults() {
    // SecureFault exists on ARMv8-M only; elsewhere its bit is reserved.
    const USAGE_BUS_MEMORY: u32 = if cfg!(armv8m) { 0b1111 << 16 } else { 0b111 << 16 };
    const DIV_0_TRP: u32 = 1 << 4;
    const STKALIGN: u32 = 1 << 9;
    const LOWEST: u8 = 0xFF;
    // Three bits of priority count on every chip here, at least.
    const BELOW_FAULTS: u8 = 0x20;
    let scb = system_control();
    // SAFETY: writing ones clears the status bits.
    unsafe { scb.cfsr.write(u32::MAX) };
    // SAFETY: as above.
    unsafe { scb.hfsr.write(u32::MAX) };
    // SAFETY: as above; these bits only add handlers and traps.
    unsafe { scb.shcsr.modify(|word| word | USAGE_BUS_MEMORY) };
    // SAFETY: as above.
    unsafe { scb.ccr.modify(|word| word | DIV_0_TRP | STKALIGN) };
    // The array begins at exception 4: SVCall is entry 7, PendSV and SysTick are 10 and 11. The
    // clock is above every interrupt (`interrupts::lower`), so that it also checks the stack of a
    // handler, and below the faults.
    for (entry, level) in [(7, LOWEST), (10, LOWEST), (11, BELOW_FAULTS)] {
        if let Some(priority) = scb.shpr.get(entry) {
            // SAFETY: as above; interrupts are masked while priorities change.
            unsafe { priority.write(level) };
        }
    }
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}

/// Gives code access to the floating-point unit (DDI0403E B3.2.20), before the first instruction of
/// it.
fn enable_float() {
    const FULL_ACCESS_CP10_CP11: u32 = 0b1111 << 20;
    // SAFETY: access to CP10 and CP11 is only
    // added.
    unsafe { system_control().cpacr.modify(|word| word | FULL_ACCESS_CP10_CP11) };
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}

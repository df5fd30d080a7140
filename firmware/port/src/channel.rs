//! Host channels: defmt frames to semihosting, and the semihosting exit of images that are not
//! ours.
//!
//! A semihosting call without a host that serves it is a fault, and the core cannot tell: DHCSR
//! reads zero under QEMU. So nothing is sent before [`enable`] was called, which the image does
//! only when its mailbox says that a host listens. A frame is collected and sent with one call. Its
//! bytes are kept for the next crash record besides, whether or not anybody listens.

use crate::log_tail;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use cortex_m_semihosting::syscall;
use critical_section::RestoreState;

static ENABLED: AtomicBool = AtomicBool::new(false);
/// The host's handle of its standard output plus one; 0 while it was not opened.
static HANDLE: AtomicU32 = AtomicU32::new(0);

/// Bytes of the longest frame that is sent whole; a longer one goes in pieces.
const BUFFER_BYTES: usize = 256;

/// Lets log frames go to the semihosting host.
pub fn enable() {
    ENABLED.store(true, Ordering::Relaxed);
}

/// Writes a text to the host's console (SYS_WRITE0), if a host listens.
pub fn console(text: &core::ffi::CStr) {
    const SYS_WRITE0: usize = 0x04;
    if ENABLED.load(Ordering::Relaxed) {
        // SAFETY: the call takes the address of a zero-terminated text.
        unsafe { cortex_m_semihosting::syscall1(SYS_WRITE0, text.as_ptr().addr()) };
    }
}

/// Leaves the emulator through semihosting with a status (SYS_EXIT_EXTENDED). RAM is gone after
/// that.
pub fn exit(status: u32) -> ! {
    const SYS_EXIT_EXTENDED: usize = 0x20;
    const APPLICATION_EXIT: usize = 0x2_0026;
    let block = [APPLICATION_EXIT, status as usize];
    // SAFETY: the call takes the address of two words, which live until the emulator is gone.
    unsafe { cortex_m_semihosting::syscall1(SYS_EXIT_EXTENDED, block.as_ptr().addr()) };
    loop {
        cortex_m::asm::wfi();
    }
}

struct State {
    encoder: defmt::Encoder,
    restore: RestoreState,
    taken: bool,
    buffer: [u8; BUFFER_BYTES],
    used: usize,
}

struct Shared(UnsafeCell<State>);

// SAFETY: the state is touched between `acquire` and `release` only, inside of a critical section.
unsafe impl Sync for Shared {}

static STATE: Shared = Shared(UnsafeCell::new(State {
    encoder: defmt::Encoder::new(),
    restore: RestoreState::invalid(),
    taken: false,
    buffer: [0; BUFFER_BYTES],
    used: 0,
}));

#[defmt::global_logger]
struct Logger;

// SAFETY: `acquire` opens a critical section that `release` closes, so frames never interleave.
unsafe impl defmt::Logger for Logger {
    fn acquire() {
        // SAFETY: closed in `release`, which defmt calls once for each `acquire`.
        let restore = unsafe { critical_section::acquire() };
        // SAFETY: inside of the critical section nobody else holds a reference.
        let state = unsafe { &mut *STATE.0.get() };
        assert!(!state.taken, "a log statement inside of a log statement");
        state.taken = true;
        state.restore = restore;
        state.used = 0;
        let State { encoder, buffer, used, .. } = state;
        encoder.start_frame(|bytes| collect(buffer, used, bytes));
    }

    unsafe fn flush() {}

    unsafe fn release() {
        // SAFETY: inside of the critical section of `acquire`.
        let state = unsafe { &mut *STATE.0.get() };
        let State { encoder, buffer, used, .. } = state;
        encoder.end_frame(|bytes| collect(buffer, used, bytes));
        send(buffer, used);
        state.taken = false;
        let restore = state.restore;
        // SAFETY: `restore` is what the matching `acquire` returned.
        unsafe { critical_section::release(restore) };
    }

    unsafe fn write(bytes: &[u8]) {
        // SAFETY: inside of the critical section of `acquire`.
        let state = unsafe { &mut *STATE.0.get() };
        let State { encoder, buffer, used, .. } = state;
        encoder.write(bytes, |encoded| collect(buffer, used, encoded));
    }
}

fn collect(buffer: &mut [u8; BUFFER_BYTES], used: &mut usize, bytes: &[u8]) {
    for byte in bytes {
        if *used == BUFFER_BYTES {
            send(buffer, used);
        }
        if let Some(slot) = buffer.get_mut(*used) {
            *slot = *byte;
            *used += 1;
        }
    }
}

fn send(buffer: &[u8; BUFFER_BYTES], used: &mut usize) {
    log_tail::keep(buffer.get(..*used).unwrap_or_default());
    if ENABLED.load(Ordering::Relaxed)
        && let Some(handle) = standard_output()
        && let Some(bytes) = buffer.get(..*used)
    {
        // SAFETY: SYS_WRITE takes a handle, an address and a length, all of which are sound.
        unsafe { syscall!(WRITE, handle, bytes.as_ptr().addr(), bytes.len()) };
    }
    *used = 0;
}

/// Opens the host's standard output once a boot.
fn standard_output() -> Option<usize> {
    const MODE_WRITE: usize = 4;
    let known = HANDLE.load(Ordering::Relaxed);
    if known != 0 {
        return Some(known as usize - 1);
    }
    let name = c":tt";
    // SAFETY: SYS_OPEN takes a zero-terminated name, a mode and the length of the name.
    let opened = unsafe { syscall!(OPEN, name.as_ptr().addr(), MODE_WRITE, name.count_bytes()) };
    let handle = u32::try_from(opened).ok().filter(|handle| *handle != u32::MAX)?;
    HANDLE.store(handle + 1, Ordering::Relaxed);
    Some(handle as usize)
}

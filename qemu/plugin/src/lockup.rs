//! Holds the dying QEMU at a lockup of the guest, until the harness has read the memory.
//!
//! QEMU ends by `abort()` when the guest faults where no fault can be taken. The handler of SIGABRT
//! runs before that ends the process: it says `lockup`, waits, and returns, after which `abort()`
//! ends the process as it would have done without us. The harness sees the same signal in the end.
//!
//! While a harness steers, a lockup is survived instead: the handler leaves `abort()` by a jump
//! (`stop::escape_lockup`), where the callers on the stack show that it was a lockup and nothing
//! else. That goes beyond what a handler may do by signal-safety(7), and works because `cpu_abort`
//! calls `abort()` with nothing half done that a restored snapshot does not put right; it is done
//! on no other way, and never where nobody steers.
//!
//! Else the handler runs in the thread that aborts, in the middle of anything, so that it calls
//! only what is safe there (`write`, `poll`, `sigaction`): no allocation, no lock, no formatting.
//! It never waits without a limit. That QEMU's own locks are held meanwhile is why QMP and qtest do
//! not answer, and why memory is read from outside.

use std::ffi::c_int;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{IntoRawFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

/// Longest time that a dying QEMU is held, in milliseconds.
const HOLD_LIMIT_MS: c_int = 10_000;

/// What is said at a lockup.
const MESSAGE: &[u8] = b"lockup\n";

/// The socket to the harness.
static SOCKET: AtomicI32 = AtomicI32::new(-1);

/// The end of a pipe that is closed at the other end when QEMU may die.
static RELEASED: AtomicI32 = AtomicI32::new(-1);

/// Installs the handler. Dropping what is returned lets a held QEMU go.
///
/// # Errors
/// When the system gives no pipe or refuses the handler.
pub fn watch(socket: RawFd) -> io::Result<PipeWriter> {
    let (released, release): (PipeReader, PipeWriter) = io::pipe()?;
    SOCKET.store(socket, Ordering::Relaxed);
    RELEASED.store(released.into_raw_fd(), Ordering::Relaxed);
    handle_abort(on_abort as *const () as usize)?;
    Ok(release)
}

extern "C" fn on_abort(_signal: c_int) {
    if crate::stop::is_running() && comes_from_lockup() {
        unblock_abort();
        crate::stop::escape_lockup();
    }
    let socket = SOCKET.load(Ordering::Relaxed);
    // SAFETY: the message is as long as said. A wrong descriptor would only be refused.
    let sent = unsafe { libc::write(socket, MESSAGE.as_ptr().cast(), MESSAGE.len()) };
    if sent > 0 {
        wait();
    }
    // Without this an abort from outside (`kill -ABRT`) would be survived. It cannot fail here.
    let _ = handle_abort(libc::SIG_DFL);
    // SAFETY: nothing is passed but the number. The signal waits until this handler has returned.
    unsafe { libc::raise(libc::SIGABRT) };
}

/// Waits for the end of the pipe. An interruption ends the wait early, which loses memory and
/// nothing else.
fn wait() {
    let mut released =
        libc::pollfd { fd: RELEASED.load(Ordering::Relaxed), events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid entry is passed, and its number is one.
    unsafe { libc::poll(&raw mut released, 1, HOLD_LIMIT_MS) };
}

/// Sets what happens at SIGABRT.
fn handle_abort(handler: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: all zero is a valid action: no flags, an empty mask, the default handler.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    // SAFETY: the action is valid and the one before is not asked for; the handler takes the one
    // argument that it gets without SA_SIGINFO.
    let result = unsafe { libc::sigaction(libc::SIGABRT, &raw const action, std::ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether `cpu_abort` is what called `abort()`, and not an assertion of QEMU that failed.
fn comes_from_lockup() -> bool {
    const DEPTH: usize = 16;
    let mut callers = [std::ptr::null_mut(); DEPTH];
    // SAFETY: the array has as many places as said. The thread that aborts holds no lock of the
    // dynamic linker.
    let found = unsafe { libc::backtrace(callers.as_mut_ptr(), DEPTH as c_int) };
    callers.iter().take(usize::try_from(found).unwrap_or(0)).any(|caller| {
        // SAFETY: all zero is a valid value: no names, no addresses.
        let mut symbol: libc::Dl_info = unsafe { std::mem::zeroed() };
        // SAFETY: any address may be asked for, and the place for the answer is ours.
        let known = unsafe { libc::dladdr(*caller, &raw mut symbol) } != 0;
        known && !symbol.dli_sname.is_null() && {
            // SAFETY: a name ends with a zero byte and stays while QEMU does.
            let name = unsafe { std::ffi::CStr::from_ptr(symbol.dli_sname) };
            name == c"cpu_abort"
        }
    })
}

/// The handler is about to be left by a jump, which would leave the signal blocked.
fn unblock_abort() {
    // SAFETY: a set of signals is a plain array of bits, of which all values are valid.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is valid and ours.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGABRT) };
    // SAFETY: as above, and nobody asks for the one before.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut()) };
}

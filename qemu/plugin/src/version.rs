//! The version of the interface, chosen while QEMU loads the plug-in, so that one file serves all.
//!
//! QEMU 7.2 accepts 0 and 1, QEMU 10.0 accepts 2 to 4: no number fits both. QEMU reads the symbol
//! after the dynamic linker has run the constructors of the file, so a constructor can set it. What
//! it goes by is a function that came with version 2.

use std::ffi::c_int;
use std::sync::atomic::{AtomicI32, Ordering};

/// For a QEMU without [`NEWER`].
const OLD: c_int = 1;

/// For every other one.
const NEW: c_int = 2;

/// A function of the interface since version 2, which replaced `qemu_plugin_n_vcpus`.
const NEWER: &std::ffi::CStr = c"qemu_plugin_num_vcpus";

/// What QEMU reads: an `int`. It must be in writable memory.
#[unsafe(no_mangle)]
pub static qemu_plugin_version: AtomicI32 = AtomicI32::new(OLD);

#[used]
#[unsafe(link_section = ".init_array")]
static AT_LOADING: extern "C" fn() = choose;

extern "C" fn choose() {
    // SAFETY: the name ends with a zero byte, and the default handle needs no opening.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, NEWER.as_ptr()) };
    if !found.is_null() {
        qemu_plugin_version.store(NEW, Ordering::Relaxed);
    }
}

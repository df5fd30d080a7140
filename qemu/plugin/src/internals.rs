//! QEMU's own functions, looked up by name while it runs, for what the plug-in interface cannot do.
//!
//! Debian builds QEMU with modules, so that the program exports all its functions; other builds
//! export the plug-in interface only, and there none of this is to be had. Nothing here is a
//! promise of QEMU: types and names are those of 7.2 and 10.0, read in their sources, and what
//! rests on them is proven by a self-test before it is used. Must never happen here: a function
//! that is called without having been found.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

use crate::vmstate::Description;

/// One of QEMU's objects, never looked into. A place inside of the CPU is found by `vmstate.rs`.
#[repr(C)]
pub struct Object {
    _opaque: [u8; 0],
}

/// Work for the thread of a CPU, between two of its blocks, with QEMU's big lock held.
pub type OnCpu = extern "C" fn(*mut Object, u64);

/// Called when a timer has run out, with what was given to it.
pub type OnTimer = extern "C" fn(*mut c_void);

/// Called when the level of a line changes: with what was given, the line's number, the level.
pub type OnLine = extern "C" fn(*mut c_void, c_int, c_int);

/// Where an error of QEMU goes; null where it is not asked for.
pub type ErrorPlace = *mut *mut c_void;

/// Declares the table and the search for each of its entries.
macro_rules! internals {
    ($($(#[$documentation:meta])* $name:ident: $kind:ty;)*) => {
        /// What was found.
        pub struct Internals {
            $($(#[$documentation])* pub $name: $kind,)*
        }

        impl Internals {
            /// Looks for all of them; answers with the name of one that is not there.
            fn find() -> Result<Self, &'static str> {
                Ok(Self {
                    $($name: {
                        let found = symbol(concat!(stringify!($name), "\0"));
                        let found = found.ok_or(stringify!($name))?;
                        // SAFETY: a pointer becomes a pointer of the same size, to a function or
                        // object of QEMU that has this type there.
                        unsafe { std::mem::transmute_copy::<*mut c_void, $kind>(&found) }
                    },)*
                })
            }
        }
    };
}

internals! {
    qemu_get_cpu: extern "C" fn(c_int) -> *mut Object;
    async_run_on_cpu: extern "C" fn(*mut Object, OnCpu, u64);
    /// The third argument is looked at by versions before 7.2 only.
    cpu_restore_state: extern "C" fn(*mut Object, usize, bool) -> bool;
    /// Leaves the block that is executed, and all calls from it, by a long jump.
    cpu_loop_exit: extern "C" fn(*mut Object) -> !;
    cpu_get_address_space: extern "C" fn(*mut Object, c_int) -> *mut Object;
    /// The third argument are attributes of at most 64 bits; all zero is a privileged access.
    address_space_rw: extern "C" fn(*mut Object, u64, u64, *mut u8, u64, bool) -> u32;
    cpu_physical_memory_map: extern "C" fn(u64, *mut u64, bool) -> *mut u8;
    cpu_physical_memory_rw: extern "C" fn(u64, *mut u8, u64, bool);
    /// All bits set for what is no RAM.
    qemu_ram_addr_from_host: extern "C" fn(*mut u8) -> u64;
    tlb_flush: extern "C" fn(*mut Object);
    tb_flush: extern "C" fn(*mut Object);
    global_state_store: extern "C" fn();
    qemu_save_device_state: extern "C" fn(*mut Object) -> c_int;
    qemu_load_device_state: extern "C" fn(*mut Object) -> c_int;
    qemu_file_new_output: extern "C" fn(*mut Object) -> *mut Object;
    qemu_file_new_input: extern "C" fn(*mut Object) -> *mut Object;
    qemu_fflush: extern "C" fn(*mut Object);
    qemu_fclose: extern "C" fn(*mut Object) -> c_int;
    qio_channel_buffer_new: extern "C" fn(usize) -> *mut Object;
    qio_channel_io_seek: extern "C" fn(*mut Object, i64, c_int, ErrorPlace) -> i64;
    qio_channel_read: extern "C" fn(*mut Object, *mut u8, usize, ErrorPlace) -> isize;
    qio_channel_write_all: extern "C" fn(*mut Object, *const u8, usize, ErrorPlace) -> c_int;
    object_unref: extern "C" fn(*mut Object);
    object_resolve_path_type: extern "C" fn(*const c_char, *const c_char, *mut bool) -> *mut Object;
    qemu_allocate_irq: extern "C" fn(OnLine, *mut c_void, c_int) -> *mut Object;
    qdev_connect_gpio_out_named: extern "C" fn(*mut Object, *const c_char, c_int, *mut Object);
    armv7m_nvic_set_pending: extern "C" fn(*mut Object, c_int, bool);
    arm_cpu_gdb_write_register: extern "C" fn(*mut Object, *const u8, c_int) -> c_int;
    timer_init_full:
        extern "C" fn(*mut c_void, *mut c_void, c_int, c_int, c_int, OnTimer, *mut c_void);
    timer_mod_ns: extern "C" fn(*mut c_void, i64);
    timer_del: extern "C" fn(*mut c_void);
    qemu_clock_get_ns: extern "C" fn(c_int) -> i64;
    icount_get_raw: extern "C" fn() -> i64;
    icount_to_ns: extern "C" fn(i64) -> i64;
    qemu_system_reset: extern "C" fn(c_int);
    /// What is logged, in bits.
    qemu_loglevel: *mut c_int;
    vmstate_cpu_common: *const Description;
    vmstate_arm_cpu: *const Description;
}

// SAFETY: addresses that never change; who calls what from which thread is settled there.
unsafe impl Send for Internals {}
// SAFETY: as above.
unsafe impl Sync for Internals {}

/// All of them, looked for once.
///
/// # Errors
/// The name of one that this QEMU does not export.
pub fn internals() -> Result<&'static Internals, &'static str> {
    static FOUND: OnceLock<Result<Internals, &'static str>> = OnceLock::new();
    FOUND.get_or_init(Internals::find).as_ref().map_err(|name| *name)
}

/// Where a symbol of QEMU is. The name ends with a zero byte.
pub fn symbol(name: &str) -> Option<*mut c_void> {
    let name = CStr::from_bytes_with_nul(name.as_bytes()).ok()?;
    // SAFETY: the name ends with a zero byte, and the default handle needs no opening.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}

//! The TCG plug-in that QEMU loads: stops at an exact instruction, watches every store, and hands
//! over memory at a lockup, where QEMU itself ends by abort.
//!
//! Empty until issue E of the project fills it. It stands apart from the rest because it is linked
//! against QEMU's plug-in interface, whose header is GPL-2.0-or-later, and so is this crate; all
//! else here is MIT or Apache-2.0. It must never be needed for a run: without it a lockup loses
//! memory, and everything else works.

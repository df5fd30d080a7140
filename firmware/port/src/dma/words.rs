//! Registers of DMA engines and of what protects memory from them, word by word. Which addresses
//! those are is up to the files beside this one, its only callers.

/// Reads a register.
pub(super) fn read(address: u32) -> u32 {
    let register = core::ptr::with_exposed_provenance::<u32>(address as usize);
    // SAFETY: the callers pass addresses of registers that this chip has. Reading one changes
    // nothing, or the index of a table that is set anew before each use.
    unsafe { register.read_volatile() }
}

/// Writes a register.
///
/// # Safety
/// What the register then does breaks nothing that safe code relies on.
pub(super) unsafe fn write(address: u32, word: u32) {
    let register = core::ptr::with_exposed_provenance_mut::<u32>(address as usize);
    // SAFETY: a register that this chip has; the rest is promised by the caller.
    unsafe { register.write_volatile(word) }
}

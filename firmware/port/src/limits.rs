//! Stack limit registers: MSPLIM and PSPLIM of ARMv8-M, nothing on ARMv7-M.
//!
//! The core refuses a stack pointer below its limit before anything is written (CFSR.STKOF), so a
//! frame of any size is noticed, while a guard region can be jumped. The limits stand at the upper
//! edges of the guards: they speak first, and the guards stay behind them for stores that do not
//! move a stack pointer. A limit holds for handlers too, so the fault path takes both away before
//! it goes to its own stack, which lies below the limit of the ISR stack.
//!
//! Source: DDI0553 (ARMv8-M), from memory; what is said of the core was measured on QEMU 7.2 and
//! 10.0.

#[cfg(not(armv8m))]
pub(crate) use armv7m::{arm, armed, follow};
#[cfg(armv8m)]
pub(crate) use armv8m::{arm, armed, follow};

/// Instructions that take both limits away; they change r3.
#[cfg(armv8m)]
macro_rules! take_limits_away {
    () => {
        "movs r3, #0\nmsr msplim, r3\nmsr psplim, r3\n"
    };
}
#[cfg(not(armv8m))]
macro_rules! take_limits_away {
    () => {
        ""
    };
}
pub(crate) use take_limits_away;

#[cfg(armv8m)]
mod armv8m {
    use crate::{detectors, kernel};
    use cortex_m::register::{msplim, psplim};
    use crashrig_memory::stack::StackRange;
    use crashrig_wire::Detector;

    /// Sets the limits of the stacks in use.
    pub(crate) fn arm() {
        let [running, isr] = kernel::stacks_in_use();
        // SAFETY: both stack pointers lie inside of their stacks.
        unsafe { msplim::write(limit_of(&isr)) };
        follow(&running);
    }

    /// Follows a switch: the limit of the thread that runs next.
    pub(crate) fn follow(stack: &StackRange) {
        // SAFETY: the thread's stack pointer lies inside of its stack, or is not loaded yet.
        unsafe { psplim::write(limit_of(stack)) };
    }

    /// Whether the limits of the stacks in use are in force, read back from the core.
    pub(crate) fn armed() -> bool {
        kernel::stacks_in_use().map(|stack| stack.start) == [psplim::read(), msplim::read()]
    }

    /// Every stack pointer is above a limit of zero.
    fn limit_of(stack: &StackRange) -> u32 {
        if detectors::is_on(Detector::StackLimit) { stack.start } else { 0 }
    }
}

#[cfg(not(armv8m))]
mod armv7m {
    use crashrig_memory::stack::StackRange;

    /// There is nothing to set.
    pub(crate) fn arm() {}

    /// There is nothing to follow.
    pub(crate) fn follow(_: &StackRange) {}

    /// There is no limit that could be missing.
    pub(crate) fn armed() -> bool {
        true
    }
}

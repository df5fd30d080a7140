//! Which detectors are on: all of them, but in an image that is made to prove them.
//!
//! With the feature `injection` a boot can be told to do without some, so that the detector behind
//! is seen at work; without it no switch is there and nothing is asked. The features `without-…`
//! take one out for a whole image.

#[cfg(feature = "injection")]
use core::sync::atomic::{AtomicU32, Ordering};
use crashrig_wire::Detector;

/// Bits of the detectors that are off in this boot.
#[cfg(feature = "injection")]
#[unsafe(link_section = ".upper.detectors_off")]
static OFF: AtomicU32 = AtomicU32::new(0);

/// Does without some detectors for the rest of this boot, by [`Detector::bit`].
#[cfg(feature = "injection")]
pub fn switch_off(detectors: u32) {
    OFF.store(detectors, Ordering::Relaxed);
    critical_section::with(|_| {
        crate::mpu::arm();
        crate::limits::arm();
    });
}

/// Whether a detector is on.
pub(crate) fn is_on(detector: Detector) -> bool {
    let left_out = match detector {
        Detector::MpuGuard => cfg!(feature = "without-guard"),
        Detector::StackLimit => cfg!(feature = "without-limit"),
        Detector::StackCanary => cfg!(feature = "without-canary"),
        Detector::SpRange => cfg!(feature = "without-sp-range"),
        Detector::DmaCapability => cfg!(feature = "without-dma-check"),
        _ => false,
    };
    #[cfg(feature = "injection")]
    let left_out = left_out || OFF.load(Ordering::Relaxed) & detector.bit() != 0;
    !left_out
}

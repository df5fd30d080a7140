//! The error status as Mbed OS users know it: one negative 32-bit number for type, module and code.
//!
//! Layout (Mbed OS 6.17 `platform/mbed_error.h`): bit 31 always set, bits 30–29 type (0 system,
//! 1 custom, 3 POSIX), bits 23–16 module, bits 15–0 code.

use crate::Kind;

/// An Mbed-compatible error status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(pub u32);

const MODULE_KERNEL: u32 = 2;
const MODULE_UNKNOWN: u32 = 255;

impl Status {
    /// A system status of a module and a code.
    #[must_use]
    pub const fn system(module: u32, code: u32) -> Self {
        Self(1 << 31 | (module & 0xFF) << 16 | code & 0xFFFF)
    }

    /// The status of a kind of crash, with the codes and modules that Mbed OS reports.
    ///
    /// A hard fault is `0x80FF013D`, as in public reports of Mbed OS users; the other faults follow
    /// it (codes 318 to 320, module 255). A stack overflow is the kernel's (module 2, code 293). A
    /// panic is reported as an assertion (324) and an interrupt without handler as unknown (257),
    /// both of module 255; these two are from memory, not checked.
    #[must_use]
    pub const fn of(kind: Kind) -> Self {
        match kind {
            Kind::StackOverflow => Self::system(MODULE_KERNEL, 293),
            Kind::HardFault => Self::system(MODULE_UNKNOWN, 317),
            Kind::MemoryFault => Self::system(MODULE_UNKNOWN, 318),
            Kind::BusFault => Self::system(MODULE_UNKNOWN, 319),
            Kind::UsageFault => Self::system(MODULE_UNKNOWN, 320),
            Kind::Panic => Self::system(MODULE_UNKNOWN, 324),
            Kind::UnexpectedInterrupt => Self::system(MODULE_UNKNOWN, 257),
        }
    }

    /// Bits 23–16.
    #[must_use]
    pub const fn module(self) -> u8 {
        (self.0 >> 16) as u8
    }

    /// Bits 15–0.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.0 as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_negative_and_holds_module_and_code() {
        let status = Status::of(Kind::StackOverflow);
        assert!((status.0 as i32) < 0);
        assert_eq!((status.module(), status.code()), (2, 293));
        assert_eq!(status.0, 0x8002_0125);
        assert_eq!(Status::of(Kind::HardFault).0, 0x80FF_013D);
        assert_eq!(Status::of(Kind::BusFault).0, 0x80FF_013F);
    }
}

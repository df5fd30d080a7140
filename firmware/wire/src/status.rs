//! The error status as Mbed OS users know it: one negative 32-bit number for type, module and code.
//!
//! Layout (Mbed OS `platform/include/platform/mbed_error.h`): bit 31 always set, bits 30–29 type,
//! bits 28–24 zero, bits 23–16 module, bits 15–0 code. System codes are 256 to 4095, custom codes
//! 4096 to 65535. A POSIX status is the negated code, 1 to 255: all bits in front of it are set.
//!
//! A status has a form in words, for reports and scenario files:
//! `0x80020125` is `system, module kernel, code stack-overflow`. What is in no list stands there as
//! a number, so each sound status has words and comes back from them.

mod code;
mod misuse;
mod module;
mod words;

pub use code::Code;
pub use misuse::Misuse;
pub use module::Module;
pub use words::{StatusError, Words};

use crate::Kind;

/// An Mbed-compatible error status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Status(pub u32);

crate::names::closed_list! {
    /// The type field of a status.
    Type, "type";
    /// Codes that Mbed OS defines.
    System = 0, "system";
    /// Codes of a product.
    Custom = 1, "custom";
    /// An `errno`.
    Posix = 3, "posix";
}

const NEGATIVE: u32 = 1 << 31;
const TYPE_SHIFT: u32 = 29;
const MODULE_SHIFT: u32 = 16;
/// Bits 28–24, which are set in a POSIX status and in no other.
const RESERVED: u32 = 0x1F << 24;

impl Status {
    /// A status of its parts, as `mbed_make_error`. Of a POSIX status only the code counts, 1 to
    /// 255.
    #[must_use]
    pub const fn new(status_type: Type, module: u8, code: u16) -> Self {
        match status_type {
            Type::Posix => Self((code as u32).wrapping_neg()),
            _ => Self(
                NEGATIVE
                    | (status_type.code() as u32) << TYPE_SHIFT
                    | (module as u32) << MODULE_SHIFT
                    | code as u32,
            ),
        }
    }

    /// The status of a code, with the type that the code has.
    #[must_use]
    pub const fn of_code(module: Module, code: Code) -> Self {
        Self::new(code.status_type(), module.code(), code.code())
    }

    /// The status of a kind of crash, with the codes and modules that Mbed OS reports.
    ///
    /// The four faults are of module 255, a hard fault being `0x80FF013D`, as in the example report
    /// of Mbed's header. A stack overflow is the kernel's, a panic an assertion. For an interrupt
    /// without handler Mbed has no code: it is a custom one.
    #[must_use]
    pub const fn of(kind: Kind) -> Self {
        match kind {
            Kind::StackOverflow => Self::of_code(Module::Kernel, Code::StackOverflow),
            Kind::HardFault => Self::of_code(Module::Unknown, Code::HardFault),
            Kind::MemoryFault => Self::of_code(Module::Unknown, Code::MemoryFault),
            Kind::BusFault => Self::of_code(Module::Unknown, Code::BusFault),
            Kind::UsageFault => Self::of_code(Module::Unknown, Code::UsageFault),
            Kind::Panic => Self::of_code(Module::Unknown, Code::AssertionFailed),
            Kind::UnexpectedInterrupt => Self::of_code(Module::Unknown, Code::UnexpectedInterrupt),
            Kind::VectorTable => Self::of_code(Module::Unknown, Code::VectorTableDamaged),
            Kind::Watchdog => Self::of_code(Module::DriverWatchdog, Code::TimeOut),
            // Whoever reports an error or refuses an image gives the status.
            Kind::Error | Kind::BadImage => Self::of_code(Module::Unknown, Code::Unknown),
        }
    }

    /// Bits 30–29; nothing if the word is no status: bit 31 clear, the reserved type, reserved bits
    /// set, or a code outside of its type's range.
    #[must_use]
    pub const fn status_type(self) -> Option<Type> {
        if self.0 & NEGATIVE == 0 {
            return None;
        }
        let reserved_clear = self.0 & RESERVED == 0;
        match Type::from_code((self.0 >> TYPE_SHIFT & 0b11) as u8) {
            Some(Type::System) if reserved_clear && matches!(self.0 as u16, 256..4096) => {
                Some(Type::System)
            }
            Some(Type::Custom) if reserved_clear && self.0 as u16 >= 4096 => Some(Type::Custom),
            Some(Type::Posix) if self.0 > u32::MAX - 255 => Some(Type::Posix),
            _ => None,
        }
    }

    /// Bits 23–16.
    #[must_use]
    pub const fn module(self) -> u8 {
        (self.0 >> MODULE_SHIFT) as u8
    }

    /// The code: bits 15–0, of a POSIX status the `errno`.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self.status_type() {
            Some(Type::Posix) => self.0.wrapping_neg() as u16,
            _ => self.0 as u16,
        }
    }

    /// The code as one of the list; nothing if it is none of it, or of another type.
    #[must_use]
    pub fn known_code(self) -> Option<Code> {
        Code::from_code(self.code()).filter(|code| self.status_type() == Some(code.status_type()))
    }

    /// Its words.
    #[must_use]
    pub const fn words(self) -> Words {
        Words(self)
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
        assert_eq!(Status::of(Kind::UnexpectedInterrupt).0, 0xA0FF_1000);
    }

    #[test]
    fn a_posix_status_is_its_negated_errno() {
        for errno in 1..=255 {
            let status = Status::new(Type::Posix, 0, errno);
            assert_eq!(status.0 as i32, -i32::from(errno));
            assert_eq!((status.status_type(), status.code()), (Some(Type::Posix), errno));
        }
    }

    #[test]
    fn words_that_are_no_status_have_no_type() {
        for word in [0, 1, 0x0002_0125, 0xC002_0125, 0x8102_0125, 0x80FF_00FF, 0x80FF_1000] {
            assert_eq!(Status(word).status_type(), None, "{word:#010x}");
        }
        for word in [0xA0FF_0FFF, 0xA1FF_1000, 0xFFFF_FF00] {
            assert_eq!(Status(word).status_type(), None, "{word:#010x}");
        }
        assert_eq!(Status(0x0002_0125).known_code(), None);
    }

    #[test]
    fn each_misuse_has_a_status_of_its_own() {
        for misuse in Misuse::ALL {
            let status = misuse.status();
            assert_eq!(Misuse::of(status), Some(*misuse));
            assert!(status.known_code().is_some(), "{misuse}");
        }
        assert_eq!(Misuse::CallFromInterrupt.status().0, 0x8002_012F);
        assert_eq!(Misuse::DoubleFree.status().0, 0xA005_1007);
        assert_eq!(Misuse::of(Status::of(Kind::BusFault)), None);
    }
}

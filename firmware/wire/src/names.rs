//! One macro for the closed lists: a code for the wire and a name for scenario files, stated once.

use core::fmt;

/// A name that is not in a closed list; the message gives the known values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownName {
    /// What kind of name it should have been, e.g. `detector`.
    pub what: &'static str,
    /// Every name that would have been accepted.
    pub known: &'static [&'static str],
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown {}, expected one of", self.what)?;
        for (index, name) in self.known.iter().enumerate() {
            write!(f, "{} {name}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl core::error::Error for UnknownName {}

/// Declares a closed list: an enum with a code and a kebab-case name per entry. The code is a `u8`
/// unless the list says otherwise: `List as u16, "list";`.
macro_rules! closed_list {
    ( $(#[$list_doc:meta])* $list:ident, $what:literal; $($entries:tt)+ ) => {
        $crate::names::closed_list! { $(#[$list_doc])* $list as u8, $what; $($entries)+ }
    };
    (
        $(#[$list_doc:meta])*
        $list:ident as $code_type:ident, $what:literal;
        $( $(#[$doc:meta])* $variant:ident = $code:literal, $name:literal; )+
    ) => {
        $(#[$list_doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr($code_type)]
        pub enum $list { $( $(#[$doc])* $variant = $code, )+ }

        impl $list {
            /// Every entry, in the order of the codes.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];
            /// Every name, in the same order.
            pub const NAMES: &'static [&'static str] = &[ $( $name, )+ ];

            /// The name used in scenario files, reports and documents.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }

            /// The code used on the wire.
            #[must_use]
            pub const fn code(self) -> $code_type { self as $code_type }

            /// The entry of a code, or nothing if this version knows no such code.
            #[must_use]
            pub const fn from_code(code: $code_type) -> Option<Self> {
                match code { $( $code => Some(Self::$variant), )+ _ => None }
            }
        }

        impl core::str::FromStr for $list {
            type Err = $crate::UnknownName;
            fn from_str(name: &str) -> Result<Self, Self::Err> {
                match name {
                    $( $name => Ok(Self::$variant), )+
                    _ => Err($crate::UnknownName { what: $what, known: Self::NAMES }),
                }
            }
        }

        impl core::fmt::Display for $list {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}
pub(crate) use closed_list;

#[cfg(test)]
mod tests {
    use crate::{Detector, Fault, Kind, Thread};
    use std::string::ToString;

    #[test]
    fn names_and_codes_lead_back_to_their_entry() {
        for fault in Fault::ALL {
            assert_eq!(fault.name().parse::<Fault>(), Ok(*fault));
            assert_eq!(Fault::from_code(fault.code()), Some(*fault));
        }
        for detector in Detector::ALL {
            assert_eq!(detector.name().parse::<Detector>(), Ok(*detector));
            assert_eq!(Detector::from_code(detector.code()), Some(*detector));
        }
        for kind in Kind::ALL {
            assert_eq!(Kind::from_code(kind.code()), Some(*kind));
        }
        for code in 0..=u8::MAX {
            let thread = Thread::from_code(code);
            assert!(thread.is_none_or(|thread| thread.code() == code), "{code}");
            assert_eq!(thread.is_none(), (6..16).contains(&code), "{code}");
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let message = "sp-rnage".parse::<Detector>().unwrap_err().to_string();
        assert!(message.starts_with("unknown detector, expected one of"), "{message}");
        assert!(message.contains("sp-range"), "{message}");
    }
}

//! One macro for the closed lists of this crate: a name for files and reports, stated once.

use core::fmt;

/// A name that is not in a closed list; the message gives the known values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownName {
    /// What kind of name it should have been, e.g. `need`.
    pub what: &'static str,
    /// Every name that would have been accepted.
    pub known: &'static [&'static str],
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}, one of", self.what)?;
        for (index, name) in self.known.iter().enumerate() {
            write!(f, "{} {name}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl core::error::Error for UnknownName {}

/// Declares a closed list: an enum with a kebab-case name per entry.
macro_rules! closed_list {
    (
        $(#[$list_doc:meta])*
        $list:ident, $what:literal;
        $( $(#[$doc:meta])* $variant:ident = $name:literal; )+
    ) => {
        $(#[$list_doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $list { $( $(#[$doc])* $variant, )+ }

        impl $list {
            /// Every entry, in the order of declaration.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];
            /// Every name, in the same order.
            pub const NAMES: &'static [&'static str] = &[ $( $name, )+ ];

            /// The name used in files and reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
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

//! What a field of a ledger can be: how many bytes it takes, and how it is written and read.

use super::{Phase, SafeMode};
use crate::Status;
use crate::bytes::{get_array, put};

/// A value with a fixed number of bytes.
pub(super) trait Part: Sized {
    /// Bytes it takes.
    const SIZE: usize;
    /// What zeros mean.
    const ZERO: Self;
    /// Writes it at an offset.
    fn put(&self, bytes: &mut [u8], offset: usize);
    /// Reads it from an offset; nothing if the bytes are no value of the type.
    fn get(bytes: &[u8], offset: usize) -> Option<Self>;
}

macro_rules! number {
    ($($number:ty)+) => { $(
        impl Part for $number {
            const SIZE: usize = size_of::<Self>();
            const ZERO: Self = 0;
            fn put(&self, bytes: &mut [u8], offset: usize) {
                put(bytes, offset, &self.to_le_bytes());
            }
            fn get(bytes: &[u8], offset: usize) -> Option<Self> {
                Some(Self::from_le_bytes(get_array(bytes, offset)))
            }
        }
    )+ };
}
number!(u8 u16 u32);

macro_rules! list {
    ($($list:ty: $zero:ident;)+) => { $(
        impl Part for $list {
            const SIZE: usize = 1;
            const ZERO: Self = Self::$zero;
            fn put(&self, bytes: &mut [u8], offset: usize) {
                self.code().put(bytes, offset);
            }
            fn get(bytes: &[u8], offset: usize) -> Option<Self> {
                Self::from_code(Part::get(bytes, offset)?)
            }
        }
    )+ };
}
list! { Phase: Unfollowed; SafeMode: Off; }

impl Part for Status {
    const SIZE: usize = 4;
    const ZERO: Self = Self(0);
    fn put(&self, bytes: &mut [u8], offset: usize) {
        self.0.put(bytes, offset);
    }
    fn get(bytes: &[u8], offset: usize) -> Option<Self> {
        Part::get(bytes, offset).map(Self)
    }
}

impl<const N: usize> Part for [u8; N] {
    const SIZE: usize = N;
    const ZERO: Self = [0; N];
    fn put(&self, bytes: &mut [u8], offset: usize) {
        put(bytes, offset, self);
    }
    fn get(bytes: &[u8], offset: usize) -> Option<Self> {
        Some(get_array(bytes, offset))
    }
}

//! Standard output that may be closed: `crashrig … | head` ends quietly instead of panicking.

use crate::exit;
use std::fmt::Arguments;
use std::io::Write as _;

/// Writes a line to standard output. If nobody reads it any more, the command ends.
pub(super) fn line(text: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let written = out.write_fmt(text).and_then(|()| out.write_all(b"\n"));
    if written.and_then(|()| out.flush()).is_err() {
        std::process::exit(i32::from(exit::INFRASTRUCTURE));
    }
}

/// `println!` for a standard output that may be closed.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::say::line(format_args!($($text)*)) };
}
pub(super) use say;

//! Output that may be closed: `crashrig … | head` loses what nobody reads, and nothing else. A run
//! goes on to its verdict and its file of results.

use crate::exit;
use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};

/// Writes a line to standard output. If it cannot be written for another reason than that nobody
/// reads it, the command ends.
pub(super) fn line(text: Arguments<'_>) {
    if let Err(error) = write(io::stdout().lock(), text) {
        warning(format_args!("error: failed to write standard output: {error}"));
        std::process::exit(i32::from(exit::INFRASTRUCTURE));
    }
}

/// Writes a line to standard error, if it can be.
pub(super) fn warning(text: Arguments<'_>) {
    let _ = write(io::stderr().lock(), text);
}

fn write(mut out: impl Write, text: Arguments<'_>) -> io::Result<()> {
    let written = out.write_fmt(text).and_then(|()| out.write_all(b"\n"));
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// `println!` for a standard output that may be closed.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::say::line(format_args!($($text)*)) };
}
pub(super) use say;

/// `eprintln!` for a standard error that may be closed.
macro_rules! complain {
    ($($text:tt)*) => { $crate::cli::say::warning(format_args!($($text)*)) };
}
pub(super) use complain;

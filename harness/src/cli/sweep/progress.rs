//! How far a sweep is, on one line of a terminal that is written over. In a log, which may be of
//! hours, each half minute has a line of its own.

use crate::sweep::schedule::Progress;
use crate::sweep::words::thousands;
use std::cell::Cell;
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// From one line of a log to the next.
const LOGGED_EVERY: Duration = Duration::from_secs(30);

/// The line.
pub(super) struct ProgressLine {
    is_terminal: bool,
    /// When the last line of a log was written, or the first may be.
    logged: Cell<Instant>,
}

impl ProgressLine {
    /// The line of this process.
    pub(super) fn new() -> Self {
        Self { is_terminal: stderr().is_terminal(), logged: Cell::new(Instant::now()) }
    }

    /// Writes it anew. A terminal that is gone is no reason to stop.
    pub(super) fn show(&self, progress: &Progress) {
        if self.is_terminal {
            let _ = write!(stderr(), "\r\x1b[K{}", text(progress));
        } else if self.logged.get().elapsed() >= LOGGED_EVERY {
            self.logged.set(Instant::now());
            let _ = writeln!(stderr(), "{}", text(progress));
        }
    }

    /// Makes room for other output.
    pub(super) fn clear(&self) {
        if self.is_terminal {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

fn text(progress: &Progress) -> String {
    let Progress { done, all, injections, elapsed } = *progress;
    let milliseconds = elapsed.as_millis().max(1);
    let rate = u128::from(injections) * 1_000 / milliseconds;
    let rate = u64::try_from(rate).unwrap_or(u64::MAX);
    let rate_text = format!("{} a second", thousands(rate));
    let Some(all) = all else { return format!("{} injections, {rate_text}", thousands(done)) };
    let left = all.saturating_sub(done);
    let percent = (u128::from(done) * 100).checked_div(u128::from(all)).unwrap_or(100);
    let done = format!("{} of {} injections ({percent} %)", thousands(done), thousands(all));
    match left.checked_div(rate) {
        Some(seconds) => format!("{done}, {rate_text}, {} left", time(seconds)),
        None => format!("{done}, {rate_text}"),
    }
}

fn time(seconds: u64) -> String {
    let duration = Duration::from_secs(seconds).as_secs();
    match (duration / 3_600, duration / 60 % 60, duration % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_much_and_how_long() {
        let check = |done, all, injections, seconds, expected: &str| {
            let elapsed = Duration::from_secs(seconds);
            assert_eq!(text(&Progress { done, all, injections, elapsed }), expected);
        };
        check(1_500, None, 1_000, 2, "1,500 injections, 500 a second");
        let expected = "1,500 of 32,768 injections (4 %), 500 a second, 1 min 2 s left";
        check(1_500, Some(32_768), 1_000, 2, expected);
        check(0, Some(10), 0, 0, "0 of 10 injections (0 %), 0 a second");
        check(0, Some(0), 0, 0, "0 of 0 injections (100 %), 0 a second");
        assert_eq!(time(7_261), "2 h 1 min");
    }
}

//! Who holds a board: what a lock's file says of it. A convenience for people; who holds a board is
//! decided by the lock alone.

use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a board is held for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Scenarios run on it. Nobody but its user ends that.
    Run,
    /// A person has it, by `cargo rig lock`; `cargo rig unlock` ends that.
    Person,
}

/// Who holds a board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// The process.
    pub pid: i32,
    /// When that process started, in clock ticks since this machine did: with the number it names
    /// one process, also after numbers were used again. 0 if it is not known.
    pub process_start: u64,
    /// The machine.
    pub host: String,
    /// The user.
    pub user: String,
    /// Since when, in seconds since 1970.
    pub since: u64,
    /// What for.
    pub purpose: Purpose,
    /// What for, in words.
    pub reason: String,
}

impl Holder {
    /// This process, from now on.
    #[must_use]
    pub fn this_process(purpose: Purpose, reason: &str) -> Self {
        let pid = i32::try_from(std::process::id()).unwrap_or(0);
        Self {
            pid,
            process_start: process_start(pid).unwrap_or(0),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            user: user(),
            since: seconds(SystemTime::now()),
            purpose,
            reason: reason.to_owned(),
        }
    }

    /// Whether that very process runs on this machine.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let here = rustix::system::uname().nodename().to_string_lossy() == self.host;
        here && process_start(self.pid).is_some_and(|start| start == self.process_start)
    }

    /// One phrase for messages.
    #[must_use]
    pub fn words(&self) -> String {
        let now = seconds(SystemTime::now());
        let age = age(Duration::from_secs(now.saturating_sub(self.since)));
        let Self { pid, user, host, reason, .. } = self;
        format!("held by process {pid} of {user}@{host} for {age}: {reason}")
    }
}

/// A duration as people say it.
#[must_use]
pub fn age(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

fn user() -> String {
    let named = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    named.unwrap_or_else(|| format!("user {}", rustix::process::getuid().as_raw()))
}

/// Field 22 of `/proc/PID/stat`.
pub(super) fn process_start(pid: i32) -> Option<u64> {
    stat_field(pid, 22)?.parse().ok()
}

/// Whether a process has ended, and its parent has not asked for its end yet: field 3.
pub(super) fn is_zombie(pid: i32) -> bool {
    stat_field(pid, 3).is_some_and(|state| state == "Z" || state == "X")
}

/// A field of `/proc/PID/stat` from the third on (proc_pid_stat(5)). The name in field 2 may hold
/// blanks and parentheses, so the fields are counted from its last closing one.
fn stat_field(pid: i32, number: usize) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    rest.split_whitespace().nth(number.checked_sub(3)?).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_one_process_and_not_the_next_of_its_number() {
        let holder = Holder::this_process(Purpose::Run, "a test");
        assert!(holder.process_start > 0 && holder.is_alive(), "{holder:?}");
        let earlier = Holder { process_start: holder.process_start - 1, ..holder.clone() };
        assert!(!earlier.is_alive());
        assert!(!Holder { host: "elsewhere".to_owned(), ..holder.clone() }.is_alive());
        assert!(holder.words().ends_with("for 0 s: a test"), "{}", holder.words());
    }
}

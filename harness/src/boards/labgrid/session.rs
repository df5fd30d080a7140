//! Who holds a place, in labgrid's words: `HOST/USER`, where the user of a run of ours is named
//! with its process, so that anybody can say whether that process is still there.
//!
//! labgrid keeps a place acquired after its client has ended, on purpose. A process that was killed
//! therefore leaves its place taken, and only the name tells. Must never happen here: calling a
//! process dead that might live. Numbers of processes mean something within one boot of one kernel
//! and one namespace only (pid_namespaces(7)), so both are part of the name, and what has another
//! one is never called dead.

use crate::boards::holder::{self, Holder};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// The part of a name that says that it is one of ours.
const MARK: &str = "crashrig";
/// Names another host, in labgrid itself.
const HOST_VARIABLE: &str = "LG_HOSTNAME";
/// Names another user, in labgrid itself.
pub(super) const USER_VARIABLE: &str = "LG_USERNAME";

/// A process as a user of labgrid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    host: String,
    user: String,
    pid: i32,
    process_start: u64,
    /// Within what number and start of a process mean something.
    scope: String,
}

impl Session {
    /// This process.
    pub(super) fn of(holder: &Holder) -> Self {
        Self {
            host: host(holder),
            user: safe(&user(holder)),
            pid: holder.pid,
            process_start: holder.process_start,
            scope: scope().unwrap_or_default(),
        }
    }

    /// Its user: `USER.crashrig.PID.START.SCOPE`.
    pub(super) fn user(&self) -> String {
        let Self { user, pid, process_start, scope, .. } = self;
        format!("{user}.{MARK}.{pid}.{process_start}.{scope}")
    }

    /// What labgrid says of a place that it holds.
    pub(super) fn owner(&self) -> String {
        format!("{}/{}", self.host, self.user())
    }

    /// The process that holds a place; nothing where its holder is none of ours.
    fn parse(owner: &str) -> Option<Self> {
        let (host, name) = owner.split_once('/')?;
        let mut parts = name.rsplitn(5, '.');
        let (scope, start, pid) = (parts.next()?, parts.next()?, parts.next()?);
        let (mark, user) = (parts.next()?, parts.next()?);
        (mark == MARK).then_some(())?;
        Some(Self {
            host: host.to_owned(),
            user: user.to_owned(),
            pid: pid.parse().ok()?,
            process_start: start.parse().ok()?,
            scope: scope.to_owned(),
        })
    }

    /// Whether a place's holder is a process of ours that ran here and is certainly no more.
    pub(super) fn sees_dead(&self, owner: &str) -> bool {
        let Some(other) = Self::parse(owner) else { return false };
        let is_here =
            !self.scope.is_empty() && (&self.host, &self.scope) == (&other.host, &other.scope);
        let Some(pid) = Pid::from_raw(other.pid).filter(|pid| is_here && !pid.is_init()) else {
            return false;
        };
        // Asked by signal, since `/proc` may hide processes of others (`hidepid`, proc(5)).
        if test_kill_process(pid) == Err(Errno::SRCH) {
            return true;
        }
        // One that its parent does not wait for has ended all the same.
        let start = holder::process_start(other.pid);
        holder::is_zombie(other.pid)
            || start.is_some_and(|start| other.process_start > 0 && start != other.process_start)
    }
}

/// What labgrid calls the person who runs this process, as a holder.
pub(super) fn person(holder: &Holder) -> String {
    format!("{}/{}", host(holder), user(holder))
}

fn host(holder: &Holder) -> String {
    std::env::var(HOST_VARIABLE).unwrap_or_else(|_| holder.host.clone())
}

/// As labgrid's client finds it: by variables in the order of Python's `getpass`, then by number.
fn user(holder: &Holder) -> String {
    let names = [USER_VARIABLE, "LOGNAME", "USER", "LNAME", "USERNAME"];
    let named =
        names.into_iter().find_map(|name| std::env::var(name).ok().filter(|it| !it.is_empty()));
    let answer = || duct::cmd("id", ["-un"]).stdin_null().stderr_null().read().ok();
    named.or_else(answer).unwrap_or_else(|| holder.user.clone())
}

/// A user's name without what separates the parts of a holder.
fn safe(text: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    text.chars().map(safe).collect()
}

/// This boot of this kernel (random(4)) and this namespace of processes.
fn scope() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = std::fs::read_link("/proc/self/ns/pid").ok()?;
    let number: String = space.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    Some(format!("{}-{number}", boot.get(..8)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boards::holder::Purpose;

    fn this() -> Session {
        Session::of(&Holder::this_process(Purpose::Run, "a test"))
    }

    #[test]
    fn a_name_says_which_process_it_is() {
        let session = Session { user: "first.last".to_owned(), ..this() };
        assert_eq!(Session::parse(&session.owner()), Some(session.clone()));
        assert!(!session.scope.is_empty() && !session.scope.contains('.'), "{session:?}");
        for other in ["host", "host/joe", "host/joe.lab.1.2.3", "host/joe.crashrig.x.2.3"] {
            assert_eq!(Session::parse(other), None, "{other}");
        }
        assert_eq!(safe("a/b c.d"), "a_b_c.d");
    }

    #[test]
    fn only_what_is_certainly_dead_is_called_so() {
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let process_start = holder::process_start(pid).unwrap();
        let this = this();
        let gone = Session { pid, process_start, ..this.clone() };
        let check = |session: &Session, expected: bool| {
            assert_eq!(this.sees_dead(&session.owner()), expected, "{session:?}");
        };
        check(&gone, false);
        drop(child.stdin.take());
        let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !holder::is_zombie(pid) {
            assert!(std::time::Instant::now() < end);
            std::thread::yield_now();
        }
        check(&gone, true);
        child.wait().unwrap();
        check(&gone, true);
        // Its number was given to another process since.
        check(&Session { process_start: this.process_start - 1, ..this.clone() }, true);
        check(&this, false);
        check(&Session { process_start: 0, ..this.clone() }, false);
        check(&Session { host: "elsewhere".to_owned(), ..gone.clone() }, false);
        check(&Session { scope: "01234567-1".to_owned(), ..gone.clone() }, false);
        assert!(!Session { scope: String::new(), ..this.clone() }.sees_dead(&gone.owner()));
        assert!(!this.sees_dead("host/joe"));
    }
}

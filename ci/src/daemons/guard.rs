//! Ends everything that belongs to a job's daemons, also where the job's process was killed.
//!
//! Daemons, what they keep beside tasks, and tasks all have a [`Mark`] in their environment. The
//! guard is a process that waits for the end of its input, which comes with the end of whoever
//! started it, then ends what has that mark, and removes the job's folder. It must never end
//! anything else: the whole variable is compared.

use super::Mark;
use anyhow::{Context as _, Result};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What the guard does: its arguments are variable with value, and folder. What is ended may have
/// started something the moment before, so it looks again until it finds nothing. A process that is
/// gone by then makes `grep` fail, which says nothing. Signals of the terminal are not for it.
const SCRIPT: &str = r#"
trap "" HUP INT TERM
cat > /dev/null
for round in 1 2 3 4 5; do
    found=$(grep -lszxF -e "$1" /proc/[0-9]*/environ)
    test -n "$found" || break
    for place in $found; do
        process=${place#/proc/}
        kill -KILL "${process%/environ}" 2> /dev/null
    done
    sleep 0.1
done
rm -rf "$2"
"#;

/// See the module.
pub struct Guard(Child);

impl Guard {
    /// Starts the guard of what has a mark, and of a folder.
    ///
    /// # Errors
    /// There is no shell.
    pub fn start(folder: &Path, (name, value): Mark<'_>) -> Result<Self> {
        let variable = format!("{name}={}", value.display());
        let child = Command::new("sh")
            .args(["-c", SCRIPT, "guard", &variable])
            .arg(folder)
            .env_remove(name)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start the guard of the daemons")?;
        Ok(Self(child))
    }

    /// Ends what is there, and waits until that is done.
    pub fn end_all(&mut self) {
        drop(self.0.stdin.take());
        // Nobody is told of a guard that was killed: the daemons are ended one by one before.
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;

    const VARIABLE: &str = "CRASHRIG_GUARD_TEST";

    #[test]
    fn what_has_the_mark_ends_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("job");
        std::fs::create_dir(&place).unwrap();
        let sleeper = |file: &str| {
            let path = place.join(file);
            Command::new("sleep").arg("600").env(VARIABLE, path).spawn().unwrap()
        };
        let (mut own, mut other) = (sleeper("conf"), sleeper("conf.old"));
        let mut guard = Guard::start(&place, (VARIABLE, &place.join("conf"))).unwrap();
        assert!(own.try_wait().unwrap().is_none());
        guard.end_all();
        assert_eq!(own.wait().unwrap().signal(), Some(9));
        assert!(other.try_wait().unwrap().is_none());
        assert!(!place.exists());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}

//! One external command: echoed before it runs, named with its exit status when it fails.
//!
//! Commands that a person should watch inherit the terminal. Commands that talk to a network have
//! one deadline, pass their lines on while they run, and keep the last ones for the error message.

use anyhow::{Context as _, Result, bail};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::mpsc;
use std::time::Duration;

/// How many of the last lines of a failed command its error message repeats.
const KEPT_LINES: usize = 12;

/// How long a command may take whose answer is read silently.
const ANSWER_DEADLINE: Duration = Duration::from_secs(300);

/// A command that is still to be run.
#[derive(Debug, Clone)]
pub struct Step {
    words: Vec<OsString>,
    environment: Vec<(String, OsString)>,
    folder: Option<PathBuf>,
}

impl Step {
    /// A command by the name of its program.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self { words: vec![program.as_ref().to_owned()], environment: Vec::new(), folder: None }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.words.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<T: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.words.extend(arguments.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the command's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets the folder the command runs in; without it, the current one.
    #[must_use]
    pub fn in_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// The command as a person would type it, with the variables it needs in front.
    #[must_use]
    pub fn shown(&self) -> String {
        let variables = self
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={}", quoted(&value.to_string_lossy())));
        let words = self.words.iter().map(|word| quoted(&word.to_string_lossy()));
        variables.chain(words).collect::<Vec<_>>().join(" ")
    }

    /// Runs the command on the terminal.
    ///
    /// # Errors
    /// If it cannot be started or does not exit with 0; the message names the command.
    pub fn run(&self) -> Result<()> {
        let status = self.status()?;
        if !status.success() {
            bail!("`{}` ended with {}", self.shown(), ending(status));
        }
        Ok(())
    }

    /// Runs the command on the terminal and passes its exit code on; 1 if a signal ended it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn exit_code(&self) -> Result<u8> {
        Ok(self.status()?.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
    }

    fn status(&self) -> Result<ExitStatus> {
        self.echo();
        let output = self.expression()?.run();
        Ok(output.with_context(|| format!("cannot start `{}`", self.shown()))?.status)
    }

    /// Runs the command silently and answers what it wrote to its standard output.
    ///
    /// # Errors
    /// If it cannot be started, gives no answer within five minutes, or does not exit with 0; the
    /// message repeats the last lines it wrote.
    pub fn answer(&self) -> Result<String> {
        let expression = self.expression()?.stdin_null().stdout_capture().stderr_capture();
        let handle =
            expression.start().with_context(|| format!("cannot start `{}`", self.shown()))?;
        let waited = handle.wait_timeout(ANSWER_DEADLINE);
        let Some(output) = waited.with_context(|| format!("cannot wait for `{}`", self.shown()))?
        else {
            handle.kill().with_context(|| format!("cannot end `{}`", self.shown()))?;
            bail!("`{}` gave no answer within {} s", self.shown(), ANSWER_DEADLINE.as_secs());
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let all = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
            let mut last = LastLines::default();
            all.lines().for_each(|line| last.push(line));
            bail!("`{}` ended with {}{last}", self.shown(), ending(output.status));
        }
        Ok(text)
    }

    /// Runs a command that takes long, passing its lines on, within one deadline.
    ///
    /// # Errors
    /// If it cannot be started, does not end in time, or does not exit with 0; the message names
    /// the command and repeats the last lines it wrote.
    pub fn run_within(&self, deadline: Duration) -> Result<()> {
        self.echo();
        let reader = self
            .expression()?
            .stdin_null()
            .stderr_to_stdout()
            .reader()
            .with_context(|| format!("cannot start `{}`", self.shown()))?;
        let mut last = LastLines::default();
        let mut expired = false;
        std::thread::scope(|scope| {
            let (finished, wait) = mpsc::channel::<()>();
            let watched = &reader;
            let watcher = scope.spawn(move || {
                let late = wait.recv_timeout(deadline) == Err(mpsc::RecvTimeoutError::Timeout);
                // Where that fails, the lines go on until the command ends by itself.
                late && watched.kill().is_ok()
            });
            let mut lines = BufReader::new(&reader).split(b'\n');
            while let Some(Ok(bytes)) = lines.next() {
                let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
                eprintln!("    {line}");
                last.push(&line);
            }
            drop(finished);
            expired = watcher.join().unwrap_or(false);
        });
        if expired {
            bail!("`{}` did not end within {} s{last}", self.shown(), deadline.as_secs());
        }
        let ended = reader.try_wait().with_context(|| format!("lost `{}`", self.shown()))?;
        match ended.map(|output| output.status) {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!("`{}` ended with {}{last}", self.shown(), ending(status)),
            None => bail!("`{}` closed its output and did not end{last}", self.shown()),
        }
    }

    fn echo(&self) {
        eprintln!("$ {}", self.shown());
    }

    fn expression(&self) -> Result<duct::Expression> {
        let (program, arguments) = self.words.split_first().context("a command without words")?;
        let mut expression = duct::cmd(program, arguments).unchecked();
        if let Some(folder) = &self.folder {
            expression = expression.dir(folder);
        }
        for (name, value) in &self.environment {
            expression = expression.env(name, value);
        }
        Ok(expression)
    }
}

/// The last lines of a command, indented, each on a line of its own.
#[derive(Default)]
struct LastLines(VecDeque<String>);

impl LastLines {
    fn push(&mut self, line: &str) {
        if line.is_empty() {
            return;
        }
        if self.0.len() == KEPT_LINES {
            self.0.pop_front();
        }
        self.0.push_back(line.to_owned());
    }
}

impl std::fmt::Display for LastLines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.0.is_empty() {
            f.write_str("; its last lines:")?;
        }
        self.0.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

fn ending(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown status".to_owned(),
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+:./,@%~".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(script: &str, deadline: Duration, expected: &[&str]) {
        let outcome = Step::new("sh").arg("-c").arg(script).run_within(deadline);
        let message = outcome.err().map_or_else(|| "ok".to_owned(), |problem| problem.to_string());
        for part in expected {
            assert!(message.contains(part), "`{script}` gave {message}, expected {part}");
        }
    }

    #[test]
    fn a_watched_command_ends_as_it_ended() {
        let long = Duration::from_secs(30);
        check("echo fine", long, &["ok"]);
        check("echo one; echo two >&2; exit 3", long, &["exit status 3", "    one", "    two"]);
        check("kill -9 $$", long, &["signal 9"]);
        check(
            "exec sleep 60",
            Duration::from_millis(50),
            &["`sh -c 'exec sleep 60'` did not end within 0 s"],
        );
    }

    #[test]
    fn an_answer_is_the_standard_output_alone() {
        let answer = Step::new("sh").args(["-c", "echo yes; echo no >&2"]).answer();
        assert_eq!(answer.unwrap(), "yes\n");
        let failed = Step::new("sh").args(["-c", "echo no >&2; false"]).answer().unwrap_err();
        assert!(failed.to_string().contains("no"), "{failed}");
    }

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let step =
            Step::new("cargo").args(["test", "--", "it's"]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(step.shown(), r"RUSTDOCFLAGS='-D warnings' cargo test -- 'it'\''s'");
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut last = LastLines::default();
        (0..100).for_each(|number| last.push(&number.to_string()));
        assert_eq!(last.0.len(), KEPT_LINES);
        assert_eq!(last.0.back().map(String::as_str), Some("99"));
    }
}

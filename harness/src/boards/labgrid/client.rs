//! `labgrid-client`, one command at a time. Its answers are texts for people; what is read of them
//! is two lines of `show`, as labgrid 25 and 26 print them (`Place.show` of its
//! `remote/common.py`), and the token that `reserve --shell` prints for shells.

use super::LabgridError;
use super::session::USER_VARIABLE;
use std::ffi::OsString;
use std::time::Duration;

/// The command, on the search path.
const PROGRAM: &str = "labgrid-client";
/// Where the coordinator is: labgrid's own variable.
const COORDINATOR_VARIABLE: &str = "LG_COORDINATOR";
/// Where labgrid looks for it without the variable.
const COORDINATOR: &str = "127.0.0.1:20408";
/// Names a file whose places and coordinator stand before those of the command line; places of
/// boards stand in `boards.toml`.
const FILE_VARIABLE: &str = "LG_ENV";
/// How long one command may take: an interpreter starts and connects.
const DEADLINE: Duration = Duration::from_secs(60);

/// Commands about one place, as one user.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub program: OsString,
    pub place: String,
    pub user: String,
}

/// What `show` says of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    /// Who holds it, as `HOST/USER`.
    pub owner: Option<String>,
    /// The token that it is reserved by.
    pub token: Option<String>,
}

impl Client {
    pub(super) fn new(place: &str, user: String) -> Self {
        Self { program: PROGRAM.into(), place: place.to_owned(), user }
    }

    /// Who has the place.
    pub(super) fn state(&self) -> Result<State, LabgridError> {
        let text = self.run(&["show"])?;
        read(&text).ok_or_else(|| self.failed(&["show"], "it does not say who has the place"))
    }

    /// Gets into the queue for the place; the token of the reservation.
    pub(super) fn reserve(&self) -> Result<String, LabgridError> {
        let filter = format!("name={}", self.place);
        let words = ["reserve", "--shell", &filter];
        let text = self.run(&words)?;
        let token = text.lines().find_map(|line| line.trim().strip_prefix("export LG_TOKEN="));
        token.map(str::to_owned).ok_or_else(|| self.failed(&words, "it does not say a token"))
    }

    /// Runs a command to its end; what it printed.
    pub(super) fn run(&self, words: &[&str]) -> Result<String, LabgridError> {
        let expression = self.expression(words).stdout_capture().stderr_capture();
        let handle = expression.start().map_err(|error| self.failed(words, &error.to_string()))?;
        let waited = handle.wait_timeout(DEADLINE);
        let Some(output) = waited.map_err(|error| self.failed(words, &error.to_string()))? else {
            // Where that fails, it ends by itself or is waited for by nobody.
            let _ = handle.kill();
            let found = format!("no answer within {} s", DEADLINE.as_secs());
            return Err(self.failed(words, &found));
        };
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<_> = said.split_whitespace().collect();
        Err(self.failed(words, &format!("{}: {}", output.status, said.join(" "))))
    }

    /// Starts a command that says nothing and is ended by its handle.
    pub(super) fn start(&self, words: &[&str]) -> Result<duct::Handle, LabgridError> {
        let expression = self.expression(words).stdout_null().stderr_null();
        expression.start().map_err(|error| self.failed(words, &error.to_string()))
    }

    fn expression(&self, words: &[&str]) -> duct::Expression {
        let all = ["-p", &self.place].into_iter().chain(words.iter().copied());
        duct::cmd(&self.program, all)
            .env(USER_VARIABLE, &self.user)
            .env_remove(FILE_VARIABLE)
            .stdin_null()
            .unchecked()
    }

    fn failed(&self, words: &[&str], found: &str) -> LabgridError {
        let named = std::env::var(COORDINATOR_VARIABLE).ok();
        LabgridError::Client {
            place: self.place.clone(),
            command: format!("{} -p {} {}", self.program.display(), self.place, words.join(" ")),
            found: found.to_owned(),
            coordinator: named.unwrap_or_else(|| COORDINATOR.to_owned()),
        }
    }
}

/// The lines of `show` that say who has a place.
fn read(text: &str) -> Option<State> {
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
    let owner = value("  acquired: ")?;
    Some(State {
        owner: (owner != "None").then(|| owner.to_owned()),
        token: value("  reservation: ").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(program: &str) -> Client {
        Client { program: program.into(), ..Client::new("desk", "joe".to_owned()) }
    }

    #[test]
    fn show_says_who_has_a_place() {
        let text = |owner: &str| {
            format!(
                "Place 'desk':\n  matches:\n    exporter/group/Kind\n  acquired: {owner}\n  \
                 acquired resources:\n    exporter/group/Kind/name\n  changed: 2026-01-02\n"
            )
        };
        let free = State { owner: None, token: None };
        assert_eq!(read(&text("None")), Some(free.clone()));
        let owner = Some("host/joe".to_owned());
        assert_eq!(read(&text("host/joe")), Some(State { owner, ..free.clone() }));
        let token = Some("ABC".to_owned());
        let reserved = text("None") + "  reservation: ABC\n";
        assert_eq!(read(&reserved), Some(State { token, ..free }));
        assert_eq!(read("Place 'desk':\n"), None);
    }

    #[test]
    fn what_stands_in_the_way_is_named_with_command_found_and_remedy() {
        let said = |program: &str| client(program).state().unwrap_err().to_string();
        let missing = said("there-is-no-such-client");
        for part in ["place desk", "`there-is-no-such-client -p desk show`", "No such file", "pip"]
        {
            assert!(missing.contains(part), "{part:?} in: {missing}");
        }
        let refused = said("false");
        for part in ["`false -p desk show`", "exit status: 1", "LG_COORDINATOR"] {
            assert!(refused.contains(part), "{part:?} in: {refused}");
        }
        // It prints its arguments, which say nothing of a holder.
        assert!(said("echo").contains("does not say who has"), "{}", said("echo"));
        assert!(client("echo").reserve().is_err());
    }
}

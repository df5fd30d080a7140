//! QMP, QEMU's control protocol: one JSON object a line, with events between the answers.
//!
//! An own client, because it is small and the generated ones lose events when QEMU ends. Events may
//! come before the answer to the command that caused them, so they are kept in a queue.

use std::collections::VecDeque;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use serde_json::{Value, json};

use crate::channel::{Channel, answer_deadline};
use crate::error::Error;

/// Events that may wait in the queue. Stopping at every reset keeps the real number below ten.
const EVENT_LIMIT: usize = 10_000;

/// Something QEMU reported by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// QEMU's name of the event: `STOP`, `RESUME`, `RESET`, `SHUTDOWN`, ...
    pub name: String,
    /// What belongs to it; `null` when nothing does.
    pub data: Value,
}

/// The control connection of one QEMU.
#[derive(Debug)]
pub struct Qmp {
    channel: Channel,
    events: VecDeque<Event>,
}

impl Qmp {
    /// Waits for the greeting and enters command mode.
    ///
    /// # Errors
    /// When the greeting does not come before the deadline, or QEMU ends first.
    pub fn greet(stream: UnixStream, deadline: Instant) -> Result<Self, Error> {
        let channel = Channel::new(stream, "QMP")?;
        let mut qmp = Self { channel, events: VecDeque::new() };
        let greeting = qmp.channel.line(deadline, "wait for the greeting of QEMU")?;
        if !greeting.starts_with("{\"QMP\"") {
            return Err(malformed("a QMP greeting", &greeting));
        }
        qmp.command_until("qmp_capabilities", Value::Null, deadline)?;
        Ok(qmp)
    }

    /// Runs a command and returns what QEMU returned; `arguments` may be `null`.
    ///
    /// # Errors
    /// When QEMU refuses the command, does not answer in time, or has ended.
    pub fn command(&mut self, name: &str, arguments: Value) -> Result<Value, Error> {
        self.command_until(name, arguments, answer_deadline())
    }

    /// Runs commands that return nothing of interest, all of them sent at once.
    ///
    /// # Errors
    /// As [`Qmp::command`], of the first that fails.
    pub(crate) fn commands<const N: usize>(
        &mut self,
        commands: [(&str, Value); N],
    ) -> Result<(), Error> {
        let lines: String =
            commands.iter().map(|(name, arguments)| request(name, arguments) + "\n").collect();
        self.channel.send(lines.as_bytes())?;
        let deadline = answer_deadline();
        let answers = commands.map(|(name, _)| self.answer(name, deadline));
        answers.into_iter().collect::<Result<Vec<_>, _>>().map(drop)
    }

    /// Runs a line of the human monitor and returns its text with `\n` line ends.
    ///
    /// # Errors
    /// As [`Qmp::command`]. An unknown line is not an error of QMP: its text says so.
    pub fn human(&mut self, line: &str) -> Result<String, Error> {
        let answer = self.command("human-monitor-command", json!({ "command-line": line }))?;
        match answer {
            Value::String(text) => Ok(text.replace("\r\n", "\n")),
            other => Err(malformed("a text", &other.to_string())),
        }
    }

    /// The run state in QEMU's words: `running`, `paused`, `shutdown`, `prelaunch`, `debug`, ...
    ///
    /// # Errors
    /// As [`Qmp::command`].
    pub fn status(&mut self) -> Result<String, Error> {
        let answer = self.command("query-status", Value::Null)?;
        match answer.get("status").and_then(Value::as_str) {
            Some(status) => Ok(status.to_owned()),
            None => Err(malformed("an object with `status`", &answer.to_string())),
        }
    }

    /// Instructions executed since power-on. Always 0 without `-icount`.
    ///
    /// # Errors
    /// As [`Qmp::command`].
    pub fn instruction_count(&mut self) -> Result<u64, Error> {
        self.ask_instruction_count()?;
        self.asked_instruction_count()
    }

    /// Asks for [`Qmp::instruction_count`], whose answer is collected later. No other command may
    /// come in between.
    pub(crate) fn ask_instruction_count(&mut self) -> Result<(), Error> {
        self.channel.send(b"{\"execute\":\"query-replay\"}\n")
    }

    /// The answer to the question.
    pub(crate) fn asked_instruction_count(&mut self) -> Result<u64, Error> {
        let answer = self.answer("query-replay", answer_deadline())?;
        answer
            .get("icount")
            .and_then(Value::as_u64)
            .ok_or_else(|| malformed("an object with `icount`", &answer.to_string()))
    }

    /// The next event, or `None` when none came until `until`.
    ///
    /// # Errors
    /// [`Error::Closed`] when QEMU has ended; events that came before are returned first.
    pub fn next_event(&mut self, until: Instant) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let Some(line) = self.channel.poll_line(until)? else {
                return Ok(None);
            };
            let message = parse(&line)?;
            if !self.keep_event(&message)? {
                return Err(malformed("an event", &line));
            }
        }
    }

    /// Waits for an event of this name and drops the ones before it.
    ///
    /// # Errors
    /// When it does not come in time, or QEMU ends.
    pub fn wait_event(&mut self, name: &str) -> Result<Event, Error> {
        let deadline = answer_deadline();
        loop {
            match self.next_event(deadline)? {
                Some(event) if event.name == name => return Ok(event),
                Some(_) => {}
                None => {
                    let doing = format!("wait for the event {name}");
                    return Err(Error::Deadline { socket: "QMP", doing });
                }
            }
        }
    }

    /// Whether an event of this name was received and not taken yet.
    #[must_use]
    pub fn has_event(&self, name: &str) -> bool {
        self.events.iter().any(|event| event.name == name)
    }

    /// Drops all events that were received so far.
    pub fn forget_events(&mut self) {
        self.events.clear();
    }

    fn command_until(
        &mut self,
        name: &str,
        arguments: Value,
        deadline: Instant,
    ) -> Result<Value, Error> {
        self.channel.send((request(name, &arguments) + "\n").as_bytes())?;
        self.answer(name, deadline)
    }

    /// The answer to the oldest command that has none yet.
    fn answer(&mut self, name: &str, deadline: Instant) -> Result<Value, Error> {
        loop {
            let line = self.channel.line(deadline, name)?;
            let mut message = parse(&line)?;
            if self.keep_event(&message)? {
                continue;
            }
            if let Some(value) = message.get_mut("return") {
                return Ok(value.take());
            }
            let answer = message.pointer("/error/desc").and_then(Value::as_str);
            return Err(match answer {
                Some(answer) => Error::Refused {
                    socket: "QMP",
                    command: name.to_owned(),
                    answer: answer.to_owned(),
                },
                None => malformed("`return` or `error`", &line),
            });
        }
    }

    /// Puts a message into the queue if it is an event, and says whether it was.
    fn keep_event(&mut self, message: &Value) -> Result<bool, Error> {
        let Some(name) = message.get("event").and_then(Value::as_str) else {
            return Ok(false);
        };
        if self.events.len() >= EVENT_LIMIT {
            return Err(Error::Limit { what: "the number of unread events", limit: EVENT_LIMIT });
        }
        let data = message.get("data").cloned().unwrap_or(Value::Null);
        self.events.push_back(Event { name: name.to_owned(), data });
        Ok(true)
    }
}

fn request(name: &str, arguments: &Value) -> String {
    let request = if arguments.is_null() {
        json!({ "execute": name })
    } else {
        json!({ "execute": name, "arguments": arguments })
    };
    request.to_string()
}

fn parse(line: &str) -> Result<Value, Error> {
    serde_json::from_str(line).map_err(|_| malformed("a JSON object", line))
}

fn malformed(expected: &'static str, found: &str) -> Error {
    Error::Malformed { socket: "QMP", expected, found: found.chars().take(200).collect() }
}

//! A DMA transfer as a scenario expects it, in words: stream, state, the rule that it broke if it
//! was refused, who began it: `2.0 refused out-of-reach main`.
//!
//! Must never happen here: words that no record could have, since a scenario that expects them can
//! only fail.

use crashrig_wire::section::TransferRow;
use crashrig_wire::thread::Context;
use crashrig_wire::{DmaRule, Thread, TransferState};
use std::fmt;
use std::str::FromStr;

/// Controllers of a chip, counted from 1, and streams of each, from 0.
const CONTROLLERS: u8 = 2;
const STREAMS: u8 = 8;

/// A DMA transfer that must stand behind a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectedTransfer {
    /// Number of the controller, from 1, and of its stream.
    stream: (u8, u8),
    /// What became of it.
    state: TransferState,
    /// The rule that it broke, if it was refused.
    rule: Option<DmaRule>,
    /// Who began it.
    owner: Context,
}

/// A row in the words of a scenario.
#[must_use]
pub fn words_of(row: &TransferRow) -> String {
    let stream = (row.controller(), row.stream_number());
    let state = row.state.map_or("unknown", TransferState::name);
    let owner = Thread::from_code(row.owner).map_or("unknown", |it| it.context().name());
    words(stream, state, row.rule, owner)
}

fn words(stream: (u8, u8), state: &str, rule: Option<DmaRule>, owner: &str) -> String {
    let rule = rule.map_or(String::new(), |rule| format!(" {rule}"));
    format!("{}.{} {state}{rule} {owner}", stream.0, stream.1)
}

impl fmt::Display for ExpectedTransfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&words(self.stream, self.state.name(), self.rule, self.owner.name()))
    }
}

impl FromStr for ExpectedTransfer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<_> = text.split(' ').collect();
        let (stream, state, rule, owner) = match words.as_slice() {
            [stream, state, owner] => (stream, state, None, owner),
            [stream, state, rule, owner] => (stream, state, Some(rule), owner),
            _ => return Err("expected stream, state, rule if refused, thread".to_owned()),
        };
        let number = |text: &str| text.parse::<u8>().ok();
        let numbers = stream.split_once('.');
        let stream = numbers.and_then(|(first, second)| Some((number(first)?, number(second)?)));
        let stream = stream
            .filter(|(controller, stream)| {
                (1..=CONTROLLERS).contains(controller) && *stream < STREAMS
            })
            .ok_or_else(|| {
                format!("expected a stream from 1.0 to {CONTROLLERS}.{}", STREAMS - 1)
            })?;
        let state: TransferState = named(state)?;
        let rule = rule.map(|rule| named(rule)).transpose()?;
        if (state == TransferState::Refused) != rule.is_some() {
            return Err("expected a rule where the state is refused, and nowhere else".to_owned());
        }
        Ok(Self { stream, state, rule, owner: named(owner)? })
    }
}

fn named<T: FromStr<Err: fmt::Display>>(name: &str) -> Result<T, String> {
    name.parse().map_err(|error: T::Err| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_row_are_taken_and_others_are_not() {
        let row = TransferRow {
            source: 0,
            destination: 0,
            bytes: 4,
            advances: 0,
            stream: 0x27,
            state: Some(TransferState::Refused),
            owner: Thread::Main.code(),
            items_left: 0,
            rule: Some(DmaRule::OutOfReach),
        };
        let check = |text: &str, expected: Result<bool, &str>| {
            let found = text
                .parse::<ExpectedTransfer>()
                .map(|expected| expected.to_string() == words_of(&row));
            match (found, expected) {
                (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
                (found, expected) => assert_eq!(found, expected.map_err(str::to_owned), "{text}"),
            }
        };
        assert_eq!(words_of(&row), "2.7 refused out-of-reach main");
        check("2.7 refused out-of-reach main", Ok(true));
        check("2.6 refused out-of-reach main", Ok(false));
        check("2.7 done main", Ok(false));
        for stream in ["0.1", "3.0", "2.8", "2", "2.-1", "2.0.1"] {
            check(&format!("{stream} done main"), Err("expected a stream from 1.0 to 2.7"));
        }
        check("2.0 doen main", Err("unknown state of a transfer"));
        check("2.0 refused far-away main", Err("unknown rule of DMA"));
        check("2.0 done mian", Err("unknown thread"));
        check("2.0 done alias main", Err("expected a rule where the state is refused"));
        check("2.0 refused main", Err("expected a rule where the state is refused"));
        check("2.0  done main", Err("unknown"));
        check("", Err("expected stream, state"));
        check(&"2.0 ".repeat(1000), Err("expected stream, state"));
    }

    /// What a broken device says of a transfer has words as well, and is no expectation.
    #[test]
    fn a_row_of_noise_has_words() {
        let row = TransferRow::from_words([u32::MAX; TransferRow::WORDS]);
        assert_eq!(words_of(&row), "15.15 unknown user");
        assert!(words_of(&row).parse::<ExpectedTransfer>().is_err());
    }
}

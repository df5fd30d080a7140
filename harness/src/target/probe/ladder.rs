//! What is tried with a board in trouble: one rung after the other, each by itself.
//!
//! The first rung that leads to a session is told in the evidence, since a board that needed help
//! is one to look at. Who has tried all of them calls the board broken. Knows no probe: what a rung
//! means is carried out by whoever climbs.

use crate::target::BenchError;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What helps a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Help {
    /// Its reset line is held low while a debugger attaches.
    UnderReset,
    /// Its power is switched off and on.
    PowerCycle,
    /// Every sector of the image is erased and programmed, whatever it holds.
    ProgramAll,
}

impl fmt::Display for Help {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::UnderReset => "attaching under reset",
            Self::PowerCycle => "a power cycle",
            Self::ProgramAll => "programming all of flash",
        })
    }
}

/// One rung: how a session is begun there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rung {
    /// What it is called.
    pub help: Help,
    /// Whether a debugger attaches under reset.
    pub attaches_under_reset: bool,
    /// Whether power is switched off and on before.
    pub cycles_power: bool,
    /// Whether flash is programmed without looking at what it holds.
    pub programs_all: bool,
}

/// Every rung, in order: what costs least and leaves most as it was stands first.
pub const LADDER: &[Rung] = &[
    Rung {
        help: Help::UnderReset,
        attaches_under_reset: true,
        cycles_power: false,
        programs_all: false,
    },
    Rung {
        help: Help::PowerCycle,
        attaches_under_reset: false,
        cycles_power: true,
        programs_all: false,
    },
    Rung {
        help: Help::ProgramAll,
        attaches_under_reset: false,
        cycles_power: false,
        programs_all: true,
    },
];

/// A board was in trouble, and something has helped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// What has helped.
    pub helped: Help,
    /// The trouble it was in.
    pub trouble: String,
}

impl fmt::Display for Recovery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "recovered by {} from: {}", self.helped, self.trouble)
    }
}

/// Tries one rung after the other with a board in trouble, up to the first that helps.
///
/// # Errors
/// None has: the trouble, and what came of each rung.
pub fn climb<T>(
    rungs: &[Rung],
    trouble: BenchError,
    mut attempt: impl FnMut(&Rung) -> Result<T, BenchError>,
) -> Result<(T, Recovery), BenchError> {
    let BenchError(trouble) = trouble;
    let mut told = trouble.clone();
    for rung in rungs {
        match attempt(rung) {
            Ok(value) => return Ok((value, Recovery { helped: rung.help, trouble })),
            Err(BenchError(found)) => {
                let found = if found == trouble { "the same" } else { &found };
                told.push_str(&format!("; after {}: {found}", rung.help));
            }
        }
    }
    Err(BenchError(told))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble() -> BenchError {
        BenchError("no answer".to_owned())
    }

    #[test]
    fn rungs_are_tried_in_order_and_each_by_itself() {
        let mut tried = Vec::new();
        let result = climb(LADDER, trouble(), |rung| {
            tried.push(*rung);
            Err::<(), _>(trouble())
        });
        assert!(result.is_err());
        let helps: Vec<_> = tried.iter().map(|rung| rung.help).collect();
        assert_eq!(helps, [Help::UnderReset, Help::PowerCycle, Help::ProgramAll]);
        for rung in tried {
            let means = [rung.attaches_under_reset, rung.cycles_power, rung.programs_all];
            assert_eq!(means.iter().filter(|is_used| **is_used).count(), 1, "{rung:?}");
        }
    }

    #[test]
    fn the_first_that_helps_ends_it_and_is_told() {
        let mut count = 0;
        let (value, recovery) = climb(LADDER, trouble(), |rung| {
            count += 1;
            if rung.cycles_power { Ok(7) } else { Err(trouble()) }
        })
        .unwrap();
        assert_eq!((value, count), (7, 2));
        assert_eq!(recovery.to_string(), "recovered by a power cycle from: no answer");
        let json = serde_json::to_string(&recovery).unwrap();
        assert_eq!(json, r#"{"helped":"power-cycle","trouble":"no answer"}"#);
    }

    #[test]
    fn where_none_helps_each_is_told_with_what_came_of_it() {
        let error = climb(LADDER, trouble(), |rung| {
            let text = if rung.cycles_power { "no switch" } else { "no answer" };
            Err::<(), _>(BenchError(text.to_owned()))
        })
        .unwrap_err();
        let expected = "no answer; after attaching under reset: the same; after a power cycle: no \
                        switch; after programming all of flash: the same";
        assert_eq!(error.to_string(), expected);
    }
}

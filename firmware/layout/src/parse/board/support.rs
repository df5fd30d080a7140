//! What a target has and what it lacks: every need is answered, exactly once.

use crate::Need;
use crate::parse::problem::{Problems, listed, quoted};
use crate::parse::raw::RawLack;

/// Answers to every need.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Support {
    lacks: Vec<(Need, String)>,
}

impl Support {
    /// Why a need is lacking, or nothing if it is there.
    #[must_use]
    pub fn lacks(&self, need: Need) -> Option<&str> {
        self.lacks.iter().find(|(lacking, _)| *lacking == need).map(|(_, reason)| reason.as_str())
    }

    /// The needs that are there.
    pub fn models(&self) -> impl Iterator<Item = Need> {
        Need::ALL.iter().copied().filter(|need| self.lacks(*need).is_none())
    }
}

/// Collects answers from one or two tables of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers {
    models: Vec<Need>,
    lacks: Vec<(Need, String)>,
}

impl Answers {
    /// Adds the answers of the table at `key`; a second answer to a need is noted.
    pub(super) fn add(
        &mut self,
        key: &str,
        models: &[String],
        lacks: &[RawLack],
        problems: &mut Problems<'_>,
    ) {
        for (index, name) in models.iter().enumerate() {
            let key = format!("{key}.models[{index}]");
            if let Some(need) = self.new_need(key, name, problems) {
                self.models.push(need);
            }
        }
        for (index, lack) in lacks.iter().enumerate() {
            let key = format!("{key}.lack[{index}]");
            problems.require(
                !lack.reason.is_empty(),
                format!("{key}.reason"),
                "nothing",
                "why the need is lacking",
            );
            if let Some(need) = self.new_need(format!("{key}.need"), &lack.need, problems) {
                self.lacks.push((need, lack.reason.clone()));
            }
        }
    }

    fn new_need(&self, key: String, name: &str, problems: &mut Problems<'_>) -> Option<Need> {
        let need = problems.name(key.clone(), name)?;
        let new =
            !self.models.contains(&need) && self.lacks.iter().all(|(other, _)| *other != need);
        problems.require(new, key, quoted(name), "each need once").then_some(need)
    }

    /// Every need must have been answered by now.
    pub(super) fn finish(self, key: &str, problems: &mut Problems<'_>) -> Support {
        let open = |need: &&Need| {
            !self.models.contains(need) && self.lacks.iter().all(|(other, _)| other != *need)
        };
        let missing: Vec<&str> = Need::ALL.iter().filter(open).map(|need| need.name()).collect();
        problems.require(
            missing.is_empty(),
            key,
            format!("no answer to {}", listed(missing.iter().copied())),
            "each need in `models` or in `lack`",
        );
        Support { lacks: self.lacks }
    }
}

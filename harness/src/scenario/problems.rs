//! Collects what is wrong with a file that was handed in, in one form: key, what was found, what is
//! expected.

use crashrig_wire::region::Slot;
use std::fmt::Display;
use std::str::FromStr;

/// Collects problems; a value that cannot be had is replaced, since the scenario is refused anyway.
#[derive(Default)]
pub(crate) struct Problems(pub(crate) Vec<String>);

impl Problems {
    pub(crate) fn add(&mut self, key: impl Display, found: impl Display, expected: impl Display) {
        self.0.push(format!("{key}: found {found}, expected {expected}"));
    }

    /// A name out of a closed list of `wire` or `layout`.
    pub(super) fn name<T: FromStr<Err: Display>>(&mut self, key: &str, name: &str) -> Option<T> {
        name.parse().map_err(|error| self.0.push(format!("{key}: found \"{name}\", {error}"))).ok()
    }

    pub(super) fn names<T: FromStr<Err: Display>>(
        &mut self,
        key: &str,
        names: &[String],
    ) -> Vec<T> {
        names.iter().filter_map(|name| self.name(key, name)).collect()
    }

    /// A name out of a short list that stands only here.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &str,
        name: &str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let chosen = choices.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        if chosen.is_none() {
            let known: Vec<_> = choices.iter().map(|(known, _)| *known).collect();
            self.add(key, format_args!("\"{name}\""), format_args!("one of {}", known.join(", ")));
        }
        chosen
    }

    pub(super) fn slot(&mut self, key: &str, name: Option<&str>) -> Slot {
        let choices = Slot::ALL.map(|slot| (slot.name(), slot));
        name.and_then(|name| self.choice(key, name, &choices)).unwrap_or(Slot::First)
    }
}

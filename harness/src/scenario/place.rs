//! Places that a scenario names, and regions by what they are for: the same word on every board.

use super::Place;
use crashrig_layout::parse::Board;
use std::fmt;

/// What a region is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Where programs lie: flash, or the RAM that takes its place.
    Program,
    /// Where programs have their data and stacks.
    MainRam,
    /// What null pointers lead to.
    Null,
}

impl Role {
    /// Every role, by the name in scenario files.
    pub const NAMED: [(&'static str, Self); 3] =
        [("program", Self::Program), ("main-ram", Self::MainRam), ("null", Self::Null)];

    /// The role of a name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(known, _)| *known == name).map(|(_, role)| *role)
    }

    /// The regions and aliases of a board's chip that have the role.
    #[must_use]
    pub fn regions(self, board: &Board) -> Vec<String> {
        let chip = &board.chip;
        match self {
            Self::Program => chip.flash().map(|flash| flash.name.clone()).into_iter().collect(),
            Self::MainRam => chip.main_ram.clone(),
            Self::Null => {
                let regions = chip.regions.iter().map(|region| (&region.name, region.range));
                let aliases = chip.aliases.iter().map(|alias| (&alias.name, alias.range));
                let at_zero = regions.chain(aliases).filter(|(_, range)| range.start == 0);
                at_zero.map(|(name, _)| name.clone()).collect()
            }
        }
    }
}

impl Place {
    /// Whether it is the function or region of a name.
    #[must_use]
    pub fn is(&self, found: &str) -> bool {
        match self {
            Self::Symbol(name) | Self::Region(name) => name == found,
            Self::OneOf(names) => names.iter().any(|name| name == found),
            // Only a scenario that was not made for a board has one.
            Self::Role(_) => false,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Symbol(name) | Self::Region(name) => f.write_str(name),
            Self::OneOf(names) => f.write_str(&names.join(" or ")),
            Self::Role(role) => write!(f, "{role:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_role_means_other_regions_on_other_boards() {
        let boards = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware/boards");
        let check = |board: &str, role: &str, expected: &[&str]| {
            let board = Board::load(&boards, board).unwrap();
            assert_eq!(Role::of(role).unwrap().regions(&board), expected, "{role}");
        };
        check("netduinoplus2", "program", &["flash"]);
        check("netduinoplus2", "main-ram", &["sram1", "sram2"]);
        check("netduinoplus2", "null", &["boot"]);
        check("mps2-an505", "program", &["ssram1"]);
        check("mps2-an505", "main-ram", &["ssram2", "ssram3"]);
        check("mps2-an505", "null", &["ssram1-non-secure"]);
        assert_eq!(Role::of("sram1"), None);
    }
}

//! The matrix of stack overflows: stack × way × detector. Every cell holds a scenario or a reason.
//!
//! The scenarios are written by `cargo ci bless` into `scenarios/overflow` and the matrix into
//! `docs/stacks.md`; a rule of `cargo ci tidy` holds both against this table. No two cells break
//! the same thing in the same way with the same detectors switched off.

mod scenario;

use crashrig_wire::thread::Context;
use crashrig_wire::{Detector, Way};

/// Where the scenarios lie.
pub const FOLDER: &str = "scenarios/overflow";

/// Stacks, in the order of the rows.
pub const STACKS: [Context; 5] =
    [Context::Main, Context::Timer, Context::Idle, Context::User, Context::Isr];

/// What the columns show at work, with what is switched off for it.
pub const COLUMNS: [(Detector, &[Detector]); 4] = [
    (Detector::StackLimit, &[]),
    (Detector::MpuGuard, &[Detector::StackLimit]),
    (Detector::StackCanary, &[Detector::StackLimit, Detector::MpuGuard]),
    (Detector::SpRange, &[Detector::StackLimit, Detector::MpuGuard, Detector::StackCanary]),
];

/// One place of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// Whose stack.
    pub stack: Context,
    /// How it is used beyond its limit.
    pub way: Way,
    /// What must notice.
    pub detector: Detector,
    /// What is switched off so that it can.
    pub without: &'static [Detector],
}

/// Every cell, row by row.
pub fn cells() -> impl Iterator<Item = Cell> {
    STACKS.into_iter().flat_map(|stack| {
        Way::ALL.iter().flat_map(move |way| {
            COLUMNS.into_iter().map(move |(detector, without)| {
                // A frame that jumps both is found with both switched on.
                let jumps = *way == Way::SkippedFrame && detector == Detector::SpRange;
                let without = if jumps { &[Detector::StackLimit] } else { without };
                Cell { stack, way: *way, detector, without }
            })
        })
    })
}

impl Cell {
    /// Why there is nothing to try, if there is not.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        match (self.way, self.stack, self.detector) {
            (Way::SkippedFrame, _, Detector::MpuGuard) => Some("jumps the guard"),
            (Way::SkippedFrame, _, Detector::StackCanary) => Some("jumps the canary"),
            (Way::BelowPointer, _, Detector::SpRange | Detector::StackLimit) => {
                Some("the pointer stays in its stack")
            }
            (Way::NestedInterrupt, stack, _) if stack != Context::Isr => {
                Some("interrupts nest on the ISR stack")
            }
            _ => None,
        }
    }

    /// The name of the scenario's file, without its ending.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}_{}_{}", self.stack, self.way, self.detector).replace('-', "_")
    }
}

/// Every scenario: the path of its file and what stands in it.
#[must_use]
pub fn files() -> Vec<(String, String)> {
    cells()
        .filter(|cell| cell.reason().is_none())
        .map(|cell| (format!("{FOLDER}/{}.toml", cell.name()), scenario::text(&cell)))
        .collect()
}

/// The rows of the matrix: stack, way, and a cell for each detector.
pub fn rows() -> impl Iterator<Item = [String; 6]> {
    STACKS.into_iter().flat_map(|stack| {
        Way::ALL.iter().map(move |way| {
            let mut row =
                cells().filter(|cell| cell.stack == stack && cell.way == *way).map(|cell| {
                    cell.reason().map_or_else(|| format!("`{}`", cell.name()), str::to_owned)
                });
            let mut next = || row.next().unwrap_or_default();
            [stack.name().to_owned(), way.name().to_owned(), next(), next(), next(), next()]
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_cells_share_an_injection() {
        let tried: Vec<_> = cells().filter(|cell| cell.reason().is_none()).collect();
        let injections: BTreeSet<_> = tried
            .iter()
            .map(|cell| {
                (cell.stack.code(), cell.way.code(), cell.without.iter().collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(injections.len(), tried.len());
        assert_eq!(cells().count(), STACKS.len() * Way::ALL.len() * COLUMNS.len());
        let names: BTreeSet<_> = tried.iter().map(Cell::name).collect();
        assert_eq!(names.len(), tried.len());
    }
}

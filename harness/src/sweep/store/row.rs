//! A result as a row of the table `result`, and back.

use crate::sweep::outcome::Outcome;
use crate::sweep::result::{InjectionResult, PointNumber};
use rusqlite::{Row, ToSql};

/// The columns, in the order in which rows are written and read here.
pub const COLUMNS: &str = "point, scope, place, outcome, detail, pc, instructions, evidence";

/// The values of a result, for [`COLUMNS`].
///
/// # Errors
/// A number that SQLite has no place for: 2⁶³ points or instructions.
pub fn values(result: &InjectionResult) -> Result<[Box<dyn ToSql>; 8], std::num::TryFromIntError> {
    Ok([
        Box::new(i64::try_from(result.point.0)?),
        Box::new(result.scope.to_string()),
        Box::new(result.place.clone()),
        Box::new(result.outcome.name()),
        Box::new(result.detail.clone()),
        Box::new(result.pc),
        Box::new(i64::try_from(result.instructions)?),
        // As text: SQLite's integers have a sign.
        Box::new(format!("{:016x}", result.evidence_hash)),
    ])
}

/// The result of a row with [`COLUMNS`].
///
/// # Errors
/// SQLite fails, or a value that [`values`] does not write; the inner error is that in words.
pub fn read(row: &Row<'_>) -> rusqlite::Result<Result<InjectionResult, String>> {
    let point: i64 = row.get(0)?;
    let scope: String = row.get(1)?;
    let outcome: String = row.get(3)?;
    let instructions: i64 = row.get(6)?;
    let evidence: String = row.get(7)?;
    let (place, detail, pc) = (row.get(2)?, row.get(4)?, row.get(5)?);
    let number = |column: &str, value: i64| {
        u64::try_from(value).map_err(|_| format!("{column}: found {value}, expected 0 or more"))
    };
    let read = || {
        Ok(InjectionResult {
            point: PointNumber(number("point", point)?),
            scope: scope.parse().map_err(|error| format!("scope: {error}"))?,
            place,
            outcome: outcome_of(&outcome).ok_or_else(|| format!("found outcome {outcome}"))?,
            detail,
            pc,
            instructions: number("instructions", instructions)?,
            evidence_hash: u64::from_str_radix(&evidence, 16)
                .map_err(|_| format!("evidence: found \"{evidence}\", expected 16 digits"))?,
        })
    };
    Ok(read())
}

/// The outcome of a name.
#[must_use]
pub fn outcome_of(name: &str) -> Option<Outcome> {
    Outcome::ALL.into_iter().find(|outcome| outcome.name() == name)
}

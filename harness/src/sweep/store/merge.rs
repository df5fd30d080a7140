//! Puts files of results into a database, in any order and as often as one likes.

use super::StoreError;
use super::line::{Header, Line, Spent, WorkerStart};
use super::read::scan;
use super::row;
use super::shard_files;
use super::table::{Table, TableError, database_error};
use crate::sweep::fault::Scope;
use crate::sweep::outcome::Outcome;
use crate::sweep::result::{InjectionResult, PointNumber};
use crate::sweep::work::{Extent, Identity};
use rusqlite::{OptionalExtension, Transaction, params, params_from_iter};
use std::collections::HashMap;
use std::path::Path;

impl Table {
    /// Merges all files of results in a folder.
    ///
    /// # Errors
    /// There are none, or see [`Table::merge_file`].
    pub fn merge_folder(&mut self, folder: &Path) -> Result<(), TableError> {
        let files = shard_files(folder)?;
        if files.is_empty() {
            return Err(StoreError::Empty(folder.to_owned()).into());
        }
        files.iter().try_for_each(|file| self.merge_file(file))
    }

    /// Merges a file of results, all of it or nothing.
    ///
    /// # Errors
    /// See [`TableError`].
    pub fn merge_file(&mut self, file: &Path) -> Result<(), TableError> {
        let path = self.path.clone();
        let error = |source| database_error(&path, source);
        let transaction = self.connection.transaction().map_err(error)?;
        let void = void_lines(file)?;
        let merge = Merge { transaction, path: &path, file, void };
        let sound = scan(file, |number, header, line| merge.line(number, header, line))?;
        let Some(header) = sound.header else { return Ok(()) };
        merge.sweep(&header.sweep)?;
        merge.cut_behind_end(&header.sweep)?;
        merge.transaction.commit().map_err(error)
    }
}

/// One file on its way into the database.
struct Merge<'a> {
    transaction: Transaction<'a>,
    path: &'a Path,
    file: &'a Path,
    /// Injections whose results are none, up to a line.
    void: HashMap<(PointNumber, Scope), u64>,
}

/// What is declared void in a file, and in which line it is last.
fn void_lines(file: &Path) -> Result<HashMap<(PointNumber, Scope), u64>, TableError> {
    let mut lines = HashMap::new();
    scan(file, |number, _, line| {
        if let Line::Void(void) = line {
            lines.extend(void.injections.into_iter().map(|injection| (injection, number)));
        }
        Ok::<(), TableError>(())
    })?;
    Ok(lines)
}

impl Merge<'_> {
    fn error(&self, source: rusqlite::Error) -> TableError {
        database_error(self.path, source)
    }

    fn execute(&self, query: &str, values: impl rusqlite::Params) -> Result<usize, TableError> {
        self.transaction
            .prepare_cached(query)
            .and_then(|mut statement| statement.execute(values))
            .map_err(|source| self.error(source))
    }

    fn sweep(&self, sweep: &Identity) -> Result<(), TableError> {
        let Identity { id, name, image, target, .. } = sweep;
        let identity = serde_json::to_string(sweep).map_err(|error| self.row(&error))?;
        let values = params![id.to_string(), name, image, target, identity];
        self.execute("INSERT OR IGNORE INTO sweep VALUES (?, ?, ?, ?, ?)", values).map(|_| ())
    }

    fn line(&self, number: u64, header: &Header, line: Line) -> Result<(), TableError> {
        let sweep = header.sweep.id.to_string();
        match line {
            // The reader gives no header, and what is void is known.
            Line::Header(_) | Line::Void(_) => Ok(()),
            Line::Result(result) if self.is_void(number, &result) => self.remove(&sweep, &result),
            Line::Result(result) => self.result(number, &sweep, &result),
            Line::Worker(WorkerStart { session, number, engine, instead_of }) => {
                let (of, why) = instead_of.map(|it| (it.engine, it.reason)).unzip();
                let values = params![sweep, session, self.small(number)?, engine, of, why];
                let query = "INSERT OR IGNORE INTO worker VALUES (?, ?, ?, ?, ?, ?)";
                self.execute(query, values).map(|_| ())
            }
            Line::Spent(Spent { session, sequence, milliseconds, workers, injections, pruned }) => {
                let values = params![
                    sweep,
                    session,
                    self.small(sequence)?,
                    self.small(milliseconds)?,
                    self.small(workers)?,
                    self.small(injections)?,
                    self.small(pruned)?
                ];
                let query = "INSERT OR IGNORE INTO spent VALUES (?, ?, ?, ?, ?, ?, ?)";
                self.execute(query, values).map(|_| ())
            }
        }
    }

    fn result(&self, line: u64, sweep: &str, result: &InjectionResult) -> Result<(), TableError> {
        let query = "INSERT OR IGNORE INTO result VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        if self.write(query, sweep, result)? == 1 {
            return Ok(());
        }
        let there = self.there(sweep, result)?;
        match (there.outcome, result.outcome) {
            _ if there == *result => Ok(()),
            (_, Outcome::HarnessError) => Ok(()),
            (Outcome::HarnessError, _) => {
                let query = "INSERT OR REPLACE INTO result VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
                self.write(query, sweep, result).map(|_| ())
            }
            _ => Err(TableError::Differ {
                path: self.file.to_owned(),
                line,
                found: text(result),
                expected: text(&there),
            }),
        }
    }

    fn is_void(&self, line: u64, result: &InjectionResult) -> bool {
        self.void.get(&(result.point, result.scope)).is_some_and(|void| line < *void)
    }

    /// Removes a result that was merged before it was declared void.
    fn remove(&self, sweep: &str, result: &InjectionResult) -> Result<(), TableError> {
        let query = "DELETE FROM result WHERE sweep = ? AND point = ? AND scope = ? \
                     AND outcome = ? AND evidence = ?";
        let [point, scope, _, outcome, _, _, _, evidence] =
            row::values(result).map_err(|error| self.row(&error))?;
        self.execute(query, params![sweep, point, scope, outcome, evidence]).map(|_| ())
    }

    fn write(
        &self,
        query: &str,
        sweep: &str,
        result: &InjectionResult,
    ) -> Result<usize, TableError> {
        let [point, scope, place, outcome, detail, pc, instructions, evidence] =
            row::values(result).map_err(|error| self.row(&error))?;
        let sweep: Box<dyn rusqlite::ToSql> = Box::new(sweep.to_owned());
        let values = [sweep, point, scope, place, outcome, detail, pc, instructions, evidence];
        self.execute(query, params_from_iter(values))
    }

    /// The result of the same injection that was merged before.
    fn there(&self, sweep: &str, result: &InjectionResult) -> Result<InjectionResult, TableError> {
        let columns = row::COLUMNS;
        let query =
            format!("SELECT {columns} FROM result WHERE sweep = ? AND point = ? AND scope = ?");
        let values = params![sweep, self.small(result.point.0)?, result.scope.to_string()];
        self.transaction
            .prepare_cached(&query)
            .and_then(|mut statement| statement.query_row(values, row::read))
            .map_err(|source| self.error(source))?
            .map_err(|problem| self.row(&problem))
    }

    /// In an open sweep nothing stands behind the first point that was not activated: several
    /// workers, or shards, run a few points more than that. None of them may have been activated.
    fn cut_behind_end(&self, sweep: &Identity) -> Result<(), TableError> {
        if sweep.extent != Extent::Open {
            return Ok(());
        }
        let id = sweep.id.to_string();
        for scope in sweep.scopes.iter().map(ToString::to_string) {
            let query = "SELECT min(point) FROM result WHERE sweep = ? AND scope = ? \
                         AND outcome = 'not-activated'";
            let end: Option<i64> = self
                .transaction
                .query_row(query, params![id, scope], |row| row.get(0))
                .map_err(|source| self.error(source))?;
            let Some(end) = end else { continue };
            let query = "SELECT min(point) FROM result WHERE sweep = ? AND scope = ? \
                         AND point > ? AND outcome NOT IN ('not-activated', 'harness-error')";
            let activated: Option<i64> = self
                .transaction
                .query_row(query, params![id, scope, end], |row| row.get(0))
                .optional()
                .map_err(|source| self.error(source))?
                .flatten();
            if let Some(point) = activated {
                return Err(TableError::BehindEnd {
                    sweep: sweep.name.clone(),
                    scope,
                    end: end.unsigned_abs(),
                    point: point.unsigned_abs(),
                });
            }
            let query = "DELETE FROM result WHERE sweep = ? AND scope = ? AND point > ?";
            self.execute(query, params![id, scope, end])?;
        }
        Ok(())
    }

    fn small(&self, number: u64) -> Result<i64, TableError> {
        i64::try_from(number).map_err(|error| self.row(&error))
    }

    fn row(&self, problem: &dyn std::fmt::Display) -> TableError {
        TableError::Row { path: self.file.to_owned(), problem: problem.to_string() }
    }
}

fn text(result: &InjectionResult) -> String {
    serde_json::to_string(result).unwrap_or_else(|error| error.to_string())
}

//! The table of a sweep: the results of all shards in one SQLite database, each once.
//!
//! Merging is repeatable: a result that stands there already must be equal, or one of the two is
//! wrong and nobody knows which. Only what a failed bench left is replaced. The tables `result` of
//! two campaigns of the same sweep are equal, however they were cut into shards or killed; what
//! they cost stands in tables of its own.

use super::{StoreError, row};
use crate::sweep::result::InjectionResult;
use crate::sweep::work::{Identity, InsteadOf, SweepId};
use rusqlite::{Connection, OpenFlags};
use serde::Serialize;
use std::path::{Path, PathBuf};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS sweep (
    sweep TEXT PRIMARY KEY, name TEXT NOT NULL, image TEXT NOT NULL, target TEXT NOT NULL,
    identity TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS result (
    sweep TEXT NOT NULL, point INTEGER NOT NULL, scope TEXT NOT NULL, place TEXT NOT NULL,
    outcome TEXT NOT NULL, detail TEXT NOT NULL, pc INTEGER, instructions INTEGER NOT NULL,
    evidence TEXT NOT NULL, PRIMARY KEY (sweep, point, scope)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS worker (
    sweep TEXT NOT NULL, session TEXT NOT NULL, number INTEGER NOT NULL, engine TEXT NOT NULL,
    instead_of TEXT, reason TEXT, PRIMARY KEY (session, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spent (
    sweep TEXT NOT NULL, session TEXT NOT NULL, sequence INTEGER NOT NULL,
    milliseconds INTEGER NOT NULL, workers INTEGER NOT NULL, injections INTEGER NOT NULL,
    pruned INTEGER NOT NULL, PRIMARY KEY (session, sequence)
) WITHOUT ROWID;";

/// Says that a database is one of ours, and in which version: `CRSW` and 2.
const APPLICATION_ID: i32 = 0x4352_5357;
const USER_VERSION: i32 = 2;

/// Why results cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A file of results.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database.
    #[error("use the database {path}: {source}")]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// A database of something else.
    #[error("use the database {0}: it is none of sweeps, or of another version of them")]
    Foreign(PathBuf),
    /// The same injection came to two results.
    #[error(
        "merge {path}, line {line}: two results of the same injection differ\n  \
         found    {found}\n  expected {expected}"
    )]
    Differ {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The result there.
        found: String,
        /// The result merged before.
        expected: String,
    },
    /// A point behind the end of an open sweep was activated.
    #[error(
        "merge sweep {sweep}: point {point}, {scope}, was activated, though point {end} before it \
         was not"
    )]
    BehindEnd {
        /// Its name.
        sweep: String,
        /// The scope.
        scope: String,
        /// The first point that was not activated.
        end: u64,
        /// The later one that was.
        point: u64,
    },
    /// A row that was not written by a merge.
    #[error("read the database {path}: {problem}")]
    Row {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// What a sweep cost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// How often it was begun or gone on with, in all shards.
    pub sessions: u64,
    /// Time on the wall, all sessions added up.
    pub milliseconds: u64,
    /// The same, times the workers of each session.
    pub worker_milliseconds: u64,
    /// Injections in that time.
    pub injections: u64,
    /// Those of them that needed no run: of bytes that are overwritten before they are read.
    pub pruned: u64,
    /// Engines, and how many of each were started.
    pub engines: Vec<(String, u64)>,
    /// Those that were used in place of others.
    pub replacements: Vec<Replacement>,
}

/// An engine that was used in place of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replacement {
    /// Its name.
    pub engine: String,
    /// The other one, and why it was not used.
    pub instead_of: InsteadOf,
}

impl Cost {
    /// Injections a second and worker.
    #[must_use]
    pub fn per_second_and_worker(&self) -> Option<u64> {
        self.injections.saturating_mul(1_000).checked_div(self.worker_milliseconds)
    }
}

/// A database of sweeps.
#[derive(Debug)]
pub struct Table {
    pub(in crate::sweep) connection: Connection,
    pub(in crate::sweep) path: PathBuf,
}

impl Table {
    /// Opens a database, made if need be.
    ///
    /// # Errors
    /// It cannot be opened, or is none of ours.
    pub fn open(path: &Path) -> Result<Self, TableError> {
        let connection = Connection::open(path);
        Self::prepared(connection.map_err(|source| database_error(path, source))?, path)
    }

    /// Opens a database that is there.
    ///
    /// # Errors
    /// It is not, or cannot be opened, or is none of ours.
    pub fn open_existing(path: &Path) -> Result<Self, TableError> {
        // What SQLite says of a file that is not there does not say so.
        std::fs::metadata(path).map_err(StoreError::file("read", path))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        let connection = Connection::open_with_flags(path, flags);
        Self::prepared(connection.map_err(|source| database_error(path, source))?, path)
    }

    /// A database that is gone with this value.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn in_memory() -> Result<Self, TableError> {
        let path = Path::new(":memory:");
        let connection = Connection::open_in_memory();
        Self::prepared(connection.map_err(|source| database_error(path, source))?, path)
    }

    fn prepared(connection: Connection, path: &Path) -> Result<Self, TableError> {
        let table = Self { connection, path: path.to_owned() };
        let tables: i64 = table.number("SELECT count(*) FROM sqlite_schema")?;
        let id: i32 = table.number("PRAGMA application_id")?;
        let version: i32 = table.number("PRAGMA user_version")?;
        match (tables, id, version) {
            (_, APPLICATION_ID, USER_VERSION) | (0, 0, 0) => {}
            _ => return Err(TableError::Foreign(table.path)),
        }
        let set_up = format!(
            "BEGIN; PRAGMA application_id = {APPLICATION_ID}; \
             PRAGMA user_version = {USER_VERSION}; {SCHEMA} COMMIT;"
        );
        table.connection.execute_batch(&set_up).map_err(|source| table.error(source))?;
        Ok(table)
    }

    fn number<T: rusqlite::types::FromSql>(&self, query: &str) -> Result<T, TableError> {
        let number = self.connection.query_row(query, [], |row| row.get(0));
        number.map_err(|source| self.error(source))
    }

    pub(in crate::sweep) fn error(&self, source: rusqlite::Error) -> TableError {
        database_error(&self.path, source)
    }

    /// The sweeps in the database, in the order of their names.
    ///
    /// # Errors
    /// The database, or a row in it.
    pub fn sweeps(&self) -> Result<Vec<Identity>, TableError> {
        let query = "SELECT identity FROM sweep ORDER BY name, sweep";
        let mut statement = self.connection.prepare(query).map_err(|source| self.error(source))?;
        let rows = statement
            .query_map([], |row| row.get::<_, String>(0))
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|source| self.error(source))?;
        rows.iter()
            .map(|text| serde_json::from_str(text).map_err(|error| self.bad_row(&error)))
            .collect()
    }

    /// What a sweep cost, as far as it was written down: a session that was killed lacks its last
    /// second.
    ///
    /// # Errors
    /// The database.
    pub fn cost(&self, sweep: &SweepId) -> Result<Cost, TableError> {
        let id = sweep.to_string();
        let query = "SELECT count(DISTINCT session), coalesce(sum(milliseconds), 0), \
                     coalesce(sum(milliseconds * workers), 0), coalesce(sum(injections), 0), \
                     coalesce(sum(pruned), 0) \
                     FROM spent WHERE sweep = ?";
        let mut cost = self
            .connection
            .query_row(query, [&id], |row| {
                Ok(Cost {
                    sessions: whole(row.get(0)?),
                    milliseconds: whole(row.get(1)?),
                    worker_milliseconds: whole(row.get(2)?),
                    injections: whole(row.get(3)?),
                    pruned: whole(row.get(4)?),
                    engines: Vec::new(),
                    replacements: Vec::new(),
                })
            })
            .map_err(|source| self.error(source))?;
        let query =
            "SELECT engine, count(*) FROM worker WHERE sweep = ? GROUP BY engine ORDER BY engine";
        let mut statement = self.connection.prepare(query).map_err(|source| self.error(source))?;
        cost.engines = statement
            .query_map([&id], |row| Ok((row.get(0)?, whole(row.get(1)?))))
            .and_then(Iterator::collect)
            .map_err(|source| self.error(source))?;
        cost.replacements = self.replacements(&id).map_err(|source| self.error(source))?;
        Ok(cost)
    }

    fn replacements(&self, sweep: &str) -> rusqlite::Result<Vec<Replacement>> {
        let query = "SELECT DISTINCT engine, instead_of, reason FROM worker \
                     WHERE sweep = ? AND instead_of IS NOT NULL ORDER BY engine, reason";
        let mut statement = self.connection.prepare(query)?;
        let rows = statement.query_map([sweep], |row| {
            let instead_of = InsteadOf { engine: row.get(1)?, reason: row.get(2)? };
            Ok(Replacement { engine: row.get(0)?, instead_of })
        })?;
        rows.collect()
    }

    /// Calls a function with each result of a sweep, in the order of points; of scopes, `once` is
    /// first.
    ///
    /// # Errors
    /// The database, a row in it, or what the function says.
    pub fn each_result(
        &self,
        sweep: &SweepId,
        mut each: impl FnMut(InjectionResult) -> Result<(), TableError>,
    ) -> Result<(), TableError> {
        let columns = row::COLUMNS;
        let query = format!(
            "SELECT {columns} FROM result WHERE sweep = ? \
             ORDER BY point, scope = 'once' DESC, scope"
        );
        let mut statement = self.connection.prepare(&query).map_err(|source| self.error(source))?;
        let mut rows = statement
            .query_and_then([sweep.to_string()], row::read)
            .map_err(|source| self.error(source))?;
        rows.try_for_each(|row| {
            let result = row.map_err(|source| self.error(source))?;
            each(result.map_err(|problem| self.bad_row(&problem))?)
        })
    }

    pub(in crate::sweep) fn bad_row(&self, problem: &dyn std::fmt::Display) -> TableError {
        TableError::Row { path: self.path.clone(), problem: problem.to_string() }
    }
}

/// A count, which SQLite keeps with a sign.
fn whole(count: i64) -> u64 {
    count.unsigned_abs()
}

pub(super) fn database_error(path: &Path, source: rusqlite::Error) -> TableError {
    TableError::Database { path: path.to_owned(), source }
}

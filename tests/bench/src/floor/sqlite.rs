//! Rows into SQLite by the best way known: a write-ahead log, a cache of 64 MiB that holds the indexes, a table with rowids,
//! one prepared statement, and one transaction for each page, because a page is what must not be lost. Ids are as good as
//! random, so that each of a page's commits changes another page of the index: small pages of the file are less to write.

use std::path::Path;

use rusqlite::{Connection, params};

use super::{PAGE, Rows, page};
use crate::Result;

const TABLE: &str = "
    PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 4000;
    CREATE TABLE commits (
        id INTEGER PRIMARY KEY, sha TEXT NOT NULL, author_id INTEGER REFERENCES users (id),
        repository_id INTEGER NOT NULL REFERENCES repositories (id), created TEXT,
        message TEXT NOT NULL, parents TEXT NOT NULL, committed TEXT, author_name TEXT, author_email TEXT,
        UNIQUE (repository_id, sha));";
/// What the connector's table has beside: other indexes, and people and repositories that a commit must belong to.
const WHOLE: &str = "
    PRAGMA foreign_keys = ON;
    CREATE INDEX commits_author ON commits (author_id);
    CREATE INDEX commits_repository ON commits (repository_id);
    CREATE TABLE users (id INTEGER PRIMARY KEY);
    CREATE TABLE repositories (id INTEGER PRIMARY KEY);";
const SERIES: &str =
    "WITH RECURSIVE one (id) AS (VALUES (0) UNION ALL SELECT id + 1 FROM one WHERE id + 1 < ?1) SELECT id FROM one";

pub fn insert(path: &Path, rows: &Rows) -> Result<()> {
    let mut connection = Connection::open(path)?;
    // What this library is built with.
    connection.execute_batch("PRAGMA foreign_keys = OFF")?;
    connection.execute_batch(TABLE)?;
    if !rows.bare {
        connection.execute_batch(WHOLE)?;
        connection.execute(&format!("INSERT INTO users {SERIES}"), [rows.people().cast_signed()])?;
        connection.execute(&format!("INSERT INTO repositories {SERIES}"), [rows.repositories.cast_signed()])?;
    }
    for repository in 0..rows.repositories {
        for start in (0..rows.commits).step_by(usize::try_from(PAGE)?) {
            let transaction = connection.transaction()?;
            {
                let mut statement = transaction.prepare_cached(
                    "INSERT INTO commits
                       (sha, author_id, repository_id, created, message, parents, committed, author_name, author_email)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?4, ?7, ?8) ON CONFLICT (repository_id, sha) DO NOTHING",
                )?;
                for row in page(rows, repository, start) {
                    let (author, repository, date) = (
                        row.author.cast_signed(),
                        repository.cast_signed(),
                        format!("2024-01-01T00:00:{}Z", row.seconds % 60),
                    );
                    statement.execute(params![
                        row.sha,
                        author,
                        repository,
                        date,
                        row.message,
                        row.parents,
                        row.name,
                        row.email
                    ])?;
                }
            }
            transaction.commit()?;
        }
    }
    let stored: i64 = connection.query_row("SELECT count(*) FROM commits", [], |row| row.get(0))?;
    if stored.cast_unsigned() == rows.repositories * rows.commits {
        Ok(())
    } else {
        Err(format!("{stored} rows").into())
    }
}

//! The release of the connector at its work, and whether it has done it right.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bitbucket_test_postgres::{self as postgres, Server};
use serde_json::Value;

use crate::Result;
use crate::bitbucket::{Bitbucket, PASSWORD, TOKEN, USER};
use crate::histories::Histories;
use crate::measure::Program;

/// How it logs in, and how much it may ask for at a time.
#[derive(Clone, Copy, Debug)]
pub enum Login {
    /// Four at a time, whatever is wanted.
    Password,
    /// So many.
    Token(u64),
}

impl Login {
    pub const fn at_a_time(self) -> u64 {
        match self {
            Self::Password => 4,
            Self::Token(at_a_time) => at_a_time,
        }
    }
}

/// Where rows are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    pub const BOTH: [Self; 2] = [Self::Sqlite, Self::Postgres];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// A database of one run.
pub enum Database {
    Sqlite(PathBuf),
    Postgres(postgres::Database),
}

impl Database {
    /// A new one. Files are made in this folder.
    pub async fn new(kind: Kind, folder: &Path, server: &'static Server) -> Result<Self> {
        if kind == Kind::Postgres {
            let database = server.database().await;
            // What was written before is no cost of what comes.
            database.admin().await.batch_execute("CHECKPOINT").await?;
            return Ok(Self::Postgres(database));
        }
        let (_, path) = tempfile::Builder::new().suffix(".db").tempfile_in(folder)?.keep()?;
        std::fs::remove_file(&path)?;
        Ok(Self::Sqlite(path))
    }

    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres(database) => database.url(),
        }
    }

    pub async fn remove(self) -> Result<()> {
        match self {
            Self::Postgres(database) => {
                let sql = format!("DROP DATABASE {} WITH (FORCE)", database.name);
                Ok(database.server.admin("postgres").await.batch_execute(&sql).await?)
            }
            Self::Sqlite(path) => {
                for suffix in ["", "-wal", "-shm"] {
                    let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
                }
                Ok(())
            }
        }
    }

    /// What a query says, as text: its first two columns.
    async fn rows(&self, sql: &str) -> Result<Vec<(String, String)>> {
        match self {
            Self::Sqlite(path) => {
                let connection = rusqlite::Connection::open(path)?;
                let mut statement = connection.prepare(sql)?;
                let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
                Ok(rows.collect::<rusqlite::Result<_>>()?)
            }
            Self::Postgres(database) => {
                let rows = database.admin().await.query(sql, &[]).await?;
                Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
            }
        }
    }

    /// Fails unless exactly these commits are stored, as far as numbers and heads show.
    pub async fn check(&self, histories: &Histories) -> Result<()> {
        const COMMITS: &str = "bitbucket_server_repository_default_branch_commits";
        let heads = "SELECT p.key || '/' || r.slug, coalesce(r.head, '') FROM bitbucket_server_repositories r
                     JOIN bitbucket_server_projects p ON p.id = r.project_id";
        let stored: BTreeMap<_, _> = self.rows(heads).await?.into_iter().collect();
        let wanted: BTreeMap<_, _> =
            histories.repositories.iter().map(|one| (one.name.clone(), one.head.clone())).collect();
        if stored != wanted {
            return Err("what is stored are not the repositories with their heads".into());
        }
        let counts = format!(
            "SELECT p.key || '/' || r.slug, CAST(count(*) AS text) FROM {COMMITS} c
             JOIN bitbucket_server_repositories r ON r.id = c.repository_id
             JOIN bitbucket_server_projects p ON p.id = r.project_id GROUP BY 1"
        );
        let stored: BTreeMap<_, _> = self.rows(&counts).await?.into_iter().collect();
        let wrong = histories.repositories.iter().find(|one| stored.get(&one.name) != Some(&one.commits.to_string()));
        match wrong {
            None => Ok(()),
            Some(one) => Err(format!("{} has {} commits, but not in the database", one.name, one.commits).into()),
        }
    }
}

/// The command `sync` into a database.
pub fn sync(program: &Path, bitbucket: &Bitbucket, database: &Database, login: Login) -> Program {
    let program = Program::new(program)
        .args(["sync", "--output", "json", "--concurrency", &login.at_a_time().to_string()])
        .env("BITBUCKET_URL", &bitbucket.url)
        .env("BITBUCKET_CONNECTOR_DATABASE", database.url());
    match login {
        Login::Password => program.env("BITBUCKET_USERNAME", USER).env("BITBUCKET_PASSWORD", PASSWORD),
        Login::Token(_) => program.env("BITBUCKET_TOKEN", TOKEN),
    }
}

/// Fails unless a run says that it has done all of it.
pub fn check_said(said: &str, histories: &Histories) -> Result<()> {
    let said: Value = serde_json::from_str(said.trim())?;
    let (commits, synced) = (said["commits"].as_u64(), said["repositories"]["synced"].as_u64());
    if commits == Some(histories.commits()) && synced == Some(histories.repositories.len() as u64) {
        Ok(())
    } else {
        Err(format!("the run says {said}").into())
    }
}

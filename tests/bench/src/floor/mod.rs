//! The least that anybody can take for a part of the work, without a line of the client's. Each runs as a process of its own,
//! so that it is measured as the client is.

mod pages;
mod postgres;
mod sqlite;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use crate::Result;
use crate::text::{PEOPLE, Text, person, sha};

/// Commits of a page, and so rows of a transaction.
pub const PAGE: u64 = 100;

/// The hidden command `floor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Pages that are read and dropped, packed as they are
    Read(pages::Args),
    /// Pages that are read, unpacked and parsed
    Parse(pages::Args),
    /// Rows that are inserted into SQLite
    Sqlite {
        path: PathBuf,
        #[command(flatten)]
        rows: Rows,
    },
    /// Rows that are inserted into PostgreSQL
    Postgres {
        url: String,
        #[command(flatten)]
        rows: Rows,
        /// Connections, each with its share of the pages
        #[arg(long, default_value_t = 4)]
        connections: u64,
    },
}

/// Which rows.
#[derive(Clone, Debug, clap::Args)]
pub struct Rows {
    /// Repositories
    #[arg(long)]
    repositories: u64,
    /// Commits in each
    #[arg(long)]
    commits: u64,
    /// Without the indexes and foreign keys that only later runs and queries need
    #[arg(long)]
    bare: bool,
}

impl Rows {
    /// How many people have written them.
    const fn people(&self) -> u64 {
        self.repositories * PEOPLE
    }
}

/// A row.
struct Row {
    sha: String,
    author: u64,
    seconds: i64,
    message: String,
    parents: String,
    name: String,
    email: String,
}

/// The rows of the page of a repository that begins there.
fn page(rows: &Rows, repository: u64, start: u64) -> impl Iterator<Item = Row> {
    let commits = rows.commits;
    (start..commits.min(start + PAGE)).map(move |commit| {
        let Text { author, seconds, message } = Text::of(repository, commit);
        let (name, email) = person(author);
        let parents =
            if commit + 1 < commits { format!("[\"{}\"]", sha(repository, commit + 1)) } else { "[]".to_owned() };
        Row {
            sha: sha(repository, commit),
            author: repository * PEOPLE + author,
            seconds,
            message,
            parents,
            name,
            email,
        }
    })
}

pub async fn run(args: Args) -> Result<ExitCode> {
    match args.kind {
        Kind::Read(args) => pages::read(args).await?,
        Kind::Parse(args) => pages::parse(args).await?,
        Kind::Sqlite { path, rows } => sqlite::insert(&path, &rows)?,
        Kind::Postgres { url, rows, connections } => postgres::insert(&url, &rows, connections.max(1)).await?,
    }
    Ok(ExitCode::SUCCESS)
}

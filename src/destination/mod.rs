//! The database: tables with DX's names, written page by page, each page with its checkpoint in one
//! transaction.
//!
//! Knows no HTTP and no Kubernetes.

mod checkpoint;
mod error;
mod model;
mod overview;
mod people;
mod postgres;
mod query;
mod selection;
mod sqlite;
mod told;
mod url;
#[cfg(test)]
mod url_properties;

pub use self::error::{Error, StoreError};
pub use self::model::{
    Absent, Author, Checkpoint, Commit, ConnectionKey, Last, Listing, Next, Page, Position, Project, Removed,
    Repository, RepositoryState, Scope, Stored, StoredRepository,
};
use self::overview::Turns;
pub use self::overview::{Only, Overview, RepositoryOverview, Search};
pub use self::postgres::{InvalidSchemaName, Postgres, PostgresUrl, SchemaName};
pub use self::query::{Piece, Rows, pieces, query, query_until};
pub use self::selection::{Selected, Selection};
pub use self::sqlite::Sqlite;
pub use self::told::Told;
pub use self::url::{DatabaseUrl, InvalidDatabaseUrl};
use jiff::Timestamp;
use jiff::civil::Date;
use tracing::instrument;

use crate::runtime::lead::Lead;
use crate::trust::Addresses;

/// An open database, migrated to this version's schema. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Destination {
    database: Database,
    lead: Lead,
    turns: Turns,
}

#[derive(Clone, Debug)]
enum Database {
    /// An embedded file.
    Sqlite(Sqlite),
    /// A schema on a server.
    Postgres(Postgres),
}

impl Database {
    /// As <https://opentelemetry.io/docs/specs/semconv/database/> names it.
    const fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgresql",
        }
    }
}

impl Destination {
    /// Opens the database of whoever runs this program, and brings its schema up to date.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, Error> {
        Self::open_at(url, Addresses::all(), Lead::alone()).await
    }

    /// Opens a database that somebody else has named: only at addresses that may be connected to, and to write only while
    /// `lead` holds.
    pub async fn open_at(url: &DatabaseUrl, addresses: Addresses, lead: Lead) -> Result<Self, Error> {
        leads(&lead)?;
        let database = match url {
            DatabaseUrl::Sqlite(path) => Database::Sqlite(Sqlite::open(path).await?),
            DatabaseUrl::Postgres(url) => Database::Postgres(Box::pin(Postgres::open(url, addresses)).await?),
        };
        Ok(Self { database, lead, turns: Turns::new() })
    }

    /// The database, while it may be written.
    fn writable(&self) -> Result<&Database, Error> {
        leads(&self.lead).map(|()| &self.database)
    }

    /// Claims the rows of a connection at one Bitbucket. The same name with a new uid takes them over.
    #[instrument(level = "debug", skip_all, fields(otel.kind = "client", db.system.name = self.database.name()))]
    pub async fn scope(&self, key: ConnectionKey, url: String) -> Result<Scope, Error> {
        match self.writable()? {
            Database::Sqlite(sqlite) => sqlite.scope(key, url).await,
            Database::Postgres(postgres) => postgres.scope(key, url).await,
        }
    }

    /// All repositories of the scope.
    #[instrument(level = "debug", skip_all, fields(otel.kind = "client", db.system.name = self.database.name()))]
    pub async fn repositories(&self, scope: Scope) -> Result<Vec<StoredRepository>, Error> {
        match &self.database {
            Database::Sqlite(sqlite) => sqlite.repositories(scope).await,
            Database::Postgres(postgres) => postgres.repositories(scope).await,
        }
    }

    /// Tells the operator that leads what this one, which stands by, was told. Nothing else is done to the database.
    pub async fn tell(url: &DatabaseUrl, cluster: &str, told: &Told) -> Result<(), Error> {
        match url {
            // One file has one operator.
            DatabaseUrl::Sqlite(_) => Ok(()),
            DatabaseUrl::Postgres(url) => postgres::tell(url, cluster, told).await,
        }
    }

    /// Takes what operators that stand by were told, in this cluster.
    pub async fn take_told(&self, cluster: &str) -> Result<Vec<Told>, Error> {
        match self.writable()? {
            Database::Sqlite(_) => Ok(Vec::new()),
            Database::Postgres(postgres) => postgres.take_told(cluster).await,
        }
    }

    /// The repository of the scope with this id of Bitbucket's.
    #[instrument(level = "debug", skip_all, fields(otel.kind = "client", db.system.name = self.database.name()))]
    pub async fn repository(&self, scope: Scope, source_id: i64) -> Result<Option<StoredRepository>, Error> {
        match &self.database {
            Database::Sqlite(sqlite) => sqlite.repository(scope, source_id).await,
            Database::Postgres(postgres) => postgres.repository(scope, source_id).await,
        }
    }

    /// Which repositories of a connection are imported: at most `limit` of those with an id above `after`, and if it is asked for
    /// only those that are, or that are not.
    #[instrument(level = "debug", skip_all, fields(otel.kind = "client", db.system.name = self.database.name()))]
    pub async fn selection(
        &self,
        key: ConnectionKey,
        imported: Option<bool>,
        after: i64,
        limit: i64,
    ) -> Result<Selection, Error> {
        match &self.database {
            Database::Sqlite(sqlite) => sqlite.selection(key, imported, after, limit).await,
            Database::Postgres(postgres) => postgres.selection(key, imported, after, limit).await,
        }
    }

    /// What is stored of a connection, and of the repositories that are looked for. It fails rather than that it takes long.
    #[instrument(level = "debug", skip_all, fields(otel.kind = "client", db.system.name = self.database.name()))]
    pub async fn overview(&self, key: ConnectionKey, search: Search) -> Result<Overview, Error> {
        let (database, search) = (self.database.clone(), search.understood());
        let read = async move {
            match database {
                Database::Sqlite(sqlite) => sqlite.overview(key, search).await,
                Database::Postgres(postgres) => postgres.overview(key, search).await,
            }
        };
        overview::alone(&self.turns.overview, read).await
    }

    /// How many commits were written in each week since a Monday, in UTC, as far as they are stored: the weeks' Mondays, the
    /// oldest first, without those that have none. It fails rather than that it takes long.
    #[instrument(level = "debug", skip_all, fields(otel.kind = "client", db.system.name = self.database.name()))]
    pub async fn weeks(&self, key: ConnectionKey, since: Date) -> Result<Vec<(Date, i64)>, Error> {
        let database = self.database.clone();
        let count = async move {
            match database {
                Database::Sqlite(sqlite) => sqlite.weeks(key, since).await,
                Database::Postgres(postgres) => postgres.weeks(key, since).await,
            }
        };
        overview::alone(&self.turns.weeks, count).await
    }

    /// Writes what a finished listing shows and what it does not, rows that differ only, and gives all repositories
    /// of the scope.
    #[instrument(level = "debug", skip_all, fields(otel.kind = "client", db.system.name = self.database.name()))]
    pub async fn record(
        &self,
        scope: Scope,
        listing: Vec<Listing>,
        absent: Vec<Absent>,
    ) -> Result<Vec<StoredRepository>, Error> {
        match self.writable()? {
            Database::Sqlite(sqlite) => sqlite.record(scope, listing, absent).await,
            Database::Postgres(postgres) => postgres.record(scope, listing, absent).await,
        }
    }

    /// Stores one page of a walk with its checkpoint, or with the new head if it is the last, if the
    /// repository still stands at `expected`.
    #[instrument(level = "debug", skip_all, fields(otel.kind = "client", db.system.name = self.database.name()))]
    pub async fn store(
        &self,
        scope: Scope,
        repository: i64,
        expected: Position,
        page: Page,
    ) -> Result<Stored, StoreError> {
        match self.writable()? {
            Database::Sqlite(sqlite) => sqlite.store(scope, repository, expected, page).await,
            Database::Postgres(postgres) => postgres.store(scope, repository, expected, page).await,
        }
    }

    /// Gives up the walk under way and what it has stored: some of that was wrong, or its target has gone.
    #[instrument(level = "debug", skip_all, fields(otel.kind = "client", db.system.name = self.database.name()))]
    pub async fn abandon(&self, repository: i64, expected: Position) -> Result<Stored, StoreError> {
        match self.writable()? {
            Database::Sqlite(sqlite) => sqlite.abandon(repository, expected).await,
            Database::Postgres(postgres) => postgres.abandon(repository, expected).await,
        }
    }

    /// Notes what a run found out about a repository, if it is new.
    #[instrument(level = "debug", skip_all, fields(otel.kind = "client", db.system.name = self.database.name()))]
    pub async fn mark(&self, repository: i64, state: RepositoryState) -> Result<(), Error> {
        match self.writable()? {
            Database::Sqlite(sqlite) => sqlite.mark(repository, state).await,
            Database::Postgres(postgres) => postgres.mark(repository, state).await,
        }
    }

    /// Notes the default branch's new name, its head being the same.
    #[instrument(level = "debug", skip_all, fields(otel.kind = "client", db.system.name = self.database.name()))]
    pub async fn set_branch(&self, repository: i64, branch: String) -> Result<(), Error> {
        match self.writable()? {
            Database::Sqlite(sqlite) => sqlite.set_branch(repository, branch).await,
            Database::Postgres(postgres) => postgres.set_branch(repository, branch).await,
        }
    }

    /// Notes that a run over the whole scope has ended, and counts the scope's commits.
    #[instrument(level = "debug", skip_all, fields(otel.kind = "client", db.system.name = self.database.name()))]
    pub async fn finish_run(&self, scope: Scope) -> Result<u64, Error> {
        match self.writable()? {
            Database::Sqlite(sqlite) => sqlite.finish_run(scope).await,
            Database::Postgres(postgres) => postgres.finish_run(scope).await,
        }
    }

    /// When a run over all of a connection's repositories has last ended, if its rows are in this database.
    #[instrument(level = "debug", skip_all, fields(otel.kind = "client", db.system.name = self.database.name()))]
    pub async fn checked_at(&self, key: ConnectionKey) -> Result<Option<Timestamp>, Error> {
        match &self.database {
            Database::Sqlite(sqlite) => sqlite.checked_at(key).await,
            Database::Postgres(postgres) => postgres.checked_at(key).await,
        }
    }

    /// Removes a portion of a connection's rows: some repositories, each with all that belongs to it, so that the sets that
    /// stay are whole, and in the end the connection itself. Called until it is done. Rows that the same name has under
    /// another uid are another connection's.
    #[instrument(level = "debug", skip_all, fields(otel.kind = "client", db.system.name = self.database.name()))]
    pub async fn remove(&self, key: &ConnectionKey) -> Result<Removed, Error> {
        match self.writable()? {
            Database::Sqlite(sqlite) => sqlite.remove(key.clone()).await,
            Database::Postgres(postgres) => postgres.remove(key.clone()).await,
        }
    }
}

fn leads(lead: &Lead) -> Result<(), Error> {
    // Nobody reads it: who has lost the lead writes nothing anywhere.
    lead.holds().then_some(()).ok_or_else(|| Error::Unavailable("another operator has taken over".to_owned()))
}

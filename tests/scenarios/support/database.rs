//! The database that a scenario stores in. Whatever opens, reads or disturbs one goes through here.

use std::path::{Path, PathBuf};

use bitbucket_connector::destination::{DatabaseUrl, Rows, query};

use super::sync::text;

/// A database of its own for each scenario.
pub enum Database {
    /// A file.
    Sqlite(PathBuf),
}

/// What happens to a process at its so many-th write to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injury {
    /// kill -9
    Killed(usize),
    /// The disk is full from then on.
    Full(usize),
}

impl Database {
    /// One that nobody has opened yet.
    pub fn new(folder: &Path) -> Self {
        Self::Sqlite(folder.join("commits.db"))
    }

    pub fn url(&self) -> DatabaseUrl {
        let Self::Sqlite(path) = self;
        DatabaseUrl::Sqlite(path.clone())
    }

    /// The same, as a flag has it.
    pub fn flag(&self) -> String {
        let Self::Sqlite(path) = self;
        format!("sqlite://{}", path.display())
    }

    pub async fn query(&self, sql: &str) -> Rows {
        query(&self.url(), sql).await.unwrap()
    }

    /// Whether the product has made its tables.
    pub async fn has_tables(&self) -> bool {
        let Self::Sqlite(path) = self;
        let tables = "SELECT 1 FROM sqlite_master WHERE name = 'bitbucket_sync_runs'";
        path.exists() && !self.query(tables).await.rows.is_empty()
    }

    /// From now on a transaction fails that would store this commit; without one, all go through again.
    pub async fn refuse_commit(&self, id: Option<&str>) {
        if !self.has_tables().await {
            return;
        }
        let table = "bitbucket_server_repository_default_branch_commits";
        let mut sql = "DROP TRIGGER IF EXISTS refused;".to_owned();
        if let Some(id) = id {
            let body = "BEGIN SELECT RAISE(ABORT, 'refused'); END;";
            sql += &format!("CREATE TRIGGER refused BEFORE INSERT ON {table} WHEN NEW.sha = '{id}' {body}");
        }
        self.execute(&sql);
    }

    /// The words before a command that let it suffer so.
    pub fn injured(&self, injury: Injury) -> Vec<String> {
        let Self::Sqlite(_) = self;
        // SQLite writes by pwrite64(2), which nothing else here uses.
        let inject = match injury {
            Injury::Killed(write) => format!("inject=pwrite64:signal=SIGKILL:when={write}"),
            Injury::Full(write) => format!("inject=pwrite64:error=ENOSPC:when={write}+"),
        };
        let words =
            ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64", "-e", "signal=none", "-e", &inject];
        words.map(str::to_owned).to_vec()
    }

    /// Runs statements behind the product's back.
    fn execute(&self, sql: &str) {
        let Self::Sqlite(path) = self;
        rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
    }

    /// From now on every row that is written is counted.
    pub async fn watch_writes(&self) {
        let tables = self.query("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'bitbucket%'").await;
        let mut sql = "CREATE TABLE written (name);".to_owned();
        for table in tables.rows.iter().map(|row| text(&row[0])) {
            for event in ["INSERT", "UPDATE", "DELETE"] {
                let body = format!("BEGIN INSERT INTO written VALUES ('{event} {table}'); END;");
                sql += &format!("CREATE TRIGGER {event}_{table} AFTER {event} ON {table} {body}");
            }
        }
        self.execute(&sql);
    }

    /// The rows written since the watch began, by event and table.
    pub async fn written(&self) -> Vec<String> {
        self.query("SELECT name FROM written ORDER BY 1").await.rows.iter().map(|row| text(&row[0])).collect()
    }
}

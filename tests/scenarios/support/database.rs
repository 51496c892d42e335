//! The databases that a test runs on: each test on both, by its name in the list of `on_both!`.

use std::time::Duration;

use bitbucket_connector::destination::{DatabaseUrl, Rows, query};
use serde_json::Value;
use tempfile::TempDir;

use super::sync::text;
use super::{postgres, within};

/// Makes two tests of each function that takes a [`Kind`]: `sqlite::NAME` and `postgres::NAME`. A function that is not
/// in the list is dead code.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::support::database::Kind::Sqlite).await;
            })+
        }

        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::support::database::Kind::Postgres).await;
            })+
        }
    };
}
pub(crate) use on_both;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

/// A new, empty database.
pub enum Database {
    Sqlite(TempDir),
    Postgres(postgres::Database),
}

/// What happens to a process at its so many-th write to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injury {
    /// kill -9
    Killed(usize),
    /// Its disk is full from the n-th write on, or its connections are cut.
    Refused(usize),
}

impl Database {
    pub async fn new(kind: Kind) -> Self {
        match kind {
            Kind::Sqlite => Self::Sqlite(tempfile::tempdir().unwrap()),
            Kind::Postgres => Self::Postgres(postgres::server().await.database().await),
        }
    }

    pub fn url(&self) -> DatabaseUrl {
        match self {
            Self::Sqlite(folder) => DatabaseUrl::Sqlite(folder.path().join("commits.db")),
            Self::Postgres(database) => database.url(),
        }
    }

    /// Its URL as text.
    pub fn text(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite://{}", folder.path().join("commits.db").display()),
            Self::Postgres(database) => database.text(),
        }
    }

    /// Whether the product has made its tables.
    pub async fn has_tables(&self) -> bool {
        match self {
            Self::Sqlite(folder) => {
                let tables = "SELECT 1 FROM sqlite_master WHERE name = 'bitbucket_sync_runs'";
                folder.path().join("commits.db").exists() && !self.query(tables).await.rows.is_empty()
            }
            Self::Postgres(_) => {
                let tables = "SELECT 1 FROM pg_tables WHERE tablename = 'bitbucket_sync_runs'";
                !self.query(tables).await.rows.is_empty()
            }
        }
    }

    /// From now on a transaction fails that would store this commit, or a walk to it; without one, all go through again.
    pub async fn refuse_commit(&self, id: Option<&str>) {
        if !self.has_tables().await {
            return;
        }
        let places = [
            ("row", "INSERT", "bitbucket_server_repository_default_branch_commits", "sha"),
            ("walk", "UPDATE", "bitbucket_server_repositories", "walk_target"),
            ("head", "UPDATE", "bitbucket_server_repositories", "head"),
        ];
        match self {
            Self::Sqlite(_) => {
                let trigger = |(name, event, table, column)| {
                    let drop = format!("DROP TRIGGER IF EXISTS refused_{name};");
                    let Some(id) = id else { return drop };
                    let when = format!("WHEN NEW.{column} = '{id}' BEGIN SELECT RAISE(ABORT, 'refused'); END;");
                    format!("{drop} CREATE TRIGGER refused_{name} AFTER {event} ON {table} {when}")
                };
                self.execute(&places.map(trigger).join(" ")).await;
            }
            Self::Postgres(_) => {
                let constraint = |(name, _, table, column)| {
                    let add =
                        id.map(|id| format!(", ADD CONSTRAINT refused_{name} CHECK ({column} <> '{id}') NOT VALID"));
                    format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS refused_{name}{};", add.unwrap_or_default())
                };
                self.execute(&places.map(constraint).join(" ")).await;
            }
        }
    }

    /// The words before a command that let it suffer so.
    pub fn injured(&self, injury: Injury) -> Vec<String> {
        // SQLite writes by pwrite64(2), which nothing else here uses; to PostgreSQL it is one of the ways of a socket, by
        // which Bitbucket is asked too. write(2) wakes the process's own threads as well: there no error is to be had.
        let (calls, error) = match (self, injury) {
            (Self::Sqlite(_), _) => ("pwrite64", "ENOSPC"),
            (Self::Postgres(_), Injury::Killed(_)) => ("write,writev,sendto", ""),
            (Self::Postgres(_), Injury::Refused(_)) => ("writev,sendto", "ECONNRESET"),
        };
        let inject = match injury {
            Injury::Killed(write) => format!("inject={calls}:signal=SIGKILL:when={write}"),
            Injury::Refused(write) => format!("inject={calls}:error={error}:when={write}+"),
        };
        let trace = format!("trace={calls}");
        let words = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", "signal=none", "-e", &inject];
        words.map(str::to_owned).to_vec()
    }

    /// The rows of a query, with SQLite's types: numbers for booleans, and text for JSON.
    pub async fn query(&self, sql: &str) -> Rows {
        let mut rows = query(&self.url(), sql).await.unwrap();
        for value in rows.rows.iter_mut().flatten() {
            match value {
                Value::Bool(truth) => *value = i64::from(*truth).into(),
                Value::Array(_) | Value::Object(_) => *value = value.to_string().into(),
                _ => {}
            }
        }
        rows
    }

    /// Statements of somebody who may do anything.
    pub async fn execute(&self, sql: &str) {
        match self {
            Self::Sqlite(folder) => {
                rusqlite::Connection::open(folder.path().join("commits.db")).unwrap().execute_batch(sql).unwrap();
            }
            Self::Postgres(database) => database.admin().await.batch_execute(sql).await.unwrap(),
        }
    }

    /// Waits for transactions whose sessions were given up, which the server may still end either way. SQLite's are those
    /// of the thread that a handle to it asks.
    pub async fn settled(&self) {
        let Self::Postgres(database) = self else { return };
        let admin = database.admin().await;
        let busy =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                    AND backend_type = 'client backend' AND state IS DISTINCT FROM 'idle'";
        let ended = async {
            while admin.query_one(busy, &[]).await.unwrap().get::<_, i64>(0) > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        within("the end of every transaction", ended).await;
    }

    /// The number of commits that stands beside each repository is that of its rows.
    pub async fn assert_counted(&self) {
        let wrong = "SELECT r.id, r.commits FROM bitbucket_server_repositories r WHERE r.commits <> (
            SELECT count(*) FROM bitbucket_server_repository_default_branch_commits c WHERE c.repository_id = r.id)";
        assert_eq!(self.query(wrong).await.rows, Vec::<Vec<Value>>::new());
    }

    /// From now on every row that is written is counted.
    pub async fn watch_writes(&self) {
        match self {
            Self::Sqlite(folder) => {
                let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'bitbucket%'";
                let tables = self.query(tables).await;
                let database = rusqlite::Connection::open(folder.path().join("commits.db")).unwrap();
                database.execute_batch("CREATE TABLE written (name)").unwrap();
                for (table, event) in pairs(&tables) {
                    let body = format!("BEGIN INSERT INTO written VALUES ('{event} {table}'); END");
                    let trigger = format!("CREATE TRIGGER {event}_{table} AFTER {event} ON {table} {body}");
                    database.execute_batch(&trigger).unwrap();
                }
            }
            Self::Postgres(database) => {
                let tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'bitbucket'";
                let tables = self.query(tables).await;
                let admin = database.admin().await;
                let watch = format!(
                    "CREATE TABLE written (name text);
                     GRANT SELECT, INSERT ON written TO {};
                     CREATE FUNCTION write_down() RETURNS trigger LANGUAGE plpgsql AS $$
                     BEGIN INSERT INTO bitbucket.written VALUES (TG_OP || ' ' || TG_TABLE_NAME); RETURN NULL; END $$",
                    database.role
                );
                admin.batch_execute(&watch).await.unwrap();
                for (table, event) in pairs(&tables) {
                    let trigger = format!(
                        "CREATE TRIGGER {event}_written AFTER {event} ON {table} FOR EACH ROW EXECUTE FUNCTION write_down()"
                    );
                    admin.batch_execute(&trigger).await.unwrap();
                }
            }
        }
    }

    /// The rows written since the watch began, by event and table.
    pub async fn written(&self) -> Vec<String> {
        self.query("SELECT name FROM written ORDER BY 1").await.rows.iter().map(|row| text(&row[0])).collect()
    }
}

fn pairs(tables: &Rows) -> Vec<(String, &'static str)> {
    let events = ["INSERT", "UPDATE", "DELETE"];
    tables.rows.iter().flat_map(|row| events.map(|event| (text(&row[0]), event))).collect()
}

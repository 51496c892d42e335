//! The databases that a test runs on: each test on both, by its name in the list of `on_both!`.

use bitbucket_connector::destination::{DatabaseUrl, Rows, query};
use serde_json::Value;
use tempfile::TempDir;

use super::postgres;
use super::sync::text;

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

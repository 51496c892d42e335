//! Reading with SQL, and nothing but reading.

use std::path::Path;

use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use super::{DatabaseUrl, Error, postgres};

/// The answer to a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows, each as long as `columns`.
    pub rows: Vec<Vec<Value>>,
}

/// Runs one query on a database that is opened read-only.
pub async fn query(url: &DatabaseUrl, sql: &str) -> Result<Rows, Error> {
    let path = match url {
        DatabaseUrl::Sqlite(path) => path.clone(),
        DatabaseUrl::Postgres(url) => return postgres::query(url, sql).await,
    };
    let sql = sql.to_owned();
    tokio::task::spawn_blocking(move || sqlite(&path, &sql))
        .await
        .map_err(|_| Error::Unavailable("the query was interrupted".to_owned()))?
}

fn sqlite(path: &Path, sql: &str) -> Result<Rows, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|error| Error::Unavailable(format!("cannot open {}: {error}", path.display())))?;
    // Without this, VACUUM INTO and ATTACH would write files beside a database that is read-only itself.
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    let mut statement = connection.prepare(sql)?;
    if !statement.readonly() {
        // Temporary tables and settings would pass, and be lost with the connection: better said than done.
        return Err(Error::Invalid("the statement would write; only queries that read are run".to_owned()));
    }
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let count = columns.len();
    let rows = statement
        .query_map([], |row| (0..count).map(|index| Ok(json(row.get_ref(index)?))).collect())?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Rows { columns, rows })
}

fn json(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into(),
    }
}

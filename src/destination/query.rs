//! Reading with SQL, and nothing but reading.

use std::path::Path;
use std::time::Duration;

use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, InterruptHandle, OpenFlags};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{DatabaseUrl, Error, postgres};

/// The answer to a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows, each as long as `columns`.
    pub rows: Vec<Vec<Value>>,
}

/// How often a query that is no longer wanted is told so. What it is told before it begins it does not hear.
const AGAIN: Duration = Duration::from_millis(50);

/// Runs one query on a database that is opened read-only.
pub async fn query(url: &DatabaseUrl, sql: &str) -> Result<Rows, Error> {
    let rows = query_until(url, sql, &CancellationToken::new()).await?;
    rows.ok_or_else(|| Error::Unavailable("the query was interrupted".to_owned()))
}

/// The same, unless `stop` comes first: then the database is told to end the query, and there are no rows.
pub async fn query_until(url: &DatabaseUrl, sql: &str, stop: &CancellationToken) -> Result<Option<Rows>, Error> {
    let path = match url {
        DatabaseUrl::Sqlite(path) => path.clone(),
        DatabaseUrl::Postgres(url) => return postgres::query(url, sql, stop).await,
    };
    let sql = sql.to_owned();
    let (tell, told) = oneshot::channel();
    let mut work = tokio::task::spawn_blocking(move || sqlite(&path, &sql, tell));
    if let Some(result) = stop.run_until_cancelled(&mut work).await {
        return result.map_err(|_| Error::Unavailable("the query was interrupted".to_owned()))?.map(Some);
    }
    if let Ok(handle) = told.await {
        while tokio::time::timeout(AGAIN, &mut work).await.is_err() {
            handle.interrupt();
        }
    }
    Ok(None)
}

fn sqlite(path: &Path, sql: &str, tell: oneshot::Sender<InterruptHandle>) -> Result<Rows, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|error| Error::Unavailable(format!("cannot open {}: {error}", path.display())))?;
    // Nobody hears it where the query is not wanted any more.
    drop(tell.send(connection.get_interrupt_handle()));
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

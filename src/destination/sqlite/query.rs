//! Reading with SQL, on a connection of its own that cannot write.

use std::path::Path;
use std::time::Duration;

use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, InterruptHandle, OpenFlags, Rows};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::destination::query::{Outlet, unwanted};
use crate::destination::{Error, Piece};

/// How often a query that is no longer wanted is told so. What it is told before it begins it does not hear.
const AGAIN: Duration = Duration::from_millis(50);

/// Runs one query on a thread of its own.
pub(in crate::destination) async fn query(path: &Path, sql: &str, outlet: Outlet) -> Result<(), Error> {
    let (path, sql, wanted, runtime) = (path.to_owned(), sql.to_owned(), outlet.clone(), Handle::current());
    let (tell, told) = oneshot::channel();
    let mut work = tokio::task::spawn_blocking(move || read(&path, &sql, tell, &outlet, &runtime));
    tokio::select! {
        biased;
        result = &mut work => {
            return result.map_err(|_| unwanted())?;
        }
        () = wanted.unwanted() => {}
    }
    if let Ok(handle) = told.await {
        loop {
            match tokio::time::timeout(AGAIN, &mut work).await {
                // Whoever has had the end of the answer wants no more either.
                Ok(Ok(Ok(()))) => return Ok(()),
                Ok(_) => break,
                Err(_) => handle.interrupt(),
            }
        }
    }
    Err(unwanted())
}

fn read(
    path: &Path,
    sql: &str,
    tell: oneshot::Sender<InterruptHandle>,
    outlet: &Outlet,
    runtime: &Handle,
) -> Result<(), Error> {
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
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let count = names.len();
    let mut rows = statement.query([])?;
    // The names wait for the first row: a query that fails before it has no answer.
    let mut next = row(&mut rows, count)?;
    outlet.give_blocking(runtime, Piece::Columns(names))?;
    while let Some(found) = next {
        outlet.give_blocking(runtime, Piece::Row(found))?;
        next = row(&mut rows, count)?;
    }
    outlet.give_blocking(runtime, Piece::End)
}

fn row(rows: &mut Rows<'_>, count: usize) -> rusqlite::Result<Option<Vec<Value>>> {
    rows.next()?.map(|row| (0..count).map(|index| Ok(json(row.get_ref(index)?))).collect()).transpose()
}

fn json(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into(),
    }
}

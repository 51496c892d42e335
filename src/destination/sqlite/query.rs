//! Reading with SQL, on a connection of its own that cannot write.

use std::path::Path;
use std::time::Duration;

use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, InterruptHandle, OpenFlags, Rows};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::destination::query::{Outlet, unwanted};
use crate::destination::{Error, Piece};

/// How often a query that is no longer wanted is told so. What it is told before it begins it does not hear.
const AGAIN: Duration = Duration::from_millis(50);

/// Runs one query on a thread of its own.
pub(in crate::destination) async fn query(path: &Path, sql: &str, outlet: Outlet) -> Result<(), Error> {
    let (path, sql, wanted, runtime) = (path.to_owned(), sql.to_owned(), outlet.clone(), Handle::current());
    let (tell, told) = oneshot::channel();
    let work = tokio::task::spawn_blocking(move || read(&path, &sql, tell, &outlet, &runtime));
    ended(work, wanted.unwanted(), told).await
}

/// Waits for the work, and tells the database to end it once it is unwanted.
async fn ended(
    mut work: JoinHandle<Result<(), Error>>,
    is_unwanted: impl Future<Output = ()>,
    told: oneshot::Receiver<InterruptHandle>,
) -> Result<(), Error> {
    tokio::select! {
        biased;
        result = &mut work => return result.map_err(|_| unwanted())?,
        () = is_unwanted => {}
    }
    let Ok(handle) = told.await else { return Err(unwanted()) };
    loop {
        match tokio::time::timeout(AGAIN, &mut work).await {
            // Whoever has had the end of the answer wants no more either.
            Ok(Ok(Ok(()))) => return Ok(()),
            Ok(_) => return Err(unwanted()),
            Err(_) => handle.interrupt(),
        }
    }
}

/// A connection that cannot write.
pub(super) fn reader(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
        .map_err(|error| Error::Unavailable(format!("cannot open {}: {error}", path.display())))
}

fn read(
    path: &Path,
    sql: &str,
    tell: oneshot::Sender<InterruptHandle>,
    outlet: &Outlet,
    runtime: &Handle,
) -> Result<(), Error> {
    let connection = reader(path)?;
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

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    /// The reader has had the last row and has gone, and the thread has not quite ended.
    async fn after_its_reader(result: Result<(), Error>) -> Result<(), Error> {
        let (tell, told) = oneshot::channel();
        let connection = Connection::open_in_memory().unwrap();
        tell.send(connection.get_interrupt_handle()).ok().unwrap();
        let (go, wait) = std::sync::mpsc::channel();
        let work = tokio::task::spawn_blocking(move || {
            wait.recv().unwrap();
            result
        });
        let mut ended = pin!(ended(work, std::future::ready(()), told));
        assert!(futures::poll!(ended.as_mut()).is_pending());
        go.send(()).unwrap();
        ended.await
    }

    #[tokio::test]
    async fn an_answer_that_was_taken_to_its_end_is_no_interrupted_one() {
        assert_eq!(after_its_reader(Ok(())).await, Ok(()));
        assert_eq!(after_its_reader(Err(Error::Invalid("interrupted".to_owned()))).await, Err(unwanted()));
    }
}

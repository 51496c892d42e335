//! The embedded database: one writer thread, which runs one transaction at a time.

mod finish;
mod listing;
mod migrate;
mod overview;
mod pages;
mod query;
mod remove;
mod selection;
mod users;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

pub(super) use self::query::query;
use super::error::{Error, VOLUME};

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The write-ahead log is written into the file when it has so many bytes.
const LOG: i64 = 16 << 20;

/// How long a transaction waits for another process's.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// An open SQLite database. The thread ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Sqlite {
    path: PathBuf,
    jobs: mpsc::Sender<Job>,
}

impl Sqlite {
    /// Opens the file, makes it where there is none, and brings its schema up to date.
    pub async fn open(path: &Path) -> Result<Self, Error> {
        let (jobs, mut queue) = mpsc::channel::<Job>(16);
        let (opened, result) = oneshot::channel();
        let (path, file) = (path.to_owned(), path.to_owned());
        let work = move || match connect(&file) {
            Ok(mut connection) => {
                let _ = opened.send(Ok(()));
                while let Some(job) = queue.blocking_recv() {
                    job(&mut connection);
                }
            }
            Err(error) => {
                let _ = opened.send(Err(error));
            }
        };
        std::thread::Builder::new()
            .name("sqlite".to_owned())
            .spawn(work)
            .map_err(|error| Error::Unavailable(format!("no thread for the database: {error}")))?;
        result.await.map_err(|_| stopped())??;
        Ok(Self { path, jobs })
    }

    /// Brings all that is stored into the file itself, as far as no reader is in the way: whoever copies the file has it.
    async fn fold_log(&self) -> Result<(), Error> {
        self.run(|connection| {
            if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
                tracing::debug!(%error, "what is stored stays in the write-ahead log");
            }
        })
        .await
    }

    /// Runs `work` in a transaction of its own: kept where it succeeds, undone where it does not.
    async fn transaction<T, E>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + From<rusqlite::Error> + Send + 'static,
    {
        self.run(|connection| {
            // Immediate: the compare-and-set at its beginning must not be overtaken before the first write.
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })
        .await?
    }

    /// Does something on the writer's thread, after all that it was asked before.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (done, result) = oneshot::channel();
        let job = move |connection: &mut Connection| {
            // Whoever has asked may have gone.
            let _ = done.send(work(connection));
        };
        self.jobs.send(Box::new(job)).await.map_err(|_| stopped())?;
        result.await.map_err(|_| stopped())
    }
}

fn stopped() -> Error {
    Error::Unavailable("the database thread has stopped; see the log".to_owned())
}

fn connect(path: &Path) -> Result<Connection, Error> {
    let at_path = |error: &dyn std::fmt::Display| {
        Error::Unavailable(format!("cannot open {}: {error}; {VOLUME}", path.display()))
    };
    let mut connection = Connection::open(path).map_err(|error| at_path(&error))?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // NORMAL is safe in WAL mode: a power cut may undo the last transactions, but each of them as a whole, checkpoint included.
    // Each id lands in another page of an index: many are kept, and they are as small as SQLite makes them.
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -16384;",
        )
        .map_err(|error| match Error::from(error) {
            Error::Invalid(text) => Error::Invalid(format!("{}: {text}", path.display())),
            Error::Unavailable(text) => Error::Unavailable(format!("{}: {text}", path.display())),
        })?;
    // Files of earlier versions have larger pages.
    let page: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG / page.max(1))?;
    migrate::migrate(&mut connection)?;
    Ok(connection)
}

//! Reading with SQL, and nothing but reading. Rows are handed on as they come: an answer may be longer than memory is
//! large.

use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::sync::CancellationToken;

use super::{DatabaseUrl, Error, postgres, sqlite};

/// The whole answer to a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows, each as long as `columns`.
    pub rows: Vec<Vec<Value>>,
}

/// A part of an answer. Where a query fails, what comes before is the beginning of one, without an end.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// The names of the columns come first.
    Columns(Vec<String>),
    /// A row, as long as the names.
    Row(Vec<Value>),
    /// There are no more.
    End,
}

/// Rows that wait for whoever takes them.
const AHEAD: usize = 256;

/// Where the pieces of an answer go, and come out in the same order.
pub fn pieces() -> (mpsc::Sender<Piece>, mpsc::Receiver<Piece>) {
    mpsc::channel(AHEAD)
}

/// Runs one query on a database that is opened read-only.
pub async fn query(url: &DatabaseUrl, sql: &str) -> Result<Rows, Error> {
    let (pieces, mut answer) = pieces();
    let collect = async {
        let mut all = Rows { columns: Vec::new(), rows: Vec::new() };
        while let Some(piece) = answer.recv().await {
            match piece {
                Piece::Columns(names) => all.columns = names,
                Piece::Row(row) => all.rows.push(row),
                Piece::End => {}
            }
        }
        all
    };
    let never = CancellationToken::new();
    let (asked, all) = tokio::join!(query_until(url, sql, &never, pieces), collect);
    asked.map(|()| all)
}

/// The same, piece by piece. Once `stop` comes, or nobody takes the pieces any more, the database is told to end the
/// query, which then has failed.
pub async fn query_until(
    url: &DatabaseUrl,
    sql: &str,
    stop: &CancellationToken,
    pieces: mpsc::Sender<Piece>,
) -> Result<(), Error> {
    let outlet = Outlet { pieces, stop: stop.clone() };
    match url {
        DatabaseUrl::Sqlite(path) => sqlite::query(path, sql, outlet).await,
        DatabaseUrl::Postgres(url) => postgres::query(url, sql, &outlet).await,
    }
}

/// Where a database puts the pieces.
#[derive(Clone, Debug)]
pub(super) struct Outlet {
    pieces: mpsc::Sender<Piece>,
    stop: CancellationToken,
}

/// Nobody wants the rest.
pub(super) fn unwanted() -> Error {
    Error::Unavailable("the query was interrupted".to_owned())
}

impl Outlet {
    /// Hands a piece on, as soon as there is room for it.
    pub async fn give(&self, piece: Piece) -> Result<(), Error> {
        tokio::select! {
            biased;
            () = self.unwanted() => Err(unwanted()),
            sent = self.pieces.send(piece) => sent.map_err(|_| unwanted()),
        }
    }

    /// The same for a thread that may wait.
    pub fn give_blocking(&self, runtime: &Handle, piece: Piece) -> Result<(), Error> {
        match self.pieces.try_send(piece) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(piece)) => runtime.block_on(self.give(piece)),
            Err(TrySendError::Closed(_)) => Err(unwanted()),
        }
    }

    /// Waits until nobody wants the rest.
    pub async fn unwanted(&self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.pieces.closed() => {}
        }
    }
}

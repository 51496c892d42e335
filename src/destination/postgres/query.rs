//! Reading with SQL. The transaction is read-only, so no table is changed; what a role may do beside tables (functions
//! that act on files, on other sessions or on other servers) is limited by its privileges alone.

use std::pin::{Pin, pin};
use std::time::Duration;

use futures::TryStreamExt;
use tokio::time::timeout;
use tokio_postgres::types::Type;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow, SimpleQueryStream};

use super::address::PostgresUrl;
use super::session::Session;
use super::{connect, fault, json, tls};
use crate::destination::query::{Outlet, unwanted};
use crate::destination::{Error, Piece};
use crate::trust::Addresses;

/// How long the end of a query that is no longer wanted is waited for.
const PARTING: Duration = Duration::from_secs(2);

/// Runs one query in a transaction that is read-only.
pub(in crate::destination) async fn query(url: &PostgresUrl, sql: &str, outlet: &Outlet) -> Result<(), Error> {
    let tls = tls::connector(&url.tls)?;
    let addresses = Addresses::all();
    let mut session = tokio::select! {
        biased;
        () = outlet.unwanted() => return Err(unwanted()),
        session = Box::pin(connect::connect(url, &tls, &addresses)) => session?,
    };
    let (statement, peer) = (session.client.cancel_token(), session.peer.clone());
    let mut work = Box::pin(read(&mut session, sql, outlet));
    tokio::select! {
        biased;
        result = &mut work => return result,
        () = outlet.unwanted() => {}
    }
    let part = async {
        if connect::cancel(url, &tls, &statement, &peer).await.is_ok() {
            drop(work.await);
        }
    };
    // Nobody waits for what comes of it.
    drop(timeout(PARTING, part).await);
    Err(unwanted())
}

async fn read(session: &mut Session, sql: &str, outlet: &Outlet) -> Result<(), Error> {
    let (bound, client) = (session.bound, &session.client);
    // It is never kept: the connection ends, and with it the transaction.
    let begin = "START TRANSACTION READ ONLY;
                 -- Whoever asks such a question does not know which indexes there are.
                 RESET enable_seqscan; RESET jit";
    answer(bound, client.batch_execute(begin)).await?;
    // Prepared first: that is refused for more than one statement, and tells what comes.
    let statement = answer(bound, client.prepare(sql)).await?;
    if statement.columns().is_empty() {
        return Err(Error::Invalid("the statement gives no rows; only queries that read are run".to_owned()));
    }
    let names = statement.columns().iter().map(|column| column.name().to_owned()).collect();
    let types: Vec<Type> = statement.columns().iter().map(|column| column.type_().clone()).collect();
    // As text, which every type has.
    let mut rows = pin!(answer(bound, client.simple_query_raw(sql)).await?);
    // The names wait for the first row: a query that fails before it has no answer.
    let mut next = row(bound, rows.as_mut()).await?;
    outlet.give(Piece::Columns(names)).await?;
    while let Some(found) = next {
        let values = types.iter().enumerate().map(|(index, type_)| json::value(type_, found.get(index)));
        outlet.give(Piece::Row(values.collect())).await?;
        next = row(bound, rows.as_mut()).await?;
    }
    outlet.give(Piece::End).await
}

/// The next row. What else the server says of the statement is known.
async fn row(bound: Duration, mut rows: Pin<&mut SimpleQueryStream>) -> Result<Option<SimpleQueryRow>, Error> {
    loop {
        match answer(bound, rows.try_next()).await? {
            Some(SimpleQueryMessage::Row(row)) => return Ok(Some(row)),
            Some(_) => {}
            None => return Ok(None),
        }
    }
}

/// Waits for the server no longer than it can take. How long the reader takes is the reader's affair.
async fn answer<T>(bound: Duration, work: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Error> {
    timeout(bound, work).await.map_err(|_| fault::silent())?.map_err(|error| fault::of_query(&error))
}

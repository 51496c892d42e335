//! Reading with SQL. The transaction is read-only, so no table is changed; what a role may do beside tables (functions
//! that act on files, on other sessions or on other servers) is limited by its privileges alone.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::types::Type;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};
use tokio_util::sync::CancellationToken;

use super::address::PostgresUrl;
use super::session::Session;
use super::{connect, fault, json, tls};
use crate::destination::{Error, Rows};
use crate::trust::Addresses;

/// How long the end of a query that is no longer wanted is waited for.
const PARTING: Duration = Duration::from_secs(2);

/// Runs one query in a transaction that is read-only. None, where `stop` came first.
pub(in crate::destination) async fn query(
    url: &PostgresUrl,
    sql: &str,
    stop: &CancellationToken,
) -> Result<Option<Rows>, Error> {
    let tls = tls::connector(&url.tls)?;
    let addresses = Addresses::all();
    let connected = stop.run_until_cancelled(Box::pin(connect::connect(url, &tls, &addresses))).await;
    let Some(mut session) = connected.transpose()? else { return Ok(None) };
    let (bound, statement, peer) = (session.bound, session.client.cancel_token(), session.peer.clone());
    let mut work = Box::pin(timeout(bound, read(&mut session, sql)));
    if let Some(result) = stop.run_until_cancelled(work.as_mut()).await {
        return result.map_err(|_| fault::silent())?.map(Some);
    }
    let part = async {
        if connect::cancel(url, &tls, &statement, &peer).await.is_ok() {
            drop(work.await);
        }
    };
    // Nobody waits for what comes of it.
    drop(timeout(PARTING, part).await);
    Ok(None)
}

async fn read(session: &mut Session, sql: &str) -> Result<Rows, Error> {
    let said = |error: tokio_postgres::Error| fault::of_query(&error);
    let transaction = session.client.build_transaction().read_only(true).start().await.map_err(said)?;
    // Whoever asks such a question does not know which indexes there are.
    transaction.batch_execute("RESET enable_seqscan; RESET jit").await.map_err(said)?;
    // Prepared first: that is refused for more than one statement, and tells what comes.
    let statement = transaction.prepare(sql).await.map_err(said)?;
    if statement.columns().is_empty() {
        return Err(Error::Invalid("the statement gives no rows; only queries that read are run".to_owned()));
    }
    let columns = statement.columns().iter().map(|column| column.name().to_owned()).collect();
    let types: Vec<Type> = statement.columns().iter().map(|column| column.type_().clone()).collect();
    // As text, which every type has.
    let answers = transaction.simple_query(sql).await.map_err(said)?;
    let row = |row: SimpleQueryRow| {
        types.iter().enumerate().map(|(index, type_)| json::value(type_, row.get(index))).collect()
    };
    let rows = answers
        .into_iter()
        .filter_map(|answer| match answer {
            SimpleQueryMessage::Row(found) => Some(row(found)),
            _ => None,
        })
        .collect();
    Ok(Rows { columns, rows })
}

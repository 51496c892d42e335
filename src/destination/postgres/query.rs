//! Reading with SQL. The transaction is read-only, so no table is changed; what a role may do beside tables (functions
//! that act on files, on other sessions or on other servers) is limited by its privileges alone.

use tokio_postgres::types::Type;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

use super::address::PostgresUrl;
use super::session::Session;
use super::{connect, fault, json, tls};
use crate::destination::{Error, Rows};
use crate::trust::Addresses;

/// Runs one query in a transaction that is read-only.
pub(in crate::destination) async fn query(url: &PostgresUrl, sql: &str) -> Result<Rows, Error> {
    let mut session = Box::pin(connect::connect(url, &tls::connector(&url.tls)?, &Addresses::all())).await?;
    let bound = session.bound;
    // Whoever asks such a question does not know which indexes there are.
    tokio::time::timeout(bound, read(&mut session, sql)).await.map_err(|_| fault::silent())?
}

async fn read(session: &mut Session, sql: &str) -> Result<Rows, Error> {
    let said = |error: tokio_postgres::Error| fault::of_query(&error);
    let transaction = session.client.build_transaction().read_only(true).start().await.map_err(said)?;
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

//! A connection with its prepared statements, and transactions in which no answer is waited for longer than it can
//! take.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, IsolationLevel, Row, Statement, Transaction};

use super::connect::Peer;
use super::fault;
use crate::destination::Error;

/// A connection.
#[derive(Debug)]
pub(super) struct Session {
    pub client: Client,
    /// How long an answer can take.
    pub bound: Duration,
    /// Where it leads to.
    pub peer: Peer,
    statements: Statements,
    state: State,
    task: JoinHandle<()>,
}

/// Statements are few and fixed, so none is ever dropped.
#[derive(Debug, Default)]
struct Statements(Mutex<HashMap<&'static str, Statement>>);

/// What is known of the transaction that was run last.
#[derive(Debug, Default)]
struct State {
    /// The server has taken its beginning.
    begun: AtomicBool,
    /// It did not fail for good: the same once more may succeed.
    passing: AtomicBool,
    /// The server did not answer, and an answer that comes late would be taken for another's.
    broken: AtomicBool,
}

/// A transaction under way. Dropped before it is kept, it is undone.
pub(super) struct Tx<'a> {
    inner: Transaction<'a>,
    statements: &'a Statements,
    state: &'a State,
    bound: Duration,
}

pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Session {
    pub fn new(client: Client, task: JoinHandle<()>, peer: Peer) -> Self {
        let (statements, state) = (Statements::default(), State::default());
        Self { client, task, peer, bound: Duration::MAX, statements, state }
    }

    /// Whether it can be used.
    pub fn is_sound(&self) -> bool {
        !self.client.is_closed() && !self.state.broken.load(Ordering::Relaxed)
    }

    /// Whether the transaction that was run last may succeed if it is run again: others were in its way, or the
    /// connection had been lost before it, while nobody used it.
    pub fn is_worth_another_try(&self, reused: bool) -> bool {
        let lost = self.client.is_closed() && !self.state.begun.load(Ordering::Relaxed);
        self.state.passing.load(Ordering::Relaxed) || (lost && reused)
    }

    /// Begins a transaction. Each of its statements sees what was committed before the statement began.
    pub async fn begin(&mut self) -> Result<Tx<'_>, Error> {
        self.state.begun.store(false, Ordering::Relaxed);
        self.state.passing.store(false, Ordering::Relaxed);
        let Self { client, statements, state, bound, .. } = self;
        let begin = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start();
        let inner = answer(state, *bound, begin).await?;
        state.begun.store(true, Ordering::Relaxed);
        Ok(Tx { inner, statements, state, bound: *bound })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The client alone would let the last statements run to their end.
        self.task.abort();
    }
}

impl Tx<'_> {
    pub async fn rows(&self, sql: &'static str, params: Params<'_>) -> Result<Vec<Row>, Error> {
        let statement = self.statement(sql).await?;
        self.answer(self.inner.query(&statement, params)).await
    }

    pub async fn optional(&self, sql: &'static str, params: Params<'_>) -> Result<Option<Row>, Error> {
        let statement = self.statement(sql).await?;
        self.answer(self.inner.query_opt(&statement, params)).await
    }

    pub async fn one(&self, sql: &'static str, params: Params<'_>) -> Result<Row, Error> {
        let statement = self.statement(sql).await?;
        self.answer(self.inner.query_one(&statement, params)).await
    }

    /// Gives how many rows were written.
    pub async fn execute(&self, sql: &'static str, params: Params<'_>) -> Result<u64, Error> {
        let statement = self.statement(sql).await?;
        self.answer(self.inner.execute(&statement, params)).await
    }

    /// Runs several statements without parameters.
    pub async fn batch(&self, sql: &str) -> Result<(), Error> {
        self.answer(self.inner.batch_execute(sql)).await
    }

    pub async fn commit(self) -> Result<(), Error> {
        answer(self.state, self.bound, self.inner.commit()).await
    }

    async fn statement(&self, sql: &'static str) -> Result<Statement, Error> {
        // The map is whole between any two statements.
        let known = self.statements.0.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.answer(self.inner.prepare(sql)).await?;
        self.statements.0.lock().unwrap_or_else(PoisonError::into_inner).insert(sql, statement.clone());
        Ok(statement)
    }

    async fn answer<T>(&self, work: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Error> {
        answer(self.state, self.bound, work).await
    }
}

async fn answer<T>(
    state: &State,
    bound: Duration,
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(bound, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            state.passing.fetch_or(error.code().is_some_and(fault::is_passing), Ordering::Relaxed);
            Err(fault::of(&error))
        }
        Err(_) => {
            state.broken.store(true, Ordering::Relaxed);
            Err(fault::silent())
        }
    }
}

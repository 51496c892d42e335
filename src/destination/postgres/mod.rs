//! PostgreSQL: a few connections, each transaction on one of them.

mod address;
mod connect;
mod fault;
mod finish;
mod foreign;
mod hints;
mod json;
mod listing;
mod migrate;
mod overview;
mod pages;
mod query;
mod remove;
mod rows;
mod selection;
mod session;
mod tls;
mod users;

use std::fmt;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_postgres_rustls::MakeRustlsConnect;

pub use self::address::{InvalidSchemaName, PostgresUrl, SchemaName};
pub(super) use self::hints::tell;
pub(super) use self::query::query;
use self::session::{Session, Tx};
use super::Error;
use crate::trust::Addresses;

/// Connections at most. A server has a hundred by default, and each keeps a process busy.
const CONNECTIONS: usize = 8;
/// How long a transaction waits for one of them.
const WAIT: Duration = Duration::from_mins(1);
/// A connection that nobody has used for so long is closed: between two runs there are none.
const IDLE: Duration = Duration::from_mins(1);
/// How often a transaction is run that others were in the way of.
const TRIES: usize = 5;

/// An open PostgreSQL database. Its connections end when the last clone is dropped.
#[derive(Clone)]
pub struct Postgres {
    pool: Pool<Server>,
}

/// Where connections come from.
struct Server {
    url: PostgresUrl,
    tls: MakeRustlsConnect,
    addresses: Addresses,
}

impl Manager for Server {
    type Type = Session;
    type Error = Error;

    async fn create(&self) -> Result<Session, Error> {
        // Boxed: it is large, and rare.
        Box::pin(connect::connect(&self.url, &self.tls, &self.addresses)).await
    }

    async fn recycle(&self, session: &mut Session, _: &Metrics) -> RecycleResult<Error> {
        if session.is_sound() { Ok(()) } else { Err(RecycleError::message("closed")) }
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("url", &self.pool.manager().url).finish_non_exhaustive()
    }
}

impl Postgres {
    /// Connects, makes the schema where there is none and that is permitted, and brings its tables up to date.
    pub async fn open(url: &PostgresUrl, addresses: Addresses) -> Result<Self, Error> {
        let server = Server { url: url.clone(), tls: tls::connector(&url.tls)?, addresses };
        let pool = Pool::builder(server)
            .max_size(CONNECTIONS)
            .wait_timeout(Some(WAIT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|_| fault::busy())?;
        let database = Self { pool };
        let mut session = database.session().await?;
        migrate::migrate(&mut session, &url.schema).await?;
        database.close_idle();
        Ok(database)
    }

    async fn session(&self) -> Result<Object<Server>, Error> {
        self.pool.get().boxed().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            _ => fault::busy(),
        })
    }

    /// Closes what is not used, for as long as the database is open.
    fn close_idle(&self) {
        let pool = self.pool.weak();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(IDLE / 2).await;
                let Some(pool) = pool.upgrade() else { return };
                pool.retain(|_, metrics| metrics.last_used() < IDLE);
            }
        });
    }

    /// Runs `work` in a transaction of its own: kept where it succeeds, undone where it does not, and run again where
    /// other transactions were in its way. So it owns what it needs.
    async fn transaction<T, E: From<Error>>(&self, work: impl Work<T, E>) -> Result<T, E> {
        let mut tries = 0;
        loop {
            tries += 1;
            let mut session = self.session().await?;
            let reused = Object::metrics(&session).recycle_count > 0;
            let result = once(&mut session, &work).await;
            let again = session.is_worth_another_try(reused);
            if !session.is_sound() {
                drop(Object::take(session));
            }
            if result.is_ok() || !again || tries >= TRIES {
                return result;
            }
        }
    }
}

/// What is done in a transaction. Not AsyncFn: nobody could tell yet that its future may change threads.
trait Work<T, E>: for<'a> Fn(&'a Tx<'a>) -> BoxFuture<'a, Result<T, E>> + Send + Sync {}

impl<T, E, F: for<'a> Fn(&'a Tx<'a>) -> BoxFuture<'a, Result<T, E>> + Send + Sync> Work<T, E> for F {}

async fn once<T, E: From<Error>>(session: &mut Session, work: &impl Work<T, E>) -> Result<T, E> {
    let tx = session.begin().await?;
    let value = work(&tx).await?;
    tx.commit().await?;
    Ok(value)
}

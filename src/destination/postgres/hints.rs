//! Handing over what an operator that stands by was told.

use std::sync::Arc;

use futures::FutureExt;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;

use super::address::PostgresUrl;
use super::rows::value;
use super::{Postgres, connect, fault, tls};
use crate::destination::{Error, Told};
use crate::trust::Addresses;

/// Nobody can fill the table: what is told beyond that waits for the next run.
const TELL: &str = "
    INSERT INTO bitbucket_hints (cluster, namespace, name, source_id, refs)
    SELECT $1, $2, $3, $4, $5 WHERE (SELECT count(*) FROM bitbucket_hints) < 10000
    ON CONFLICT (cluster, namespace, name, source_id) DO UPDATE SET refs = NULL";
const TAKE: &str = "DELETE FROM bitbucket_hints WHERE cluster = $1 RETURNING namespace, name, source_id, refs";

/// Tells the operator that leads, by the database of both. Of its own accord, and not as an open database: whoever stands by
/// changes neither tables nor rows.
pub(in crate::destination) async fn tell(url: &PostgresUrl, cluster: &str, told: &Told) -> Result<(), Error> {
    let session = Box::pin(connect::connect(url, &tls::connector(&url.tls)?, &Addresses::all())).await?;
    let Told { namespace, name, source_id, refs } = told;
    let values: [&(dyn ToSql + Sync); 5] = [&cluster, namespace, name, source_id, refs];
    let telling = timeout(session.bound, session.client.execute(TELL, &values));
    telling.await.map_err(|_| fault::silent())?.map_err(|error| fault::of(&error)).map(drop)
}

impl Postgres {
    /// Takes what the others were told. Where there is nothing, nothing is written.
    pub(in crate::destination) async fn take_told(&self, cluster: &str) -> Result<Vec<Told>, Error> {
        let cluster: Arc<str> = cluster.into();
        self.transaction(move |tx| {
            let cluster = Arc::clone(&cluster);
            async move {
                let rows = tx.rows(TAKE, &[&cluster.as_ref()]).await?;
                let told = |row| {
                    let (namespace, name) = (value(row, 0)?, value(row, 1)?);
                    Ok(Told { namespace, name, source_id: value(row, 2)?, refs: value(row, 3)? })
                };
                rows.iter().map(told).collect()
            }
            .boxed()
        })
        .await
    }
}

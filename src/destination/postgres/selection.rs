//! Which repositories of a connection are imported, as the last listing showed them.

use std::sync::Arc;

use futures::FutureExt;

use super::Postgres;
use super::rows::value;
use super::session::Tx;
use crate::destination::{ConnectionKey, Error, Selected, Selection};

/// Of those that its Bitbucket has listed, and not another one that its url has led to before.
const COUNTS: &str = "
    SELECT count(*), count(*) FILTER (WHERE r.allowlisted)
    FROM bitbucket_server_repositories r
    JOIN bitbucket_connections c ON c.id = r.connection_id
    JOIN bitbucket_server_instances i ON i.id = r.instance_id AND i.normalized_instance_url = c.url
    WHERE (c.cluster, c.namespace, c.name, c.uid) = ($1, $2, $3, $4) AND r.listed";
const ROWS: &str = "
    SELECT r.id, p.key || '/' || r.slug, r.source_url, r.allowlisted
    FROM bitbucket_server_repositories r
    JOIN bitbucket_connections c ON c.id = r.connection_id
    JOIN bitbucket_server_instances i ON i.id = r.instance_id AND i.normalized_instance_url = c.url
    JOIN bitbucket_server_projects p ON p.id = r.project_id
    WHERE (c.cluster, c.namespace, c.name, c.uid) = ($1, $2, $3, $4) AND r.listed
      AND r.id > $5 AND ($6::boolean IS NULL OR r.allowlisted = $6)
    ORDER BY r.id LIMIT $7";

impl Postgres {
    pub(in crate::destination) async fn selection(
        &self,
        key: ConnectionKey,
        imported: Option<bool>,
        after: i64,
        limit: i64,
    ) -> Result<Selection, Error> {
        let key = Arc::new(key);
        self.transaction(move |tx| {
            let key = Arc::clone(&key);
            async move { selection(tx, &key, imported, after, limit).await }.boxed()
        })
        .await
    }
}

async fn selection(
    tx: &Tx<'_>,
    key: &ConnectionKey,
    imported: Option<bool>,
    after: i64,
    limit: i64,
) -> Result<Selection, Error> {
    let ConnectionKey { cluster, namespace, name, uid } = key;
    let counts = tx.one(COUNTS, &[cluster, namespace, name, uid]).await?;
    let rows = tx.rows(ROWS, &[cluster, namespace, name, uid, &after, &imported, &limit]).await?;
    let selected =
        |row| Ok(Selected { id: value(row, 0)?, name: value(row, 1)?, url: value(row, 2)?, imported: value(row, 3)? });
    let repositories = rows.iter().map(selected).collect::<Result<_, Error>>()?;
    Ok(Selection { total: value(&counts, 0)?, imported: value(&counts, 1)?, repositories })
}

//! What a page about one connection shows.

use std::sync::{Arc, LazyLock};

use futures::FutureExt;
use jiff::civil::Date;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use super::rows::value;
use super::session::Tx;
use super::{Postgres, fault};
use crate::destination::overview::slow;
use crate::destination::{ConnectionKey, Error, Only, Overview, RepositoryOverview, Search};

/// Those that its Bitbucket has listed, and not another one that its url has led to before. Names are compared as SQLite
/// does it, whatever the database's language is.
const LISTED: &str = r#"
    WITH listed AS MATERIALIZED (
        SELECT r.id, f.repository COLLATE "C" AS name, r.source_url, f.state, f.complete, r.allowlisted,
               r.api_accessible, f.commits_synced_at, f.checked_at, f.failure,
               r.allowlisted AND (f.failure IS NOT NULL OR NOT r.api_accessible) AS failing,
               r.allowlisted AND NOT f.complete AND f.state NOT IN ('empty', 'no_default_branch') AS incomplete
        FROM bitbucket_server_repositories r
        JOIN bitbucket_connections c ON c.id = r.connection_id
        JOIN bitbucket_server_instances i ON i.id = r.instance_id AND i.normalized_instance_url = c.url
        JOIN bitbucket_repository_freshness f ON f.repository_id = r.id
        WHERE (c.cluster, c.namespace, c.name, c.uid) = ($1, $2, $3, $4) AND r.listed)"#;

/// Not LIKE, to which some characters stand for others.
const MATCHING: &str = r#"strpos(lower(name), lower($5::text COLLATE "C")) > 0
    AND (failing OR NOT $6::boolean) AND (incomplete OR NOT $7::boolean)"#;

static COUNTS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{LISTED} SELECT count(*), count(*) FILTER (WHERE allowlisted), count(*) FILTER (WHERE failing),
                         count(*) FILTER (WHERE {MATCHING}) FROM listed"
    )
});
static ROWS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{LISTED} SELECT name, source_url, state, complete, allowlisted, api_accessible, commits_synced_at, checked_at,
                         failure
         FROM listed WHERE {MATCHING} ORDER BY failing DESC, name, id LIMIT $8 OFFSET $9"
    )
});

/// Whole tables may be read: that is what is asked for.
const READING: &str = "SET TRANSACTION READ ONLY; SET LOCAL enable_seqscan = on";

/// What an admin has limited further stays so, and gives no row.
const WITHIN: &str = "
    SELECT set_config(name, '5s', TRUE) FROM pg_settings
    WHERE name = 'statement_timeout' AND CAST(setting AS bigint) NOT BETWEEN 1 AND 5000";

const WEEKS: &str = "
    SELECT CAST(date_trunc('week', m.created AT TIME ZONE 'UTC') AS date) AS week, count(*)
    FROM bitbucket_server_repositories r
    JOIN bitbucket_connections c ON c.id = r.connection_id
    JOIN bitbucket_server_instances i ON i.id = r.instance_id AND i.normalized_instance_url = c.url
    JOIN bitbucket_server_repository_default_branch_commits m ON m.repository_id = r.id
    WHERE (c.cluster, c.namespace, c.name, c.uid) = ($1, $2, $3, $4) AND r.listed
      AND m.created >= CAST($5::date AS timestamp) AT TIME ZONE 'UTC'
    GROUP BY week ORDER BY week";

impl Postgres {
    pub(in crate::destination) async fn overview(&self, key: ConnectionKey, search: Search) -> Result<Overview, Error> {
        let asked = Arc::new((key, search));
        self.transaction(move |tx| {
            let asked = Arc::clone(&asked);
            async move { read(tx, overview(tx, &asked.0, &asked.1)).await }.boxed()
        })
        .await
    }

    pub(in crate::destination) async fn weeks(
        &self,
        key: ConnectionKey,
        since: Date,
    ) -> Result<Vec<(Date, i64)>, Error> {
        let key = Arc::new(key);
        self.transaction(move |tx| {
            let key = Arc::clone(&key);
            async move { read(tx, weeks(tx, &key, since)).await }.boxed()
        })
        .await
    }
}

/// Reads, for as long as somebody waits.
async fn read<T>(tx: &Tx<'_>, read: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tx.batch(READING).await?;
    let limited = tx.optional(WITHIN, &[]).await?.is_some();
    let ours = |error: &Error| limited && *error == fault::of_code(&SqlState::QUERY_CANCELED);
    read.await.map_err(|error| if ours(&error) { slow() } else { error })
}

async fn overview(tx: &Tx<'_>, key: &ConnectionKey, search: &Search) -> Result<Overview, Error> {
    let ConnectionKey { cluster, namespace, name, uid } = key;
    let Search { text, only, offset, limit } = search;
    let (failing, incomplete) = (*only == Only::Failing, *only == Only::Incomplete);
    let counts = tx.one(&COUNTS, &[cluster, namespace, name, uid, text, &failing, &incomplete]).await?;
    let rows = tx.rows(&ROWS, &[cluster, namespace, name, uid, text, &failing, &incomplete, limit, offset]).await?;
    Ok(Overview {
        total: value(&counts, 0)?,
        imported: value(&counts, 1)?,
        failing: value(&counts, 2)?,
        matching: value(&counts, 3)?,
        repositories: rows.iter().map(repository).collect::<Result<_, Error>>()?,
    })
}

fn repository(row: &Row) -> Result<RepositoryOverview, Error> {
    Ok(RepositoryOverview {
        name: value(row, 0)?,
        url: value(row, 1)?,
        state: value(row, 2)?,
        complete: value(row, 3)?,
        imported: value(row, 4)?,
        accessible: value(row, 5)?,
        synced_at: value(row, 6)?,
        checked_at: value(row, 7)?,
        failure: value(row, 8)?,
    })
}

async fn weeks(tx: &Tx<'_>, key: &ConnectionKey, since: Date) -> Result<Vec<(Date, i64)>, Error> {
    let ConnectionKey { cluster, namespace, name, uid } = key;
    let rows = tx.rows(WEEKS, &[cluster, namespace, name, uid, &since]).await?;
    rows.iter().map(|row| Ok((value(row, 0)?, value(row, 1)?))).collect()
}

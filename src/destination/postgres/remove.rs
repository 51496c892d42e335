//! The end of a connection: its rows go, some repositories in each transaction.

use std::sync::Arc;

use futures::FutureExt;

use super::Postgres;
use super::rows::value;
use super::session::Tx;
use crate::destination::{ConnectionKey, Error, Removed};

/// The first repository, and of those after it as many as have few commits together: nobody waits long for a transaction.
const PORTION: &str = "
    SELECT id FROM (
        SELECT id, row_number() OVER following AS number, sum(commits) OVER following AS commits
        FROM (
            SELECT id, commits FROM bitbucket_server_repositories WHERE connection_id = $1 ORDER BY id LIMIT 1000) r
        WINDOW following AS (ORDER BY id)) r
    WHERE number = 1 OR commits <= 10000";

/// The last commit of the next ten thousand of a repository, by id; NULL, where there are none. An admin may have limited how
/// long a statement may take, and in a large repository one for all would take longer.
const END: &str = "
    SELECT max(sha) FROM (
        SELECT sha FROM bitbucket_server_repository_default_branch_commits
        WHERE repository_id = $1 AND sha > $2 ORDER BY sha LIMIT 10000) c";
const COMMITS: &str = "
    DELETE FROM bitbucket_server_repository_default_branch_commits
    WHERE repository_id = $1 AND sha > $2 AND sha <= $3";
const USERS: &str = "
    DELETE FROM bitbucket_server_users
    WHERE id IN (SELECT id FROM bitbucket_server_users WHERE connection_id = $1 LIMIT 10000)";

impl Postgres {
    pub(in crate::destination) async fn remove(&self, key: ConnectionKey) -> Result<Removed, Error> {
        let key = Arc::new(key);
        self.transaction(move |tx| {
            let key = Arc::clone(&key);
            async move { remove(tx, &key).await }.boxed()
        })
        .await
    }
}

async fn remove(tx: &Tx<'_>, key: &ConnectionKey) -> Result<Removed, Error> {
    let ConnectionKey { cluster, namespace, name, uid } = key;
    // Locked, so that nobody takes the name over meanwhile.
    let sql = "
        SELECT id FROM bitbucket_connections WHERE (cluster, namespace, name, uid) = ($1, $2, $3, $4) FOR UPDATE";
    let Some(row) = tx.optional(sql, &[cluster, namespace, name, uid]).await? else {
        return Ok(Removed { commits: 0, all: true });
    };
    let connection: i64 = value(&row, 0)?;
    let portion = tx.rows(PORTION, &[&connection]).await?;
    let portion = portion.iter().map(|row| value(row, 0)).collect::<Result<Vec<i64>, _>>()?;
    let mut commits = 0;
    for repository in &portion {
        let mut after = String::new();
        while let Some(end) = value::<Option<String>>(&tx.one(END, &[repository, &after]).await?, 0)? {
            commits += tx.execute(COMMITS, &[repository, &after, &end]).await?;
            after = end;
        }
    }
    tx.execute("DELETE FROM bitbucket_server_repositories WHERE id = ANY($1)", &[&portion]).await?;
    if portion.is_empty() {
        while tx.execute(USERS, &[&connection]).await? > 0 {}
        for sql in [
            "DELETE FROM bitbucket_server_projects WHERE connection_id = $1",
            "DELETE FROM bitbucket_sync_runs WHERE connection_id = $1",
            "DELETE FROM bitbucket_connections WHERE id = $1",
        ] {
            tx.execute(sql, &[&connection]).await?;
        }
    }
    Ok(Removed { commits, all: portion.is_empty() })
}

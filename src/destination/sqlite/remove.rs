//! The end of a connection: its rows go, some repositories in each transaction.

use rusqlite::{OptionalExtension, Transaction, params};

use super::{Sqlite, finish};
use crate::destination::{ConnectionKey, Error, Removed};

/// The first repository, and of those after it as many as have few commits together: others wait meanwhile.
const PORTION: &str = "SELECT id FROM (
      SELECT id, row_number() OVER following AS number, sum(commits) OVER following AS commits
      FROM (SELECT id, commits FROM bitbucket_server_repositories WHERE connection_id = ?1 ORDER BY id LIMIT 1000)
      WINDOW following AS (ORDER BY id))
    WHERE number = 1 OR commits <= 10000";

impl Sqlite {
    pub(in crate::destination) async fn remove(&self, key: ConnectionKey) -> Result<Removed, Error> {
        let removed = self.transaction::<_, Error>(move |tx| Ok(remove(tx, &key)?)).await?;
        self.fold_log().await?;
        Ok(removed)
    }
}

fn remove(tx: &Transaction<'_>, key: &ConnectionKey) -> rusqlite::Result<Removed> {
    let sql = "SELECT id FROM bitbucket_connections WHERE (cluster, namespace, name, uid) = (?1, ?2, ?3, ?4)";
    let key = params![key.cluster, key.namespace, key.name, key.uid];
    let Some(connection) = tx.query_row(sql, key, |row| row.get::<_, i64>(0)).optional()? else {
        return Ok(Removed { commits: 0, all: true });
    };
    let portion = tx
        .prepare_cached(PORTION)?
        .query_map(params![connection], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<i64>>>()?;
    let mut commits = 0;
    for repository in &portion {
        commits += finish::clear(tx, *repository)?;
        tx.prepare_cached("DELETE FROM bitbucket_server_repositories WHERE id = ?1")?.execute(params![repository])?;
    }
    if portion.is_empty() {
        for sql in [
            "DELETE FROM bitbucket_server_users WHERE connection_id = ?1",
            "DELETE FROM bitbucket_server_projects WHERE connection_id = ?1",
            "DELETE FROM bitbucket_sync_runs WHERE connection_id = ?1",
            "DELETE FROM bitbucket_connections WHERE id = ?1",
        ] {
            tx.execute(sql, params![connection])?;
        }
    }
    Ok(Removed { commits, all: portion.is_empty() })
}

//! What a page about one connection shows. Read on a connection of its own: the writer's thread may be busy for long, and
//! has better things to do.

use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{Connection, ErrorCode, Row, params};

use super::Sqlite;
use super::query::reader;
use crate::destination::overview::{PATIENCE, slow};
use crate::destination::{ConnectionKey, Error, Only, Overview, RepositoryOverview, Search};

/// So many steps of a statement take less than a millisecond.
const STEPS: i32 = 10_000;

/// Those that its Bitbucket has listed, and not another one that its url has led to before.
const LISTED: &str = "WITH listed AS MATERIALIZED (
    SELECT r.id, f.repository AS name, r.source_url, f.state, f.complete, r.allowlisted, r.api_accessible,
           f.commits_synced_at, f.checked_at, f.failure, r.allowlisted AND (f.failure IS NOT NULL OR NOT r.api_accessible) AS failing,
           r.allowlisted AND NOT f.complete AND f.state NOT IN ('empty', 'no_default_branch') AS incomplete
    FROM bitbucket_server_repositories r
    JOIN bitbucket_connections c ON c.id = r.connection_id
    JOIN bitbucket_server_instances i ON i.id = r.instance_id AND i.normalized_instance_url = c.url
    JOIN bitbucket_repository_freshness f ON f.repository_id = r.id
    WHERE (c.cluster, c.namespace, c.name, c.uid) = (?1, ?2, ?3, ?4) AND r.listed)";

/// Not LIKE, to which some characters stand for others.
const MATCHING: &str = "instr(lower(name), lower(?5)) > 0 AND (failing OR NOT ?6) AND (incomplete OR NOT ?7)";

const WEEKS: &str = "SELECT date(m.created, '-6 days', 'weekday 1') AS week, count(*)
    FROM bitbucket_server_repositories r
    JOIN bitbucket_connections c ON c.id = r.connection_id
    JOIN bitbucket_server_instances i ON i.id = r.instance_id AND i.normalized_instance_url = c.url
    JOIN bitbucket_server_repository_default_branch_commits m ON m.repository_id = r.id
    WHERE (c.cluster, c.namespace, c.name, c.uid) = (?1, ?2, ?3, ?4) AND r.listed AND m.created >= ?5
    GROUP BY week ORDER BY week";

impl Sqlite {
    pub(in crate::destination) async fn overview(&self, key: ConnectionKey, search: Search) -> Result<Overview, Error> {
        self.read(move |connection| overview(connection, &key, &search)).await
    }

    pub(in crate::destination) async fn weeks(
        &self,
        key: ConnectionKey,
        since: Date,
    ) -> Result<Vec<(Date, i64)>, Error> {
        self.read(move |connection| weeks(connection, &key, since)).await
    }

    /// Reads on a thread of its own, and not for long.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let path = self.path.clone();
        let work = tokio::task::spawn_blocking(move || {
            work(&open(&path)?).map_err(|error| match error.sqlite_error_code() {
                Some(ErrorCode::OperationInterrupted) => slow(),
                _ => error.into(),
            })
        });
        work.await.map_err(|_| super::stopped())?
    }
}

fn open(path: &Path) -> Result<Connection, Error> {
    let mut connection = reader(path)?;
    let end = Instant::now() + PATIENCE;
    connection.progress_handler(STEPS, Some(move || Instant::now() >= end))?;
    Ok(connection)
}

fn overview(connection: &Connection, key: &ConnectionKey, search: &Search) -> rusqlite::Result<Overview> {
    let ConnectionKey { cluster, namespace, name, uid } = key;
    let Search { text, only, offset, limit } = search;
    let (failing, incomplete) = (*only == Only::Failing, *only == Only::Incomplete);
    let counts = format!(
        "{LISTED} SELECT count(*), count(*) FILTER (WHERE allowlisted), count(*) FILTER (WHERE failing),
                         count(*) FILTER (WHERE {MATCHING}) FROM listed"
    );
    let rows = format!(
        "{LISTED} SELECT name, source_url, state, complete, allowlisted, api_accessible, commits_synced_at, checked_at,
                         failure
         FROM listed WHERE {MATCHING} ORDER BY failing DESC, name, id LIMIT ?8 OFFSET ?9"
    );
    let repositories = connection
        .prepare(&rows)?
        .query_map(params![cluster, namespace, name, uid, text, failing, incomplete, limit, offset], repository)?
        .collect::<rusqlite::Result<_>>()?;
    connection.query_row(&counts, params![cluster, namespace, name, uid, text, failing, incomplete], |row| {
        let [total, imported, failing, matching] = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
        Ok(Overview { total, imported, failing, matching, repositories })
    })
}

fn repository(row: &Row<'_>) -> rusqlite::Result<RepositoryOverview> {
    Ok(RepositoryOverview {
        name: row.get(0)?,
        url: row.get(1)?,
        state: row.get(2)?,
        complete: row.get(3)?,
        imported: row.get(4)?,
        accessible: row.get(5)?,
        synced_at: time(row, 6)?,
        checked_at: time(row, 7)?,
        failure: row.get(8)?,
    })
}

/// None as well where somebody has written by hand what is no time.
fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<String>>(column)?.and_then(|text| text.parse().ok()))
}

fn weeks(connection: &Connection, key: &ConnectionKey, since: Date) -> rusqlite::Result<Vec<(Date, i64)>> {
    let ConnectionKey { cluster, namespace, name, uid } = key;
    // Times are text that sorts as they do, and begins with the day.
    let params = params![cluster, namespace, name, uid, since.to_string()];
    let mut statement = connection.prepare(WEEKS)?;
    let rows = statement.query_map(params, |row| Ok((row.get::<_, Option<String>>(0)?, row.get(1)?)))?;
    // Only what somebody has written by hand is of no day.
    rows.filter_map(|row| row.map(|(week, count)| Some((week?.parse().ok()?, count))).transpose()).collect()
}

//! Which repositories of a connection are imported, as the last listing showed them.

use rusqlite::{Connection, params};

use super::Sqlite;
use crate::destination::{ConnectionKey, Error, Selected, Selection};

/// Those that its Bitbucket has listed, and not another one that its url has led to before.
const OF: &str = "FROM bitbucket_server_repositories r
    JOIN bitbucket_connections c ON c.id = r.connection_id
    JOIN bitbucket_server_instances i ON i.id = r.instance_id AND i.normalized_instance_url = c.url
    JOIN bitbucket_server_projects p ON p.id = r.project_id
    WHERE (c.cluster, c.namespace, c.name, c.uid) = (?1, ?2, ?3, ?4) AND r.listed";

impl Sqlite {
    pub(in crate::destination) async fn selection(
        &self,
        key: ConnectionKey,
        imported: Option<bool>,
        after: i64,
        limit: i64,
    ) -> Result<Selection, Error> {
        self.run(move |connection| Ok(selection(connection, &key, imported, after, limit)?)).await?
    }
}

fn selection(
    connection: &Connection,
    key: &ConnectionKey,
    imported: Option<bool>,
    after: i64,
    limit: i64,
) -> rusqlite::Result<Selection> {
    let ConnectionKey { cluster, namespace, name, uid } = key;
    let counts = format!("SELECT count(*), count(*) FILTER (WHERE r.allowlisted) {OF}");
    let (total, selected) = connection
        .prepare_cached(&counts)?
        .query_row(params![cluster, namespace, name, uid], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rows = format!(
        "SELECT r.id, p.key || '/' || r.slug, r.source_url, r.allowlisted {OF}
           AND r.id > ?5 AND (?6 IS NULL OR r.allowlisted = ?6) ORDER BY r.id LIMIT ?7"
    );
    let repositories = connection
        .prepare_cached(&rows)?
        .query_map(params![cluster, namespace, name, uid, after, imported, limit], |row| {
            Ok(Selected { id: row.get(0)?, name: row.get(1)?, url: row.get(2)?, imported: row.get(3)? })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Selection { total, imported: selected, repositories })
}

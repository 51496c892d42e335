//! Connections, projects and repositories: rows are written only where they differ.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::Sqlite;
use crate::destination::{
    Absent, Checkpoint, ConnectionKey, Error, Listing, Position, Project, RepositoryState, Scope, StoredRepository,
};

impl Sqlite {
    pub(in crate::destination) async fn scope(&self, key: ConnectionKey, url: String) -> Result<Scope, Error> {
        self.transaction(move |tx| {
            tx.execute(
                "INSERT INTO bitbucket_connections (cluster, namespace, name, uid, url) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (cluster, namespace, name) DO UPDATE SET uid = excluded.uid, url = excluded.url
                 WHERE (uid, url) IS NOT (excluded.uid, excluded.url)",
                params![key.cluster, key.namespace, key.name, key.uid, url],
            )?;
            let connection = tx.query_row(
                "SELECT id FROM bitbucket_connections WHERE (cluster, namespace, name) = (?1, ?2, ?3)",
                params![key.cluster, key.namespace, key.name],
                |row| row.get(0),
            )?;
            tx.execute(
                "INSERT INTO bitbucket_server_instances (normalized_instance_url) VALUES (?1) ON CONFLICT DO NOTHING",
                params![url],
            )?;
            let instance = tx.query_row(
                "SELECT id FROM bitbucket_server_instances WHERE normalized_instance_url = ?1",
                params![url],
                |row| row.get(0),
            )?;
            Ok(Scope { connection, instance })
        })
        .await
    }

    pub(in crate::destination) async fn repositories(&self, scope: Scope) -> Result<Vec<StoredRepository>, Error> {
        self.transaction(move |tx| Ok(repositories(tx, scope, None)?)).await
    }

    pub(in crate::destination) async fn repository(
        &self,
        scope: Scope,
        source_id: i64,
    ) -> Result<Option<StoredRepository>, Error> {
        self.transaction(move |tx| Ok(repositories(tx, scope, Some(source_id))?.pop())).await
    }

    pub(in crate::destination) async fn record(
        &self,
        scope: Scope,
        listing: Vec<Listing>,
        absent: Vec<Absent>,
    ) -> Result<Vec<StoredRepository>, Error> {
        self.transaction(move |tx| {
            let mut projects = HashMap::new();
            for Listing { repository, project, allowlisted } in &listing {
                let project = match projects.get(&project.source_id) {
                    Some(id) => *id,
                    None => *projects.entry(project.source_id).or_insert(upsert_project(tx, scope, project)?),
                };
                tx.prepare_cached(
                    "INSERT INTO bitbucket_server_repositories
                       (connection_id, instance_id, source_id, project_id, source_url, name, slug, description, public,
                        archived, allowlisted)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                     ON CONFLICT (connection_id, instance_id, source_id) DO UPDATE SET
                       project_id = excluded.project_id, source_url = excluded.source_url, name = excluded.name,
                       slug = excluded.slug, description = excluded.description, public = excluded.public,
                       archived = excluded.archived, allowlisted = excluded.allowlisted, listed = TRUE
                     WHERE (project_id, source_url, name, slug, description, public, archived, allowlisted, listed)
                       IS NOT (excluded.project_id, excluded.source_url, excluded.name, excluded.slug,
                               excluded.description, excluded.public, excluded.archived, excluded.allowlisted, TRUE)",
                )?
                .execute(params![
                    scope.connection,
                    scope.instance,
                    repository.source_id,
                    project,
                    repository.source_url,
                    repository.name,
                    repository.slug,
                    repository.description,
                    repository.public,
                    repository.archived,
                    allowlisted
                ])?;
            }
            for Absent { id, allowlisted, inaccessible } in absent {
                tx.prepare_cached(
                    "UPDATE bitbucket_server_repositories
                     SET listed = FALSE, allowlisted = ?2, api_accessible = api_accessible AND NOT ?3,
                         failure = CASE WHEN ?3 THEN NULL ELSE failure END
                     WHERE id = ?1 AND (listed OR allowlisted <> ?2 OR (?3 AND (api_accessible OR failure IS NOT NULL)))",
                )?
                .execute(params![id, allowlisted, inaccessible])?;
            }
            Ok(repositories(tx, scope, None)?)
        })
        .await
    }

    pub(in crate::destination) async fn mark(&self, repository: i64, state: RepositoryState) -> Result<(), Error> {
        self.transaction(move |tx| {
            match state {
                RepositoryState::Failed(reason) => tx.execute(
                    "UPDATE bitbucket_server_repositories SET failure = ?2 WHERE id = ?1 AND failure IS NOT ?2",
                    params![repository, reason],
                ),
                RepositoryState::Inaccessible => tx.execute(
                    "UPDATE bitbucket_server_repositories SET api_accessible = FALSE, failure = NULL
                     WHERE id = ?1 AND (api_accessible OR failure IS NOT NULL)",
                    params![repository],
                ),
                RepositoryState::New => Ok(0),
                RepositoryState::Synced => set_state(tx, repository, "synced"),
                RepositoryState::Empty => set_state(tx, repository, "empty"),
                RepositoryState::NoDefaultBranch => set_state(tx, repository, "no_default_branch"),
            }?;
            Ok(())
        })
        .await
    }

    pub(in crate::destination) async fn set_branch(&self, repository: i64, branch: String) -> Result<(), Error> {
        self.transaction(move |tx| {
            let sql = "UPDATE bitbucket_server_repositories SET default_branch = ?2 WHERE id = ?1";
            tx.execute(sql, params![repository, branch])?;
            Ok(())
        })
        .await
    }

    pub(in crate::destination) async fn checked_at(&self, key: ConnectionKey) -> Result<Option<Timestamp>, Error> {
        let read = self.run(move |connection| checked_at(connection, &key)).await??;
        // What somebody has written by hand may be no time.
        Ok(read.and_then(|text| text.parse().ok()))
    }

    pub(in crate::destination) async fn finish_run(&self, scope: Scope) -> Result<u64, Error> {
        let commits = self.transaction::<_, Error>(move |tx| Ok(finish_run(tx, scope)?)).await?;
        self.fold_log().await?;
        Ok(commits)
    }
}

fn checked_at(connection: &Connection, key: &ConnectionKey) -> rusqlite::Result<Option<String>> {
    let ConnectionKey { cluster, namespace, name, uid } = key;
    connection.query_row(
        "SELECT max(s.checked_at) FROM bitbucket_sync_runs s
         JOIN bitbucket_connections c ON c.id = s.connection_id
         JOIN bitbucket_server_instances i ON i.id = s.instance_id AND i.normalized_instance_url = c.url
         WHERE (c.cluster, c.namespace, c.name, c.uid) = (?1, ?2, ?3, ?4)",
        params![cluster, namespace, name, uid],
        |row| row.get(0),
    )
}

fn finish_run(tx: &Transaction<'_>, scope: Scope) -> rusqlite::Result<u64> {
    tx.execute(
        "INSERT INTO bitbucket_sync_runs (connection_id, instance_id, checked_at)
         VALUES (?1, ?2, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
         ON CONFLICT (connection_id, instance_id) DO UPDATE SET checked_at = excluded.checked_at",
        params![scope.connection, scope.instance],
    )?;
    // A project is accessible as long as one of its repositories is listed or may be read. Of one that has none, nothing
    // is known.
    tx.execute(
        "UPDATE bitbucket_server_projects AS p SET api_accessible = NOT api_accessible
         WHERE connection_id = ?1 AND instance_id = ?2 AND api_accessible <> (
           SELECT max(r.listed OR r.api_accessible) FROM bitbucket_server_repositories r WHERE r.project_id = p.id)",
        params![scope.connection, scope.instance],
    )?;
    let commits: i64 = tx.query_row(
        "SELECT coalesce(sum(commits), 0) FROM bitbucket_server_repositories
         WHERE connection_id = ?1 AND instance_id = ?2",
        params![scope.connection, scope.instance],
        |row| row.get(0),
    )?;
    Ok(commits.unsigned_abs())
}

fn set_state(tx: &Transaction<'_>, repository: i64, state: &str) -> rusqlite::Result<usize> {
    // Whoever gave an answer may be read.
    let sql = "UPDATE bitbucket_server_repositories SET state = ?2, failure = NULL, api_accessible = TRUE
               WHERE id = ?1 AND (state <> ?2 OR failure IS NOT NULL OR NOT api_accessible)";
    tx.execute(sql, params![repository, state])
}

fn upsert_project(tx: &Transaction<'_>, scope: Scope, project: &Project) -> rusqlite::Result<i64> {
    let key = params![scope.connection, scope.instance, project.source_id];
    tx.prepare_cached(
        "INSERT INTO bitbucket_server_projects
           (connection_id, instance_id, source_id, source_url, key, name, description, public)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (connection_id, instance_id, source_id) DO UPDATE SET
           source_url = excluded.source_url, key = excluded.key, name = excluded.name,
           description = excluded.description, public = excluded.public
         WHERE (source_url, key, name, description, public)
           IS NOT (excluded.source_url, excluded.key, excluded.name, excluded.description, excluded.public)",
    )?
    .execute(params![
        scope.connection,
        scope.instance,
        project.source_id,
        project.source_url,
        project.key,
        project.name,
        project.description,
        project.public
    ])?;
    tx.prepare_cached(
        "SELECT id FROM bitbucket_server_projects WHERE connection_id = ?1 AND instance_id = ?2 AND source_id = ?3",
    )?
    .query_row(key, |row| row.get(0))
}

/// All of the scope, or the one with this id of Bitbucket's.
fn repositories(tx: &Transaction<'_>, scope: Scope, source_id: Option<i64>) -> rusqlite::Result<Vec<StoredRepository>> {
    tx.prepare_cached(
        "SELECT r.id, r.source_id, p.key, r.slug, r.default_branch, r.state, r.allowlisted, r.head, r.walk_target,
                r.walk_since, r.default_branch_commits_page_start, r.walk_after_id, r.walk_closed_id,
                r.api_accessible, r.failure, r.listed
         FROM bitbucket_server_repositories r JOIN bitbucket_server_projects p ON p.id = r.project_id
         WHERE r.connection_id = ?1 AND r.instance_id = ?2 AND (?3 IS NULL OR r.source_id = ?3) ORDER BY r.id",
    )?
    .query_map(params![scope.connection, scope.instance, source_id], |row| {
        Ok(StoredRepository {
            id: row.get(0)?,
            source_id: row.get(1)?,
            project: row.get(2)?,
            slug: row.get(3)?,
            branch: row.get(4)?,
            state: state(row)?,
            failed: row.get::<_, Option<String>>(14)?.is_some(),
            allowlisted: row.get(6)?,
            listed: row.get(15)?,
            accessible: row.get(13)?,
            position: position(row, 7)?,
        })
    })?
    .collect()
}

fn state(row: &Row<'_>) -> rusqlite::Result<RepositoryState> {
    if !row.get::<_, bool>(13)? {
        return Ok(RepositoryState::Inaccessible);
    }
    Ok(match row.get::<_, String>(5)?.as_str() {
        "synced" => RepositoryState::Synced,
        "empty" => RepositoryState::Empty,
        "no_default_branch" => RepositoryState::NoDefaultBranch,
        _ => RepositoryState::New,
    })
}

/// Reads head, target, since, next start, and the rows that the walk began after and is closed up to, from column
/// `first` on.
fn position(row: &Row<'_>, first: usize) -> rusqlite::Result<Position> {
    let target: Option<String> = row.get(first + 1)?;
    let walk = match target {
        Some(target) => Some(Checkpoint {
            target,
            since: row.get(first + 2)?,
            next_start: row.get::<_, i64>(first + 3)?.unsigned_abs(),
            after_id: row.get(first + 4)?,
            closed_id: row.get(first + 5)?,
        }),
        None => None,
    };
    Ok(Position { head: row.get(first)?, walk })
}

/// Where the repository stands now.
pub(super) fn current(tx: &Transaction<'_>, repository: i64) -> rusqlite::Result<Option<Position>> {
    tx.prepare_cached(
        "SELECT head, walk_target, walk_since, default_branch_commits_page_start, walk_after_id, walk_closed_id
         FROM bitbucket_server_repositories WHERE id = ?1",
    )?
    .query_row(params![repository], |row| position(row, 0))
    .optional()
}

//! Connections, projects and repositories: rows are written, and locked, only where they differ.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use jiff::Timestamp;

use super::Postgres;
use super::rows::{self, value};
use super::session::{Params, Tx};
use crate::destination::{Absent, ConnectionKey, Error, Listing, Project, RepositoryState, Scope, StoredRepository};

impl Postgres {
    pub(in crate::destination) async fn scope(&self, key: ConnectionKey, url: String) -> Result<Scope, Error> {
        let claimed = Arc::new((key, url));
        self.transaction(move |tx| {
            let claimed = Arc::clone(&claimed);
            async move { claim(tx, &claimed.0, &claimed.1).await }.boxed()
        })
        .await
    }

    pub(in crate::destination) async fn repositories(&self, scope: Scope) -> Result<Vec<StoredRepository>, Error> {
        self.transaction(move |tx| rows::repositories(tx, scope, None).boxed()).await
    }

    pub(in crate::destination) async fn repository(
        &self,
        scope: Scope,
        source_id: i64,
    ) -> Result<Option<StoredRepository>, Error> {
        let found = self.transaction(move |tx| rows::repositories(tx, scope, Some(source_id)).boxed()).await;
        found.map(|mut found| found.pop())
    }

    pub(in crate::destination) async fn record(
        &self,
        scope: Scope,
        listing: Vec<Listing>,
        absent: Vec<Absent>,
    ) -> Result<Vec<StoredRepository>, Error> {
        let found = Arc::new((listing, absent));
        self.transaction(move |tx| {
            let found = Arc::clone(&found);
            async move {
                projects(tx, scope, &found.0).await?;
                repositories(tx, scope, &found.0).await?;
                leave_out(tx, &found.1).await?;
                rows::repositories(tx, scope, None).await
            }
            .boxed()
        })
        .await
    }

    pub(in crate::destination) async fn mark(&self, repository: i64, state: RepositoryState) -> Result<(), Error> {
        self.transaction(move |tx| {
            let state = state.clone();
            async move { mark(tx, repository, &state).await }.boxed()
        })
        .await
    }

    pub(in crate::destination) async fn set_branch(&self, repository: i64, branch: String) -> Result<(), Error> {
        self.transaction(move |tx| {
            let branch = branch.clone();
            async move {
                let sql = "UPDATE bitbucket_server_repositories SET default_branch = $2 WHERE id = $1";
                tx.execute(sql, &[&repository, &branch]).await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    pub(in crate::destination) async fn checked_at(&self, key: ConnectionKey) -> Result<Option<Timestamp>, Error> {
        let key = Arc::new(key);
        self.transaction(move |tx| {
            let key = Arc::clone(&key);
            async move { checked_at(tx, &key).await }.boxed()
        })
        .await
    }

    pub(in crate::destination) async fn finish_run(&self, scope: Scope) -> Result<u64, Error> {
        self.transaction(move |tx| finish_run(tx, scope).boxed()).await
    }
}

async fn claim(tx: &Tx<'_>, key: &ConnectionKey, url: &str) -> Result<Scope, Error> {
    let ConnectionKey { cluster, namespace, name, uid } = key;
    let sql = "
        INSERT INTO bitbucket_connections AS c (cluster, namespace, name, uid, url) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (cluster, namespace, name) DO UPDATE SET uid = excluded.uid, url = excluded.url
        WHERE (c.uid, c.url) IS DISTINCT FROM (excluded.uid, excluded.url)";
    tx.execute(sql, &[cluster, namespace, name, uid, &url]).await?;
    let sql = "SELECT id FROM bitbucket_connections WHERE (cluster, namespace, name) = ($1, $2, $3)";
    let connection = value(&tx.one(sql, &[cluster, namespace, name]).await?, 0)?;
    let sql = "INSERT INTO bitbucket_server_instances (normalized_instance_url) VALUES ($1) ON CONFLICT DO NOTHING";
    tx.execute(sql, &[&url]).await?;
    let sql = "SELECT id FROM bitbucket_server_instances WHERE normalized_instance_url = $1";
    let instance = value(&tx.one(sql, &[&url]).await?, 0)?;
    Ok(Scope { connection, instance })
}

async fn checked_at(tx: &Tx<'_>, key: &ConnectionKey) -> Result<Option<Timestamp>, Error> {
    let sql = "
        SELECT max(s.checked_at) FROM bitbucket_sync_runs s
        JOIN bitbucket_connections c ON c.id = s.connection_id
        JOIN bitbucket_server_instances i ON i.id = s.instance_id AND i.normalized_instance_url = c.url
        WHERE (c.cluster, c.namespace, c.name, c.uid) = ($1, $2, $3, $4)";
    value(&tx.one(sql, &[&key.cluster, &key.namespace, &key.name, &key.uid]).await?, 0)
}

async fn finish_run(tx: &Tx<'_>, scope: Scope) -> Result<u64, Error> {
    let sql = "
        INSERT INTO bitbucket_sync_runs (connection_id, instance_id, checked_at)
        VALUES ($1, $2, date_trunc('second', now()))
        ON CONFLICT (connection_id, instance_id) DO UPDATE SET checked_at = excluded.checked_at";
    tx.execute(sql, &[&scope.connection, &scope.instance]).await?;
    // A project is accessible as long as one of its repositories is listed or may be read. Of one that has none, nothing
    // is known.
    let sql = "
        UPDATE bitbucket_server_projects p SET api_accessible = NOT api_accessible
        WHERE connection_id = $1 AND instance_id = $2 AND api_accessible <> (
            SELECT bool_or(r.listed OR r.api_accessible) FROM bitbucket_server_repositories r WHERE r.project_id = p.id)";
    tx.execute(sql, &[&scope.connection, &scope.instance]).await?;
    let sql = "
        SELECT coalesce(sum(commits), 0)::bigint FROM bitbucket_server_repositories
        WHERE connection_id = $1 AND instance_id = $2";
    Ok(value::<i64>(&tx.one(sql, &[&scope.connection, &scope.instance]).await?, 0)?.unsigned_abs())
}

async fn mark(tx: &Tx<'_>, repository: i64, state: &RepositoryState) -> Result<(), Error> {
    match state {
        RepositoryState::Failed(reason) => {
            let sql = "UPDATE bitbucket_server_repositories SET failure = $2
                       WHERE id = $1 AND failure IS DISTINCT FROM $2";
            tx.execute(sql, &[&repository, reason]).await
        }
        RepositoryState::Inaccessible => {
            let sql = "UPDATE bitbucket_server_repositories SET api_accessible = FALSE, failure = NULL
                       WHERE id = $1 AND (api_accessible OR failure IS NOT NULL)";
            tx.execute(sql, &[&repository]).await
        }
        RepositoryState::New => Ok(0),
        RepositoryState::Synced => set_state(tx, repository, "synced").await,
        RepositoryState::Empty => set_state(tx, repository, "empty").await,
        RepositoryState::NoDefaultBranch => set_state(tx, repository, "no_default_branch").await,
    }?;
    Ok(())
}

async fn set_state(tx: &Tx<'_>, repository: i64, state: &str) -> Result<u64, Error> {
    // Whoever gave an answer may be read.
    let sql = "UPDATE bitbucket_server_repositories SET state = $2, failure = NULL, api_accessible = TRUE
               WHERE id = $1 AND (state <> $2 OR failure IS NOT NULL OR NOT api_accessible)";
    tx.execute(sql, &[&repository, &state]).await
}

// Not ON CONFLICT DO UPDATE: that locks every row that is listed, and so writes to each of them, changed or not. Rows are
// looked up by subqueries for one value: what the planner would make of a join here, it guesses.

async fn projects(tx: &Tx<'_>, scope: Scope, listing: &[Listing]) -> Result<(), Error> {
    let listed: BTreeMap<i64, &Project> = listing.iter().map(|line| (line.project.source_id, &line.project)).collect();
    let ids: Vec<_> = listed.keys().copied().collect();
    let urls: Vec<_> = listed.values().map(|project| &project.source_url).collect();
    let keys: Vec<_> = listed.values().map(|project| &project.key).collect();
    let names: Vec<_> = listed.values().map(|project| &project.name).collect();
    let descriptions: Vec<_> = listed.values().map(|project| project.description.as_deref()).collect();
    let public: Vec<_> = listed.values().map(|project| project.public).collect();
    let update = "
        WITH listed AS MATERIALIZED (
            SELECT l.*, (
                SELECT p.id FROM bitbucket_server_projects p
                WHERE p.connection_id = $1 AND p.instance_id = $2 AND p.source_id = l.source_id) AS id
            FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::boolean[])
                 AS l (source_id, source_url, key, name, description, public))
        UPDATE bitbucket_server_projects p
        SET source_url = l.source_url, key = l.key, name = l.name, description = l.description, public = l.public
        FROM listed l
        WHERE p.id = l.id
          AND (p.source_url, p.key, p.name, p.description, p.public)
              IS DISTINCT FROM (l.source_url, l.key, l.name, l.description, l.public)";
    let insert = "
        INSERT INTO bitbucket_server_projects
            (connection_id, instance_id, source_id, source_url, key, name, description, public)
        SELECT $1, $2, l.*
        FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::boolean[])
             AS l (source_id, source_url, key, name, description, public)
        WHERE (
            SELECT p.id FROM bitbucket_server_projects p
            WHERE p.connection_id = $1 AND p.instance_id = $2 AND p.source_id = l.source_id) IS NULL
        ON CONFLICT DO NOTHING";
    for sql in [update, insert] {
        let Scope { connection, instance } = &scope;
        tx.execute(sql, &[connection, instance, &ids, &urls, &keys, &names, &descriptions, &public]).await?;
    }
    Ok(())
}

async fn repositories(tx: &Tx<'_>, scope: Scope, listing: &[Listing]) -> Result<(), Error> {
    let text = |value: fn(&Listing) -> &str| listing.iter().map(value).collect::<Vec<_>>();
    let flag = |value: fn(&Listing) -> bool| listing.iter().map(value).collect::<Vec<_>>();
    let ids: Vec<_> = listing.iter().map(|line| line.repository.source_id).collect();
    let projects: Vec<_> = listing.iter().map(|line| line.project.source_id).collect();
    let (urls, names) = (text(|line| &line.repository.source_url), text(|line| &line.repository.name));
    let slugs = text(|line| &line.repository.slug);
    let descriptions: Vec<_> = listing.iter().map(|line| line.repository.description.as_deref()).collect();
    let (public, archived) = (flag(|line| line.repository.public), flag(|line| line.repository.archived));
    let allowlisted = flag(|line| line.allowlisted);
    let update = "
        WITH listed AS MATERIALIZED (
            SELECT l.*, (
                SELECT r.id FROM bitbucket_server_repositories r
                WHERE r.connection_id = $1 AND r.instance_id = $2 AND r.source_id = l.source_id) AS id, (
                SELECT p.id FROM bitbucket_server_projects p
                WHERE p.connection_id = $1 AND p.instance_id = $2 AND p.source_id = l.project) AS project_id
            FROM unnest($3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::boolean[],
                        $10::boolean[], $11::boolean[])
                 AS l (source_id, project, source_url, name, slug, description, public, archived, allowlisted))
        UPDATE bitbucket_server_repositories r
        SET project_id = l.project_id, source_url = l.source_url, name = l.name, slug = l.slug,
            description = l.description, public = l.public, archived = l.archived, allowlisted = l.allowlisted,
            listed = TRUE
        FROM listed l
        WHERE r.id = l.id
          AND (r.project_id, r.source_url, r.name, r.slug, r.description, r.public, r.archived, r.allowlisted, r.listed)
              IS DISTINCT FROM (l.project_id, l.source_url, l.name, l.slug, l.description, l.public, l.archived,
                                l.allowlisted, TRUE)";
    let insert = "
        INSERT INTO bitbucket_server_repositories
            (connection_id, instance_id, source_id, project_id, source_url, name, slug, description, public, archived,
             allowlisted)
        SELECT $1, $2, l.source_id, (
                   SELECT p.id FROM bitbucket_server_projects p
                   WHERE p.connection_id = $1 AND p.instance_id = $2 AND p.source_id = l.project),
               l.source_url, l.name, l.slug, l.description, l.public, l.archived, l.allowlisted
        FROM unnest($3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::boolean[],
                    $10::boolean[], $11::boolean[])
             WITH ORDINALITY
             AS l (source_id, project, source_url, name, slug, description, public, archived, allowlisted, number)
        WHERE (
            SELECT r.id FROM bitbucket_server_repositories r
            WHERE r.connection_id = $1 AND r.instance_id = $2 AND r.source_id = l.source_id) IS NULL
        ORDER BY l.number
        ON CONFLICT DO NOTHING";
    for sql in [update, insert] {
        let Scope { connection, instance } = &scope;
        let params: Params<'_> = &[
            connection,
            instance,
            &ids,
            &projects,
            &urls,
            &names,
            &slugs,
            &descriptions,
            &public,
            &archived,
            &allowlisted,
        ];
        tx.execute(sql, params).await?;
    }
    Ok(())
}

async fn leave_out(tx: &Tx<'_>, absent: &[Absent]) -> Result<(), Error> {
    let ids: Vec<_> = absent.iter().map(|one| one.id).collect();
    let allowlisted: Vec<_> = absent.iter().map(|one| one.allowlisted).collect();
    let inaccessible: Vec<_> = absent.iter().map(|one| one.inaccessible).collect();
    let sql = "
        UPDATE bitbucket_server_repositories r
        SET listed = FALSE, allowlisted = a.allowlisted, api_accessible = r.api_accessible AND NOT a.inaccessible,
            failure = CASE WHEN a.inaccessible THEN NULL ELSE r.failure END
        FROM unnest($1::bigint[], $2::boolean[], $3::boolean[]) AS a (id, allowlisted, inaccessible)
        WHERE r.id = a.id
          AND (r.listed OR r.allowlisted <> a.allowlisted
               OR (a.inaccessible AND (r.api_accessible OR r.failure IS NOT NULL)))";
    tx.execute(sql, &[&ids, &allowlisted, &inaccessible]).await?;
    Ok(())
}

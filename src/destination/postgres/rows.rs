//! Repositories as they are read back.

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::fault;
use super::session::Tx;
use crate::destination::{Checkpoint, Error, Position, RepositoryState, Scope, StoredRepository};

/// All repositories of the scope, or the one with this id of Bitbucket's.
pub(super) async fn repositories(
    tx: &Tx<'_>,
    scope: Scope,
    source_id: Option<i64>,
) -> Result<Vec<StoredRepository>, Error> {
    let sql = "
        SELECT r.id, r.source_id, p.key, r.slug, r.default_branch, r.state, r.allowlisted, r.listed, r.api_accessible,
               r.failure, r.head, r.walk_target, r.walk_since, r.default_branch_commits_page_start, r.walk_after_id,
               r.walk_closed_id
        FROM bitbucket_server_repositories r JOIN bitbucket_server_projects p ON p.id = r.project_id
        WHERE r.connection_id = $1 AND r.instance_id = $2 AND ($3::bigint IS NULL OR r.source_id = $3) ORDER BY r.id";
    let rows = tx.rows(sql, &[&scope.connection, &scope.instance, &source_id]).await?;
    rows.iter().map(repository).collect()
}

/// One value. Only who has changed the tables by hand finds none of this type there.
pub(super) fn value<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Error> {
    row.try_get(column).map_err(|_| fault::changed())
}

fn repository(row: &Row) -> Result<StoredRepository, Error> {
    Ok(StoredRepository {
        id: value(row, 0)?,
        source_id: value(row, 1)?,
        project: value(row, 2)?,
        slug: value(row, 3)?,
        branch: value(row, 4)?,
        state: state(row)?,
        failed: value::<Option<&str>>(row, 9)?.is_some(),
        allowlisted: value(row, 6)?,
        listed: value(row, 7)?,
        accessible: value(row, 8)?,
        position: position(row, 10)?,
    })
}

fn state(row: &Row) -> Result<RepositoryState, Error> {
    if !value(row, 8)? {
        return Ok(RepositoryState::Inaccessible);
    }
    Ok(match value(row, 5)? {
        "synced" => RepositoryState::Synced,
        "empty" => RepositoryState::Empty,
        "no_default_branch" => RepositoryState::NoDefaultBranch,
        _ => RepositoryState::New,
    })
}

/// Where the repository stands now. Until the transaction ends nobody else moves it, and nobody has moved it since:
/// who waits for this lock sees what its holder has left.
pub(super) async fn lock(tx: &Tx<'_>, repository: i64) -> Result<Option<Position>, Error> {
    // Not FOR UPDATE, which is for deleting the row: this is what the UPDATE at the end takes too.
    let sql = "
        SELECT head, walk_target, walk_since, default_branch_commits_page_start, walk_after_id, walk_closed_id
        FROM bitbucket_server_repositories WHERE id = $1 FOR NO KEY UPDATE";
    tx.optional(sql, &[&repository]).await?.map(|row| position(&row, 0)).transpose()
}

/// Reads head, target, since, next start, and the rows that the walk began after and is closed up to, from column
/// `first` on.
fn position(row: &Row, first: usize) -> Result<Position, Error> {
    let walk = match value(row, first + 1)? {
        Some(target) => Some(Checkpoint {
            target,
            since: value(row, first + 2)?,
            next_start: value::<i64>(row, first + 3)?.unsigned_abs(),
            after_id: value(row, first + 4)?,
            closed_id: value(row, first + 5)?,
        }),
        None => None,
    };
    Ok(Position { head: value(row, first)?, walk })
}

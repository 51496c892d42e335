//! The end of a walk: proof that the stored set is the target's, and the sweep where it is not yet.
//!
//! A set of commits is `git rev-list <target>` exactly if it holds the target, is closed under parents, and every
//! commit in it but the target has a child in it. All of that is seen from the rows.
//!
//! The statements are written so that their cost does not depend on what the planner believes, because it knows nothing
//! of rows that were just written. Sets are compared with EXCEPT or in groups, which reads each side once, where NOT EXISTS
//! could become a loop in a loop. A commit is looked up by a subquery for one value, which cannot become a join and so always
//! uses the unique index. `repository_id + 0` leaves only the range of ids to find a walk's rows by, and an upper end that
//! no id reaches makes a range of it that is taken for small: hash tables are laid out for what is expected.

use super::rows::value;
use super::session::Tx;
use crate::destination::model::difference;
use crate::destination::{Checkpoint, Error, Last, StoreError};

/// Sets the head, if the stored set is the target's or becomes it by a sweep. Gives the rows removed, beside those
/// that the transaction has removed before.
pub(super) async fn finish(
    tx: &Tx<'_>,
    repository: i64,
    head: Option<&str>,
    walk: &Checkpoint,
    last: &Last,
    added: u64,
    mut removed: u64,
) -> Result<u64, StoreError> {
    let cleared = removed;
    if !grown(tx, repository, head, walk).await? {
        if head.is_some() && !last.confirmed {
            return Err(StoreError::Unconfirmed);
        }
        removed += sweep(tx, repository, walk).await?;
    }
    // Rows of a walk that was given up were never part of a set.
    let changed = added > 0 || removed > cleared || head != Some(walk.target.as_str());
    let sql = "
        UPDATE bitbucket_server_repositories
        SET head = $2, default_branch = coalesce($3, default_branch), state = 'synced', failure = NULL,
            api_accessible = TRUE, walk_target = NULL, walk_since = NULL, walk_after_id = NULL, walk_closed_id = NULL,
            default_branch_commits_page_start = NULL,
            default_branch_commits_sync_to = (
                SELECT committed FROM bitbucket_server_repository_default_branch_commits
                WHERE repository_id = $1 AND sha = $2),
            commits_synced_at = CASE WHEN $4 THEN date_trunc('second', now()) ELSE commits_synced_at END,
            commits = commits + $5
        WHERE id = $1";
    tx.execute(sql, &[&repository, &walk.target, &last.branch, &changed, &difference(added, removed)]).await?;
    Ok(removed)
}

/// Whether the walk only added to a complete set: the usual case, proven from the walk's own rows.
async fn grown(tx: &Tx<'_>, repository: i64, head: Option<&str>, walk: &Checkpoint) -> Result<bool, Error> {
    if head != walk.since.as_deref() {
        return Ok(false);
    }
    // Of the walk's commits and their parents, `loose` are the commits without a child among them, and the parents that are
    // not among them: both are few.
    let sql = r#"
        WITH seen (sha, walked) AS NOT MATERIALIZED (
            SELECT sha, TRUE FROM bitbucket_server_repository_default_branch_commits
            WHERE id > $3 AND id < 9223372036854775807 AND repository_id + 0 = $1
            UNION ALL
            SELECT p.sha COLLATE "C", FALSE
            FROM bitbucket_server_repository_default_branch_commits, jsonb_array_elements_text(parents) AS p (sha)
            WHERE id > $3 AND id < 9223372036854775807 AND repository_id + 0 = $1),
        loose (sha, walked) AS MATERIALIZED (
            SELECT sha, bool_or(walked) FROM seen GROUP BY sha HAVING bool_or(walked) = bool_and(walked))
        SELECT EXISTS (SELECT FROM loose WHERE walked AND sha = $2)
           AND NOT EXISTS (SELECT FROM loose WHERE walked AND sha <> $2)
           AND NOT EXISTS (
               SELECT FROM loose WHERE NOT walked AND (
                   SELECT c.id FROM bitbucket_server_repository_default_branch_commits c
                   WHERE c.repository_id = $1 AND c.sha = loose.sha) IS NULL)
           AND ($4::text IS NULL OR EXISTS (SELECT FROM loose WHERE NOT walked AND sha = $4))"#;
    value(&tx.one(sql, &[&repository, &walk.target, &walk.after_id, &walk.since]).await?, 0)
}

/// The walk's first row of which a parent is not stored; None, where every parent is. Begins where the last look ended,
/// since rows stay closed, and ends at that row: over a whole walk each row is looked at about once, however many pages
/// there are, and however long a merge waits for its second parent.
pub(super) async fn first_open(tx: &Tx<'_>, repository: i64, walk: &Checkpoint) -> Result<Option<i64>, Error> {
    let sql = "
        SELECT w.id FROM (
            SELECT id, parents FROM bitbucket_server_repository_default_branch_commits
            WHERE id > $2 AND repository_id + 0 = $1 ORDER BY id OFFSET 0) w
        WHERE EXISTS (
            SELECT FROM jsonb_array_elements_text(w.parents) AS p (sha) WHERE (
                SELECT c.id FROM bitbucket_server_repository_default_branch_commits c
                WHERE c.repository_id = $1 AND c.sha = p.sha) IS NULL)
        LIMIT 1";
    tx.optional(sql, &[&repository, &walk.closed_id]).await?.map(|row| value(&row, 0)).transpose()
}

/// Deletes what the target does not reach. Nothing, if something that it reaches is not stored, or if the walk has
/// stored what it does not reach: then one of the answers was wrong, and what else is in them proves nothing.
async fn sweep(tx: &Tx<'_>, repository: i64, walk: &Checkpoint) -> Result<u64, StoreError> {
    // A commit that is reached but not stored is in `reach` too, and ends there: no row, no parents. An error undoes what
    // was deleted.
    let sql = r#"
        WITH RECURSIVE reach (sha) AS (
            SELECT $2::text COLLATE "C"
            UNION
            SELECT p.sha COLLATE "C" FROM reach, jsonb_array_elements_text((
                SELECT c.parents FROM bitbucket_server_repository_default_branch_commits c
                WHERE c.repository_id = $1 AND c.sha = reach.sha)) AS p (sha)),
        stored AS MATERIALIZED (
            SELECT sha FROM bitbucket_server_repository_default_branch_commits WHERE repository_id = $1),
        missing AS (SELECT sha FROM reach EXCEPT SELECT sha FROM stored),
        unreached AS MATERIALIZED (SELECT sha FROM stored EXCEPT SELECT sha FROM reach),
        deleted AS (
            DELETE FROM bitbucket_server_repository_default_branch_commits c USING unreached u
            WHERE c.repository_id = $1 AND c.sha = u.sha RETURNING c.id, c.sha)
        SELECT (SELECT min(sha) FROM missing), (SELECT min(sha) FROM deleted WHERE id > $3),
               (SELECT count(*) FROM deleted)"#;
    let row = tx.one(sql, &[&repository, &walk.target, &walk.after_id]).await?;
    match (value(&row, 0)?, value(&row, 1)?) {
        (Some(missing), _) => Err(StoreError::Incomplete { missing }),
        (_, Some(stray)) => Err(StoreError::Stray { stray }),
        (None, None) => Ok(value::<i64>(&row, 2)?.unsigned_abs()),
    }
}

/// Removes what a walk has stored that is given up, or begins anew. All older rows are the complete set's.
pub(super) async fn clear_walk(tx: &Tx<'_>, repository: i64, walk: &Checkpoint) -> Result<u64, Error> {
    let sql = "
        DELETE FROM bitbucket_server_repository_default_branch_commits
        WHERE id > $2 AND id < 9223372036854775807 AND repository_id + 0 = $1";
    tx.execute(sql, &[&repository, &walk.after_id]).await
}

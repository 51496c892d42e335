//! The end of a walk: proof that the stored set is the target's, and the sweep where it is not yet.
//!
//! A set of commits is `git rev-list <target>` exactly if it holds the target, is closed under parents, and
//! every commit in it but the target has a child in it. All of that is seen from the rows.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::destination::model::difference;
use crate::destination::{Checkpoint, Last, StoreError};

/// Everything that a commit reaches over the stored parents. A commit that is reached but not stored is in it.
const REACH: &str = "WITH RECURSIVE reach (sha) AS (
    VALUES (?2) UNION
    SELECT parent.value FROM reach
    JOIN bitbucket_server_repository_default_branch_commits c ON c.repository_id = ?1 AND c.sha = reach.sha
    JOIN json_each(c.parents) parent)";

/// Sets the head, if the stored set is the target's or becomes it by a sweep. Gives the rows removed, beside those
/// that the transaction has removed before.
pub(super) fn finish(
    tx: &Transaction<'_>,
    repository: i64,
    head: Option<&str>,
    walk: &Checkpoint,
    last: &Last,
    added: u64,
    mut removed: u64,
) -> Result<u64, StoreError> {
    let cleared = removed;
    if !grown(tx, repository, head, walk)? {
        if head.is_some() && !last.confirmed {
            return Err(StoreError::Unconfirmed);
        }
        removed += sweep(tx, repository, walk)?;
    }
    // Rows of a walk that was given up were never part of a set.
    let changed = added > 0 || removed > cleared || head != Some(walk.target.as_str());
    tx.prepare_cached(
        "UPDATE bitbucket_server_repositories
         SET head = ?2, default_branch = coalesce(?3, default_branch), state = 'synced', failure = NULL,
             api_accessible = TRUE, walk_target = NULL, walk_since = NULL, walk_after_id = NULL, walk_closed_id = NULL,
             default_branch_commits_page_start = NULL,
             default_branch_commits_sync_to = (
               SELECT committed FROM bitbucket_server_repository_default_branch_commits
               WHERE repository_id = ?1 AND sha = ?2),
             commits_synced_at = CASE WHEN ?4 THEN strftime('%Y-%m-%dT%H:%M:%SZ', 'now') ELSE commits_synced_at END,
             commits = commits + ?5
         WHERE id = ?1",
    )?
    .execute(params![repository, walk.target, last.branch, changed, difference(added, removed)])?;
    Ok(removed)
}

/// Whether the walk only added to a complete set: the usual case, proven from the walk's own rows.
fn grown(tx: &Transaction<'_>, repository: i64, head: Option<&str>, walk: &Checkpoint) -> rusqlite::Result<bool> {
    if head != walk.since.as_deref() {
        return Ok(false);
    }
    // The unary plus keeps SQLite on the range of ids: the walk's rows are the newest ones.
    let sound: bool = tx
        .prepare_cached(
            "WITH walked AS MATERIALIZED (
               SELECT sha, parents FROM bitbucket_server_repository_default_branch_commits
               WHERE id > ?3 AND +repository_id = ?1),
             parent AS MATERIALIZED (SELECT DISTINCT p.value AS sha FROM walked JOIN json_each(walked.parents) p)
             SELECT EXISTS (SELECT 1 FROM walked WHERE sha = ?2)
                AND NOT EXISTS (
                  SELECT 1 FROM parent WHERE NOT EXISTS (
                    SELECT 1 FROM bitbucket_server_repository_default_branch_commits c
                    WHERE c.repository_id = ?1 AND c.sha = parent.sha))
                AND NOT EXISTS (SELECT 1 FROM walked WHERE sha <> ?2 AND sha NOT IN (SELECT sha FROM parent))
                AND (?4 IS NULL OR ?4 IN (SELECT sha FROM parent))",
        )?
        .query_row(params![repository, walk.target, walk.after_id, walk.since], |row| row.get(0))?;
    Ok(sound)
}

/// The walk's first row of which a parent is not stored; None, where every parent is. Begins where the last look
/// ended, since rows stay closed: over a whole walk each row is looked at about once, however many pages there are.
pub(super) fn first_open(tx: &Transaction<'_>, repository: i64, walk: &Checkpoint) -> rusqlite::Result<Option<i64>> {
    tx.prepare_cached(
        "SELECT w.id FROM bitbucket_server_repository_default_branch_commits w
         WHERE w.id > ?2 AND +w.repository_id = ?1 AND EXISTS (
           SELECT 1 FROM json_each(w.parents) p WHERE NOT EXISTS (
             SELECT 1 FROM bitbucket_server_repository_default_branch_commits c
             WHERE c.repository_id = ?1 AND c.sha = p.value))
         ORDER BY w.id LIMIT 1",
    )?
    .query_row(params![repository, walk.closed_id], |row| row.get(0))
    .optional()
}

/// Deletes what the target does not reach. Nothing, if something that it reaches is not stored, or if the walk has
/// stored what it does not reach: then one of the answers was wrong, and what else is in them proves nothing.
fn sweep(tx: &Transaction<'_>, repository: i64, walk: &Checkpoint) -> Result<u64, StoreError> {
    let (missing, stray): (Option<String>, Option<String>) = tx
        .prepare_cached(&format!(
            "{REACH} SELECT
               (SELECT sha FROM reach WHERE NOT EXISTS (
                  SELECT 1 FROM bitbucket_server_repository_default_branch_commits c
                  WHERE c.repository_id = ?1 AND c.sha = reach.sha) LIMIT 1),
               (SELECT sha FROM bitbucket_server_repository_default_branch_commits
                WHERE id > ?3 AND +repository_id = ?1 AND sha NOT IN (SELECT sha FROM reach) LIMIT 1)"
        ))?
        .query_row(params![repository, walk.target, walk.after_id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    match (missing, stray) {
        (Some(missing), _) => Err(StoreError::Incomplete { missing }),
        (_, Some(stray)) => Err(StoreError::Stray { stray }),
        (None, None) => {
            let deleted = tx
                .prepare_cached(&format!(
                    "{REACH} DELETE FROM bitbucket_server_repository_default_branch_commits
                     WHERE repository_id = ?1 AND sha NOT IN (SELECT sha FROM reach)"
                ))?
                .execute(params![repository, walk.target])?;
            Ok(deleted as u64)
        }
    }
}

/// Removes what a walk has stored that is given up, or begins anew. All older rows are the complete set's.
pub(super) fn clear_walk(tx: &Transaction<'_>, repository: i64, walk: &Checkpoint) -> rusqlite::Result<u64> {
    let sql = "DELETE FROM bitbucket_server_repository_default_branch_commits WHERE id > ?2 AND +repository_id = ?1";
    Ok(tx.execute(sql, params![repository, walk.after_id])? as u64)
}

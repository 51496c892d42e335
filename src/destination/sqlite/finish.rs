//! The end of a walk: proof that the stored set is the target's, and the sweep where it is not yet.
//!
//! A set of commits is `git rev-list <target>` exactly if it holds the target, is closed under parents, and
//! every commit in it but the target has a child in it. All of that is seen from the rows.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::destination::model::difference;
use crate::destination::{Checkpoint, Last, StoreError};

/// Of a sweep under way. On disk, as all that SQLite keeps in `temp`.
const REACHED: &str = "CREATE TEMP TABLE IF NOT EXISTS reached (sha TEXT PRIMARY KEY) WITHOUT ROWID";

/// Everything that a commit reaches over the stored parents. A commit that is reached but not stored is in it.
const REACH: &str = "INSERT INTO temp.reached
    WITH RECURSIVE reach (sha) AS (
      VALUES (?2) UNION
      SELECT parent.value FROM reach
      JOIN bitbucket_server_repository_default_branch_commits c ON c.repository_id = ?1 AND c.sha = reach.sha
      JOIN json_each(c.parents) parent)
    SELECT sha FROM reach";

const FORGET: &str = "DELETE FROM temp.reached";

/// Of what is reached, one that is not stored; and one of the walk's that is not reached.
const WRONG: &str = "SELECT
    (SELECT sha FROM temp.reached WHERE NOT EXISTS (
       SELECT 1 FROM bitbucket_server_repository_default_branch_commits c
       WHERE c.repository_id = ?1 AND c.sha = reached.sha) LIMIT 1),
    (SELECT sha FROM bitbucket_server_repository_default_branch_commits
     WHERE id > ?2 AND repository_id = ?1 AND sha NOT IN temp.reached LIMIT 1)";

/// The last row of a portion that begins after another row; NULL where there is none.
const PORTION: &str = "SELECT max(id) FROM (
    SELECT id FROM bitbucket_server_repository_default_branch_commits
    WHERE repository_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3)";

const UNREACHED: &str = "DELETE FROM bitbucket_server_repository_default_branch_commits
    WHERE id > ?2 AND id <= ?3 AND repository_id = ?1 AND sha NOT IN temp.reached";

/// Of a walk's commits and their parents, `loose` are the commits without a child among them, and the parents that are not among
/// them: both are few. All are sorted once, where tables of them would be looked through row by row.
const GROWN: &str = "WITH seen (sha, walked) AS NOT MATERIALIZED (
      SELECT sha, TRUE FROM bitbucket_server_repository_default_branch_commits WHERE id > ?3 AND repository_id = ?1
      UNION ALL
      SELECT p.value, FALSE FROM bitbucket_server_repository_default_branch_commits w JOIN json_each(w.parents) p
      WHERE w.id > ?3 AND w.repository_id = ?1),
    loose (sha, walked) AS MATERIALIZED (
      SELECT sha, max(walked) FROM seen GROUP BY sha HAVING max(walked) = min(walked))
    SELECT EXISTS (SELECT 1 FROM loose WHERE walked AND sha = ?2)
       AND NOT EXISTS (SELECT 1 FROM loose WHERE walked AND sha <> ?2)
       AND NOT EXISTS (
         SELECT 1 FROM loose WHERE NOT walked AND NOT EXISTS (
           SELECT 1 FROM bitbucket_server_repository_default_branch_commits c
           WHERE c.repository_id = ?1 AND c.sha = loose.sha))
       AND (?4 IS NULL OR EXISTS (SELECT 1 FROM loose WHERE NOT walked AND sha = ?4))";

const FIRST_OPEN: &str = "SELECT w.id FROM bitbucket_server_repository_default_branch_commits w
    WHERE w.id > ?2 AND w.repository_id = ?1 AND EXISTS (
      SELECT 1 FROM json_each(w.parents) p WHERE NOT EXISTS (
        SELECT 1 FROM bitbucket_server_repository_default_branch_commits c
        WHERE c.repository_id = ?1 AND c.sha = p.value))
    ORDER BY w.id LIMIT 1";

const ALL: &str = "DELETE FROM bitbucket_server_repository_default_branch_commits
    WHERE id > ?2 AND id <= ?3 AND repository_id = ?1";

/// Rows of a portion. SQLite keeps the ids of all rows that a statement deletes in memory: with a million of them it
/// took 24 MB.
const ROWS: u32 = 10_000;

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
    tx.prepare_cached(GROWN)?.query_row(params![repository, walk.target, walk.after_id, walk.since], |row| row.get(0))
}

/// The walk's first row of which a parent is not stored; None, where every parent is. Begins where the last look
/// ended, since rows stay closed: over a whole walk each row is looked at about once, however many pages there are.
pub(super) fn first_open(tx: &Transaction<'_>, repository: i64, walk: &Checkpoint) -> rusqlite::Result<Option<i64>> {
    tx.prepare_cached(FIRST_OPEN)?.query_row(params![repository, walk.closed_id], |row| row.get(0)).optional()
}

/// Deletes what the target does not reach. Nothing, if something that it reaches is not stored, or if the walk has
/// stored what it does not reach: then one of the answers was wrong, and what else is in them proves nothing.
fn sweep(tx: &Transaction<'_>, repository: i64, walk: &Checkpoint) -> Result<u64, StoreError> {
    tx.execute(REACHED, [])?;
    tx.prepare_cached(REACH)?.execute(params![repository, walk.target])?;
    let (missing, stray): (Option<String>, Option<String>) = tx
        .prepare_cached(WRONG)?
        .query_row(params![repository, walk.after_id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    match (missing, stray) {
        (Some(missing), _) => Err(StoreError::Incomplete { missing }),
        (_, Some(stray)) => Err(StoreError::Stray { stray }),
        (None, None) => {
            let deleted = in_portions(tx, UNREACHED, repository, 0)?;
            tx.prepare_cached(FORGET)?.execute([])?;
            Ok(deleted)
        }
    }
}

/// Removes what a walk has stored that is given up, or begins anew. All older rows are the complete set's.
pub(super) fn clear_walk(tx: &Transaction<'_>, repository: i64, walk: &Checkpoint) -> rusqlite::Result<u64> {
    in_portions(tx, ALL, repository, walk.after_id)
}

/// Removes all commits of a repository that goes itself, and gives how many.
pub(super) fn clear(tx: &Transaction<'_>, repository: i64) -> rusqlite::Result<u64> {
    in_portions(tx, ALL, repository, 0)
}

/// Deletes rows of a repository that come after one, and gives how many.
fn in_portions(tx: &Transaction<'_>, delete: &str, repository: i64, mut after: i64) -> rusqlite::Result<u64> {
    let mut portion = tx.prepare_cached(PORTION)?;
    let mut delete = tx.prepare_cached(delete)?;
    let mut deleted = 0;
    while let Some(end) = portion.query_row(params![repository, after, ROWS], |row| row.get::<_, Option<i64>>(0))? {
        deleted += delete.execute(params![repository, after, end])? as u64;
        after = end;
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::super::migrate::migrate;
    use super::*;

    /// How SQLite would go about it, step by step.
    fn plan(sql: &str) -> Vec<String> {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection.execute(REACHED, []).unwrap();
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        statement.raw_query().mapped(|row| row.get(3)).collect::<rusqlite::Result<_>>().unwrap()
    }

    #[test]
    fn nothing_reads_what_other_repositories_have_stored() {
        for sql in [GROWN, FIRST_OPEN, REACH, WRONG, PORTION, UNREACHED, ALL] {
            let plan = plan(sql);
            let table = ["bitbucket_server_repository_default_branch_commits", "w", "c"];
            let reads = |step: &&String| {
                let mut words = step.split(' ');
                matches!(words.next(), Some("SCAN" | "SEARCH"))
                    && words.next().is_some_and(|name| table.contains(&name))
            };
            let reads: Vec<_> = plan.iter().filter(reads).collect();
            assert!(
                !reads.is_empty() && reads.iter().all(|step| step.contains("(repository_id=?")),
                "{sql}: {plan:#?}"
            );
        }
    }

    #[test]
    fn a_walks_own_rows_are_found_without_its_repositorys_older_ones() {
        for sql in [GROWN, FIRST_OPEN, PORTION, UNREACHED, ALL] {
            let plan = plan(sql);
            assert!(plan.iter().any(|step| step.contains("(repository_id=? AND rowid>?")), "{sql}: {plan:#?}");
        }
    }
}

//! One page of a walk and its checkpoint, in one transaction that begins with a compare-and-set.

use rusqlite::{Transaction, params};

use super::Sqlite;
use super::finish;
use super::listing::current;
use super::users;
use crate::destination::checkpoint::{Begun, Then};
use crate::destination::model::difference;
use crate::destination::people::People;
use crate::destination::{Checkpoint, Commit, Page, Position, Scope, StoreError, Stored};

impl Sqlite {
    pub(in crate::destination) async fn store(
        &self,
        scope: Scope,
        repository: i64,
        expected: Position,
        page: Page,
    ) -> Result<Stored, StoreError> {
        self.transaction(move |tx| store(tx, scope, repository, expected, &page)).await
    }

    pub(in crate::destination) async fn abandon(
        &self,
        repository: i64,
        expected: Position,
    ) -> Result<Stored, StoreError> {
        self.transaction(move |tx| abandon(tx, repository, expected)).await
    }
}

fn abandon(tx: &Transaction<'_>, repository: i64, expected: Position) -> Result<Stored, StoreError> {
    compare(tx, repository, &expected)?;
    let Position { head, walk } = expected;
    let removed = give_up(tx, repository, walk.as_ref())?;
    if walk.is_some() {
        write_checkpoint(tx, repository, None, difference(0, removed))?;
    }
    Ok(Stored::abandoned(head, removed))
}

fn give_up(tx: &Transaction<'_>, repository: i64, walk: Option<&Checkpoint>) -> rusqlite::Result<u64> {
    walk.map_or(Ok(0), |walk| finish::clear_walk(tx, repository, walk))
}

/// Refuses to go on where another process has moved the repository.
fn compare(tx: &Transaction<'_>, repository: i64, expected: &Position) -> Result<(), StoreError> {
    if current(tx, repository)?.as_ref() == Some(expected) { Ok(()) } else { Err(StoreError::Superseded) }
}

fn store(
    tx: &Transaction<'_>,
    scope: Scope,
    repository: i64,
    expected: Position,
    page: &Page,
) -> Result<Stored, StoreError> {
    compare(tx, repository, &expected)?;
    let Position { head, walk } = expected;
    let (walk, removed) = match Begun::of(walk, page) {
        Begun::GoesOn(walk) => (walk, 0),
        Begun::Anew(given_up) => {
            let removed = give_up(tx, repository, given_up.as_ref())?;
            (Checkpoint::first(page, highest_id(tx)?), removed)
        }
    };
    let added = insert(tx, scope, repository, &page.commits)?;
    let open = if page.next.may_close() { finish::first_open(tx, repository, &walk)? } else { None };
    match walk.then(&page.next, open) {
        Then::Page(walk) => {
            write_checkpoint(tx, repository, Some(&walk), difference(added, removed))?;
            Ok(Stored::page(head, walk, added, removed))
        }
        Then::End(walk, last) => {
            let removed = finish::finish(tx, repository, head.as_deref(), &walk, last, added, removed)?;
            Ok(Stored::end(walk.target, added, removed))
        }
    }
}

fn highest_id(tx: &Transaction<'_>) -> rusqlite::Result<i64> {
    tx.prepare_cached("SELECT coalesce(max(id), 0) FROM bitbucket_server_repository_default_branch_commits")?
        .query_row([], |row| row.get(0))
}

fn write_checkpoint(
    tx: &Transaction<'_>,
    repository: i64,
    walk: Option<&Checkpoint>,
    more: i64,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE bitbucket_server_repositories
         SET walk_target = ?2, walk_since = ?3, walk_after_id = ?4, walk_closed_id = ?5,
             default_branch_commits_page_start = ?6, failure = NULL, commits = commits + ?7
         WHERE id = ?1",
    )?
    .execute(params![
        repository,
        walk.map(|walk| &walk.target),
        walk.and_then(|walk| walk.since.as_ref()),
        walk.map(|walk| walk.after_id),
        walk.map(|walk| walk.closed_id),
        walk.map(|walk| walk.next_start.cast_signed()),
        more
    ])?;
    Ok(())
}

fn insert(tx: &Transaction<'_>, scope: Scope, repository: i64, commits: &[Commit]) -> rusqlite::Result<u64> {
    let people = People::of(commits);
    let users = users::upsert(tx, scope, &people)?;
    let mut statement = tx.prepare_cached(
        "INSERT INTO bitbucket_server_repository_default_branch_commits
           (repository_id, sha, author_id, created, committed, message, parents, author_name, author_email)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (repository_id, sha) DO NOTHING",
    )?;
    let mut added = 0;
    for commit in commits {
        let author = commit.author.as_ref();
        added += statement.execute(params![
            repository,
            commit.sha,
            author.and_then(|author| users.get(&people.key(author)?)),
            commit.created,
            commit.committed,
            commit.message,
            commit.parents_json(),
            author.and_then(|author| author.name.as_deref()),
            author.and_then(|author| author.email.as_deref())
        ])?;
    }
    Ok(added as u64)
}

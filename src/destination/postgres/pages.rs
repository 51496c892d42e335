//! One page of a walk and its checkpoint, in one transaction that begins with a compare-and-set.

use std::sync::Arc;

use futures::FutureExt;
use jiff::Timestamp;

use super::Postgres;
use super::finish;
use super::rows::{lock, value};
use super::session::Tx;
use super::users;
use crate::destination::checkpoint::{Begun, Then};
use crate::destination::model::difference;
use crate::destination::people::People;
use crate::destination::{Checkpoint, Commit, Error, Page, Position, Scope, StoreError, Stored};

/// The earliest time that PostgreSQL knows, in seconds: the beginning of the year 4713 before Christ, as astronomers
/// reckon.
const EARLIEST: i64 = -210_866_803_200;

impl Postgres {
    pub(in crate::destination) async fn store(
        &self,
        scope: Scope,
        repository: i64,
        expected: Position,
        page: Page,
    ) -> Result<Stored, StoreError> {
        let given = Arc::new((expected, page));
        self.transaction(move |tx| {
            let given = Arc::clone(&given);
            async move { store(tx, scope, repository, given.0.clone(), &given.1).await }.boxed()
        })
        .await
    }

    pub(in crate::destination) async fn abandon(
        &self,
        repository: i64,
        expected: Position,
    ) -> Result<Stored, StoreError> {
        self.transaction(move |tx| {
            let expected = expected.clone();
            async move { abandon(tx, repository, expected).await }.boxed()
        })
        .await
    }
}

async fn abandon(tx: &Tx<'_>, repository: i64, expected: Position) -> Result<Stored, StoreError> {
    compare(tx, repository, &expected).await?;
    let Position { head, walk } = expected;
    let removed = give_up(tx, repository, walk.as_ref()).await?;
    if walk.is_some() {
        write_checkpoint(tx, repository, None, difference(0, removed)).await?;
    }
    Ok(Stored::abandoned(head, removed))
}

async fn give_up(tx: &Tx<'_>, repository: i64, walk: Option<&Checkpoint>) -> Result<u64, Error> {
    match walk {
        Some(walk) => finish::clear_walk(tx, repository, walk).await,
        None => Ok(0),
    }
}

/// Refuses to go on where another process has moved the repository.
async fn compare(tx: &Tx<'_>, repository: i64, expected: &Position) -> Result<(), StoreError> {
    if lock(tx, repository).await?.as_ref() == Some(expected) { Ok(()) } else { Err(StoreError::Superseded) }
}

async fn store(
    tx: &Tx<'_>,
    scope: Scope,
    repository: i64,
    expected: Position,
    page: &Page,
) -> Result<Stored, StoreError> {
    compare(tx, repository, &expected).await?;
    let Position { head, walk } = expected;
    let (walk, removed) = match Begun::of(walk, page) {
        Begun::GoesOn(walk) => (walk, 0),
        Begun::Anew(given_up) => {
            let removed = give_up(tx, repository, given_up.as_ref()).await?;
            (Checkpoint::first(page, highest_id(tx).await?), removed)
        }
    };
    let added = insert(tx, scope, repository, &page.commits).await?;
    let open = if page.next.may_close() { finish::first_open(tx, repository, &walk).await? } else { None };
    match walk.then(&page.next, open) {
        Then::Page(walk) => {
            write_checkpoint(tx, repository, Some(&walk), difference(added, removed)).await?;
            Ok(Stored::page(head, walk, added, removed))
        }
        Then::End(walk, last) => {
            let removed = finish::finish(tx, repository, head.as_deref(), &walk, last, added, removed).await?;
            Ok(Stored::end(walk.target, added, removed))
        }
    }
}

/// Where a walk's rows begin. All earlier rows of its repository are seen here, because whoever wrote one held the lock
/// that this transaction holds now. All later ones get higher ids, because the sequence never goes back and no session
/// keeps numbers in stock. What other repositories do meanwhile only makes the range wider.
async fn highest_id(tx: &Tx<'_>) -> Result<i64, Error> {
    let sql = "SELECT coalesce(max(id), 0) FROM bitbucket_server_repository_default_branch_commits";
    value(&tx.one(sql, &[]).await?, 0)
}

async fn write_checkpoint(tx: &Tx<'_>, repository: i64, walk: Option<&Checkpoint>, more: i64) -> Result<(), Error> {
    let sql = "
        UPDATE bitbucket_server_repositories
        SET walk_target = $2, walk_since = $3, walk_after_id = $4, walk_closed_id = $5,
            default_branch_commits_page_start = $6, failure = NULL, commits = commits + $7
        WHERE id = $1";
    let (target, since) = (walk.map(|walk| &walk.target), walk.and_then(|walk| walk.since.as_ref()));
    let (after_id, closed_id) = (walk.map(|walk| walk.after_id), walk.map(|walk| walk.closed_id));
    let start = walk.map(|walk| walk.next_start.cast_signed());
    tx.execute(sql, &[&repository, &target, &since, &after_id, &closed_id, &start, &more]).await?;
    Ok(())
}

async fn insert(tx: &Tx<'_>, scope: Scope, repository: i64, commits: &[Commit]) -> Result<u64, Error> {
    if commits.is_empty() {
        return Ok(0);
    }
    let people = People::of(commits);
    let users = users::upsert(tx, scope, &people).await?;
    let authors = || commits.iter().map(|commit| commit.author.as_ref());
    let shas: Vec<_> = commits.iter().map(|commit| &commit.sha).collect();
    let ids: Vec<_> = authors().map(|author| users.get(&people.key(author?)?).copied()).collect();
    let created: Vec<_> = commits.iter().map(|commit| time(commit.created.as_deref())).collect();
    let committed: Vec<_> = commits.iter().map(|commit| time(commit.committed.as_deref())).collect();
    let messages: Vec<_> = commits.iter().map(|commit| &commit.message).collect();
    let parents: Vec<_> = commits.iter().map(Commit::parents_json).collect();
    let names: Vec<_> = authors().map(|author| author?.name.as_deref()).collect();
    let emails: Vec<_> = authors().map(|author| author?.email.as_deref()).collect();
    let sql = "
        INSERT INTO bitbucket_server_repository_default_branch_commits
            (repository_id, sha, author_id, created, committed, message, parents, author_name, author_email)
        SELECT $1, sha, author_id, created, committed, message, parents::jsonb, author_name, author_email
        FROM unnest($2::text[], $3::bigint[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::text[], $8::text[],
                    $9::text[])
             WITH ORDINALITY
             AS page (sha, author_id, created, committed, message, parents, author_name, author_email, number)
        ORDER BY number
        ON CONFLICT (repository_id, sha) DO NOTHING";
    tx.execute(sql, &[&repository, &shas, &ids, &created, &committed, &messages, &parents, &names, &emails]).await
}

fn time(text: Option<&str>) -> Option<Timestamp> {
    let earliest = Timestamp::from_second(EARLIEST).unwrap_or(Timestamp::UNIX_EPOCH);
    text?.parse().ok().map(|time: Timestamp| time.max(earliest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_before_postgresqls_calendar_becomes_its_first() {
        assert_eq!(time(Some("-009999-01-02T01:59:59Z")).unwrap().to_string(), "-004713-11-24T00:00:00Z");
        assert_eq!(time(Some("9999-12-30T22:00:00Z")).unwrap().to_string(), "9999-12-30T22:00:00Z");
        assert_eq!(time(None), None);
    }
}

//! What a page does to the rows, down to the last case. No Bitbucket.

mod listing;
mod people;
mod repair;

use bitbucket_connector::destination::{
    Commit, ConnectionKey, Destination, Last, Listing, Next, Page, Position, Project, Repository, RepositoryState,
    Scope, StoreError, Stored, StoredRepository,
};

use crate::support::database::{self, Kind, on_both};

/// A database with one repository.
struct Database {
    destination: Destination,
    scope: Scope,
    place: database::Database,
}

const REPOSITORY: i64 = 1;

fn key(uid: &str) -> ConnectionKey {
    let text = |text: &str| text.to_owned();
    ConnectionKey { cluster: text("c"), namespace: text("n"), name: text("a"), uid: text(uid) }
}

fn listing(slug: &str) -> Listing {
    let text = |text: &str| text.to_owned();
    Listing {
        repository: Repository {
            source_id: 11,
            slug: text(slug),
            name: text(slug),
            description: None,
            public: false,
            archived: false,
            source_url: text("https://git.example.com/projects/P/repos/r/browse"),
        },
        project: Project {
            source_id: 5,
            key: text("P"),
            name: text("P"),
            description: None,
            public: false,
            source_url: text("https://git.example.com/projects/P"),
        },
        allowlisted: true,
    }
}

impl Database {
    async fn open(on: Kind) -> Self {
        let place = database::Database::new(on).await;
        let destination = Destination::open(&place.url()).await.unwrap();
        let scope = destination.scope(key("1"), "https://git.example.com".to_owned()).await.unwrap();
        destination.record(scope, vec![listing("r")], vec![]).await.unwrap();
        Self { destination, scope, place }
    }

    async fn store(&self, expected: &Position, page: Page) -> Result<Stored, StoreError> {
        self.destination.store(self.scope, REPOSITORY, expected.clone(), page).await
    }

    /// Stores a page and gives the position after it.
    async fn stored(&self, expected: &Position, page: Page) -> Position {
        self.store(expected, page).await.unwrap().position
    }

    async fn column(&self, sql: &str) -> Vec<String> {
        let rows = self.place.query(sql).await.rows;
        rows.into_iter().map(|row| row[0].as_str().map_or_else(|| row[0].to_string(), str::to_owned)).collect()
    }

    /// The first digit of each stored id.
    async fn commits(&self) -> String {
        self.place.assert_counted().await;
        let sql = "SELECT substr(sha, 1, 1) FROM bitbucket_server_repository_default_branch_commits ORDER BY sha";
        self.column(sql).await.concat()
    }

    async fn repository(&self) -> StoredRepository {
        self.destination.repositories(self.scope).await.unwrap().remove(0)
    }
}

fn sha(digit: char) -> String {
    digit.to_string().repeat(40)
}

/// Commits written as `child<parents`.
fn commits(text: &str) -> Vec<Commit> {
    text.split_whitespace()
        .map(|commit| {
            let mut ids = commit.chars().filter(|character| *character != '<').map(sha);
            Commit {
                sha: ids.next().unwrap(),
                parents: ids.collect(),
                author: None,
                created: None,
                committed: None,
                message: String::new(),
            }
        })
        .collect()
}

fn page(target: char, since: Option<char>, text: &str, next: Next) -> Page {
    Page { target: sha(target), since: since.map(sha), commits: commits(text), next }
}

fn last(confirmed: bool) -> Next {
    Next::Last(Last { branch: Some("main".to_owned()), confirmed })
}

fn complete(head: char) -> Position {
    Position { head: Some(sha(head)), walk: None }
}

async fn a_complete_walk_sets_the_head(on: Kind) {
    let database = Database::open(on).await;
    let first = database.store(&Position::default(), page('3', None, "3<2", Next::Page(1))).await.unwrap();
    assert_eq!((first.added, first.position.walk.as_ref().unwrap().next_start), (1, 1));
    assert_eq!(database.repository().await.position, first.position);
    let done = database.store(&first.position, page('3', None, "2<1 1", last(false))).await.unwrap();
    assert_eq!((done.added, done.removed, &done.position), (2, 0, &complete('3')));
    let repository = database.repository().await;
    assert_eq!((repository.position, repository.state), (complete('3'), RepositoryState::Synced));
    assert_eq!(repository.branch.as_deref(), Some("main"));
}

async fn a_position_that_another_process_has_left_is_refused(on: Kind) {
    let database = Database::open(on).await;
    let start = Position::default();
    let first = database.stored(&start, page('3', None, "3<2", Next::Page(1))).await;
    let again = database.store(&start, page('3', None, "3<2", Next::Page(1))).await;
    assert_eq!(again, Err(StoreError::Superseded));
    database.stored(&first, page('3', None, "2", last(false))).await;
    assert_eq!(database.destination.abandon(REPOSITORY, first).await, Err(StoreError::Superseded));
}

async fn a_missing_parent_or_target_is_an_incomplete_listing_and_changes_nothing(on: Kind) {
    let database = Database::open(on).await;
    let start = Position::default();
    let missing = database.store(&start, page('3', None, "3<2", last(false))).await;
    assert_eq!(missing, Err(StoreError::Incomplete { missing: sha('2') }));
    let no_target = database.store(&start, page('3', None, "2", last(false))).await;
    assert_eq!(no_target, Err(StoreError::Incomplete { missing: sha('3') }));
    let nothing = database.store(&start, page('3', None, "", last(false))).await;
    assert_eq!(nothing, Err(StoreError::Incomplete { missing: sha('3') }));
    assert_eq!((database.commits().await, database.repository().await.position), (String::new(), start));
}

async fn a_listed_commit_that_the_target_does_not_reach_is_a_wrong_listing_and_changes_nothing(on: Kind) {
    let database = Database::open(on).await;
    let stray = |digit| Err(StoreError::Stray { stray: sha(digit) });
    let first = database.store(&Position::default(), page('3', None, "3<2 9<2 2", last(false))).await;
    assert_eq!(first, stray('9'));
    // A parent that is left out makes a stranger of its other children too.
    let cut = database.store(&Position::default(), page('3', None, "3<2 2 1", last(false))).await;
    assert_eq!((cut, database.commits().await.as_str()), (stray('1'), ""));
    let head = database.stored(&Position::default(), page('3', None, "3<2 2", last(false))).await;
    let rewrite = database.store(&head, page('5', Some('3'), "5<2 9<2", last(true))).await;
    assert_eq!((rewrite, database.commits().await.as_str()), (stray('9'), "23"));
}

async fn growth_needs_no_sweep_and_a_rewrite_needs_a_word(on: Kind) {
    let database = Database::open(on).await;
    let head = database.stored(&Position::default(), page('3', None, "3<2 2<1 1", last(false))).await;
    // A merge whose second parent is old counts as growth.
    let head = database.stored(&head, page('5', Some('3'), "5<43 4<1", last(false))).await;
    assert_eq!(database.commits().await, "12345");
    let rewrite = page('6', Some('5'), "6<2", last(false));
    assert_eq!(database.store(&head, rewrite).await, Err(StoreError::Unconfirmed));
    assert_eq!(database.commits().await, "12345");
    let done = database.store(&head, page('6', Some('5'), "6<2", last(true))).await.unwrap();
    assert_eq!((done.added, done.removed), (1, 3));
    assert_eq!(database.commits().await, "126");
    // Back to an older commit: nothing is listed.
    database.stored(&done.position, page('1', Some('6'), "", last(true))).await;
    assert_eq!(database.commits().await, "1");
}

async fn a_walk_that_is_given_up_leaves_the_complete_set(on: Kind) {
    let database = Database::open(on).await;
    let begun = database.stored(&Position::default(), page('3', None, "3<2", Next::Page(1))).await;
    let begun = database.stored(&begun, page('9', None, "9<8", Next::Page(1))).await;
    assert_eq!(database.commits().await, "9", "without a complete set all goes");
    let head = database.stored(&begun, page('9', None, "8", last(false))).await;
    let begun = database.stored(&head, page('a', Some('9'), "a<7", Next::Page(1))).await;
    assert_eq!(database.commits().await, "789a".replace('7', ""));
    let other = database.store(&begun, page('b', Some('9'), "b<9", last(false))).await.unwrap();
    assert_eq!((other.added, other.removed, other.position), (1, 1, complete('b')));
    assert_eq!(database.commits().await, "89b");
}

async fn a_walk_that_is_abandoned_takes_its_rows_along_and_nothing_else(on: Kind) {
    let database = Database::open(on).await;
    let head = database.stored(&Position::default(), page('2', None, "2<1 1", last(false))).await;
    // A wrong answer gives a commit another one's parent.
    let begun = database.stored(&head, page('4', Some('2'), "4<1", Next::Page(1))).await;
    let abandoned = database.destination.abandon(REPOSITORY, begun).await.unwrap();
    assert_eq!((&abandoned.position, abandoned.removed, database.commits().await.as_str()), (&head, 1, "12"));
    assert_eq!(database.repository().await.position, head);
    let head = database.stored(&head, page('4', Some('2'), "4<3 3<2", last(false))).await;
    assert_eq!((&head, database.commits().await.as_str()), (&complete('4'), "1234"));
    let nothing = database.destination.abandon(REPOSITORY, head.clone()).await.unwrap();
    assert_eq!((nothing.position, nothing.removed), (head, 0));
}

async fn walks_of_several_repositories_are_kept_apart(on: Kind) {
    let database = Database::open(on).await;
    let mut other = listing("s");
    other.repository.source_id = 12;
    database.destination.record(database.scope, vec![listing("r"), other], vec![]).await.unwrap();
    let second = async |position: &Position, page| {
        database.destination.store(database.scope, REPOSITORY + 1, position.clone(), page).await.unwrap().position
    };
    let one = database.stored(&Position::default(), page('3', None, "3<2", Next::Page(1))).await;
    let two = second(&Position::default(), page('9', None, "9<8", Next::Page(1))).await;
    let one = database.stored(&one, page('3', None, "2<1", Next::Page(2))).await;
    // What the first one gives up is its own.
    let given_up = database.destination.abandon(REPOSITORY, one).await.unwrap();
    assert_eq!((given_up.removed, database.commits().await.as_str()), (2, "9"));
    let two = second(&two, page('9', None, "8", last(false))).await;
    assert_eq!((&two, database.commits().await.as_str()), (&complete('9'), "89"));
    // A walk back from a rewritten head looks at its own rows only.
    let unless = |start| Next::PageUnlessClosed(start, Last { branch: None, confirmed: true });
    let back = second(&two, page('c', None, "c<b", unless(1))).await;
    let one = database.stored(&given_up.position, page('3', None, "3<2", Next::Page(1))).await;
    assert_eq!(second(&back, page('c', None, "b<9", unless(2))).await, complete('c'));
    assert_eq!(database.commits().await, "389bc");
    database.stored(&one, page('3', None, "2", last(false))).await;
    assert_eq!(database.commits().await, "2389bc");
}

async fn a_walk_to_the_same_target_from_elsewhere_is_another_one(on: Kind) {
    let database = Database::open(on).await;
    let head = database.stored(&Position::default(), page('3', None, "3<2 2<1 1", last(false))).await;
    let begun = database.stored(&head, page('6', Some('3'), "6<5", Next::Page(1))).await;
    let unless = Next::PageUnlessClosed(1, Last { branch: None, confirmed: true });
    let back = database.stored(&begun, page('6', None, "6<4", unless)).await;
    assert_eq!((back.walk.as_ref().unwrap().since.as_deref(), database.commits().await.as_str()), (None, "1236"));
    let done = database.stored(&back, page('6', None, "4<2", last(true))).await;
    assert_eq!((&done, database.commits().await.as_str()), (&complete('6'), "1246"));
}

on_both! {
    a_complete_walk_sets_the_head,
    a_position_that_another_process_has_left_is_refused,
    a_missing_parent_or_target_is_an_incomplete_listing_and_changes_nothing,
    a_listed_commit_that_the_target_does_not_reach_is_a_wrong_listing_and_changes_nothing,
    growth_needs_no_sweep_and_a_rewrite_needs_a_word,
    a_walk_that_is_given_up_leaves_the_complete_set,
    walks_of_several_repositories_are_kept_apart,
    a_walk_to_the_same_target_from_elsewhere_is_another_one,
    a_walk_that_is_abandoned_takes_its_rows_along_and_nothing_else,
}

//! Who is one person.

use bitbucket_connector::destination::{Author, Commit, Page, Position};

use super::{Database, commits, last};
use crate::support::database::{Kind, on_both};

fn by(digit: char, account: Option<i64>, name: &str, email: &str) -> Commit {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let author = Author { account, name: text(name), email: text(email), ..Author::default() };
    Commit { author: Some(author), ..commits(&digit.to_string()).remove(0) }
}

/// Commits, each a child of the one before it, as the next page of a history.
async fn store(database: &Database, mut commits: Vec<Commit>) {
    let Position { head: since, .. } = database.repository().await.position;
    let mut parent = since.clone();
    for commit in &mut commits {
        commit.parents = parent.iter().cloned().collect();
        parent = Some(commit.sha.clone());
    }
    let target = parent.unwrap();
    let position = database.repository().await.position;
    database.stored(&position, Page { target, since, commits, next: last(false) }).await;
}

async fn users(database: &Database) -> Vec<String> {
    database.column("SELECT key || ' ' || coalesce(name, '') FROM bitbucket_server_users ORDER BY id").await
}

/// Each commit's first digit and the key of its author.
async fn authors(database: &Database) -> Vec<String> {
    let sql = "SELECT substr(c.sha, 1, 1) || ' ' || coalesce(u.key, '')
               FROM bitbucket_server_repository_default_branch_commits c
               LEFT JOIN bitbucket_server_users u ON u.id = c.author_id ORDER BY c.sha";
    database.column(sql).await
}

async fn authors_are_people_and_not_spellings(on: Kind) {
    let database = Database::open(on).await;
    store(&database, vec![by('1', None, "Jane", "Jane@X")]).await;
    store(&database, vec![by('2', None, "J. Doe", "jane@x")]).await;
    assert_eq!(users(&database).await, ["mail:jane@x Jane"], "case and name do not make another person");
    store(&database, vec![by('3', None, "Bob", "")]).await;
    store(&database, vec![by('4', None, "", "")]).await;
    assert_eq!(users(&database).await, ["mail:jane@x Jane", "name:Bob Bob"]);
    store(&database, vec![by('5', Some(7), "Jane Doe", "jane@x")]).await;
    assert_eq!(users(&database).await, ["id:7 Jane Doe", "name:Bob Bob"], "the account takes the row over");
    assert_eq!(authors(&database).await, ["1 id:7", "2 id:7", "3 name:Bob", "4 ", "5 id:7"]);
}

async fn an_account_that_has_a_row_takes_over_the_row_of_its_new_mail(on: Kind) {
    let database = Database::open(on).await;
    store(&database, vec![by('1', Some(7), "Jane", "a@x"), by('2', None, "jane", "b@x")]).await;
    store(&database, vec![by('3', None, "Bob", "c@x")]).await;
    assert_eq!(users(&database).await, ["id:7 Jane", "mail:b@x jane", "mail:c@x Bob"]);
    store(&database, vec![by('4', Some(7), "Jane", "B@x")]).await;
    assert_eq!(users(&database).await, ["id:7 Jane", "mail:c@x Bob"]);
    assert_eq!(authors(&database).await, ["1 id:7", "2 id:7", "3 mail:c@x", "4 id:7"]);
    let mail = "SELECT email FROM bitbucket_server_users WHERE source_id = 7";
    assert_eq!(database.column(mail).await, ["B@x"]);
    // The old mail is nobody's account's any more.
    store(&database, vec![by('5', None, "Jane", "a@x")]).await;
    assert_eq!(authors(&database).await.last().unwrap(), "5 mail:a@x");
}

async fn an_account_takes_over_a_row_that_came_after_its_own(on: Kind) {
    let database = Database::open(on).await;
    store(&database, vec![by('1', Some(7), "Jane", "a@x")]).await;
    store(&database, vec![by('2', None, "Jane", "a@x")]).await;
    assert_eq!(authors(&database).await, ["1 id:7", "2 mail:a@x"]);
    store(&database, vec![by('3', Some(7), "Jane", "a@x")]).await;
    assert_eq!(authors(&database).await, ["1 id:7", "2 id:7", "3 id:7"]);
    assert_eq!(users(&database).await, ["id:7 Jane"]);
}

async fn one_page_makes_one_row_of_an_account_and_its_mail(on: Kind) {
    let database = Database::open(on).await;
    let page = vec![by('1', None, "jane", "a@x"), by('2', Some(7), "Jane", "A@x"), by('3', None, "jane", "a@X")];
    store(&database, page).await;
    assert_eq!(users(&database).await, ["id:7 Jane"]);
    assert_eq!(authors(&database).await, ["1 id:7", "2 id:7", "3 id:7"]);
    // Two accounts with one mail: there is one row to take over, and two people.
    store(&database, vec![by('4', None, "robot", "r@x")]).await;
    store(&database, vec![by('5', Some(8), "Robot", "r@x"), by('6', Some(9), "Other", "r@x")]).await;
    assert_eq!(users(&database).await, ["id:7 Jane", "id:8 Robot", "id:9 Other"]);
    assert_eq!(authors(&database).await[3..], ["4 id:8", "5 id:8", "6 id:9"]);
}

async fn people_who_are_known_are_not_written_again(on: Kind) {
    let database = Database::open(on).await;
    let page = |first: char, second: char, third: char, fourth: char| {
        vec![
            by(first, Some(7), "Jane", "a@x"),
            by(second, None, "bob", "b@x"),
            by(third, None, "Eve", ""),
            by(fourth, Some(8), "Zoe", ""),
        ]
    };
    store(&database, page('1', '2', '3', '4')).await;
    let before = users(&database).await;
    database.place.watch_writes().await;
    store(&database, page('5', '6', '7', '8')).await;
    // Another spelling is no news.
    store(&database, vec![by('9', None, "Bobby", "B@X"), by('a', Some(7), "Jane", "a@x")]).await;
    let written = database.place.written().await;
    assert!(!written.iter().any(|write| write.ends_with("bitbucket_server_users")), "{written:?}");
    assert_eq!(users(&database).await, before);
    store(&database, vec![by('b', Some(7), "Jane Doe", "a@x")]).await;
    let written = database.place.written().await;
    assert!(written.contains(&"UPDATE bitbucket_server_users".to_owned()), "the watch sees it: {written:?}");
}

on_both! {
    authors_are_people_and_not_spellings,
    an_account_that_has_a_row_takes_over_the_row_of_its_new_mail,
    an_account_takes_over_a_row_that_came_after_its_own,
    one_page_makes_one_row_of_an_account_and_its_mail,
    people_who_are_known_are_not_written_again,
}

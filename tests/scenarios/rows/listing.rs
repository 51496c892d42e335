//! What a listing says of repositories and projects, and what a run notes beside it.

use super::{Database, REPOSITORY, key, last, listing, page};
use crate::support::database::{Kind, on_both};
use bitbucket_connector::destination::{Absent, DatabaseUrl, Position, RepositoryState, query};

async fn a_listing_updates_what_differs_and_a_new_uid_takes_the_rows_over(on: Kind) {
    let database = Database::open(on).await;
    let renamed = database.destination.record(database.scope, vec![listing("renamed")], vec![]).await.unwrap();
    assert_eq!((renamed.len(), renamed[0].id, renamed[0].slug.as_str()), (1, REPOSITORY, "renamed"));
    let again = database.destination.scope(key("2"), "https://git.example.com".to_owned()).await.unwrap();
    assert_eq!(again, database.scope);
    let elsewhere = database.destination.scope(key("2"), "https://other.example.com".to_owned()).await.unwrap();
    assert_ne!(elsewhere.instance, database.scope.instance);
    assert_eq!(database.destination.record(elsewhere, vec![listing("r")], vec![]).await.unwrap().len(), 1);
    assert_eq!(database.column("SELECT count(*) FROM bitbucket_server_repositories").await, ["2"]);
    database.destination.finish_run(elsewhere).await.unwrap();
    let checked = "SELECT repository_id FROM bitbucket_repository_freshness WHERE checked_at IS NOT NULL";
    assert_eq!(database.column(checked).await, ["2"], "a run at one server says nothing of another");
}

async fn a_mark_is_seen_and_taken_back(on: Kind) {
    let database = Database::open(on).await;
    for state in [RepositoryState::Failed("Refused"), RepositoryState::Inaccessible, RepositoryState::Empty] {
        database.destination.mark(REPOSITORY, state.clone()).await.unwrap();
        let expected = match state {
            RepositoryState::Failed(_) => "Refused 1 new",
            RepositoryState::Inaccessible => " 0 new",
            _ => " 1 empty",
        };
        let sql = "SELECT coalesce(failure, '') || ' ' || CAST(api_accessible AS INTEGER) || ' ' || state FROM bitbucket_server_repositories";
        assert_eq!(database.column(sql).await, [expected]);
    }
    let fresh = "SELECT checked_at IS NOT NULL FROM bitbucket_repository_freshness";
    database.destination.finish_run(database.scope).await.unwrap();
    assert_eq!(database.column(fresh).await, ["1"]);
    // One that the listing no longer shows was not checked; nothing else is known of it.
    let absent = Absent { id: REPOSITORY, allowlisted: true, inaccessible: false };
    database.destination.record(database.scope, vec![], vec![absent]).await.unwrap();
    assert_eq!(database.column(fresh).await, ["0"]);
    database.destination.record(database.scope, vec![listing("r")], vec![]).await.unwrap();
    assert_eq!(database.column(fresh).await, ["1"]);
}

async fn a_project_is_accessible_as_long_as_one_of_its_repositories_is(on: Kind) {
    let database = Database::open(on).await;
    let accessible = async || {
        database.destination.finish_run(database.scope).await.unwrap();
        database.column("SELECT CAST(api_accessible AS INTEGER) FROM bitbucket_server_projects").await
    };
    assert_eq!(accessible().await, ["1"]);
    database.destination.mark(REPOSITORY, RepositoryState::Inaccessible).await.unwrap();
    assert_eq!(accessible().await, ["1"], "it is listed all the same");
    let absent = |inaccessible| vec![Absent { id: REPOSITORY, allowlisted: true, inaccessible }];
    database.destination.record(database.scope, vec![], absent(false)).await.unwrap();
    assert_eq!(accessible().await, ["0"]);
    database.destination.mark(REPOSITORY, RepositoryState::Empty).await.unwrap();
    assert_eq!(accessible().await, ["1"], "it was read, listed or not");
    database.destination.record(database.scope, vec![], absent(true)).await.unwrap();
    assert_eq!(accessible().await, ["0"]);
    database.destination.record(database.scope, vec![listing("r")], vec![]).await.unwrap();
    assert_eq!(accessible().await, ["1"]);
}

#[tokio::test]
async fn after_a_run_the_file_of_sqlite_is_whole_without_what_is_beside_it() {
    let database = Database::open(Kind::Sqlite).await;
    database.stored(&Position::default(), page('3', None, "3<2 2<1 1", last(false))).await;
    database.destination.finish_run(database.scope).await.unwrap();
    let DatabaseUrl::Sqlite(file) = database.place.url() else { panic!("it is SQLite") };
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(file, copy.path().join("commits.db")).unwrap();
    let url = DatabaseUrl::Sqlite(copy.path().join("commits.db"));
    let sql = "SELECT count(*) FROM bitbucket_server_repository_default_branch_commits";
    assert_eq!(query(&url, sql).await.unwrap().rows, [[serde_json::json!(3)]]);
}

on_both! {
    a_listing_updates_what_differs_and_a_new_uid_takes_the_rows_over,
    a_mark_is_seen_and_taken_back,
    a_project_is_accessible_as_long_as_one_of_its_repositories_is,
}

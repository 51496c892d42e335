//! A walk back from a new head whose old base the server has forgotten.

use super::{Database, complete, last, page, sha};
use crate::support::database::{Kind, on_both};
use bitbucket_connector::destination::{Last, Next, Position};

fn unless_closed(start: u64) -> Next {
    Next::PageUnlessClosed(start, Last { branch: None, confirmed: true })
}

async fn a_walk_without_a_base_ends_where_it_meets_the_stored_commits(on: Kind) {
    let database = Database::open(on).await;
    let head = database.stored(&Position::default(), page('3', None, "3<2 2<1 1", last(false))).await;
    let open = page('7', None, "7<6", unless_closed(1));
    let begun = database.stored(&head, open).await;
    assert_eq!(begun.walk.as_ref().unwrap().next_start, 1);
    let closed = page('7', None, "6<2", unless_closed(2));
    assert_eq!(database.stored(&begun, closed).await, complete('7'));
    assert_eq!(database.commits().await, "1267");
}

async fn a_row_that_is_closed_is_not_looked_at_again(on: Kind) {
    let database = Database::open(on).await;
    let head = database.stored(&Position::default(), page('3', None, "3<2 2<1 1", last(false))).await;
    let before_row_of = async |digit: &str| {
        let table = "bitbucket_server_repository_default_branch_commits";
        let rows = database.column(&format!("SELECT id - 1 FROM {table} WHERE sha LIKE '{digit}%'")).await;
        rows[0].parse::<i64>().unwrap()
    };
    let closed = |position: &Position| position.walk.as_ref().unwrap().closed_id;
    // 9 is a merge of which one parent is listed late.
    let walk = database.stored(&head, page('9', None, "9<84 8<7", unless_closed(2))).await;
    assert_eq!(closed(&walk), before_row_of("9").await);
    let walk = database.stored(&walk, page('9', None, "3<2 7<2", unless_closed(4))).await;
    assert_eq!(closed(&walk), before_row_of("9").await);
    let walk = database.stored(&walk, page('9', None, "4<5 2<1", unless_closed(6))).await;
    assert_eq!(closed(&walk), before_row_of("4").await, "9, 8 and 7 are closed for good");
    assert_eq!(database.repository().await.position, walk);
    // Read again from the first page, nothing is known to be closed.
    let abandoned = database.destination.abandon(super::REPOSITORY, walk).await.unwrap().position;
    let walk = database.stored(&abandoned, page('9', None, "9<84 8<7", unless_closed(2))).await;
    assert_eq!(closed(&walk), before_row_of("9").await);
    let walk = database.stored(&walk, page('9', None, "7<2 4<5", unless_closed(4))).await;
    assert_eq!(database.stored(&walk, page('9', None, "5<1", unless_closed(5))).await, complete('9'));
    assert_eq!(database.commits().await, "1245789");
}

async fn nothing_behind_an_open_row_is_looked_at(on: Kind) {
    let database = Database::open(on).await;
    let head = database.stored(&Position::default(), page('3', None, "3<2 2<1 1", last(false))).await;
    let walk = database.stored(&head, page('9', None, "9<84 8<7", unless_closed(2))).await;
    // Whoever looks at 8 now finds no list of parents there, and stumbles.
    let nothing = if on == Kind::Sqlite { "no JSON" } else { "{}" };
    let write = async |parents: &str| {
        let table = "bitbucket_server_repository_default_branch_commits";
        database.place.execute(&format!("UPDATE {table} SET parents = '{parents}' WHERE sha LIKE '8%'")).await;
    };
    write(nothing).await;
    let walk = database.stored(&walk, page('9', None, "7<2", unless_closed(3))).await;
    write(&format!("[\"{}\"]", sha('7'))).await;
    assert_eq!(database.stored(&walk, page('9', None, "4<1", unless_closed(4))).await, complete('9'));
}

on_both! {
    a_walk_without_a_base_ends_where_it_meets_the_stored_commits,
    a_row_that_is_closed_is_not_looked_at_again,
    nothing_behind_an_open_row_is_looked_at,
}

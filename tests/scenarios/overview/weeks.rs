//! How many commits were written in each week.

use bitbucket_connector::destination::Absent;
use jiff::Timestamp;
use jiff::civil::{Date, date};

use super::{HERE, Scene, key, listing};
use crate::support::database::{Kind, on_both};

/// A Monday, with which the first ISO week of 2025 begins.
pub const SINCE: Date = date(2024, 12, 30);

async fn weeks(scene: &Scene) -> Vec<(Date, i64)> {
    scene.destination.weeks(key("a", "1"), SINCE).await.unwrap()
}

async fn a_week_is_from_monday_to_sunday_in_utc(on: Kind) {
    let scene = Scene::start(on, &["P/a", "-P/b"]).await;
    let utc = |text: &str| text.parse::<Timestamp>().unwrap().to_string();
    // Where they were written, the first is of a Monday and the second of a Sunday.
    let [early, late] = ["2025-01-13T01:30:00+02:00", "2025-01-12T22:30:00-03:00"].map(utc);
    let times = [
        "9999-12-30T22:00:00Z",
        &late,
        "2025-01-13T00:00:00Z",
        &early,
        "2025-01-06T00:00:00Z",
        "2025-01-05T23:59:59.999Z",
        "2025-01-01T00:00:00Z",
        "2024-12-31T23:59:59Z",
        "2024-12-30T00:00:00Z",
        "2024-12-29T23:59:59.999Z",
        "-009999-01-02T01:59:59Z",
    ];
    let times: Vec<_> = times.into_iter().map(Some).chain([None]).collect();
    scene.store(scene.scope, "P/a", &times, true).await;
    // What is stored counts, whether or not it is imported any more, and before a walk has ended.
    scene.store(scene.scope, "P/b", &[Some("2025-03-02T12:00:00Z"), None], false).await;
    let expected =
        [(SINCE, 4), (date(2025, 1, 6), 2), (date(2025, 1, 13), 2), (date(2025, 2, 24), 1), (date(9999, 12, 27), 1)];
    assert_eq!(weeks(&scene).await, expected);
    let since = date(2025, 1, 6);
    assert_eq!(scene.destination.weeks(key("a", "1"), since).await.unwrap(), expected[1..]);
}

async fn only_commits_that_the_connections_own_bitbucket_has_listed_are_counted(on: Kind) {
    let scene = Scene::start(on, &["P/here", "P/gone"]).await;
    assert_eq!(weeks(&scene).await, []);
    let written = [Some("2025-01-01T00:00:00Z")];
    for path in ["P/here", "P/gone"] {
        scene.store(scene.scope, path, &written, true).await;
    }
    let gone = Absent { id: scene.row(scene.scope, "P/gone").await, allowlisted: true, inaccessible: false };
    scene.destination.record(scene.scope, vec![listing("P/here")], vec![gone]).await.unwrap();
    let other = scene.destination.scope(key("b", "2"), HERE.to_owned()).await.unwrap();
    scene.record(other, &["P/theirs"]).await;
    scene.store(other, "P/theirs", &written, true).await;
    assert_eq!(weeks(&scene).await, [(SINCE, 1)]);
    let moved = scene.destination.scope(key("a", "1"), "https://new.example.com".to_owned()).await.unwrap();
    assert_eq!(weeks(&scene).await, []);
    scene.record(moved, &["P/there"]).await;
    scene.store(moved, "P/there", &[Some("2025-01-06T00:00:00Z")], true).await;
    assert_eq!(weeks(&scene).await, [(date(2025, 1, 6), 1)]);
    for nobody in [key("a", "0"), key("z", "1")] {
        assert_eq!(scene.destination.weeks(nobody, SINCE).await.unwrap(), []);
    }
}

on_both! {
    a_week_is_from_monday_to_sunday_in_utc,
    only_commits_that_the_connections_own_bitbucket_has_listed_are_counted,
}

use bitbucket_simulator::Scheme;

use crate::support::{house, house_with, soon};

#[tokio::test]
async fn every_request_is_written_down() {
    let house = house_with(|builder| builder.context("bitbucket")).await;
    house.get("/projects?start=0&limit=5").await;
    house.get_as(Some(("reader", "wrong-hunter2")), "/users").await;
    house.get_with_token("t0ken-hunter2", "/nothing").await;
    house.get_with_token("unknown-hunter2", "/users").await;
    house.get_as(None, "/application-properties").await;
    let seen = house.simulator.requests();
    let short: Vec<_> = seen
        .iter()
        .map(|one| (one.sequence, one.scheme, one.claimed_user.as_deref(), one.user.as_deref(), one.status))
        .collect();
    let reader = Some("reader");
    assert_eq!(
        short,
        [
            (1, Some(Scheme::Basic), reader, reader, Some(200)),
            (2, Some(Scheme::Basic), reader, None, Some(401)),
            (3, Some(Scheme::Bearer), reader, reader, Some(404)),
            (4, Some(Scheme::Bearer), None, None, Some(401)),
            (5, None, None, None, Some(200)),
        ]
    );
    assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("GET", "/bitbucket/rest/api/1.0/projects"));
    assert_eq!((seen[0].query.as_str(), seen[0].parameter("limit")), ("start=0&limit=5", Some("5")));
    assert_eq!(seen[0].header("accept"), Some("application/json"));
    let text = format!("{seen:?}");
    assert!(!text.contains("authorization") && !text.contains("hunter2"));
    assert_eq!(house.simulator.requests_to("/users").len(), 2);
    house.simulator.clear_requests();
    assert_eq!(house.simulator.requests(), []);
    house.get("/users").await;
    assert_eq!(house.simulator.requests()[0].sequence, 6);
}

#[tokio::test]
async fn a_test_can_wait_for_requests() {
    let house = house().await;
    tokio::join!(
        async {
            for _ in 0..3 {
                house.get("/users").await;
            }
        },
        soon(house.simulator.wait_for_requests("/users", 3)),
    );
    assert_eq!((house.simulator.most_at_once(), house.simulator.most_at_once_of("reader")), (1, 1));
    assert_eq!(house.simulator.most_at_once_of("other"), 0);
}

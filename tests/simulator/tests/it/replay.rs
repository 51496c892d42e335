use bitbucket_simulator::{Access, Action, Command, Fault, JsonEdit, NewUser, RateLimit};
use serde_json::json;

use crate::support::{House, house, house_with, send};

const COMMITS: &str = "/projects/PLAT/repos/api/commits?limit=5";

async fn fast() -> House {
    house_with(|builder| builder.configure(|settings| settings.replay = true)).await
}

#[tokio::test]
async fn an_answer_is_given_again_until_it_is_forgotten() {
    let house = fast().await;
    let before = house.get(COMMITS).await;
    house.git.grow("main", 1).unwrap();
    let after = house.get(COMMITS).await;
    assert_eq!((after.status, &after.body), (200, &before.body));
    assert_eq!((after.header("x-ausername"), before.header("x-ausername")), (Some("reader"), Some("reader")));
    // Each request has an id of its own, as ever.
    assert_ne!(after.header("x-arequestid"), before.header("x-arequestid"));
    house.simulator.forget_replies();
    assert_ne!(house.get(COMMITS).await.body, before.body);
    // Through the door likewise.
    house.git.grow("main", 1).unwrap();
    let url = format!("{}/_simulator/replies", house.simulator.url());
    assert_eq!(send(crate::support::client().delete(url)).await.status, 200);
    assert_eq!(house.get(COMMITS).await.values("id")[0], house.git.branch("main").unwrap().unwrap());
}

#[tokio::test]
async fn who_asks_for_what_still_decides() {
    let house = fast().await;
    let blind = NewUser::reader("blind", "b-hunter2").access(Access::Nothing);
    house.simulator.add_user(blind).unwrap();
    assert_eq!(house.get(COMMITS).await.status, 200);
    assert_eq!(house.get_as(Some(("reader", "wrong-hunter2")), COMMITS).await.status, 401);
    assert_eq!(house.get_as(Some(("blind", "b-hunter2")), COMMITS).await.status, 401);
    assert_eq!(house.get_as(None, COMMITS).await.status, 401);
    let other = house.request(COMMITS).basic_auth("reader", Some("se:hunter2")).header("Accept", "text/html");
    assert_eq!(send(other).await.status, 200, "it takes JSON too");
    let (head, _) = house.raw("/projects?limit=1", "Accept: text/html\r\n").await;
    assert!(head.contains(" 406 ") || head.contains(" 401 "), "{head}");
    assert_ne!(house.get(COMMITS).await.body, house.get(&format!("{COMMITS}&start=5")).await.body);
}

#[tokio::test]
async fn what_is_changed_is_seen_at_once() {
    let house = fast().await;
    assert_eq!(house.get(COMMITS).await.values("id").len(), 5);
    house.simulator.configure(|settings| settings.caps.commits = 2);
    assert_eq!(house.get(COMMITS).await.values("id").len(), 2);
    // How long an answer takes is no part of it.
    house.git.grow("main", 1).unwrap();
    let patch = json!({"latencyMs": 1});
    house.simulator.apply(Command::Settings { patch }).unwrap();
    assert_eq!(house.get(COMMITS).await.values("id").len(), 2);
    assert_ne!(house.get(COMMITS).await.values("id")[0], house.git.branch("main").unwrap().unwrap());
    house.simulator.revoke("reader", "PLAT").unwrap();
    assert_eq!(house.get(COMMITS).await.status, 401);
}

#[tokio::test]
async fn faults_and_limits_meet_what_is_kept() {
    let house = fast().await;
    let plain = house.get(COMMITS).await;
    let edit = Action::EditJson(vec![JsonEdit::Set("/isLastPage".to_owned(), json!("maybe"))]);
    house.simulator.faults().push(Fault::on_path("/commits", edit).times(1));
    assert_eq!(house.get(COMMITS).await.json()["isLastPage"], "maybe");
    assert_eq!(house.get(COMMITS).await.body, plain.body);
    let patch = json!({"rateLimit": RateLimit { capacity: 2, fill_rate: 1 }});
    house.simulator.apply(Command::Settings { patch }).unwrap();
    let statuses = [house.get(COMMITS).await, house.get(COMMITS).await, house.get(COMMITS).await].map(|one| one.status);
    assert_eq!(statuses, [200, 200, 429]);
}

#[tokio::test]
async fn answers_are_packed_once() {
    let house = fast().await;
    house.simulator.configure(|settings| settings.compression = true);
    let (plain, body) = house.raw("/application-properties", "").await;
    assert!(!plain.contains("content-encoding") && body.starts_with(b"{"), "{plain}");
    let packed = [
        house.raw("/application-properties", "Accept-Encoding: gzip\r\n").await,
        house.raw("/application-properties", "Accept-Encoding: gzip\r\n").await,
    ];
    for (head, body) in &packed {
        assert!(head.contains("content-encoding: gzip") && body.starts_with(b"\x1f\x8b"), "{head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    }
    assert_eq!(packed[0].1, packed[1].1);
}

#[tokio::test]
async fn all_are_counted_and_the_last_remembered() {
    let house = fast().await;
    let client = crate::support::client();
    let url = format!("{}/status", house.simulator.url());
    for _ in 0..1_003 {
        assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
    }
    house.get_as(Some(("reader", "wrong-hunter2")), "/users").await;
    let (seen, counts) = (house.simulator.requests(), house.simulator.counts());
    assert_eq!((seen.len(), seen[999].sequence, seen[999].status), (1_000, 1_004, Some(401)));
    assert_eq!((counts.requests, counts.statuses), (1_004, [(200, 1_003), (401, 1)].into()));
    let door = format!("{}/_simulator", house.simulator.url());
    let told = send(client.get(format!("{door}/counts"))).await.json();
    assert_eq!((&told["requests"], &told["statuses"]["200"]), (&json!(1_004), &json!(1_003)));
    assert!(told["sent"].as_u64().unwrap() > 1_004 * 100);
    house.simulator.clear_requests();
    assert_eq!(house.simulator.counts().requests, 0);
}

#[tokio::test]
async fn it_is_off_unless_wanted() {
    let house = house().await;
    let before = house.get(COMMITS).await;
    house.git.grow("main", 1).unwrap();
    assert_ne!(house.get(COMMITS).await.body, before.body);
}

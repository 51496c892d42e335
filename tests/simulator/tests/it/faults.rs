use std::time::{Duration, Instant};

use bitbucket_simulator::{Action, Fault, Hold, JsonEdit, Matches, Refusal};
use serde_json::json;

use crate::support::{house, soon};

const COMMITS: &str = "/projects/PLAT/repos/api/commits";

#[tokio::test]
async fn a_fault_comes_after_some_and_ends_after_some() {
    let house = house().await;
    let refuse = Action::Refuse(Refusal::NotPermitted);
    let id = house.simulator.faults().push(Fault::on_path("/commits", refuse).after(1).times(2));
    let mut statuses = Vec::new();
    for _ in 0..5 {
        house.get("/users").await;
        statuses.push(house.get(COMMITS).await.status);
    }
    assert_eq!(statuses, [200, 401, 401, 200, 200]);
    assert_eq!(house.simulator.faults().hits(id), 2);
    house.simulator.faults().clear();
    assert_eq!((house.simulator.faults().hits(id), house.get(COMMITS).await.status), (0, 200));
}

#[tokio::test]
async fn refusals_are_bitbuckets_and_statuses_are_a_proxys() {
    let house = house().await;
    let faults = house.simulator.faults();
    let busy = faults.push(Fault::new(Action::Refuse(Refusal::ResourceBusy)));
    let answer = house.get("/users").await;
    assert_eq!(answer.exception(), (503, "ResourceBusyException".to_owned()));
    assert_eq!(answer.header("x-ausername"), Some("reader"));
    // A wrong password is refused as such all the same.
    assert_eq!(house.get_as(Some(("reader", "no-hunter2")), "/users").await.status, 401);
    faults.remove(busy);
    let headers = vec![("Retry-After".to_owned(), "7".to_owned())];
    faults.push(Fault::new(Action::Status { status: 502, headers, body: "<h1>Bad Gateway</h1>".to_owned() }).times(1));
    let answer = house.get_as(Some(("reader", "no-hunter2")), "/users").await;
    assert_eq!((answer.status, answer.header("retry-after"), answer.header("x-ausername")), (502, Some("7"), None));
    assert_eq!(house.simulator.failed_logins("reader"), 1, "the proxy looked at no password");
    faults.push(Fault::new(Action::Html200).times(1));
    let answer = house.get("/users").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html;charset=UTF-8")));
    let location = "https://login.example.com/".to_owned();
    faults.push(Fault::new(Action::Redirect { status: 302, location: location.clone() }).times(1));
    let answer = house.get("/users").await;
    assert_eq!((answer.status, answer.header("location")), (302, Some(location.as_str())));
    faults.push(Fault::new(Action::Garbage).times(1));
    let answer = house.get("/users").await;
    assert!(answer.status == 200 && serde_json::from_str::<serde_json::Value>(&answer.body).is_err());
    assert_eq!(house.get("/users").await.status, 200);
}

#[tokio::test]
async fn connections_can_end_in_four_ways() {
    let house = house().await;
    let faults = house.simulator.faults();
    let whole = house.get(COMMITS).await;
    let request = || house.request(COMMITS).basic_auth("reader", Some("se:hunter2"));
    faults.push(Fault::new(Action::Drop).times(1));
    assert!(request().send().await.unwrap_err().is_request());
    faults.push(Fault::new(Action::Raw("SSH-2.0-OpenSSH\r\n".to_owned())).times(1));
    assert!(request().send().await.is_err());
    faults.push(Fault::new(Action::CloseAfterBytes(100)).times(1));
    let mut response = request().send().await.unwrap();
    assert_eq!(response.content_length(), Some(whole.body.len() as u64));
    assert_eq!(response.chunk().await.unwrap().unwrap(), whole.body.as_bytes()[..100]);
    assert!(response.chunk().await.is_err());
    faults.push(Fault::new(Action::CutBody(100)).times(1));
    let cut = house.get(COMMITS).await;
    assert_eq!((cut.status, cut.body.as_str()), (200, &whole.body[..100]));
    faults.push(Fault::new(Action::Trickle { bytes: 1000, every: Duration::from_millis(5) }).times(1));
    assert_eq!(house.get(COMMITS).await.body, whole.body);
    assert_eq!(house.get(COMMITS).await.body, whole.body);
}

#[tokio::test]
async fn a_hold_parks_requests_until_it_is_released() {
    let house = house().await;
    let hold = Hold::new();
    let fault = Fault::new(Action::Hold(hold.clone())).matches(Matches::All(vec![
        Matches::PathEndsWith("/commits".to_owned()),
        Matches::Repository("plat/api".to_owned()),
        Matches::User("reader".to_owned()),
    ]));
    house.simulator.faults().push(fault);
    let (first, second, ()) = tokio::join!(house.get(COMMITS), house.get(COMMITS), async {
        soon(hold.wait_for(2)).await;
        assert_eq!(house.get("/users").await.status, 200);
        let parked = house.simulator.requests_to("/commits");
        assert!(parked.len() == 2 && parked.iter().all(|seen| seen.status.is_none() && !seen.abandoned));
        assert_eq!(parked[0].claimed_user.as_deref(), Some("reader"));
        assert_eq!(house.simulator.most_at_once_of("reader"), 3);
        // Pushed in the meantime: a parked request has not been looked at yet.
        house.git.grow("main", 1).unwrap();
        hold.release_one();
        soon(house.simulator.wait_until(|seen| seen.iter().filter(|one| one.status == Some(200)).count() == 2)).await;
        assert_eq!(house.simulator.requests_to("/commits").iter().filter(|seen| seen.status.is_none()).count(), 1);
        hold.release();
    });
    assert_eq!((&first.json()["size"], &second.json()["size"]), (&json!(13), &json!(13)));
    assert_eq!(house.get(COMMITS).await.status, 200, "released for good");
}

#[tokio::test]
async fn a_caller_that_goes_away_is_noticed() {
    let house = house().await;
    house.simulator.faults().push(Fault::on_path("/users", Action::Hang));
    let request = house.request("/users").timeout(Duration::from_millis(150));
    assert!(request.send().await.unwrap_err().is_timeout());
    soon(house.simulator.wait_until(|seen| seen.len() == 1 && seen[0].abandoned)).await;
    assert_eq!(house.simulator.requests()[0].status, None);
    assert_eq!(house.simulator.most_at_once(), 1);
}

#[tokio::test]
async fn a_delay_goes_on_to_the_next_fault() {
    let house = house().await;
    let delay = Duration::from_millis(80);
    house.simulator.faults().push(Fault::new(Action::Delay(delay)));
    house.simulator.faults().push(Fault::new(Action::Refuse(Refusal::NotLicensed)));
    let last = house.simulator.faults().push(Fault::new(Action::Html200));
    let begin = Instant::now();
    let answer = house.get("/users").await;
    assert_eq!(answer.exception().1, "NoAccessAuthenticationException");
    assert_eq!(answer.header("x-ausername"), None);
    assert!(begin.elapsed() >= delay);
    assert_eq!(house.simulator.faults().hits(last), 0);
}

#[tokio::test]
async fn a_page_can_lie() {
    let house = house().await;
    let edits = vec![
        JsonEdit::Remove("/values/3".to_owned()),
        JsonEdit::Set("/isLastPage".to_owned(), json!(false)),
        JsonEdit::Set("/nextPageStart".to_owned(), json!(0)),
    ];
    house.simulator.faults().push(Fault::on_path("/commits", Action::EditJson(edits)));
    let page = house.get(COMMITS).await.json();
    assert_eq!((page["values"].as_array().unwrap().len(), &page["size"]), (11, &json!(12)));
    assert_eq!(page["nextPageStart"], 0);
    house.simulator.faults().clear();
    house.simulator.faults().push(Fault::new(Action::AddHeader("X-AUSERNAME".to_owned(), "anonymous".to_owned())));
    assert_eq!(house.get_as(None, "/application-properties").await.header("x-ausername"), Some("anonymous"));
}

#[tokio::test]
async fn a_flood_is_made_as_it_is_taken() {
    let house = house().await;
    let faults = house.simulator.faults();
    faults.push(Fault::new(Action::Flood(200_000)).times(1));
    let answer = house.get("/users").await;
    assert_eq!((answer.status, answer.header("x-ausername")), (200, Some("reader")));
    assert!(answer.body.len() == 200_000 && answer.body.bytes().all(|byte| byte == b' '));
    faults.push(Fault::new(Action::Flood(1 << 40)));
    let mut response = house.request("/users").send().await.unwrap();
    let mut taken = 0;
    while taken < 1 << 20 {
        taken += response.chunk().await.unwrap().unwrap().len();
    }
    drop(response);
    assert!((1 << 20..1 << 26).contains(&house.simulator.sent()), "{} bytes", house.simulator.sent());
}

#[tokio::test]
async fn answers_are_packed_for_those_who_can_unpack_them() {
    let house = house().await;
    let ask =
        async |encoding: &str| house.raw("/application-properties", &format!("Accept-Encoding: {encoding}\r\n")).await;
    let (headers, body) = ask("gzip").await;
    assert!(!headers.contains("content-encoding") && body.starts_with(b"{"), "{headers}");
    house.simulator.configure(|settings| settings.compression = true);
    let (headers, body) = ask("gzip").await;
    assert!(headers.contains("content-encoding: gzip") && body.starts_with(b"\x1f\x8b"), "{headers}");
    let (headers, body) = ask("identity").await;
    assert!(!headers.contains("content-encoding") && body.starts_with(b"{"), "{headers}");
    // A little that unpacks to much.
    house.simulator.faults().push(Fault::new(Action::Flood(1 << 20)));
    let (_, body) = ask("gzip").await;
    assert!(body.len() < 1 << 14, "{} bytes", body.len());
}

#[tokio::test]
async fn text_can_be_other_bytes() {
    let house = house().await;
    let action = Action::ReplaceBytes("reader".to_owned(), b"r\xE9ader".to_vec());
    house.simulator.faults().push(Fault::new(action));
    let answer = house.request("/users").basic_auth("reader", Some("se:hunter2")).send().await.unwrap();
    let body = answer.bytes().await.unwrap();
    let times = |what: &[u8]| body.windows(what.len()).filter(|window| *window == what).count();
    assert!(times(b"r\xE9ader") > 1 && times(b"reader") == 0);
}

#[tokio::test]
async fn the_door_can_be_shut() {
    let house = house().await;
    let url = format!("{}/status", house.simulator.url());
    // Another client each time: a connection kept from before would be found broken, and not refused.
    let client = crate::support::client();
    assert!(client.get(&url).send().await.is_ok());
    soon(house.simulator.set_listening(false)).await;
    for _ in 0..3 {
        let client = crate::support::client();
        assert!(client.get(&url).send().await.unwrap_err().is_connect());
    }
    soon(house.simulator.set_listening(true)).await;
    assert!(client.get(&url).send().await.is_ok());
    house.simulator.faults().push(Fault::new(Action::Hang).times(1));
    let request = house.request("/users").send();
    let (answer, ()) = tokio::join!(request, async {
        soon(house.simulator.wait_for_requests("/users", 1)).await;
        house.simulator.drop_connections();
    });
    assert!(answer.is_err());
    assert!(client.get(&url).send().await.is_ok());
    drop(house);
    assert!(client.get(&url).send().await.is_err());
}

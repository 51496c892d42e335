//! Many connections at once: no burst, and no lock of the account.

use std::sync::Arc;
use std::time::Duration;

use bitbucket_connector::api::spec::ImportFilter;
use bitbucket_connector::bitbucket::{BaseUrl, Client, Clients, Credentials, Error, Options, Patience, Way};
use bitbucket_connector::runtime::tls;
use bitbucket_connector::sync::Filter;
use bitbucket_connector::trust::Addresses;
use bitbucket_connector::verification::{Outcome, Past, Verdict, verify};
use bitbucket_simulator::{Action, Hold, Simulator, histories};
use futures::future::join_all;
use tempfile::TempDir;

use crate::support::within;

async fn bitbucket() -> (Simulator, TempDir) {
    tls::install();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.git");
    histories::linear(&path, 2).unwrap();
    let mut builder = Simulator::builder().user("reader", "hunter2");
    for number in 0..10 {
        builder = builder.token("reader", &format!("tok-hunter2-{number}"));
    }
    (builder.repository("PLAT/api", path).start().await.unwrap(), folder)
}

fn client(clients: &Arc<Clients>, url: &str, credentials: Credentials, timeout: Duration) -> Client {
    let options = Options { concurrency: 4, patience: Patience::default(), reopen: None };
    clients.client(BaseUrl::parse(url).unwrap(), credentials, &Way::new(timeout), options).unwrap()
}

fn password(password: &str) -> Credentials {
    Credentials::Basic { username: "reader".to_owned(), password: password.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_connections_at_once_are_no_burst() {
    let (simulator, _folder) = bitbucket().await;
    let clients = Clients::new(16, Addresses::all());
    let filter = Filter::from(&ImportFilter::default());
    let all: Vec<Client> = (0..1000)
        .map(|number| {
            let token = Credentials::Token(format!("tok-hunter2-{}", number % 10).into());
            client(&clients, &simulator.url(), token, Duration::from_mins(5))
        })
        .collect();
    let verified = join_all(all.iter().map(|client| verify(client, &filter, Past::Unknown)));
    for outcome in within("a thousand verdicts", verified).await {
        assert!(matches!(outcome, Outcome::Verdict(Verdict::Verified { .. })), "{outcome:?}");
    }
    assert!(simulator.most_at_once() <= 16, "{} at once", simulator.most_at_once());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_connections_with_one_wrong_password_are_one_failed_login() {
    let (simulator, _folder) = bitbucket().await;
    let clients = Clients::new(16, Addresses::all());
    let filter = Filter::from(&ImportFilter::default());
    let one = |_| client(&clients, &simulator.url(), password("wrong-hunter2"), Duration::from_mins(5));
    let all: Vec<Client> = (0..1000).map(one).collect();
    let refused = join_all(all.iter().map(|client| verify(client, &filter, Past::Unknown)));
    for outcome in within("a thousand verdicts", refused).await {
        let Outcome::Verdict(Verdict::Refused(negative)) = outcome else { panic!("{outcome:?}") };
        assert!(negative.wrong_password);
    }
    assert_eq!(simulator.failed_logins("reader"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_changed_while_requests_are_under_way_fails_four_times_at_most() {
    let (simulator, _folder) = bitbucket().await;
    let clients = Clients::new(16, Addresses::all());
    let one = |_| client(&clients, &simulator.url(), password("hunter2"), Duration::from_mins(1));
    let all: Vec<Client> = (0..20).map(one).collect();
    for client in &all {
        client.prove_identity().await.unwrap();
    }
    let hold = Hold::new();
    simulator.faults().push(bitbucket_simulator::Fault::on_path("/users", Action::Hold(hold.clone())));
    let rotate = async {
        hold.wait_for(4).await;
        simulator.set_password("reader", "other-hunter2").unwrap();
        simulator.faults().clear();
        hold.release();
    };
    let asked = join_all(all.iter().map(Client::prove_identity));
    let (answers, ()) = within("the answers", async { tokio::join!(asked, rotate) }).await;
    let failed = simulator.failed_logins("reader");
    assert!((1..=4).contains(&failed), "{failed} failed logins");
    let held_back = answers.iter().filter(|answer| **answer == Err(Error::GateClosed)).count();
    assert!(held_back >= 16, "{held_back} were not sent");
}

#[tokio::test]
async fn a_host_may_be_an_ipv6_address() {
    tls::install();
    let simulator = Simulator::builder().listen("[::1]:0".parse().unwrap()).user("reader", "hunter2").start().await;
    let simulator = simulator.unwrap();
    let url = format!("http://[::1]:{}/", simulator.address().port());
    let clients = Clients::new(16, Addresses::all());
    let asked = client(&clients, &url, password("hunter2"), Duration::from_secs(20));
    assert_eq!(asked.prove_identity().await, Ok(Some("reader".to_owned())));
}

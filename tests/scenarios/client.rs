//! What the client sends, and what it does not.

use std::sync::Arc;
use std::time::Duration;

use bitbucket_connector::bitbucket::{
    Authorities, BaseUrl, Client, Clients, Credentials, Error, Metrics, Options, Patience, RETRY_WAITS, Refusal, Way,
};
use bitbucket_connector::runtime::lead::Lead;
use bitbucket_connector::runtime::tls;
use bitbucket_connector::trust::Addresses;
use bitbucket_simulator::{Action, Fault, Hold, Simulator};
use tokio::time::Instant;

use crate::support::tls::{Authority, Flaw};
use crate::support::within;

fn clients() -> Arc<Clients> {
    tls::install();
    Clients::new(16, Addresses::all())
}

fn client(simulator: &Simulator, clients: &Arc<Clients>, password: &str) -> Client {
    let credentials = Credentials::Basic { username: "reader".to_owned(), password: password.into() };
    with(simulator, clients, credentials, None)
}

fn with(simulator: &Simulator, clients: &Arc<Clients>, credentials: Credentials, reopen: Option<&str>) -> Client {
    let base = BaseUrl::parse(&simulator.url()).unwrap();
    let patience = Patience { waits: RETRY_WAITS, ..Patience::default() };
    let options = Options { concurrency: 4, patience, reopen: reopen.map(str::to_owned) };
    clients.client(base, credentials, &Way::new(Duration::from_secs(20)), options).unwrap()
}

#[tokio::test]
async fn a_wrong_password_is_sent_once_whoever_asks() {
    let simulator = Simulator::builder().user("reader", "hunter2").start().await.unwrap();
    let all = clients();
    let (one, other) = (client(&simulator, &all, "wrong-hunter2"), client(&simulator, &all, "wrong-hunter2"));
    let refused = one.prove_identity().await.unwrap_err();
    assert_eq!(refused.refusal(), Some(Refusal::WrongPassword));
    assert_eq!(other.prove_identity().await, Err(Error::GateClosed));
    assert_eq!(simulator.failed_logins("reader"), 1);
    // Without credentials anybody may ask.
    one.application_properties().await.unwrap();
    // Another password is another matter.
    assert_eq!(client(&simulator, &all, "hunter2").prove_identity().await, Ok(Some("reader".to_owned())));
}

#[tokio::test]
async fn one_request_for_another_try_is_one_login_however_many_ask() {
    let simulator = Simulator::builder().user("reader", "hunter2").start().await.unwrap();
    let all = clients();
    // Proven: from now on four may ask at once.
    let first = client(&simulator, &all, "hunter2");
    first.prove_identity().await.unwrap();
    simulator.set_password("reader", "new-hunter2").unwrap();
    let everybody = async |request: &str| {
        let credentials = Credentials::Basic { username: "reader".to_owned(), password: "hunter2".into() };
        let clients: Vec<_> = (0..8).map(|_| with(&simulator, &all, credentials.clone(), Some(request))).collect();
        let answers = futures::future::join_all(clients.iter().map(Client::prove_identity)).await;
        answers.into_iter().filter(|answer| *answer != Err(Error::GateClosed)).count()
    };
    assert_eq!(first.prove_identity().await.unwrap_err().refusal(), Some(Refusal::WrongPassword));
    assert_eq!(simulator.failed_logins("reader"), 1);
    assert_eq!(everybody("monday").await, 1);
    assert_eq!(simulator.failed_logins("reader"), 2);
    assert_eq!(everybody("monday").await, 0);
    assert_eq!(simulator.failed_logins("reader"), 2);
    simulator.set_password("reader", "hunter2").unwrap();
    assert_eq!(everybody("tuesday").await, 8);
}

#[tokio::test]
async fn a_password_is_proven_where_nobody_else_is_answered_also_without_a_name() {
    let simulator = Simulator::builder().user("reader", "hunter2").start().await.unwrap();
    let hold = Hold::new();
    simulator.faults().push(Fault::on_path("/repos", Action::Hold(hold.clone())));
    simulator.faults().push(Fault::new(Action::AddHeader("X-AUSERNAME".to_owned(), String::new())));
    let client = client(&simulator, &clients(), "hunter2");
    assert_eq!(client.prove_identity().await, Ok(None));
    let asked = futures::future::join_all((0..8).map(|_| client.repositories(0)));
    let release = async {
        hold.wait_for(4).await;
        hold.release();
    };
    let (answers, ()) = within("four requests at once", async { tokio::join!(asked, release) }).await;
    assert!(answers.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_token_is_no_password_judged_wrong() {
    let simulator =
        Simulator::builder().user("reader", "hunter2").token("reader", "tok-hunter2").start().await.unwrap();
    let refuse = Action::Refuse(bitbucket_simulator::Refusal::WrongPassword);
    let fault = simulator.faults().push(Fault::on_path("/users", refuse));
    let client = with(&simulator, &clients(), Credentials::Token("tok-hunter2".into()), None);
    assert_eq!(client.prove_identity().await.unwrap_err().refusal(), Some(Refusal::Anonymous));
    simulator.faults().remove(fault);
    assert_eq!(client.prove_identity().await, Ok(Some("reader".to_owned())), "a token closes no gate");
}

#[tokio::test]
async fn a_password_is_proven_by_any_answer_that_names_the_account() {
    let simulator = Simulator::builder().user("reader", "hunter2").start().await.unwrap();
    let all = clients();
    let account = {
        let credentials = Credentials::Basic { username: "reader".to_owned(), password: "hunter2".into() };
        all.account(&BaseUrl::parse(&simulator.url()).unwrap(), &credentials)
    };
    let client = client(&simulator, &all, "hunter2");
    client.repositories(0).await.unwrap();
    assert!(account.is_proven());
    // But not by one that names somebody else.
    simulator.set_password("reader", "new-hunter2").unwrap();
    assert_eq!(client.prove_identity().await.unwrap_err().refusal(), Some(Refusal::WrongPassword));
    simulator.set_password("reader", "hunter2").unwrap();
    account.reopen("monday");
    let somebody = Fault::new(Action::AddHeader("X-AUSERNAME".to_owned(), "somebody".to_owned()));
    let fault = simulator.faults().push(somebody);
    assert!(client.prove_identity().await.is_err() && !account.is_proven());
    simulator.faults().remove(fault);
    client.prove_identity().await.unwrap();
    assert!(account.is_proven());
}

#[tokio::test]
async fn what_is_not_said_to_the_account_says_nothing_of_its_password() {
    use bitbucket_simulator::Refusal::WrongPassword;
    for to_nobody in [Action::Drop, Action::Refuse(WrongPassword)] {
        let simulator = Simulator::builder().user("reader", "hunter2").start().await.unwrap();
        let (all, base) = (clients(), BaseUrl::parse(&simulator.url()).unwrap());
        let credentials = Credentials::Basic { username: "reader".to_owned(), password: "hunter2".into() };
        let options = Options { concurrency: 4, patience: Patience::default(), reopen: None };
        let way = Way::new(Duration::from_secs(20));
        let client = all.client(base.clone(), credentials.clone(), &way, options).unwrap();
        let account = all.account(&base, &credentials);
        let fault = simulator.faults().push(Fault::on_path("/application-properties", to_nobody));
        for _ in 0..5 {
            assert!(client.application_properties().await.is_err());
        }
        simulator.faults().remove(fault);
        client.application_properties().await.unwrap();
        assert!(!account.is_proven(), "anybody is answered there");
        // So may be whoever lists repositories, where a proxy drops the name and the server has public access.
        let unnamed = Fault::new(Action::AddHeader("X-AUSERNAME".to_owned(), String::new()));
        let fault = simulator.faults().push(unnamed.clone());
        client.repositories(0).await.unwrap();
        assert!(!account.is_proven(), "perhaps nobody was answered");
        simulator.faults().remove(fault);
        // Nor is it proven by whatever comes from where it could be.
        let envelope =
            r#"{"errors":[{"message":"no","exceptionName":"com.atlassian.bitbucket.AuthorisationException"}]}"#;
        let json = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        let refused = Action::Status { status: 403, headers: json, body: envelope.to_owned() };
        for instead in [refused, Action::Html200] {
            let fault = simulator.faults().push(Fault::on_path("/users", instead));
            assert!(client.prove_identity().await.is_err() && !account.is_proven());
            simulator.faults().remove(fault);
        }
        simulator.faults().push(unnamed);
        client.prove_identity().await.unwrap();
        assert!(account.is_proven());
    }
}

#[tokio::test]
async fn where_https_leads_is_not_asked() {
    let simulator = Simulator::builder().user("reader", "hunter2").start().await.unwrap();
    let (all, authority) = (clients(), Authority::new());
    let front = authority.front(simulator.address(), Flaw::None).await;
    let credentials = Credentials::Basic { username: "reader".to_owned(), password: "hunter2".into() };
    let mut way = Way::new(Duration::from_secs(20));
    way.authorities = Authorities::from_pem(authority.pem().as_bytes()).unwrap();
    for (url, requests) in [(simulator.url(), 2), (format!("https://localhost:{}", front.port()), 1)] {
        let options = Options { concurrency: 4, patience: Patience::default(), reopen: None };
        let base = BaseUrl::parse(&url).unwrap();
        simulator.clear_requests();
        all.client(base, credentials.clone(), &way, options).unwrap().prove_identity().await.unwrap();
        assert_eq!(simulator.requests().len(), requests, "{url}");
    }
}

#[tokio::test]
async fn who_does_not_lead_sends_nothing() {
    tls::install();
    let lead = Lead::contested();
    let simulator = Simulator::builder().user("reader", "hunter2").start().await.unwrap();
    let clients = Clients::led(16, Addresses::all(), lead.clone(), Metrics::default());
    let client = client(&simulator, &clients, "hunter2");
    assert_eq!(client.prove_identity().await, Err(Error::Stopped));
    assert_eq!(client.application_properties().await.map(drop), Err(Error::Stopped));
    assert!(simulator.requests().is_empty());
    lead.extend(Instant::now() + Duration::from_mins(1));
    assert!(client.prove_identity().await.is_ok());
}

#[tokio::test]
async fn a_client_that_was_stopped_sends_nothing() {
    let simulator = Simulator::builder().user("reader", "hunter2").start().await.unwrap();
    let client = client(&simulator, &clients(), "hunter2");
    client.stop().cancel();
    assert_eq!(client.prove_identity().await, Err(Error::Stopped));
    assert_eq!(simulator.requests().len(), 0);
}

#[tokio::test]
async fn a_password_waits_until_it_is_known_where_http_leads() {
    let simulator = Simulator::builder().user("reader", "hunter2").start().await.unwrap();
    let asked = client(&simulator, &clients(), "hunter2");
    asked.prove_identity().await.unwrap();
    asked.prove_identity().await.unwrap();
    let seen = simulator.requests();
    let paths: Vec<_> =
        seen.iter().map(|seen| (seen.path.rsplit('/').next().unwrap(), seen.scheme.is_some())).collect();
    assert_eq!(paths, [("application-properties", false), ("users", true), ("users", true)]);
    assert_eq!(asked.requests(), 3, "each is counted");
    assert!(seen.iter().all(|seen| seen.header("accept") == Some("application/json")));
    // Where that cannot be learned, nothing secret leaves.
    simulator.clear_requests();
    simulator.faults().push(Fault::on_path("application-properties", Action::Html200));
    client(&simulator, &clients(), "hunter2").prove_identity().await.unwrap_err();
    assert!(simulator.requests().iter().all(|seen| seen.scheme.is_none()));
}

//! What the client sends, and what it does not.

use std::time::Duration;

use bitbucket_connector::bitbucket::{
    BaseUrl, Client, Credentials, Error, Gates, Options, Patience, RETRY_WAITS, Refusal, Way,
};
use bitbucket_connector::runtime::tls;
use bitbucket_simulator::{Action, Fault, Simulator};

fn client(simulator: &Simulator, gates: &Gates, password: &str) -> Client {
    with(simulator, gates, Credentials::Basic { username: "reader".to_owned(), password: password.into() })
}

fn with(simulator: &Simulator, gates: &Gates, credentials: Credentials) -> Client {
    tls::install();
    let base = BaseUrl::parse(&simulator.url()).unwrap();
    let patience = Patience { waits: RETRY_WAITS, ..Patience::default() };
    let way = Way::new(Duration::from_secs(20));
    Client::new(gates, base, credentials, &way, Options { concurrency: 4, patience }).unwrap()
}

#[tokio::test]
async fn a_wrong_password_is_sent_once_whoever_asks() {
    let simulator = Simulator::builder().user("reader", "secret").start().await.unwrap();
    let gates = Gates::new(16);
    let (one, other) = (client(&simulator, &gates, "wrong"), client(&simulator, &gates, "wrong"));
    let refused = one.prove_identity().await.unwrap_err();
    assert_eq!(refused.refusal(), Some(Refusal::WrongPassword));
    assert_eq!(other.prove_identity().await, Err(Error::GateClosed));
    assert_eq!(simulator.failed_logins("reader"), 1);
    // Without credentials anybody may ask.
    one.application_properties().await.unwrap();
    // Another password is another matter.
    assert_eq!(client(&simulator, &gates, "secret").prove_identity().await, Ok(Some("reader".to_owned())));
}

#[tokio::test]
async fn one_request_for_another_try_is_one_login_however_many_ask() {
    let simulator = Simulator::builder().user("reader", "secret").start().await.unwrap();
    let gates = Gates::new(16);
    let clients: Vec<Client> = (0..8).map(|_| client(&simulator, &gates, "secret")).collect();
    // Proven: from now on four may ask at once.
    clients[0].prove_identity().await.unwrap();
    simulator.set_password("reader", "other").unwrap();
    let everybody = async |request: &str| {
        let ask = async |client: &Client| {
            client.account().reopen(request);
            client.prove_identity().await
        };
        let answers = futures::future::join_all(clients.iter().map(ask)).await;
        answers.into_iter().filter(|answer| *answer != Err(Error::GateClosed)).count()
    };
    assert_eq!(clients[0].prove_identity().await.unwrap_err().refusal(), Some(Refusal::WrongPassword));
    assert_eq!(simulator.failed_logins("reader"), 1);
    assert_eq!(everybody("monday").await, 1);
    assert_eq!(simulator.failed_logins("reader"), 2);
    assert_eq!(everybody("monday").await, 0);
    assert_eq!(simulator.failed_logins("reader"), 2);
    simulator.set_password("reader", "secret").unwrap();
    assert_eq!(everybody("tuesday").await, 8);
}

#[tokio::test]
async fn a_token_is_no_password_judged_wrong() {
    let simulator = Simulator::builder().user("reader", "secret").token("reader", "tok").start().await.unwrap();
    let refuse = Action::Refuse(bitbucket_simulator::Refusal::WrongPassword);
    let fault = simulator.faults().push(Fault::on_path("/users", refuse));
    let client = with(&simulator, &Gates::new(16), Credentials::Token("tok".into()));
    assert_eq!(client.prove_identity().await.unwrap_err().refusal(), Some(Refusal::Anonymous));
    simulator.faults().remove(fault);
    assert_eq!(client.prove_identity().await, Ok(Some("reader".to_owned())), "a token closes no gate");
}

#[tokio::test]
async fn a_client_that_was_stopped_sends_nothing() {
    let simulator = Simulator::builder().user("reader", "secret").start().await.unwrap();
    let client = client(&simulator, &Gates::new(16), "secret");
    client.stop().cancel();
    assert_eq!(client.prove_identity().await, Err(Error::Stopped));
    assert_eq!(simulator.requests().len(), 0);
}

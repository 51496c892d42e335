//! What the client sends, and what it does not.

use std::time::Duration;

use bitbucket_connector::bitbucket::{
    BaseUrl, Client, Credentials, Error, Gates, Options, Patience, RETRY_WAITS, Refusal, Way,
};
use bitbucket_connector::runtime::tls;
use bitbucket_simulator::Simulator;

fn client(simulator: &Simulator, gates: &Gates, password: &str) -> Client {
    tls::install();
    let base = BaseUrl::parse(&simulator.url()).unwrap();
    let credentials = Credentials::Basic { username: "reader".to_owned(), password: password.into() };
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
async fn a_client_that_was_stopped_sends_nothing() {
    let simulator = Simulator::builder().user("reader", "secret").start().await.unwrap();
    let client = client(&simulator, &Gates::new(16), "secret");
    client.stop().cancel();
    assert_eq!(client.prove_identity().await, Err(Error::Stopped));
    assert_eq!(simulator.requests().len(), 0);
}

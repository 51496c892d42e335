//! No sequence of connections, answers and edits sends a wrong password often enough to lock the account.

use std::sync::Arc;
use std::time::Duration;

use bitbucket_connector::bitbucket::{BaseUrl, Client, Clients, Credentials, Error, Options, Patience, Refusal, Way};
use bitbucket_connector::runtime::tls;
use bitbucket_connector::trust::Addresses;
use bitbucket_simulator::{Action, Fault, Hold, Simulator};

use crate::support::within;

const WAITS: &[Duration] = &[Duration::from_millis(5); 3];

fn clients() -> Arc<Clients> {
    tls::install();
    Clients::new(16, Addresses::all())
}

fn client(clients: &Arc<Clients>, url: &str, password: &str) -> Client {
    let credentials = Credentials::Basic { username: "reader".to_owned(), password: password.into() };
    let options = Options { concurrency: 4, patience: Patience { waits: WAITS, ..Patience::default() }, reopen: None };
    clients.client(BaseUrl::parse(url).unwrap(), credentials, &Way::new(Duration::from_secs(20)), options).unwrap()
}

async fn bitbucket() -> Simulator {
    Simulator::builder().user("reader", "hunter2").start().await.unwrap()
}

fn sent(simulator: &Simulator) -> usize {
    simulator.requests().iter().filter(|seen| seen.scheme.is_some()).count()
}

#[tokio::test]
async fn a_wrong_password_is_wrong_whomever_the_answer_names() {
    let (clients, simulator) = (clients(), bitbucket().await);
    simulator.faults().push(Fault::new(Action::AddHeader("X-AUSERNAME".to_owned(), "somebody".to_owned())));
    for _ in 0..5 {
        let client = client(&clients, &simulator.url(), "wrong-hunter2");
        client.prove_identity().await.unwrap_err();
    }
    assert_eq!((sent(&simulator), simulator.failed_logins("reader")), (1, 1));
}

#[tokio::test]
async fn a_connection_that_is_made_again_finds_the_gate_closed() {
    let (clients, simulator) = (clients(), bitbucket().await);
    for number in 0..4 {
        let client = client(&clients, &simulator.url(), "wrong-hunter2");
        let error = client.prove_identity().await.unwrap_err();
        assert_eq!(error == Error::GateClosed, number > 0, "{error}");
    }
    assert_eq!(simulator.failed_logins("reader"), 1);
}

#[tokio::test]
async fn two_servers_at_one_host_share_the_account() {
    let (clients, one, two) = (clients(), bitbucket().await, bitbucket().await);
    client(&clients, &one.url(), "wrong-hunter2").prove_identity().await.unwrap_err();
    let error = client(&clients, &two.url(), "wrong-hunter2").prove_identity().await.unwrap_err();
    assert_eq!((error, sent(&two)), (Error::GateClosed, 0));
}

#[tokio::test]
async fn what_is_given_up_while_it_is_under_way_is_judged_all_the_same() {
    let (clients, simulator) = (clients(), bitbucket().await);
    let hold = Hold::new();
    simulator.faults().push(Fault::on_path("/users", Action::Hold(hold.clone())));
    let given_up = client(&clients, &simulator.url(), "wrong-hunter2");
    let stop = given_up.stop().clone();
    let asking = tokio::spawn(async move { given_up.prove_identity().await });
    within("the password to be sent", hold.wait_for(1)).await;
    stop.cancel();
    assert_eq!(asking.await.unwrap(), Err(Error::Stopped));
    // Whoever comes next waits for the answer, since the password goes out once at a time, and hears it.
    let next = client(&clients, &simulator.url(), "wrong-hunter2");
    let asking = tokio::spawn(async move { next.prove_identity().await });
    hold.release();
    assert_eq!(within("the next answer", asking).await.unwrap(), Err(Error::GateClosed));
    assert_eq!((sent(&simulator), simulator.failed_logins("reader")), (1, 1));
}

#[tokio::test]
async fn a_401_that_hides_what_bitbucket_says_is_sent_once_and_not_again_at_once() {
    let (clients, simulator) = (clients(), bitbucket().await);
    let hidden = Action::Status { status: 401, headers: vec![], body: "<html>Log in</html>".to_owned() };
    simulator.faults().push(Fault::on_path("/users", hidden));
    let client = client(&clients, &simulator.url(), "wrong-hunter2");
    let first = client.prove_identity().await.unwrap_err();
    assert!(matches!(first, Error::Transport { .. }) && first.refusal() != Some(Refusal::WrongPassword), "{first}");
    for _ in 0..5 {
        assert_eq!(client.prove_identity().await, Err(Error::GateResting));
    }
    assert_eq!(sent(&simulator), 1);
}

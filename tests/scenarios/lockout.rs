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

fn credentials(password: &str) -> Credentials {
    Credentials::Basic { username: "reader".to_owned(), password: password.into() }
}

fn client(clients: &Arc<Clients>, url: &str, password: &str) -> Client {
    client_of(clients, url, password, Duration::from_secs(20))
}

fn client_of(clients: &Arc<Clients>, url: &str, password: &str, timeout: Duration) -> Client {
    let options = Options { concurrency: 4, patience: Patience { waits: WAITS, ..Patience::default() }, reopen: None };
    clients.client(BaseUrl::parse(url).unwrap(), credentials(password), &Way::new(timeout), options).unwrap()
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

#[tokio::test]
async fn where_no_answer_comes_a_password_that_nobody_has_seen_work_is_sent_four_times() {
    for lost in [Action::Hang, Action::Drop] {
        let (clients, simulator) = (clients(), bitbucket().await);
        simulator.faults().push(Fault::on_path("/users", lost));
        let client = client_of(&clients, &simulator.url(), "hunter2", Duration::from_millis(200));
        assert!(matches!(client.prove_identity().await, Err(Error::Transport { .. })));
        for _ in 0..3 {
            assert_eq!(client.prove_identity().await, Err(Error::GateResting));
        }
        assert_eq!(sent(&simulator), 4);
        // One that was verified before is not wrong because Bitbucket is slow: each of these is four tries.
        let account = clients.account(&BaseUrl::parse(&simulator.url()).unwrap(), &credentials("other-hunter2"));
        account.vouch();
        let client = client_of(&clients, &simulator.url(), "other-hunter2", Duration::from_millis(200));
        for _ in 0..2 {
            assert!(matches!(client.prove_identity().await, Err(Error::Transport { .. })));
        }
        assert_eq!(sent(&simulator), 4 + 8);
    }
}

#[tokio::test]
async fn wherever_the_answer_to_a_wrong_password_is_cut_the_account_is_not_locked() {
    for length in (0..200).step_by(20) {
        let (clients, simulator) = (clients(), bitbucket().await);
        simulator.faults().push(Fault::on_path("/users", Action::CloseAfterBytes(length)));
        let client = client(&clients, &simulator.url(), "wrong-hunter2");
        for _ in 0..5 {
            client.prove_identity().await.unwrap_err();
        }
        // The status is known before the body, and that is enough.
        assert_eq!(simulator.failed_logins("reader"), 1, "cut after {length} bytes");
    }
}

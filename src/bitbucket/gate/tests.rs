//! What goes through the gates, and what does not.

use super::*;

fn gate(gates: &Gates, password: &str) -> Arc<Account> {
    let base = BaseUrl::parse("https://git.example.com").unwrap();
    gates.account(&base, &Credentials::Basic { username: "svc".to_owned(), password: password.into() })
}

impl Account {
    async fn enter(&self) -> Result<Pass, Error> {
        self.enter_at(&Arc::new(Semaphore::new(16))).await
    }

    async fn enter_at(&self, server: &Server) -> Result<Pass, Error> {
        let mut pass = self.knock().await?;
        self.admit(&mut pass, server).await?;
        Ok(pass)
    }

    fn free(&self) -> usize {
        self.door().unwrap().slots(Instant::now()).unwrap().available_permits()
    }
}

#[tokio::test]
async fn one_password_has_one_gate_and_is_tried_once_before_it_is_proven() {
    let gates = Gates::new(16);
    let (first, second) = (gate(&gates, "a"), gate(&gates, "a"));
    assert!(Arc::ptr_eq(&first, &second));
    assert!(!Arc::ptr_eq(&first, &gate(&gates, "b")));
    let pass = first.enter().await.unwrap();
    assert_eq!(second.free(), 0);
    first.close();
    drop(pass);
    assert_eq!(second.enter().await.unwrap_err(), Error::GateClosed);
    second.reopen("now");
    second.enter().await.unwrap();
}

#[tokio::test]
async fn a_proven_password_has_at_most_four_requests_in_flight() {
    let gates = Gates::new(16);
    let gate = gate(&gates, "a");
    let pass = gate.enter().await.unwrap();
    gate.prove(&pass);
    gate.prove(&pass);
    drop(pass);
    assert_eq!(gate.free(), 4);
}

#[tokio::test]
async fn a_request_for_another_try_opens_once() {
    let gates = Gates::new(16);
    let gate = gate(&gates, "a");
    // The same request may come before the gate closes: it is the same try.
    gate.reopen("monday");
    gate.close();
    gate.reopen("monday");
    assert_eq!(gate.enter().await.unwrap_err(), Error::GateClosed);
    gate.reopen("tuesday");
    gate.close();
    gate.reopen("monday");
    gate.reopen("tuesday");
    assert_eq!(gate.enter().await.unwrap_err(), Error::GateClosed);
    // A password that was good in between may be asked for in the same words.
    gate.reopen("wednesday");
    gate.prove(&gate.enter().await.unwrap());
    gate.close();
    gate.reopen("wednesday");
    gate.enter().await.unwrap();
}

#[tokio::test]
async fn who_waited_while_the_gate_closed_goes_home() {
    let gate = gate(&Gates::new(1), "a");
    let server = Arc::new(Semaphore::new(1));
    let sent = gate.enter_at(&server).await.unwrap();
    gate.prove(&sent);
    // One waits for the server, holding a slot; the others wait for slots, or will.
    let mut waiting: Vec<_> = (0..8).map(|_| Box::pin(gate.enter_at(&server))).collect();
    for entry in &mut waiting {
        assert!(futures::poll!(entry).is_pending());
    }
    gate.close();
    gate.reopen("now");
    // The late answer to what was sent before says nothing about now.
    gate.prove(&sent);
    drop(sent);
    for entry in waiting {
        assert_eq!(entry.await.unwrap_err(), Error::GateClosed);
    }
    assert_eq!(gate.free(), 1);
}

#[tokio::test]
async fn a_wrong_password_is_not_forgotten_and_is_the_same_at_every_port() {
    let gates = Gates::new(16);
    let credentials = Credentials::Basic { username: "svc".to_owned(), password: "a".into() };
    let at = |url: &str| gates.account(&BaseUrl::parse(url).unwrap(), &credentials);
    at("https://git.example.com").close();
    for url in ["http://git.example.com", "https://GIT.example.com:8443/x", "https://git.example.com."] {
        assert_eq!(at(url).enter().await.unwrap_err(), Error::GateClosed, "{url}");
    }
    at("https://other.example.com").enter().await.unwrap();
    assert_eq!(lock(&gates.accounts).len(), 2);
    (0..REMEMBERED * 2).for_each(|number| gate(&gates, &number.to_string()).close());
    assert!(lock(&gates.accounts).len() <= REMEMBERED + 2, "a bounded number of them");
}

#[tokio::test]
async fn what_a_status_remembers_counts_less_than_what_is_known() {
    let gates = Gates::new(16);
    let (unknown, vouched, proven) = (gate(&gates, "a"), gate(&gates, "b"), gate(&gates, "c"));
    unknown.remember();
    assert_eq!(unknown.enter().await.unwrap_err(), Error::GateClosed);
    unknown.vouch();
    unknown.enter().await.unwrap();
    vouched.vouch();
    vouched.remember();
    vouched.enter().await.unwrap();
    proven.prove(&proven.enter().await.unwrap());
    proven.remember();
    assert!(proven.is_proven());
    // Judged wrong now, all of it is past.
    for gate in [unknown, vouched, proven] {
        gate.close();
        gate.vouch();
        assert_eq!(gate.enter().await.unwrap_err(), Error::GateClosed);
        assert!(!gate.is_proven());
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_that_something_else_answers_is_left_alone_after_four_at_the_most() {
    let gate = gate(&Gates::new(16), "a");
    gate.prove(&gate.enter().await.unwrap());
    let mut sent = Vec::new();
    for _ in 0..4 {
        sent.push(gate.enter().await.unwrap());
    }
    gate.doubt();
    drop(sent);
    assert_eq!(gate.enter().await.unwrap_err(), Error::GateResting, "the others come back first");
    (0..3).for_each(|_| gate.doubt());
    tokio::time::advance(std::time::Duration::from_hours(23)).await;
    assert_eq!(gate.enter().await.unwrap_err(), Error::GateResting);
    gate.reopen("now");
    gate.prove(&gate.enter().await.unwrap());
    gate.doubt();
    tokio::time::advance(std::time::Duration::from_secs(5)).await;
    gate.enter().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_waited_while_a_doubt_arose_does_not_send() {
    let gate = gate(&Gates::new(16), "a");
    let server = Arc::new(Semaphore::new(1));
    let sent = gate.enter_at(&server).await.unwrap();
    gate.prove(&sent);
    let mut waiting = Box::pin(gate.enter_at(&server));
    assert!(futures::poll!(&mut waiting).is_pending());
    gate.doubt();
    drop(sent);
    assert_eq!(waiting.await.unwrap_err(), Error::GateResting);
}

#[tokio::test(start_paused = true)]
async fn a_good_answer_to_what_was_under_way_ends_the_rest() {
    let gate = gate(&Gates::new(16), "a");
    let sent = gate.enter().await.unwrap();
    (0..3).for_each(|_| gate.doubt());
    assert_eq!(gate.knock().await.unwrap_err(), Error::GateResting);
    gate.prove(&sent);
    gate.enter().await.unwrap();
    // And the doubts before it are past.
    gate.doubt();
    tokio::time::advance(std::time::Duration::from_secs(5)).await;
    gate.enter().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_closing_ends_what_was_known_before() {
    let gates = Gates::new(16);
    let (vouched, doubted) = (gate(&gates, "a"), gate(&gates, "b"));
    vouched.vouch();
    vouched.close();
    vouched.reopen("now");
    vouched.remember();
    assert_eq!(vouched.enter().await.unwrap_err(), Error::GateClosed, "nobody has vouched for it since");
    (0..2).for_each(|_| doubted.doubt());
    doubted.close();
    doubted.reopen("now");
    doubted.doubt();
    tokio::time::advance(std::time::Duration::from_secs(5)).await;
    doubted.enter().await.unwrap();
}

#[tokio::test]
async fn a_person_opens_what_is_only_remembered_too() {
    let gate = gate(&Gates::new(16), "a");
    gate.remember();
    gate.reopen("now");
    gate.enter().await.unwrap();
}

#[test]
fn a_server_is_asked_at_least_once_at_a_time() {
    let base = BaseUrl::parse("https://git.example.com").unwrap();
    assert_eq!(Gates::new(0).server(&base).available_permits(), 1);
}

//! What goes through the gates, and what does not.

mod resting;

use std::task::Poll;
use std::time::Duration;

use super::*;

fn gate(gates: &Gates, password: &str) -> Arc<Account> {
    let base = BaseUrl::parse("https://git.example.com").unwrap();
    gates.account(&base, &Credentials::Basic { username: "svc".to_owned(), password: password.into() })
}

impl Account {
    async fn enter(&self) -> Result<Pass, Error> {
        self.enter_at(&Arc::new(Semaphore::new(16))).await
    }

    /// What an entry comes to, without the place.
    async fn tried(&self) -> Result<(), Error> {
        self.enter().await.map(drop)
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
    for entry in &mut waiting[3..] {
        let told = futures::poll!(entry);
        assert!(matches!(told, Poll::Ready(Err(Error::GateClosed))), "at once, whatever is under way");
    }
    waiting.truncate(3);
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

#[tokio::test]
async fn what_a_status_remembers_says_nothing_of_an_answer_that_comes_later() {
    let gate = gate(&Gates::new(16), "a");
    let sent = gate.enter().await.unwrap();
    gate.remember();
    assert_eq!(gate.tried().await, Err(Error::GateClosed));
    gate.prove(&sent);
    assert!(gate.is_proven());
    assert_eq!(gate.tried().await, Ok(()));
}

#[tokio::test]
async fn another_try_is_for_what_is_shut_and_changes_nothing_else() {
    let gates = Gates::new(16);
    let (remembered, proven, vouched) = (gate(&gates, "a"), gate(&gates, "b"), gate(&gates, "c"));
    remembered.remember();
    remembered.reopen("now");
    assert_eq!(remembered.tried().await, Ok(()));
    proven.prove(&proven.enter().await.unwrap());
    proven.reopen("now");
    assert!(proven.is_proven());
    // Judged wrong since, it is not vouched for any more.
    vouched.vouch();
    vouched.close();
    vouched.reopen("now");
    vouched.remember();
    assert_eq!(vouched.tried().await, Err(Error::GateClosed));
}

#[tokio::test]
async fn an_answer_says_of_the_password_what_it_can() {
    let refused = |refusal| Error::Refused { request: "GET x".to_owned(), status: 401, refusal };
    let broken = |fault| Error::Transport { request: "GET x".to_owned(), fault };
    for (recognised, error, proven, next) in [
        (true, None, true, Ok(())),
        (true, Some(refused(Refusal::Forbidden)), true, Ok(())),
        (false, None, false, Ok(())),
        (false, Some(refused(Refusal::Captcha)), false, Ok(())),
        (false, Some(broken(Fault::Proxy(403))), false, Ok(())),
        (false, Some(broken(Fault::Proxy(401))), false, Err(Error::GateResting)),
        (false, Some(refused(Refusal::WrongPassword)), false, Err(Error::GateClosed)),
        (true, Some(refused(Refusal::WrongPassword)), false, Err(Error::GateClosed)),
    ] {
        let gate = gate(&Gates::new(16), "a");
        gate.judge(&gate.enter().await.unwrap(), recognised, error.as_ref());
        assert_eq!((gate.is_proven(), gate.tried().await), (proven, next), "{recognised} {error:?}");
    }
}

#[tokio::test]
async fn an_answer_that_may_hide_a_judgement_counts_against_a_password_that_nobody_has_seen_work() {
    let wait = Duration::from_secs(30);
    for (fault, counts) in [
        (Fault::Cut, true),
        (Fault::Timeout(wait), true),
        (Fault::Proxy(403), true),
        (Fault::Broken(200), true),
        (Fault::Redirect { status: 302, https: None, repository: None }, true),
        (Fault::Unexpected { status: 200, what: "a page that is not JSON" }, true),
        (Fault::Server { status: 502, retry_after: None }, true),
        (Fault::Server { status: 504, retry_after: None }, true),
        // Bitbucket's own, or of a proxy that nothing went through.
        (Fault::Server { status: 500, retry_after: None }, false),
        (Fault::Server { status: 503, retry_after: None }, false),
        (Fault::RateLimited { retry_after: None }, false),
        (Fault::Unreachable("refused"), false),
        (Fault::Proxy(407), false),
    ] {
        let gates = Gates::new(16);
        let (unknown, recognised, vouched) = (gate(&gates, "a"), gate(&gates, "b"), gate(&gates, "c"));
        vouched.vouch();
        let error = Error::Transport { request: "GET x".to_owned(), fault };
        for _ in 0..4 {
            unknown.judge(&unknown.enter().await.unwrap(), false, Some(&error));
            recognised.judge(&recognised.enter().await.unwrap(), true, Some(&error));
            vouched.judge(&vouched.enter().await.unwrap(), false, Some(&error));
        }
        assert_eq!(unknown.tried().await.is_err(), counts, "{error}");
        assert_eq!((recognised.tried().await, vouched.tried().await), (Ok(()), Ok(())), "{error}");
    }
}

#[test]
fn each_server_has_places_of_its_own_and_one_at_least() {
    let places = |gates: &Gates, url: &str| gates.server(&BaseUrl::parse(url).unwrap());
    assert_eq!(places(&Gates::new(0), "https://git.example.com").available_permits(), 1);
    let gates = Gates::new(16);
    let one = places(&gates, "https://git.example.com");
    assert_eq!(one.available_permits(), 16);
    assert!(Arc::ptr_eq(&one, &places(&gates, "https://git.example.com/b")));
    assert!(!Arc::ptr_eq(&one, &places(&gates, "https://git.example.com:8443")), "another server at the same host");
    assert_eq!(lock(&gates.servers).len(), 2);
    drop(one);
    let _other = places(&gates, "https://other.example.com");
    assert_eq!(lock(&gates.servers).len(), 1, "who is asked by nobody is forgotten");
}

#[tokio::test(start_paused = true)]
async fn who_was_logged_in_when_is_known_while_somebody_uses_the_password() {
    let gates = Gates::new(16);
    let base = BaseUrl::parse("https://git.example.com:8443/bitbucket").unwrap();
    let (first, second) = (gate(&gates, "a"), gate(&gates, "b"));
    assert_eq!(gates.logged_in(&base, "SVC"), None);
    first.prove(&first.enter().await.unwrap());
    let then = Instant::now();
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(gates.logged_in(&base, "SVC"), Some(then));
    first.close();
    assert_eq!(gates.logged_in(&base, "SVC"), Some(then), "it was good then");
    second.prove(&second.enter().await.unwrap());
    assert_eq!(gates.logged_in(&base, "svc"), Some(Instant::now()));
    assert_eq!(gates.logged_in(&base, "other"), None);
    assert_eq!(gates.logged_in(&BaseUrl::parse("https://git.example.org").unwrap(), "svc"), None);
}

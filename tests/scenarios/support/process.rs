//! What the operator does around one connection, without Kubernetes: the server is asked over HTTP, the decisions are
//! the operator's own, and the test moves the clock.

use std::sync::Arc;
use std::time::Duration;

use bitbucket_connector::api::spec::BitbucketConnectionSpec;
use bitbucket_connector::api::status::{BitbucketConnectionStatus, RefusedSecret};
use bitbucket_connector::bitbucket::{BaseUrl, Client, Clients, Credentials, Options, Patience, Way};
use bitbucket_connector::controller::decision::{
    Asking, DestinationState, Found, Inputs, Knowledge, Learned, RunState, Seen, Step, Waiting, decide, observe, wait,
};
use bitbucket_connector::secrets::TargetKey;
use bitbucket_connector::sync::Filter;
use bitbucket_connector::trust::Addresses;
use bitbucket_connector::verification::{Outcome, Past, verify};
use jiff::Timestamp;
use tokio::time::Instant;

const GENERATION: i64 = 1;

/// The object, and what it refers to.
pub struct Connection {
    pub spec: BitbucketConnectionSpec,
    pub credentials: Credentials,
    pub way: Way,
    pub status: BitbucketConnectionStatus,
}

/// A process of the operator that has just begun.
pub struct Process {
    clients: Arc<Clients>,
    knowledge: Knowledge,
    /// These keep the gate of the credentials.
    bitbucket: Option<Client>,
}

/// The clock that measures, and the one that people read.
#[derive(Clone, Copy)]
pub struct Clock {
    pub now: Instant,
    pub read: Timestamp,
}

impl Clock {
    /// Half an hour before the next slot of an hourly schedule.
    pub fn new() -> Self {
        Self { now: Instant::now(), read: "2026-01-01T12:30:00Z".parse().unwrap() }
    }

    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        self.read += time;
    }
}

impl Connection {
    /// A new one.
    pub fn new(url: &str, credentials: Credentials, way: Way) -> Self {
        let spec = serde_json::json!({"url": url, "secretRef": {"name": "s"}});
        Self {
            spec: serde_json::from_value(spec).unwrap(),
            credentials,
            way,
            status: BitbucketConnectionStatus { observed_generation: Some(-1), ..Default::default() },
        }
    }

    fn url(&self) -> BaseUrl {
        BaseUrl::parse(&self.spec.url).unwrap()
    }
}

impl Process {
    pub fn new() -> Self {
        let clients = Clients::new(16, Addresses::all());
        Self { clients, knowledge: Knowledge::new("uid"), bitbucket: None }
    }

    /// When Bitbucket is asked again by itself.
    pub fn again(&self, clock: Clock) -> Option<Duration> {
        self.knowledge.next(false, clock.now)
    }

    /// A reconcile, and where that asks Bitbucket, the one that the answer wakes. Writes the status; says how long to
    /// wait for the next. Runs are claimed, but not made.
    pub async fn look(&mut self, connection: &mut Connection, clock: Clock) -> Duration {
        let (url, uid) = (connection.url(), "u".to_owned());
        let secret = RefusedSecret { uid: uid.clone(), resource_version: "1".to_owned(), url: url.to_string() };
        let inputs =
            Inputs::new(url, uid, &connection.credentials, [0; 32], connection.spec.import.clone(), TargetKey::OWN);
        let account = self.clients.account(&connection.url(), &connection.credentials);
        if connection.status.resting_secret.as_ref() == Some(&secret) {
            account.remember_rest();
        }
        let mut outcome = None;
        let mut learned = loop {
            let seen = Seen {
                spec: &connection.spec,
                generation: Some(GENERATION),
                old: &connection.status,
                requested_at: None,
                found: Ok(Found {
                    inputs: &inputs,
                    secret: &secret,
                    proven: account.is_proven(),
                    resting: account.is_doubted(),
                }),
                asking: outcome.clone().map(|outcome| Asking { outcome: Some(outcome), requested_at: None }),
                run: RunState::None,
                run_since: None,
                now: clock.now,
                clock: clock.read,
            };
            match observe(&mut self.knowledge, seen) {
                Step::Decide(learned) => break *learned,
                Step::Ask(past) => outcome = Some(self.ask(connection, past).await),
                Step::Wait => panic!("there is no task to wait for"),
            }
        };
        if learned.close_gate {
            account.remember();
        }
        if learned.needs_destination() {
            learned.destination(DestinationState::Open);
        }
        let Learned { facts, knowledge, .. } = learned;
        connection.status = decide(&facts).status;
        self.knowledge = knowledge;
        let interval = connection.spec.verify_interval.into();
        wait(&facts, &self.knowledge, Waiting { interval, requested_at: None, show_at: None, now: clock.now })
    }

    async fn ask(&mut self, connection: &Connection, past: Past) -> Outcome {
        let options = Options { concurrency: 4, patience: Patience::default(), reopen: None };
        let (url, credentials) = (connection.url(), connection.credentials.clone());
        let client = self.clients.client(url, credentials, &connection.way, options).unwrap();
        self.bitbucket = Some(client.clone());
        let filter = Filter::from(&connection.spec.import);
        super::within("a verdict", verify(&client, &filter, past)).await
    }
}

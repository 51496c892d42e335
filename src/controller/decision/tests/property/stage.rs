//! A cluster, a process and the model on one clock, and what is checked after each step.

use std::time::Duration;

use tokio::time::Instant;

use super::cluster::{Cluster, Place};
use super::events::{End, Event, Step};
use super::expect::{self, Ready};
use super::model::{INTERVAL, Model, Sight};
use super::process::{Clocks, Process, Turn};
use crate::api::status::BitbucketConnectionStatus;
use crate::controller::decision::DestinationState;

/// Whatever is shorter is at once.
const SHORT: Duration = Duration::from_millis(400);

#[derive(Clone)]
pub struct Stage {
    cluster: Cluster,
    process: Process,
    model: Model,
    clocks: Clocks,
    /// The databases as they are, and which one the process has found last as what, and when.
    databases: [DestinationState; 2],
    found_database: Option<(u8, DestinationState, Instant)>,
    /// Where the last run went, as far as this process has begun it.
    run_target: Option<u8>,
    ready: Option<Ready>,
    /// Url and references of the generation that the status speaks of.
    observed_place: Option<Place>,
    next: Duration,
}

impl Stage {
    pub fn new() -> Self {
        Self {
            cluster: Cluster::new(),
            process: Process::new(),
            model: Model::default(),
            clocks: Clocks { now: Instant::now(), clock: "2026-01-01T12:30:00Z".parse().unwrap() },
            databases: [DestinationState::Open, DestinationState::Open],
            found_database: None,
            run_target: None,
            ready: None,
            observed_place: None,
            next: Duration::ZERO,
        }
    }

    /// Whether a verification is under way.
    pub const fn asks(&self) -> bool {
        self.process.asking.is_some()
    }

    pub fn play(&mut self, Step { event, looks, written }: Step) {
        self.happen(event);
        if looks {
            self.look(written);
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "an event happens once")]
    fn happen(&mut self, event: Event) {
        let (url, secret, authority) = self.cluster.place();
        let (filter, suspend) = (self.cluster.filter, self.cluster.spec.suspend);
        let cluster = &mut self.cluster;
        match event {
            Event::Answer(answer) => {
                self.process.asking.iter_mut().for_each(|asking| asking.answer = asking.answer.or(Some(answer)));
            }
            Event::RunEnds(end) => self.process.run.iter_mut().for_each(|run| {
                run.end = run.end.or(Some(if run.stopped { End::Stopped } else { end }));
            }),
            Event::SecretData(data) => cluster.secret_data(data),
            Event::SecretTouched => cluster.secret_touched(),
            Event::SecretGone => cluster.secret_gone(),
            Event::SecretSpoiled => cluster.secret_spoiled(),
            Event::Authority(data) => cluster.authority(data),
            Event::Url(url) => cluster.edit((url, secret, authority), filter, None, suspend),
            Event::Reference(secret) => cluster.edit((url, secret, authority), filter, None, suspend),
            Event::AuthorityReference(there) => cluster.edit((url, secret, there), filter, None, suspend),
            Event::Filter(filter) => cluster.edit((url, secret, authority), filter, None, suspend),
            Event::Schedule(schedule) => cluster.edit((url, secret, authority), filter, Some(schedule), suspend),
            Event::Suspend(suspend) => cluster.edit((url, secret, authority), filter, None, suspend),
            Event::Request => cluster.requests += 1,
            Event::Restart => {
                self.process = Process::new();
                self.model.restart();
                (self.found_database, self.run_target) = (None, None);
            }
            Event::Pass(seconds) => self.pass(Duration::from_secs(seconds.into())),
            Event::Sleep => self.pass(self.next),
            Event::Destination(target) => cluster.destination(target),
            Event::Database(which, how) => {
                self.databases[usize::from(which)] = match how {
                    0 => DestinationState::Open,
                    1 => DestinationState::Unavailable("Down.".to_owned()),
                    _ => DestinationState::Invalid("Newer.".to_owned()),
                };
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.clocks.now += time;
        self.clocks.clock += time;
    }

    /// A look at the object, with all that must hold after it.
    fn look(&mut self, written: bool) {
        let before = self.cluster.status.clone();
        let decided = self.turn(written);
        if decided && written {
            let mut again = self.clone();
            if again.turn(true) {
                assert!(again.cluster.status == self.cluster.status, "the same again is the same status");
            }
            self.spins();
        }
        let moved = before.observed_generation != self.cluster.status.observed_generation;
        self.observed_place = if moved { Some(self.cluster.place()) } else { self.observed_place };
    }

    /// Nothing is due at once again and again.
    fn spins(&self) {
        let mut later = self.clone();
        for _ in 0..3 {
            if later.next > SHORT {
                return;
            }
            later.pass(later.next);
            let before = later.cluster.status.clone();
            if !later.turn(true) || later.cluster.status != before {
                return;
            }
        }
        panic!("it wakes again and again for nothing");
    }

    /// One reconcile. Whether something was decided.
    fn turn(&mut self, written: bool) -> bool {
        let request = (self.cluster.requests > 0).then(|| self.cluster.requests.to_string());
        let requested = request.filter(|value| self.cluster.status.last_handled_reconcile_at.as_ref() != Some(value));
        let found = self.cluster.dereference();
        let sight = Sight {
            found: found.as_ref().map(|found| found.access).map_err(|(reason, _)| *reason),
            place: self.cluster.place(),
            filter: self.cluster.filter,
            version: found.as_ref().map(|found| found.secret.resource_version.clone()).unwrap_or_default(),
            suspended: self.cluster.spec.suspend,
            valid_schedule: self.cluster.valid_schedule(),
            observed: self.cluster.status.observed_generation == Some(self.cluster.generation),
            run_of_this: found.as_ref().is_ok_and(|found| self.process.run_of(&found.inputs)),
            requested: requested.is_some(),
            now: self.clocks.now,
        };
        let heard = self.process.heard(&found).filter(|_| !sight.suspended);
        let ended = self.process.run.as_ref().and_then(|run| run.end);
        self.model.see(&sight);
        let database = &self.databases[usize::from(self.cluster.target)];
        let turn = self.process.look(&self.cluster, requested.as_ref(), &found, database, self.clocks);
        let decided = match turn {
            Turn::Asks => {
                self.model.asks(&sight);
                return false;
            }
            Turn::Waits => {
                assert!(self.asks() || self.process.run_underway(), "nothing is under way that it waits for");
                return false;
            }
            Turn::Decides(decided) => *decided,
        };
        // Where nothing is new, nothing is written, which cannot fail.
        if !written && decided.decision.status != self.cluster.status {
            return true;
        }
        let proven = self.process.proven(&found);
        self.model.learns(&sight, heard.map(|heard| heard.answer), proven);
        self.finds_database(&sight, ended, decided.looked_at_database);
        let database = self.found_database.as_ref().map(|(_, state, _)| state);
        let ready = expect::ready(&self.model, &sight, database, self.ready.as_ref());
        let status = decided.decision.status.clone();
        expect::conditions(&self.model, &sight, &ready, self.cluster.generation, &self.cluster.status, &status);
        self.expect_refused(&sight, &status, found.as_ref().ok().map(|found| &found.secret));
        let owed = self.observed_place.is_some_and(|place| place != sight.place) && !sight.suspended;
        if owed && self.model.visible(&sight).is_none() && self.model.fault(&sight).is_some() {
            assert_ne!(
                status.observed_generation,
                Some(self.cluster.generation),
                "the url or a reference has no verdict"
            );
        }
        if decided.decision.start.is_some() {
            let able = ready == expect::ready_true() && self.model.fault(&sight).is_none() && !sight.suspended;
            assert!(able, "a run needs a verdict, a way and a database");
            self.run_target = Some(self.cluster.target);
        } else if self.run_target.is_some_and(|target| target != self.cluster.target) && !sight.suspended {
            let able = ready == expect::ready_true() && self.model.fault(&sight).is_none();
            assert!(!able || self.process.run_underway(), "another database wants a run");
        }
        self.ready = Some(ready);
        self.cluster.status = status;
        self.next = self.process.written(decided, requested.as_ref(), &found, INTERVAL, self.clocks.now);
        assert!(self.next <= INTERVAL + SHORT, "nobody looks for longer than an interval");
        true
    }

    /// What the process has learned of the database.
    fn finds_database(&mut self, sight: &Sight, ended: Option<End>, looked: bool) {
        let of_run = match ended {
            Some(End::Database) => Some(DestinationState::Unavailable(String::new())),
            Some(End::DatabaseInvalid) => Some(DestinationState::Invalid(String::new())),
            _ => None,
        };
        let target = self.cluster.target;
        if let (Some(state), Some(of)) = (of_run, self.run_target) {
            self.found_database = Some((of, state, sight.now));
        }
        if sight.found.is_ok() {
            self.found_database.take_if(|(of, ..)| *of != target);
        }
        if looked {
            self.found_database = Some((target, self.databases[usize::from(target)].clone(), sight.now));
        } else if self.model.visible(sight) == Some(crate::api::Reason::Verified) && !sight.suspended {
            let at = self.found_database.as_ref().map(|(.., at)| *at).expect("the database is looked at");
            assert!(sight.now.duration_since(at) <= Duration::from_mins(15), "the database is tried again");
        }
    }

    fn expect_refused(
        &self,
        sight: &Sight,
        status: &BitbucketConnectionStatus,
        secret: Option<&crate::api::status::RefusedSecret>,
    ) {
        if let Some(named) = self.model.names_refused(sight) {
            assert_eq!(status.refused_secret.is_some(), named, "refusedSecret");
        }
        if self.model.refuses(sight) {
            assert_eq!(status.refused_secret.as_ref(), secret, "refusedSecret is the Secret as it is now");
        }
    }
}

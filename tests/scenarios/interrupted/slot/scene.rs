//! A connection whose slot comes, and what becomes of its status.

use std::future::pending;
use std::time::Duration;

use bitbucket_connector::api::status::Trigger;
use bitbucket_simulator::Matches;
use futures::StreamExt;
use futures::stream::BoxStream;
use kube::ResourceExt;
use kube::api::{WatchEvent, WatchParams};

use super::*;
use crate::support::front::Rule;

/// A request that must not come would have come by then.
const SOON: Duration = Duration::from_millis(400);

/// Asked by whoever would wait, so that one run asks and another one does not.
const BUDGET: &str = "/rate-limit/";

const STATUS: &str = "PATCH bitbucketconnections/NAME/status";

/// A connection, and what has become of its status.
pub struct Scene<'a> {
    life: &'a Life,
    front: &'a Front,
    history: BoxStream<'static, BitbucketConnectionStatus>,
    seen: Vec<BitbucketConnectionStatus>,
}

impl<'a> Scene<'a> {
    /// The first run leaves a repository behind, so that there is an event to tell of the slot's.
    pub async fn begin(stage: &mut Stage, life: &'a Life, front: &'a Front) -> Self {
        life.simulator.faults().push(Fault::on_path("/repos/lib/", Action::Html200));
        stage.start_operator_through(front);
        life.begin(Step::Apply).await;
        let object = stage.until_ready(&life.name, "True", "SyncIncomplete").await;
        // The last thing that comes of it.
        front.until(|calls| calls.iter().filter(|call| call.kind.starts_with("POST ")).count() == 2).await;
        life.simulator.faults().clear();
        life.simulator.clear_requests();
        front.forget_calls();
        life.push();
        let own = WatchParams::default().fields(&format!("metadata.name={}", life.name));
        let events = life.objects.watch(&own, &object.resource_version().unwrap()).await.unwrap();
        let history = events.filter_map(async |event| match event.unwrap() {
            WatchEvent::Modified(object) => object.status,
            _ => None,
        });
        Self { life, front, history: history.boxed(), seen: Vec::new() }
    }

    /// Gives the hold that the operator is killed at. `run` holds up the run until its progress is shown.
    pub fn prepare(&self, run: Hold, crash: Option<&Crash>) -> Option<Hold> {
        let (mut rule, mut hold): (Rule, _) = (Box::new(|_| Act::Pass), None);
        match crash.map(|crash| &crash.place) {
            Some(Place::Call(point, moment)) => {
                let (at, silent) = silent_from(point, *moment);
                (hold, rule) = (Some(at), Box::new(silent));
            }
            Some(Place::Request(nth)) => {
                let at = Hold::new();
                let counted = Matches::Not(Box::new(Matches::PathContains(BUDGET.to_owned())));
                let fault = Fault::new(Action::Hold(at.clone())).matches(counted).after(nth - 1).times(1);
                self.life.simulator.faults().push(fault);
                hold = Some(at);
            }
            None => {}
        }
        self.front.on(move |call| {
            if (call.kind.as_str(), call.nth) == (STATUS, 2) {
                run.release();
            }
            rule(call)
        });
        hold
    }

    /// Waits until the operator is held there. A read may come less often than it did in another day: then a later look of
    /// the operator brings it.
    pub async fn arrive(&self, hold: &Hold, place: &Place) {
        let arrival = pin!(hold.wait_for(1));
        let looks = pin!(async {
            match place {
                Place::Call(point, _) if point.is_read() => {}
                _ => return pending::<()>().await,
            }
            self.front.until(|calls| calls.iter().any(|call| call.kind.starts_with("POST "))).await;
            loop {
                self.look().await;
            }
        });
        select(arrival, looks).await;
    }

    /// How often Bitbucket was asked.
    pub fn requests(&self) -> u32 {
        let asked = self.life.simulator.requests().iter().filter(|seen| !seen.path.contains(BUDGET)).count();
        u32::try_from(asked).unwrap()
    }

    /// Whether the status says that the slot is run, which it must say before Bitbucket is asked for anything.
    pub async fn is_claimed(&self, place: &Place) -> bool {
        let status = self.life.objects.get(&self.life.name).await.unwrap().status.unwrap();
        let claimed = last_slot(&status) == Some(at(SLOT));
        let asked = self.life.simulator.wait_until(|requests| !requests.is_empty());
        let asked = tokio::time::timeout(SOON, asked).await.is_ok();
        assert!(claimed || !asked, "{}: {place:?}: it is run, and nothing says so", self.life.name);
        // A few reads more or less come in each day, so that the number of one does not tell on which side of the claim it is;
        // what was called before it does.
        let called = || self.front.calls().iter().any(|call| call.kind == STATUS);
        let after = match place {
            Place::Call(point, _) if point.is_read() => called(),
            Place::Call(point, moment) => (point.kind.as_str(), point.nth, *moment) != (STATUS, 1, Moment::Before),
            Place::Request(_) => true,
        };
        assert_eq!(claimed, after, "{}: {place:?}", self.life.name);
        claimed
    }

    /// Follows the status until it is so.
    pub async fn until(&mut self, so: impl Fn(&BitbucketConnectionStatus) -> bool) {
        let what = format!("{}: what is waited for", self.life.name);
        let met = async {
            while let Some(status) = self.history.next().await {
                self.seen.push(status);
                if self.seen.last().is_some_and(&so) {
                    return;
                }
            }
            panic!("the watch has ended");
        };
        within(&what, met).await;
    }

    /// Lets the operator look, and then once more: by then all is done and told that follows from the first look.
    pub async fn look_twice(&self) {
        for _ in 0..2 {
            self.look().await;
        }
    }

    async fn look(&self) {
        let looks = |calls: &[Call]| calls.iter().filter(|call| call.kind == "GET secrets/NAME").count();
        let before = looks(&self.front.calls());
        self.life.wake().await;
        self.front.until(|calls| looks(calls) > before).await;
    }

    pub async fn day(&self, requests: u32) -> Day {
        let mut ending = self.life.ending().await;
        // What a process has stored, the next one does not count as its own.
        ending.status["sync"].as_object_mut().unwrap().remove("commitsAdded");
        let mut calls = self.front.calls();
        let told = calls.iter().rposition(|call| call.kind.starts_with("POST "));
        calls.truncate(told.map_or(0, |told| told + 1));
        Day { ending, calls, requests }
    }

    /// These slots, and no other; each was claimed once, and has ended once.
    pub fn assert_each_was_run_once(&self, slots: &[&str]) {
        let scheduled = self.seen.iter().filter(|status| status.sync.as_ref().unwrap().trigger == Trigger::Schedule);
        let mut runs: Vec<_> = scheduled
            .map(|status| {
                let sync = status.sync.as_ref().unwrap();
                (last_slot(status).unwrap(), sync.start_time.0, sync.completion_time.as_ref().map(|time| time.0))
            })
            .collect();
        runs.dedup();
        let (claims, ends): (Vec<_>, Vec<_>) = runs.iter().partition(|(_, _, end)| end.is_none());
        let of = |runs: &[(Timestamp, Timestamp, Option<Timestamp>)]| runs.iter().map(|run| run.0).collect::<Vec<_>>();
        let slots: Vec<_> = slots.iter().copied().map(at).collect();
        assert_eq!((of(&claims), of(&ends)), (slots.clone(), slots), "{}: {runs:?}", self.life.name);
        assert!(claims.iter().zip(&ends).all(|(claim, end)| claim.1 == end.1), "{}: {runs:?}", self.life.name);
    }
}

//! What a look comes to where sequences of events rarely lead: what is asked of whom, and whose word counts.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::time::Instant;

use super::super::facts::{Observation, RunState};
use super::super::inputs::Inputs;
use super::super::knowledge::Knowledge;
use super::{Asking, Found, Seen, Step, observe};
use crate::api::Reason;
use crate::api::conditions::{self, READY, SYNCED, State, Truth, VERIFIED};
use crate::api::spec::BitbucketConnectionSpec;
use crate::api::status::{BitbucketConnectionStatus, RefusedSecret, SyncStatus, Trigger};
use crate::bitbucket::{self, Fault, Refusal};
use crate::sync::RunError;
use crate::verification::{Outcome, Verdict};

/// A connection at one moment.
struct Scene {
    spec: BitbucketConnectionSpec,
    status: BitbucketConnectionStatus,
    inputs: Inputs,
    secret: RefusedSecret,
    proven: bool,
    /// A verification that has ended.
    asking: Option<Outcome>,
    run: RunState,
    now: Instant,
}

/// Verified by an earlier process, with nothing to do.
fn scene() -> Scene {
    let spec = serde_json::json!({"url": "https://git.example.com", "secretRef": {"name": "a"}});
    let mut scene = Scene {
        spec: serde_json::from_value(spec).unwrap(),
        status: BitbucketConnectionStatus { observed_generation: Some(1), ..Default::default() },
        inputs: Inputs::example("a", "secret"),
        secret: RefusedSecret { uid: "u".to_owned(), resource_version: "7".to_owned(), url: String::new() },
        proven: false,
        asking: None,
        run: RunState::None,
        now: Instant::now(),
    };
    scene.verified(Truth::True, Reason::Verified);
    scene
}

/// The same, but the earlier process had its password refused.
fn refused() -> Scene {
    let mut scene = scene();
    scene.status.refused_secret = Some(scene.secret.clone());
    scene.verified(Truth::False, Reason::InvalidCredentials);
    scene
}

impl Scene {
    fn set(&mut self, condition: &'static str, truth: Truth, reason: Reason) {
        let state = State::new(truth, reason, "");
        conditions::set(&mut self.status.conditions, condition, &state, 1, Timestamp::UNIX_EPOCH);
    }

    fn verified(&mut self, truth: Truth, reason: Reason) {
        self.set(VERIFIED, truth, reason);
        self.status.last_verified_time = Some(Time(Timestamp::UNIX_EPOCH));
    }

    /// As the last process has left it that could make no run of this generation.
    fn synced_of(&mut self, generation: i64) {
        let state = State::new(Truth::True, Reason::Synced, "");
        conditions::set(&mut self.status.conditions, SYNCED, &state, generation, Timestamp::UNIX_EPOCH);
    }

    fn look(&self, knowledge: &mut Knowledge) -> Step {
        let seen = Seen {
            spec: &self.spec,
            generation: Some(1),
            old: &self.status,
            requested_at: None,
            found: Ok(Found { inputs: &self.inputs, secret: &self.secret, proven: self.proven, resting: false }),
            asking: self.asking.clone().map(|outcome| Asking { outcome: Some(outcome), requested_at: None }),
            run: self.run.clone(),
            run_since: None,
            now: self.now,
            clock: Timestamp::UNIX_EPOCH,
        };
        observe(knowledge, seen)
    }

    /// What is said of the credentials.
    fn says(&self, knowledge: &mut Knowledge) -> String {
        match self.look(knowledge) {
            Step::Ask(past) => format!("ask {past:?}"),
            Step::Wait => "wait".to_owned(),
            Step::Decide(learned) => match learned.facts.observation {
                Observation::Asked { outcome: Outcome::Fault { reason, .. } } => format!("fault {reason:?}"),
                Observation::Asked { outcome: Outcome::Verdict(Verdict::Verified { .. }) } => "verified".to_owned(),
                Observation::Asked { outcome: Outcome::Verdict(Verdict::Refused(negative)) } => {
                    format!("refused {:?}", negative.reason)
                }
                other => format!("{other:?}"),
            },
        }
    }
}

fn knowledge() -> Knowledge {
    Knowledge::new("uid")
}

fn fault() -> Outcome {
    Outcome::Fault { reason: Reason::ServerError, message: String::new(), retry_after: None }
}

fn of_answer(refusal: Refusal) -> bitbucket::Error {
    bitbucket::Error::Refused { request: "GET repos".to_owned(), status: 401, refusal }
}

#[test]
fn only_a_verdict_of_these_inputs_makes_an_odd_answer_a_fault_on_the_way() {
    assert_eq!(scene().says(&mut knowledge()), "ask Verified");
    let mut scene = scene();
    scene.verified(Truth::False, Reason::InvalidPermissions);
    assert_eq!(scene.says(&mut knowledge()), "ask Unknown", "it was never good");
    scene.verified(Truth::True, Reason::Verified);
    let mut known = knowledge();
    scene.says(&mut known);
    scene.inputs = Inputs::example("a", "other");
    assert_eq!(scene.says(&mut known), "ask Unknown", "it was of another password");
}

#[test]
fn a_fault_that_lasts_makes_the_verdict_a_thing_of_the_past() {
    let mut scene = scene();
    let mut known = knowledge();
    scene.says(&mut known);
    known.answered(&scene.inputs, &fault(), scene.spec.verify_interval.into(), scene.now);
    let interval = std::time::Duration::from(scene.spec.verify_interval);
    scene.now += interval * 2;
    assert_eq!(scene.says(&mut known), "ask Verified");
    scene.now += std::time::Duration::from_secs(1);
    assert_eq!(scene.says(&mut known), "ask Unknown", "perhaps Bitbucket has moved");
}

#[test]
fn a_password_that_was_refused_is_asked_about_only_where_another_one_has_had_it_accepted() {
    let mut scene = refused();
    let mut known = knowledge();
    assert_eq!(scene.says(&mut known), "Kept");
    assert!(matches!(scene.look(&mut known), Step::Decide(learned) if learned.close_gate), "others are told");
    known.refusal_holds(&scene.inputs);
    assert!(matches!(scene.look(&mut known), Step::Decide(learned) if !learned.close_gate), "others know");
    scene.proven = true;
    assert_eq!(scene.says(&mut known), "ask Unknown");
    assert_eq!(scene.says(&mut knowledge()), "ask Unknown", "nor is the status believed");
}

#[test]
fn a_password_that_was_accepted_meanwhile_is_no_longer_wrong_for_a_fault() {
    let mut scene = refused();
    scene.asking = Some(fault());
    let mut known = knowledge();
    assert_eq!(scene.says(&mut known), "Kept", "it stays wrong");
    scene.proven = true;
    known.refusal_holds(&scene.inputs);
    assert_eq!(scene.says(&mut known), "fault ServerError");
}

#[test]
fn a_refusal_of_another_secret_is_none_of_this_one() {
    let mut scene = refused();
    scene.secret.resource_version = "8".to_owned();
    assert_eq!(scene.says(&mut knowledge()), "ask Unknown");
}

#[test]
fn what_a_run_was_answered_is_a_verification_of_what_it_asked() {
    let error = of_answer(Refusal::Captcha);
    let down = || bitbucket::Error::Transport {
        request: "GET x".to_owned(),
        fault: Fault::Server { status: 503, retry_after: None },
    };
    for (error, says) in [
        (RunError::Identity(error.clone()), "refused InvalidCredentials"),
        (RunError::Listing(down()), "fault ServerError"),
        (RunError::Outage(down()), "fault ServerError"),
        (RunError::Broken, "ask Verified"),
    ] {
        let mut scene = scene();
        let mut known = knowledge();
        scene.says(&mut known);
        known.run_started(scene.inputs.clone());
        scene.run = RunState::Ended(Err(error.clone()));
        assert_eq!(scene.says(&mut known), says, "{error:?}");
        scene.inputs = Inputs::example("b", "secret");
        assert_eq!(scene.says(&mut known), "ask Verified", "{error:?} to another question");
    }
}

#[test]
fn a_run_under_way_is_waited_for_where_it_is_of_other_inputs() {
    let mut scene = scene();
    let mut known = knowledge();
    known.run_started(scene.inputs.clone());
    scene.run = RunState::Underway(None);
    assert_eq!(scene.says(&mut known), "Kept");
    scene.inputs = Inputs::example("a", "other");
    assert_eq!(scene.says(&mut known), "wait");
}

#[test]
fn a_run_that_nothing_could_be_made_of_is_the_next_processes() {
    let held_up: [(&str, Truth, Reason, bool); 9] = [
        (VERIFIED, Truth::True, Reason::Verified, false),
        (READY, Truth::True, Reason::Synced, false),
        (READY, Truth::False, Reason::SyncIncomplete, false),
        (READY, Truth::False, Reason::SyncFailed, false),
        (VERIFIED, Truth::Unknown, Reason::ServerUnreachable, true),
        (VERIFIED, Truth::False, Reason::InvalidPermissions, true),
        (READY, Truth::False, Reason::DestinationInvalid, true),
        (READY, Truth::Unknown, Reason::DestinationUnavailable, true),
        (SYNCED, Truth::Unknown, Reason::Suspended, true),
    ];
    for (condition, truth, reason, owed) in held_up {
        let mut scene = scene();
        scene.set(condition, truth, reason);
        for (ended, owed) in [(true, owed), (false, false)] {
            let time = Time(Timestamp::UNIX_EPOCH);
            scene.status.sync = Some(SyncStatus {
                trigger: Trigger::Initial,
                completion_time: ended.then(|| time.clone()),
                start_time: time,
                commits_added: None,
                commits_removed: None,
                commits: None,
                repositories: None,
                failures: Vec::new(),
            });
            let run_is_owed = |scene: &Scene| {
                let mut knowledge = knowledge();
                scene.look(&mut knowledge);
                knowledge.run_outdated(&scene.inputs)
            };
            assert_eq!(run_is_owed(&scene), owed, "{condition} {truth:?} {reason:?} {ended}");
            scene.synced_of(0);
            assert_eq!(run_is_owed(&scene), ended, "{condition} {truth:?} {reason:?} {ended}, and of another spec");
        }
    }
}

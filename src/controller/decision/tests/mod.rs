//! The rules of the conditions and of runs, one row a case. No cluster.

mod property;
mod runs;
mod verdicts;
mod waits;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::decide::{Decision, decide};
use super::facts::{DestinationState, Facts, Observation, RunState, Transport};
use super::schedule::Schedule;
use crate::api::Reason;
use crate::api::conditions::{READY, RECONCILING, STALLED, SYNCED, VERIFIED, find};
use crate::api::status::{BitbucketConnectionStatus, RefusedSecret, Trigger};
use crate::sync::{RunError, Summary};
use crate::verification::{Identity, Negative, Outcome, Verdict};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn secret() -> RefusedSecret {
    RefusedSecret { uid: "u".to_owned(), resource_version: "7".to_owned(), url: "https://git.example.com".to_owned() }
}

fn asked(outcome: Outcome) -> Observation {
    Observation::Asked { outcome }
}

fn verified() -> Observation {
    let identity = Identity { username: Some("svc".to_owned()), server_version: Some("8.19.4".to_owned()) };
    asked(Outcome::Verdict(Verdict::Verified { identity, message: "Valid.".to_owned() }))
}

fn refused(reason: Reason) -> Observation {
    let wrong_password = reason == Reason::InvalidCredentials;
    let negative = Negative { reason, message: "Refused.".to_owned(), wrong_password, identity: Identity::default() };
    asked(Outcome::Verdict(Verdict::Refused(negative)))
}

fn fault() -> Observation {
    asked(Outcome::Fault { reason: Reason::ServerUnreachable, message: "No way.".to_owned(), retry_after: None })
}

/// A new object at noon.
fn fresh() -> Facts {
    Facts {
        now: at("2026-01-01T12:30:00Z"),
        generation: 1,
        old: BitbucketConnectionStatus { observed_generation: Some(-1), ..Default::default() },
        schedule: Schedule::parse("0 * * * *", "Etc/UTC", "uid"),
        deadline: None,
        suspended: false,
        requested_at: None,
        observation: verified(),
        refused: None,
        resting: None,
        inputs_changed: true,
        wanted: None,
        transport: Transport::Working,
        destination: DestinationState::Open,
        run: RunState::None,
        run_since: None,
    }
}

/// The same object, an hour of minutes later, after what was decided.
fn after(decision: &Decision, minutes: i64) -> Facts {
    let facts = fresh();
    Facts {
        now: facts.now + Duration::from_secs(60 * minutes.unsigned_abs()),
        old: decision.status.clone(),
        observation: Observation::Kept,
        inputs_changed: false,
        ..facts
    }
}

fn synced() -> Decision {
    let claimed = decide(&fresh());
    let run = RunState::Ended(Ok(Summary { synced: 2, commits: 10, added: 10, ..Summary::default() }));
    decide(&Facts { run, ..after(&claimed, 1) })
}

/// The conditions as `Type=Status Reason`, in the order Ready, Verified, Synced, Reconciling, Stalled.
fn shown(decision: &Decision) -> String {
    let types = [READY, VERIFIED, SYNCED, RECONCILING, STALLED];
    let found = types.iter().filter_map(|type_| find(&decision.status.conditions, type_));
    found.map(|c| format!("{}={} {}", c.type_, c.status, c.reason)).collect::<Vec<_>>().join(", ")
}

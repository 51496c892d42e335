//! `connections.list`.

use std::sync::Arc;

use axum::extract::State;
use futures::TryStreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::{Scope, TYPE};
use crate::api::{BitbucketConnection, Reason, conditions};
use crate::callers::{Caller, Callers};
use crate::datacloud::answer::{Answer, Done, snake};
use crate::datacloud::ids::id;

/// All connections that the caller may list.
pub async fn list(State(callers): State<Arc<Callers>>, caller: Caller, Scope(namespace): Scope) -> Answer {
    let mut listed = caller.connections(namespace.as_deref());
    let mut connections = Vec::new();
    while let Some(object) = listed.try_next().await? {
        if callers.looks_after(&object) {
            connections.push(describe(&object));
        }
    }
    Ok(Done::with(json!({ "connections": connections })))
}

fn describe(object: &BitbucketConnection) -> Value {
    let status = object.status.as_ref();
    json!({
        "id": id(&object.uid().unwrap_or_default()),
        "type": TYPE,
        "name": object.name_any(),
        "namespace": object.namespace(),
        "state": state(object),
        "disabled_at": disabled_at(object).map(time),
        "last_synced_at": status.and_then(|status| status.last_successful_time.as_ref()).map(time),
        "created_at": object.creation_timestamp().as_ref().map(time),
        "supports_multiple_credentials": false,
    })
}

/// `verified`, why not, or `unverified` where that is not known.
fn state(object: &BitbucketConnection) -> &'static str {
    let verified = object.status.as_ref().and_then(|status| conditions::find(&status.conditions, conditions::VERIFIED));
    match verified.map(|verified| (verified.status.as_str(), Reason::parse(&verified.reason))) {
        Some(("True", _)) => "verified",
        Some(("False", Some(reason))) => snake(reason),
        _ => "unverified",
    }
}

/// Since when the operator has seen it suspended, at the latest: a condition that was Unknown before keeps its time.
fn disabled_at(object: &BitbucketConnection) -> Option<&Time> {
    let synced = conditions::find(&object.status.as_ref()?.conditions, conditions::SYNCED)?;
    let suspended = object.spec.suspend && synced.reason == Reason::Suspended.as_str();
    suspended.then_some(&synced.last_transition_time)
}

/// As DX writes a time.
pub fn time(time: &Time) -> String {
    time.0.to_string()
}

//! Events: only where Ready changes its status or reason, where a right is missing, and where the rows of a deleted connection
//! cannot be removed.

use std::time::Duration;

use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Resource, ResourceExt};
use tracing::{debug, info, warn};

use super::right::Right;
use super::status::FIELD_MANAGER;
use crate::api::BitbucketConnection;
use crate::api::conditions::{self, READY};
use crate::api::status::BitbucketConnectionStatus;
use crate::controller::context::{Context, Memory};
use crate::kubernetes::{Error, leading};

/// What is done where rows are removed.
const REMOVAL: &str = "RemoveRows";
/// Notes may have a kilobyte.
const LONGEST_NOTE: usize = 1000;

/// Publishes what is new, and logs it. An event that cannot be published fails nothing.
pub async fn publish(
    context: &Context,
    object: &BitbucketConnection,
    old: &BitbucketConnectionStatus,
    new: &BitbucketConnectionStatus,
) {
    let Some(ready) = conditions::find(&new.conditions, READY) else { return };
    let before = conditions::find(&old.conditions, READY);
    if before.is_some_and(|before| before.status == ready.status && before.reason == ready.reason) {
        return;
    }
    let type_ = if ready.status == "True" { EventType::Normal } else { EventType::Warning };
    info!(ready = ready.status, reason = ready.reason, "{}", ready.message);
    let note = (type_, ready.reason.as_str(), ready.message.as_str());
    send(context, object, "Reconcile", note).await;
}

/// Says that a right is missing, where `result` is that: once, since it may be missing for days.
pub async fn told<T>(
    context: &Context,
    object: &impl Resource<DynamicType = ()>,
    memory: &mut Memory,
    result: Result<T, Error>,
    right: Right,
) -> Result<T, Error> {
    let forbidden = result.as_ref().is_err_and(Error::is_forbidden);
    if forbidden && memory.missing.replace(right) != Some(right) {
        warn!("{}", right.note());
        send(context, object, right.action(), (EventType::Warning, "Forbidden", right.note())).await;
    }
    result
}

/// Says that changes of the object's Secrets are not heard of, where that is so: once. For how many objects it may be, nobody is
/// woken by it, and the log says it once for all of them.
pub async fn deafness(context: &Context, object: &BitbucketConnection, memory: &mut Memory) {
    let missing = context.deaf.is_in(&object.namespace().unwrap_or_default()).then_some(Right::WatchSecrets);
    let before = std::mem::replace(&mut memory.missing, missing);
    if let Some(right) = missing.filter(|_| missing != before) {
        send(context, object, right.action(), (EventType::Warning, "Forbidden", right.note())).await;
    }
}

/// Says that a deleted object is held, because its rows cannot be removed yet.
pub async fn rows_block(context: &Context, object: &impl Resource<DynamicType = ()>, why: &str, patience: Duration) {
    let note = format!(
        "The connection's rows cannot be removed yet: {} This is tried for {} s; set spec.deletionPolicy to Retain to let the rows stay and the connection go at once.",
        sentence(why),
        patience.as_secs()
    );
    send(context, object, REMOVAL, (EventType::Warning, "DeletionBlocked", &note)).await;
}

/// Says that a deleted object goes and its rows do not.
pub async fn rows_stay(context: &Context, object: &impl Resource<DynamicType = ()>, why: &str) {
    let note = format!(
        "The connection goes, and its rows stay: {} Remove them from the database by hand (docs/deletion.md), or create a connection of the same name, which takes them over.",
        sentence(why)
    );
    send(context, object, REMOVAL, (EventType::Warning, "RowsStay", &note)).await;
}

/// Two sentences must not become one.
fn sentence(text: &str) -> String {
    let text = text.trim_end_matches('.');
    format!("{text}.")
}

/// Publishes one event.
async fn send(
    context: &Context,
    object: &impl Resource<DynamicType = ()>,
    action: &str,
    (type_, reason, note): (EventType, &str, &str),
) {
    let event = Event {
        type_,
        reason: reason.to_owned(),
        note: Some(truncated(note)),
        action: action.to_owned(),
        secondary: None,
    };
    let reporter = Reporter { controller: FIELD_MANAGER.into(), instance: None };
    // A new one each time: it would keep every event for minutes, and look through all of them at each, to count those that
    // come again. Here only changes are told.
    let recorder = Recorder::new(context.client.clone(), reporter);
    if let Err(error) = leading(&context.lead, recorder.publish(&event, &object.object_ref(&()))).await {
        debug!(%error, "an event could not be published");
    }
}

fn truncated(text: &str) -> String {
    let mut end = text.len().min(LONGEST_NOTE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

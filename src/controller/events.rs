//! Events: only where Ready changes its status or reason, and where a right is missing.

use kube::Resource;
use kube::runtime::events::{Event, EventType};
use tracing::debug;

use super::context::Context;
use super::error::within;
use crate::api::BitbucketConnection;
use crate::api::conditions::{self, READY};
use crate::api::status::BitbucketConnectionStatus;

/// Notes may have a kilobyte.
const LONGEST_NOTE: usize = 1000;

/// Publishes what is new. An event that cannot be published fails nothing.
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
    send(context, object, type_, &ready.reason, &ready.message).await;
}

/// Says that the operator may not read what the object refers to.
pub async fn forbidden(context: &Context, object: &BitbucketConnection) {
    const NOTE: &str = "The operator may not read Secrets in this namespace, so that this connection stands still. Ask who installed it to give its ServiceAccount the right to get them (chart: watch.namespaces).";
    send(context, object, EventType::Warning, "Forbidden", NOTE).await;
}

async fn send(context: &Context, object: &BitbucketConnection, type_: EventType, reason: &str, note: &str) {
    if !context.lead.holds() {
        return;
    }
    let event = Event {
        type_,
        reason: reason.to_owned(),
        note: Some(truncated(note)),
        action: "Reconcile".to_owned(),
        secondary: None,
    };
    if let Err(error) = within(context.recorder.publish(&event, &object.object_ref(&()))).await {
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

//! How a connection stands, in a word and a colour. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::conditions::{self, READY, SYNCED, Truth};
use crate::api::times::span;
use crate::api::{BitbucketConnection, Reason};

/// How it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// `good`, `bad` or `unsure`, for those who see colours.
    pub class: &'static str,
    /// The same for everybody.
    pub word: &'static str,
    /// The reason of the condition that matters most.
    pub reason: String,
    /// What was seen, and what to do.
    pub message: String,
}

impl Standing {
    /// By its conditions.
    pub fn of(object: &BitbucketConnection) -> Self {
        let conditions = object.status.as_ref().map_or(&[][..], |status| &status.conditions);
        let Some(ready) = conditions::state(conditions, READY) else {
            let message = "No operator has looked at it yet. If that lasts, look whether one is running, and whether it looks after this namespace.";
            return Self {
                class: "unsure",
                word: "New",
                reason: Reason::Pending.as_str().to_owned(),
                message: message.to_owned(),
            };
        };
        // Ready tells of the credentials; what a run left behind is told by Synced.
        let synced = conditions::state(conditions, SYNCED).filter(|synced| synced.truth == Truth::False);
        let (class, word, shown) = match (ready.truth, synced) {
            _ if object.spec.suspend => ("unsure", "Suspended", ready),
            (Truth::False, _) => ("bad", "Failing", ready),
            (Truth::Unknown, _) => ("unsure", "Unknown", ready),
            (Truth::True, Some(synced)) => ("bad", "Incomplete", synced),
            (Truth::True, None) => ("good", "Ready", ready),
        };
        Self { class, word, reason: shown.reason.as_str().to_owned(), message: shown.message }
    }

    /// Trouble comes first.
    pub fn rank(&self) -> u8 {
        match self.class {
            "bad" => 0,
            "unsure" => 1,
            _ => 2,
        }
    }
}

/// A moment, and how long ago it was.
pub fn ago(time: Option<&Time>, now: Timestamp) -> String {
    time.map_or_else(|| "–".to_owned(), |time| format!("{} ago", span(time, now)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(suspend: bool, conditions: &[(&str, &str, &str)]) -> BitbucketConnection {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|(type_, status, reason)| json!({"type": type_, "status": status, "reason": reason, "message": type_, "lastTransitionTime": "2026-01-01T00:00:00Z"}))
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "bitbucket-connector.dev/v1alpha1", "kind": "BitbucketConnection", "metadata": {"name": "a"},
            "spec": {"url": "https://git.example.com", "secretRef": {"name": "s"}, "suspend": suspend},
            "status": {"conditions": conditions}
        }))
        .unwrap()
    }

    #[test]
    fn the_worst_is_shown() {
        for (suspend, conditions, word, reason) in [
            (false, &[][..], "New", "Pending"),
            (false, &[("Ready", "True", "Synced"), ("Synced", "True", "Synced")], "Ready", "Synced"),
            (
                false,
                &[("Ready", "True", "SyncIncomplete"), ("Synced", "False", "SyncIncomplete")],
                "Incomplete",
                "SyncIncomplete",
            ),
            (
                false,
                &[("Ready", "False", "invalid_credentials"), ("Synced", "False", "SyncFailed")],
                "Failing",
                "invalid_credentials",
            ),
            (false, &[("Ready", "Unknown", "ServerUnreachable")], "Unknown", "ServerUnreachable"),
            (true, &[("Ready", "True", "Synced")], "Suspended", "Synced"),
        ] {
            let standing = Standing::of(&object(suspend, conditions));
            assert_eq!((standing.word, standing.reason.as_str()), (word, reason));
        }
    }
}

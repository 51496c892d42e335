//! Conditions as the Kubernetes API conventions want them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use super::Reason;

/// Type of the condition that sums the others up.
pub const READY: &str = "Ready";
/// Type of the condition that holds the verdict.
pub const VERIFIED: &str = "Verified";
/// Type of the condition that tells how the last sync run ended.
pub const SYNCED: &str = "Synced";
/// Present, and True, while the operator tries again by itself.
pub const RECONCILING: &str = "Reconciling";
/// Present, and True, while only a person can help.
pub const STALLED: &str = "Stalled";

/// Value of a condition's `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It is not known.
    Unknown,
}

impl Truth {
    /// As it stands in the condition.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// A condition's content, without its times and its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Whether it holds.
    pub truth: Truth,
    /// Why, in one word.
    pub reason: Reason,
    /// What was seen and what to do, in two sentences.
    pub message: String,
}

impl State {
    /// A state from its three parts.
    pub fn new(truth: Truth, reason: Reason, message: impl Into<String>) -> Self {
        Self { truth, reason, message: message.into() }
    }
}

/// The condition of the type, if it is there.
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// The content of the condition of the type, if it is there and its reason is one of ours.
pub fn state(conditions: &[Condition], type_: &str) -> Option<State> {
    let condition = find(conditions, type_)?;
    let truth = match condition.status.as_str() {
        "True" => Truth::True,
        "False" => Truth::False,
        _ => Truth::Unknown,
    };
    Some(State::new(truth, Reason::parse(&condition.reason)?, &condition.message))
}

/// Sets a condition. `lastTransitionTime` moves only when `status` flips, as the API conventions say.
pub fn set(conditions: &mut Vec<Condition>, type_: &str, state: &State, generation: i64, now: Timestamp) {
    let status = state.truth.as_str();
    let since = find(conditions, type_)
        .filter(|old| old.status == status)
        .map_or_else(|| Time(now), |old| old.last_transition_time.clone());
    let condition = Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: state.reason.as_str().to_owned(),
        message: state.message.clone(),
        observed_generation: Some(generation),
        last_transition_time: since,
    };
    match conditions.iter_mut().find(|old| old.type_ == type_) {
        Some(old) => *old = condition,
        None => conditions.push(condition),
    }
}

/// Dates the conditions by those that stand: what says the same there has been so since then, and all else since now.
pub fn date(conditions: &mut [Condition], standing: &[Condition], now: Timestamp) {
    for condition in conditions {
        let same = find(standing, &condition.type_).filter(|old| old.status == condition.status);
        condition.last_transition_time = same.map_or_else(|| Time(now), |old| old.last_transition_time.clone());
    }
}

/// Removes a condition, if it is there.
pub fn remove(conditions: &mut Vec<Condition>, type_: &str) {
    conditions.retain(|condition| condition.type_ != type_);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_transition_time_moves_only_when_the_status_flips() {
        let mut conditions = Vec::new();
        set(&mut conditions, READY, &State::new(Truth::False, Reason::NoResources, "a"), 1, at(1));
        set(&mut conditions, READY, &State::new(Truth::False, Reason::InvalidUrl, "b"), 2, at(2));
        assert_eq!(conditions[0].last_transition_time.0, at(1));
        assert_eq!(conditions[0].reason, "InvalidURL");
        set(&mut conditions, READY, &State::new(Truth::True, Reason::Verified, "b"), 2, at(3));
        assert_eq!(conditions[0].last_transition_time.0, at(3));
        assert_eq!(conditions.len(), 1);
    }

    #[test]
    fn what_stands_says_since_when_it_is_so() {
        let mut standing = Vec::new();
        set(&mut standing, READY, &State::new(Truth::False, Reason::NoResources, "a"), 1, at(1));
        set(&mut standing, VERIFIED, &State::new(Truth::True, Reason::Verified, "a"), 1, at(1));
        let mut conditions = Vec::new();
        set(&mut conditions, READY, &State::new(Truth::False, Reason::InvalidUrl, "b"), 2, at(2));
        set(&mut conditions, VERIFIED, &State::new(Truth::Unknown, Reason::Pending, "b"), 2, at(0));
        set(&mut conditions, STALLED, &State::new(Truth::True, Reason::InvalidUrl, "b"), 2, at(2));
        date(&mut conditions, &standing, at(3));
        let since: Vec<_> = conditions.iter().map(|condition| condition.last_transition_time.0).collect();
        assert_eq!(since, [at(1), at(3), at(3)]);
    }
}

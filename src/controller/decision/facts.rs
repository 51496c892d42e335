//! What one reconcile has learned, for the decision. No I/O.

use std::time::Duration;

use jiff::Timestamp;

use super::schedule::Schedule;
use crate::api::Reason;
use crate::api::spec::BitbucketConnectionSpec;
use crate::api::status::{BitbucketConnectionStatus, RefusedSecret, Trigger};
use crate::destination::Error;
use crate::sync::{RunError, Summary};
use crate::verification::Outcome;

/// Everything that the decision depends on.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The clock.
    pub now: Timestamp,
    /// The spec's generation.
    pub generation: i64,
    /// The status as it was written last.
    pub old: BitbucketConnectionStatus,
    /// The schedule, or the sentence that says what is wrong with it.
    pub schedule: Result<Schedule, String>,
    /// How late a slot may start.
    pub deadline: Option<Duration>,
    /// `spec.suspend`.
    pub suspended: bool,
    /// The value of the annotation, if this reconcile has handled it.
    pub requested_at: Option<String>,
    /// What was learned of the credentials.
    pub observation: Observation,
    /// The Secret as it is now, if its password was judged wrong and is the same still.
    pub refused: Option<RefusedSecret>,
    /// The Secret as it is now, if its password is left alone, because nobody can tell what was thought of it.
    pub resting: Option<RefusedSecret>,
    /// Whether the url or what gives access to it are others than those of the kept verdict. The import filter is not among
    /// them.
    pub inputs_changed: bool,
    /// Why a run is wanted, whatever the schedule says: the last one was of other inputs, or a person asks.
    pub wanted: Option<Trigger>,
    /// The way to Bitbucket, as far as the last tries tell.
    pub transport: Transport,
    /// The database.
    pub destination: DestinationState,
    /// The sync run.
    pub run: RunState,
    /// When this process began with it.
    pub run_since: Option<Timestamp>,
}

/// What was learned of the credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// Nothing new: the verdict stands.
    Kept,
    /// Nothing was asked.
    Suspended,
    /// There are no usable credentials to ask with, or no usable URL.
    Unusable(Reason, String),
    /// The server was asked.
    Asked {
        /// What came of it.
        outcome: Outcome,
    },
}

/// The way to Bitbucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// The last try was answered.
    Working,
    /// It was not: a run would only meet the same fault.
    Faulty,
    /// Nor was any other, for longer than a fault is kept quiet.
    FaultyTooLong,
}

/// What is known of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DestinationState {
    /// It is open.
    Open,
    /// It was not looked at, because nothing would be stored anyway.
    NotAsked,
    /// A person must help.
    Invalid(String),
    /// It is tried again.
    Unavailable(String),
}

impl DestinationState {
    /// What a fault means to whoever has written the spec.
    pub fn of(error: &Error, spec: &BitbucketConnectionSpec) -> Self {
        match error {
            Error::Invalid(text) => {
                let whose = match spec.destination {
                    None => "Correct the operator's database setting, or the database",
                    Some(_) => "Correct the Secrets of spec.destination, or the database",
                };
                Self::Invalid(format!("The destination cannot be used: {text}. {whose}."))
            }
            Error::Unavailable(text) => {
                Self::Unavailable(format!("The destination is not available: {text}. It is tried again."))
            }
        }
    }
}

/// What the sync run does.
#[derive(Clone, Debug)]
pub enum RunState {
    /// There is none in this process.
    None,
    /// It is under way: repositories done, repositories in all, commits stored. None, if it is too early to
    /// show them again.
    Underway(Option<(u64, u64, u64)>),
    /// It has ended.
    Ended(Result<Summary, RunError>),
}

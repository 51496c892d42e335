//! What can happen to a connection.

use std::fmt;

use proptest::prelude::*;

use crate::api::Reason;
use crate::bitbucket::{self, Fault, Refusal};
use crate::destination;
use crate::sync::{RunError, Summary};
use crate::verification::{Identity, Negative, Outcome, Verdict, outcome_of};

/// One thing that happens, and whether the operator looks right after it and gets its status written.
#[derive(Clone)]
pub struct Step {
    pub event: Event,
    pub looks: bool,
    pub written: bool,
}

/// One line a step, so that a failing sequence can be read.
impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let then = match (self.looks, self.written) {
            (false, _) => ", unseen",
            (true, false) => ", not written",
            (true, true) => "",
        };
        f.write_str(&format!("{:?}{then}", self.event))
    }
}

#[derive(Clone, Debug)]
pub enum Event {
    /// The verification under way ends, if there is one.
    Answer(Answer),
    /// The sync run under way ends, if there is one.
    RunEnds(End),
    /// The credentials' Secret gets this data; it is made, if it is missing.
    SecretData(u8),
    /// The credentials' Secret gets a label.
    SecretTouched,
    SecretGone,
    /// The credentials' Secret loses what makes it usable.
    SecretSpoiled,
    /// The Secret of the certificate authority gets this data, or goes.
    Authority(Option<u8>),
    /// `spec.url`; 2 is none.
    Url(u8),
    /// `spec.secretRef`
    Reference(u8),
    /// `spec.certSecretRef`
    AuthorityReference(bool),
    Filter(u8),
    /// `spec.schedule`; 2 is none.
    Schedule(u8),
    Suspend(bool),
    Request,
    Restart,
    Pass(u16),
    /// Time passes until the operator wanted to look again.
    Sleep,
    /// A database gets well, goes down, or becomes one that only a person can help.
    Database(u8, u8),
    /// `spec.destination`, or what its Secret holds.
    Destination(u8),
}

/// How a verification ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Verified,
    WrongPassword,
    GateClosed,
    Captcha,
    Forbidden,
    Nothing,
    NoBitbucket,
    /// The reason, and after how many seconds the server wants to be asked again.
    Fault(Reason, Option<u16>),
}

impl Answer {
    pub fn outcome(self) -> Outcome {
        let (identity, message) = (Identity::default(), format!("{self:?}."));
        let reason = match self {
            Self::Verified => return Outcome::Verdict(Verdict::Verified { identity, message }),
            Self::Fault(reason, after) => {
                let retry_after = after.map(|seconds| std::time::Duration::from_secs(seconds.into()));
                return Outcome::Fault { reason, message, retry_after };
            }
            Self::GateClosed => return outcome_of(bitbucket::Error::GateClosed),
            Self::WrongPassword | Self::Captcha => Reason::InvalidCredentials,
            Self::Forbidden => Reason::InvalidPermissions,
            Self::Nothing => Reason::NoResources,
            Self::NoBitbucket => Reason::InvalidUrl,
        };
        let wrong_password = self == Self::WrongPassword;
        Outcome::Verdict(Verdict::Refused(Negative { reason, message, wrong_password, identity }))
    }
}

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Good,
    LeftBehind,
    WrongPassword,
    GateClosed,
    Captcha,
    Forbidden,
    ListingFault,
    Database,
    DatabaseInvalid,
    Broken,
    Stopped,
}

impl End {
    pub fn result(self) -> Result<Summary, RunError> {
        let request = "GET repos".to_owned();
        let refused = |refusal| bitbucket::Error::Refused { request: request.clone(), status: 401, refusal };
        Err(match self {
            Self::Good => return Ok(Summary { synced: 1, ..Summary::default() }),
            Self::LeftBehind => {
                let failed = vec![("P/a".to_owned(), "Refused", "No.".to_owned())];
                return Ok(Summary { failed, ..Summary::default() });
            }
            Self::WrongPassword => RunError::Identity(refused(Refusal::WrongPassword)),
            Self::GateClosed => RunError::Identity(bitbucket::Error::GateClosed),
            Self::Captcha => RunError::Identity(refused(Refusal::Captcha)),
            Self::Forbidden => RunError::Listing(refused(Refusal::Forbidden)),
            Self::ListingFault => {
                let fault = Fault::Server { status: 503, retry_after: None };
                RunError::Listing(bitbucket::Error::Transport { request, fault })
            }
            Self::Database => RunError::Destination(destination::Error::Unavailable("full".to_owned())),
            Self::DatabaseInvalid => RunError::Destination(destination::Error::Invalid("newer".to_owned())),
            Self::Broken => RunError::Broken,
            Self::Stopped => RunError::Stopped,
        })
    }

    /// What it says of the credentials, if anything.
    pub const fn answer(self) -> Option<Answer> {
        Some(match self {
            Self::WrongPassword | Self::GateClosed => Answer::WrongPassword,
            Self::Captcha => Answer::Captcha,
            Self::Forbidden => Answer::Forbidden,
            Self::ListingFault => Answer::Fault(Reason::ServerError, None),
            _ => return None,
        })
    }
}

/// A step, as likely as makes the sequences interesting.
pub fn step() -> impl Strategy<Value = Step> {
    (event(), prop::bool::weighted(0.85), prop::bool::weighted(0.9)).prop_map(|(event, looks, written)| Step {
        event,
        looks,
        written,
    })
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        20 => answer().prop_map(Event::Answer),
        6 => end().prop_map(Event::RunEnds),
        4 => (0..3_u8).prop_map(Event::SecretData),
        2 => Just(Event::SecretTouched),
        2 => Just(Event::SecretGone),
        1 => Just(Event::SecretSpoiled),
        2 => prop::option::of(0..2_u8).prop_map(Event::Authority),
        3 => (0..3_u8).prop_map(Event::Url),
        2 => (0..2_u8).prop_map(Event::Reference),
        2 => any::<bool>().prop_map(Event::AuthorityReference),
        2 => (0..2_u8).prop_map(Event::Filter),
        2 => (0..3_u8).prop_map(Event::Schedule),
        4 => any::<bool>().prop_map(Event::Suspend),
        2 => Just(Event::Request),
        3 => Just(Event::Restart),
        4 => prop_oneof![0..120_u16, 120..900_u16, 900..4000_u16].prop_map(Event::Pass),
        6 => Just(Event::Sleep),
        3 => (0..2_u8, 0..3_u8).prop_map(|(which, how)| Event::Database(which, how)),
        3 => (0..2_u8).prop_map(Event::Destination),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    let faults = prop::sample::select(vec![
        Reason::ServerUnreachable,
        Reason::TlsFailure,
        Reason::RateLimited,
        Reason::ServerError,
        Reason::ProxyRefused,
        Reason::UnexpectedAnswer,
    ]);
    let fault = (faults, prop::option::of(prop_oneof![Just(30_u16), Just(1200), Just(7200)]));
    prop_oneof![
        5 => Just(Answer::Verified),
        3 => Just(Answer::WrongPassword),
        1 => Just(Answer::GateClosed),
        1 => Just(Answer::Captcha),
        1 => Just(Answer::Forbidden),
        1 => Just(Answer::Nothing),
        1 => Just(Answer::NoBitbucket),
        6 => fault.prop_map(|(reason, after)| Answer::Fault(reason, after)),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop::sample::select(vec![
        End::Good,
        End::Good,
        End::LeftBehind,
        End::WrongPassword,
        End::GateClosed,
        End::Captcha,
        End::Forbidden,
        End::ListingFault,
        End::Database,
        End::DatabaseInvalid,
        End::Broken,
        End::Stopped,
    ])
}

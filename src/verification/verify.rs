//! The checks, in the order in which they may be made: nothing secret leaves before it is known that there is
//! a Bitbucket.

#[cfg(test)]
mod tests;

use super::message::{self, Readable};
use super::verdict::{Identity, Negative, Outcome, Verdict};
use crate::api::Reason;
use crate::bitbucket::model::Repository;
use crate::bitbucket::{Client, Error, Fault, Hop, InvalidWay, Listed, Refusal};
use crate::sync::Filter;

/// So many repositories that are not empty are tried before commits count as refused.
const REPOSITORIES_TO_TRY: usize = 10;
/// So many broken ones are passed over: what is broken everywhere is not a repository's own fault.
const BROKEN_TO_PASS: usize = 2;
/// So many empty ones are passed over: each costs a request, at every verification.
const EMPTY_TO_PASS: usize = 100;

/// What was known before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// Nothing, or nothing good.
    Unknown,
    /// There was a Bitbucket at this URL, and it knew these credentials: an answer that is not Bitbucket's is a
    /// fault on the way.
    Verified,
}

/// Asks the server until the question is answered.
pub async fn verify(client: &Client, filter: &Filter, past: Past) -> Outcome {
    let mut identity = Identity::default();
    match steps(client, filter, past, &mut identity).await {
        Ok(message) => Outcome::Verdict(Verdict::Verified { identity, message }),
        Err(stop) => stop.outcome(identity),
    }
}

/// Asks, as nobody, whether there is a Bitbucket.
pub async fn is_bitbucket(client: &Client) -> Result<(), Outcome> {
    match client.application_properties().await {
        Ok(_) => Ok(()),
        Err(error) => Err(no_bitbucket(error, Past::Unknown).outcome(Identity::default())),
    }
}

/// Why a verification ends early.
enum Stop {
    /// By what the server, or the way to it, answered.
    Answer(Error),
    /// There is no Bitbucket.
    NoBitbucket(Error),
    /// Every repository that was tried refuses its commits.
    NoCommits(Error),
    /// No repository to import.
    NoResources(String),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Answer(error)
    }
}

async fn steps(client: &Client, filter: &Filter, past: Past, identity: &mut Identity) -> Result<String, Stop> {
    let properties = client.application_properties().await.map_err(|error| no_bitbucket(error, past))?;
    identity.server_version = Some(properties.version);
    let (mut visible, mut empty) = (false, 0);
    let (mut refused, mut broken) = (Vec::new(), Vec::new());
    let mut listing = client.listing();
    'pages: while let Some(Listed { repositories, username }) = listing.next().await? {
        identity.username = match username {
            Some(name) => Some(name),
            // Served as nobody, unless an endpoint that is closed to nobody says otherwise.
            None => client.prove_identity().await?.or(identity.username.take()),
        };
        visible |= !repositories.is_empty();
        for repository in repositories.iter().filter(|repository| filter.selects(repository)) {
            match commits(client, repository).await? {
                Commits::Readable => return Ok(message::verified(Readable::Commits, client)),
                Commits::None if empty == EMPTY_TO_PASS => {
                    return Ok(message::verified(Readable::NotIn(EMPTY_TO_PASS), client));
                }
                Commits::None => empty += 1,
                Commits::Refused(error) => refused.push(error),
                Commits::Broken(error) => broken.push(error),
            }
            if refused.len() == REPOSITORIES_TO_TRY || broken.len() > BROKEN_TO_PASS {
                break 'pages;
            }
        }
    }
    let enough = refused.len() == REPOSITORIES_TO_TRY;
    match (refused.into_iter().next(), broken.into_iter().next()) {
        // What is broken may be readable, unless as many refuse as are ever tried.
        (_, Some(error)) if !enough => Err(error.into()),
        (Some(error), _) => Err(Stop::NoCommits(error)),
        (None, _) if empty > 0 => Ok(message::verified(Readable::AllEmpty, client)),
        (None, _) if visible => Err(Stop::NoResources(message::nothing_selected())),
        (None, _) => Err(Stop::NoResources(message::nothing_visible())),
    }
}

/// What a repository says about its commits.
enum Commits {
    Readable,
    None,
    Refused(Error),
    /// It cannot be told: something is wrong with this repository, or with more than it.
    Broken(Error),
}

async fn commits(client: &Client, repository: &Repository) -> Result<Commits, Error> {
    match client.newest_commit(&repository.project.key, &repository.slug).await {
        Ok(()) => Ok(Commits::Readable),
        Err(error) => match error.refusal() {
            // Without a default branch there is nothing to resolve, and some releases say so as a missing commit.
            // A repository that is missing has gone since it was listed.
            Some(
                Refusal::NoDefaultBranch | Refusal::NoSuchCommit | Refusal::NoSuchRepository | Refusal::NoSuchProject,
            ) => Ok(Commits::None),
            Some(Refusal::Forbidden) => Ok(Commits::Refused(error)),
            Some(Refusal::NoSuchRoute | Refusal::BadRequest | Refusal::Other) => Ok(Commits::Broken(error)),
            _ if error.may_be_of_one_path() => Ok(Commits::Broken(error)),
            _ => Err(error),
        },
    }
}

/// Only the first request, which carries no credentials, judges whether there is a Bitbucket.
fn no_bitbucket(error: Error, past: Past) -> Stop {
    let elsewhere = match &error {
        Error::Transport { fault, .. } => {
            matches!(fault, Fault::Unexpected { .. } | Fault::Redirect { .. } | Fault::Denied(Hop::Host))
        }
        Error::Refused { .. } | Error::GateClosed | Error::GateResting | Error::Stopped => false,
    };
    if elsewhere && past == Past::Unknown { Stop::NoBitbucket(error) } else { Stop::Answer(error) }
}

/// What an answer means for the connection, wherever it was met: a run's answers count as a verification's.
pub fn outcome_of(error: Error) -> Outcome {
    Stop::Answer(error).outcome(Identity::default())
}

/// Nothing could be sent, because of something on this side.
pub fn no_way(error: InvalidWay) -> Outcome {
    let message = format!("Nothing was sent: {error}. It is tried again.");
    Outcome::Fault { reason: Reason::TlsFailure, message, retry_after: None }
}

impl Stop {
    fn outcome(self, identity: Identity) -> Outcome {
        let (reason, message, wrong_password) = match self {
            Self::NoBitbucket(error) => (Reason::InvalidUrl, message::no_bitbucket(&error), false),
            Self::NoCommits(error) => (Reason::InvalidPermissions, message::no_commits(&error), false),
            Self::NoResources(message) => (Reason::NoResources, message, false),
            Self::Answer(Error::Transport { request, fault }) => {
                let (reason, message) = message::of_fault(&request, &fault);
                let retry_after = match fault {
                    Fault::RateLimited { retry_after } | Fault::Server { retry_after, .. } => retry_after,
                    _ => None,
                };
                return Outcome::Fault { reason, message, retry_after };
            }
            Self::Answer(Error::Stopped) => {
                // Nobody waits for the answer any more.
                let message = "The verification was stopped. It is tried again.".to_owned();
                return Outcome::Fault { reason: Reason::ServerUnreachable, message, retry_after: None };
            }
            Self::Answer(error @ Error::GateResting) => {
                let message = message::resting(&error);
                return Outcome::Fault { reason: Reason::ProxyRefused, message, retry_after: None };
            }
            Self::Answer(error @ Error::GateClosed) => {
                let (message, wrong) = message::of_identity(&error);
                (Reason::InvalidCredentials, message, wrong)
            }
            Self::Answer(error @ Error::Refused { refusal, .. }) => match refusal {
                Refusal::WrongPassword
                | Refusal::Captcha
                | Refusal::NotLicensed
                | Refusal::Anonymous
                | Refusal::BasicDisabled => {
                    let (message, wrong) = message::of_identity(&error);
                    (Reason::InvalidCredentials, message, wrong)
                }
                Refusal::Forbidden => (Reason::InvalidPermissions, message::refused(&error), false),
                Refusal::NoSuchRoute
                | Refusal::NoSuchProject
                | Refusal::NoSuchRepository
                | Refusal::NoSuchCommit
                | Refusal::BadRequest
                | Refusal::NoDefaultBranch
                | Refusal::Other => {
                    let message = format!("{error}. Check the version of Bitbucket; it is tried again.");
                    return Outcome::Fault { reason: Reason::UnexpectedAnswer, message, retry_after: None };
                }
            },
        };
        Outcome::Verdict(Verdict::Refused(Negative { reason, message, wrong_password, identity }))
    }
}

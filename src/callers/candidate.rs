//! Verifying credentials before they are stored, exactly as the operator will read and verify them.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use tokio::time::timeout;

use super::Callers;
use super::attempts::{Attempt, No};
use super::refusal::Refusal;
use crate::api::{BitbucketConnection, Reason};
use crate::bitbucket::{BaseUrl, Client, Clients, Credentials, Options, Patience, Rate};
use crate::controller::Context;
use crate::secrets::{Route, credentials};
use crate::sync::Filter;
use crate::verification::{Negative, Outcome, Past, Verdict, no_way, verify};

/// How long all requests of a verification may take together: a caller waits for it.
const PATIENCE: Duration = Duration::from_mins(1);
/// One request at a time: the first that says no is the last.
const CONCURRENCY: usize = 1;

/// Where a password comes from that is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Password {
    /// The caller has sent it: it may be a guess.
    Sent,
    /// It is stored, for whoever may read the Secret, as the caller may.
    Stored,
}

/// What is said of a password that is not tried.
const KNOWN: &str = "This password was tried and judged wrong, and is not sent again, because repeated wrong passwords lock the account. Send another one; if it was made right in Bitbucket since, put it into the connection's Secret by kubectl: the operator tries it once.";
const TOO_MANY: &str = "Three passwords of this account were tried, none was found to be right, and more could lock it. Make sure of the password by logging in with it to Bitbucket in a browser, and put it into the connection's Secret by kubectl: the operator tries it once. Or come back in an hour: once the operator has logged in as this user, three more are tried.";
const TOO_MANY_ACCOUNTS: &str = "Passwords of too many accounts were tried without success. Put this one into the connection's Secret by kubectl: the operator tries it once.";

/// Verifies what `secret` holds for the connection, whose Bitbucket is at the end of `route`; nothing is written. What the
/// verification has found, in a sentence.
pub async fn check(
    callers: &Callers,
    context: &Context,
    object: &BitbucketConnection,
    route: Route,
    secret: &Secret,
    password: Password,
) -> Result<String, Refusal> {
    let credentials = credentials(secret, &route.url, context.trust.require_secret_url)
        .map_err(|message| Refusal::Unverified(Reason::InvalidSecret, message))?;
    let busy = || Refusal::Unavailable("Too many verifications are under way. Call again.".to_owned());
    let namespace = object.namespace().unwrap_or_default();
    let place = callers.places.take(&namespace).ok_or_else(busy)?;
    let attempt = match password {
        Password::Sent => begin(callers, &context.clients, &namespace, &route.url, &credentials)?,
        Password::Stored => None,
    };
    let stop = context.stop.child_token();
    let options =
        Options { concurrency: CONCURRENCY, patience: Patience { stop: stop.clone(), waits: &[] }, reopen: None };
    let client = context.clients.client(route.url, credentials, &route.way, options);
    let rate = Rate::new(object.spec.limits.per_second());
    let filter = Filter::from(&object.spec.import);
    // A task of its own: what has come of a password must be known, also where the caller has gone.
    let verifying = tokio::spawn(async move {
        let _place = place;
        let client = match client {
            Ok(client) => client.paced(rate),
            Err(error) => {
                let outcome = no_way(error);
                if let Some(attempt) = attempt {
                    attempt.not_sent();
                }
                return outcome;
            }
        };
        let outcome = timeout(PATIENCE, verify(&client, &filter, Past::Unknown)).await.unwrap_or_else(|_| too_slow());
        stop.cancel();
        if let Some(attempt) = attempt {
            settle(attempt, &client, &outcome);
        }
        outcome
    });
    match verifying.await {
        Ok(Outcome::Verdict(Verdict::Verified { message, .. })) => Ok(message),
        Ok(
            Outcome::Verdict(Verdict::Refused(Negative { reason, message, .. }))
            | Outcome::Fault { reason, message, .. },
        ) => Err(Refusal::Unverified(reason, message)),
        Err(_) => Err(Refusal::Unavailable("The verification broke off. See the operator's log.".to_owned())),
    }
}

fn too_slow() -> Outcome {
    let message =
        "The verification was not done within a minute. Check how fast Bitbucket answers, and call again.".to_owned();
    Outcome::Fault { reason: Reason::ServerUnreachable, message, retry_after: None }
}

/// A password that is stored and that the operator has found to be wrong is not sent again, also where the operator was started
/// anew since.
pub fn known_to_be_wrong(object: &BitbucketConnection, secret: &Secret) -> Result<(), Refusal> {
    let refused = object.status.as_ref().and_then(|status| status.refused_secret.as_ref());
    let same = refused.is_some_and(|refused| {
        secret.uid().is_some_and(|uid| uid == refused.uid)
            && secret.resource_version().is_some_and(|version| version == refused.resource_version)
    });
    if same {
        let message = "The password that is stored was judged wrong, and is not sent again, because repeated wrong passwords lock the account. Send a correct one in secrets.bitbucket_data_center_password.";
        return Err(Refusal::Unverified(Reason::InvalidCredentials, message.to_owned()));
    }
    Ok(())
}

/// Passwords may not be tried at will; a token locks nothing.
fn begin(
    callers: &Callers,
    clients: &Clients,
    namespace: &str,
    url: &BaseUrl,
    credentials: &Credentials,
) -> Result<Option<Attempt>, Refusal> {
    let Credentials::Basic { username, .. } = credentials else { return Ok(None) };
    let account = (url.server().to_owned(), username.to_lowercase());
    let attempt =
        callers.attempts.begin(namespace, account, credentials.fingerprint(), clients.logged_in(url, username));
    attempt.map(Some).map_err(|no| match no {
        No::Wrong => Refusal::Unverified(Reason::InvalidCredentials, KNOWN.to_owned()),
        No::TooMany => Refusal::TooManyAttempts(TOO_MANY),
        No::TooManyAccounts => Refusal::TooManyAttempts(TOO_MANY_ACCOUNTS),
    })
}

fn settle(attempt: Attempt, client: &Client, outcome: &Outcome) {
    match outcome {
        _ if !client.has_sent_credentials() => attempt.not_sent(),
        Outcome::Verdict(Verdict::Refused(negative)) if negative.wrong_password => attempt.wrong(),
        // Whether or not it is good enough.
        _ if client.is_proven() => attempt.right(),
        // It was sent, and nobody knows what was thought of it.
        _ => {}
    }
}

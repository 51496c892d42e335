//! Verifying credentials before they are stored, exactly as the operator will read and verify them.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use tokio::time::timeout;

use super::Callers;
use super::attempts::Attempt;
use super::refusal::Refusal;
use crate::api::{BitbucketConnection, Reason};
use crate::bitbucket::{BaseUrl, Clients, Credentials, Options, Patience, Rate};
use crate::controller::Context;
use crate::secrets::{Route, credentials};
use crate::sync::Filter;
use crate::verification::{Negative, Outcome, Past, Verdict, no_way, verify};

/// How long all requests of a verification may take together: a caller waits for it.
const PATIENCE: Duration = Duration::from_mins(1);
/// One request at a time: the first that says no is the last.
const CONCURRENCY: usize = 1;

/// Verifies what `secret` holds for the connection, whose Bitbucket is at the end of `route`; nothing is written. What the
/// verification has found, in a sentence.
pub async fn check(
    callers: &Callers,
    context: &Context,
    object: &BitbucketConnection,
    route: Route,
    secret: &Secret,
) -> Result<String, Refusal> {
    let credentials = credentials(secret, &route.url, context.trust.require_secret_url)
        .map_err(|message| Refusal::Unverified(Reason::InvalidSecret, message))?;
    let busy = || Refusal::Unavailable("Too many verifications are under way. Call again.".to_owned());
    let namespace = object.namespace().unwrap_or_default();
    let place = callers.places.take(&namespace).ok_or_else(busy)?;
    let attempt = begin(callers, &context.clients, &namespace, &route.url, &credentials)?;
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
                settle(attempt, &outcome, false);
                return outcome;
            }
        };
        let outcome = timeout(PATIENCE, verify(&client, &filter, Past::Unknown)).await.unwrap_or_else(|_| too_slow());
        stop.cancel();
        // The first request goes without credentials.
        settle(attempt, &outcome, client.requests() > 1);
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
    attempt.map(Some).map_err(|_| Refusal::TooManyAttempts)
}

fn settle(attempt: Option<Attempt>, outcome: &Outcome, sent: bool) {
    let Some(attempt) = attempt else { return };
    match outcome {
        _ if !sent => attempt.not_sent(),
        Outcome::Verdict(Verdict::Verified { .. }) => attempt.right(),
        Outcome::Verdict(Verdict::Refused(negative)) if negative.wrong_password => attempt.wrong(),
        // Recognised, and not good enough.
        Outcome::Verdict(Verdict::Refused(negative))
            if negative.reason != Reason::InvalidCredentials && negative.identity.username.is_some() =>
        {
            attempt.right();
        }
        // It was sent, and nobody knows what was thought of it.
        _ => {}
    }
}

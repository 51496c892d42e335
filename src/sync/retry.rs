//! Trying a request again, within one run.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::failure::{Failure, RunError};
use crate::bitbucket::{Error, Policy};

/// Waits between four tries. What lasts longer is the next run's matter.
const WAITS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(15)];

/// The longest time that a server's Retry-After holds up a run.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Sends a request until it is answered, refused, or four tries have failed.
pub(super) async fn retrying<T, F: Future<Output = Result<T, Error>>>(
    stop: &CancellationToken,
    mut request: impl FnMut() -> F,
) -> Result<T, Failure> {
    let mut waits = WAITS.into_iter();
    loop {
        let result = tokio::select! {
            biased;
            () = stop.cancelled() => return Err(RunError::Stopped.into()),
            result = request() => result,
        };
        let error = match result {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let (Policy::Retry(wanted), Some(wait)) = (error.policy(), waits.next()) else { return Err(error.into()) };
        let wait = wanted.map_or(wait, |wanted| wanted.clamp(wait, LONGEST_WAIT));
        tracing::debug!(%error, wait = wait.as_secs_f64(), "trying again");
        tokio::select! {
            () = stop.cancelled() => return Err(RunError::Stopped.into()),
            () = tokio::time::sleep(wait) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitbucket::Fault;

    #[tokio::test(start_paused = true)]
    async fn four_tries_and_then_the_error() {
        let mut tries = 0;
        let broken = Error::Transport { request: "GET x".to_owned(), fault: Fault::Unreachable("cut") };
        let result: Result<(), _> = retrying(&CancellationToken::new(), || {
            tries += 1;
            std::future::ready(Err(broken.clone()))
        })
        .await;
        assert_eq!((tries, result), (4, Err(Failure::Bitbucket(broken.clone()))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_not_repeated() {
        let mut tries = 0;
        let result: Result<(), _> = retrying(&CancellationToken::new(), || {
            tries += 1;
            std::future::ready(Err(Error::GateClosed))
        })
        .await;
        assert_eq!((tries, result), (1, Err(RunError::Identity(Error::GateClosed).into())));
    }
}

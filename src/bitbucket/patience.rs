//! Trying a request again.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::error::{Error, Policy};

/// Waits between four tries. What lasts longer is somebody else's matter.
pub const RETRY_WAITS: &[Duration] = &[Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(15)];

/// The longest time that a server's Retry-After is waited for in place.
pub(super) const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// How patient a client is, and what ends its patience.
#[derive(Clone, Debug, Default)]
pub struct Patience {
    /// Ends what is under way at its next request.
    pub stop: CancellationToken,
    /// The waits between two tries of one request.
    pub waits: &'static [Duration],
}

impl Patience {
    /// Sends a request until it is answered or refused, or there is no patience left.
    pub(super) async fn send<T, F: Future<Output = Result<T, Error>>>(
        &self,
        mut request: impl FnMut() -> F,
    ) -> Result<T, Error> {
        let mut waits = self.waits.iter();
        loop {
            let result = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(Error::Stopped),
                result = request() => result,
            };
            let error = match result {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let (Policy::Retry(wanted), Some(wait)) = (error.policy(), waits.next()) else { return Err(error) };
            let wait = wanted.map_or(*wait, |wanted| wanted.clamp(*wait, LONGEST_WAIT));
            tracing::debug!(%error, wait = wait.as_secs_f64(), "trying again");
            tokio::select! {
                () = self.stop.cancelled() => return Err(Error::Stopped),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitbucket::Fault;

    fn patience() -> Patience {
        Patience { stop: CancellationToken::new(), waits: RETRY_WAITS }
    }

    #[tokio::test(start_paused = true)]
    async fn four_tries_and_then_the_error() {
        let mut tries = 0;
        let broken = Error::Transport { request: "GET x".to_owned(), fault: Fault::Unreachable("cut") };
        let result: Result<(), _> = patience()
            .send(|| {
                tries += 1;
                std::future::ready(Err(broken.clone()))
            })
            .await;
        assert_eq!((tries, result), (4, Err(broken.clone())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_is_left_alone_as_long_as_it_wants_but_not_for_ever() {
        for (wanted, waited) in [(0, 1 + 4 + 15), (10, 10 + 10 + 15), (3600, 3 * 60)] {
            let busy = Fault::RateLimited { retry_after: Some(Duration::from_secs(wanted)) };
            let busy = Error::Transport { request: "GET x".to_owned(), fault: busy };
            let begin = tokio::time::Instant::now();
            let result: Result<(), _> = patience().send(|| std::future::ready(Err(busy.clone()))).await;
            assert_eq!((result, begin.elapsed().as_secs()), (Err(busy), waited));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_not_repeated() {
        let mut tries = 0;
        let result: Result<(), _> = patience()
            .send(|| {
                tries += 1;
                std::future::ready(Err(Error::GateClosed))
            })
            .await;
        assert_eq!((tries, result), (1, Err(Error::GateClosed)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_stopped_waits_for_nothing_more() {
        let busy = Error::Transport { request: "GET x".to_owned(), fault: Fault::Unreachable("cut") };
        let begin = tokio::time::Instant::now();
        let stopped = patience();
        // Within a request, and between two.
        stopped.stop.cancel();
        let result: Result<(), _> = stopped.send(std::future::pending).await;
        assert_eq!(result, Err(Error::Stopped));
        let stopped = patience();
        let ask = || async {
            stopped.stop.cancel();
            Err(busy.clone())
        };
        let result: Result<(), _> = stopped.send(ask).await;
        assert_eq!((result, begin.elapsed()), (Err(Error::Stopped), Duration::ZERO));
    }
}

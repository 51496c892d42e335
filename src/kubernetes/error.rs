//! What can go wrong between the operator and the API server.

use std::time::Duration;

use crate::runtime::lead::Lead;

/// How long one call to the API server may take: kube sets no timeout of its own.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A call to the API server that failed; the reconcile is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or could not be reached.
    #[error("the API server: {}", causes(.0))]
    Kube(#[from] kube::Error),
    /// Another operator may act in its place.
    #[error("this operator does not lead any more")]
    NoLead,
    /// The API server did not answer in time.
    #[error("the API server did not answer in time")]
    Timeout,
}

impl Error {
    /// Whether the API server has answered that the operator may not do this.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Kube(kube::Error::Api(status)) if status.is_forbidden())
    }

    /// Whether the API server has answered that this is not to be had.
    pub fn is_refusal(&self) -> bool {
        self.is_forbidden() || matches!(self, Self::Kube(kube::Error::Api(status)) if status.is_not_found())
    }
}

/// The error and what it came of, each once: kube's own words end before it is said what is wrong with a certificate.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text
}

/// Awaits a call to the API server, but not for ever.
pub async fn within<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Error::Timeout),
    }
}

/// Awaits a write, which only who leads may do, and no longer than that is so: where the API server has too much to do, it is
/// sent again, seconds later.
pub async fn leading<T>(lead: &Lead, write: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    let Some(left) = lead.left() else { return Err(Error::NoLead) };
    tokio::time::timeout(left, within(write)).await.unwrap_or(Err(Error::Timeout))
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<Link>>,
    }

    #[test]
    fn each_cause_is_said_once() {
        let link = |text, source: Option<Link>| Link { text, source: source.map(Box::new) };
        let chain = link("the way: connect", Some(link("connect", Some(link("unknown issuer", None)))));
        assert_eq!(causes(&chain), "the way: connect: unknown issuer");
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_ends_with_the_lead() {
        let (lead, begin) = (Lead::contested(), Instant::now());
        let pending = || std::future::pending::<kube::Result<()>>();
        assert!(matches!(leading(&lead, pending()).await, Err(Error::NoLead)));
        lead.extend(begin + Duration::from_secs(9));
        assert!(matches!(leading(&lead, pending()).await, Err(Error::Timeout)));
        assert_eq!(begin.elapsed(), Duration::from_secs(9));
        assert!(matches!(leading(&Lead::alone(), pending()).await, Err(Error::Timeout)));
    }
}

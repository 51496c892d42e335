//! What can go wrong between the operator and the API server.

use std::time::Duration;

/// How long one call to the API server may take: kube sets no timeout of its own.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A call to the API server that failed; the reconcile is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or could not be reached.
    #[error("the API server: {0}")]
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

/// Awaits a call to the API server, but not for ever.
pub async fn within<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Error::Timeout),
    }
}

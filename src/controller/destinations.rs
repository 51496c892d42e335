//! The operator's database, opened when it is first needed and again after it could not be.

use tokio::sync::Mutex;
use tracing::warn;

use super::facts::DestinationState;
use crate::destination::{DatabaseUrl, Destination, Error};

/// One database that is opened at most once.
#[derive(Debug)]
pub struct Destinations {
    url: DatabaseUrl,
    open: Mutex<Option<Destination>>,
}

impl Destinations {
    /// Opens nothing yet.
    pub fn new(url: DatabaseUrl) -> Self {
        Self { url, open: Mutex::default() }
    }

    /// The database, if it can be opened, and what a user is told about it.
    pub async fn get(&self) -> (Option<Destination>, DestinationState) {
        let mut open = self.open.lock().await;
        if let Some(destination) = open.as_ref() {
            return (Some(destination.clone()), DestinationState::Open);
        }
        match Destination::open(&self.url).await {
            Ok(destination) => {
                *open = Some(destination.clone());
                (Some(destination), DestinationState::Open)
            }
            Err(error) => {
                warn!(%error, "the destination cannot be opened");
                (None, state(&error))
            }
        }
    }
}

/// What a user is told about a fault of the database.
pub fn state(error: &Error) -> DestinationState {
    match error {
        Error::Invalid(text) => DestinationState::Invalid(format!(
            "The destination cannot be used: {text}. Correct the operator's database setting."
        )),
        Error::Unavailable(text) => DestinationState::Unavailable(format!(
            "The destination is not available: {text}. Check that its volume is mounted, writable and not full; it is tried again."
        )),
    }
}

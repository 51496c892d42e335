//! The operator's database, opened when it is first needed and again after it could not be.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::warn;

use super::decision::DestinationState;
use crate::destination::{DatabaseUrl, Destination};

/// Many connections ask at the same moment; one try answers them all.
const FAULT_HOLDS: Duration = Duration::from_secs(1);

/// One database, opened at most once at a time.
#[derive(Debug)]
pub struct Destinations {
    url: DatabaseUrl,
    handle: Mutex<Handle>,
}

#[derive(Debug)]
enum Handle {
    Closed,
    Open(Destination),
    Failed(DestinationState, Instant),
}

impl Destinations {
    /// Opens nothing yet.
    pub fn new(url: DatabaseUrl) -> Self {
        Self { url, handle: Mutex::new(Handle::Closed) }
    }

    /// The database, or what a user is told about it.
    pub async fn get(&self) -> Result<Destination, DestinationState> {
        let mut handle = self.handle.lock().await;
        match &*handle {
            Handle::Open(destination) => return Ok(destination.clone()),
            Handle::Failed(state, at) if at.elapsed() < FAULT_HOLDS => return Err(state.clone()),
            _ => {}
        }
        match Destination::open(&self.url).await {
            Ok(destination) => {
                *handle = Handle::Open(destination.clone());
                Ok(destination)
            }
            Err(error) => {
                warn!(%error, "the destination cannot be opened");
                let state = DestinationState::from(&error);
                *handle = Handle::Failed(state.clone(), Instant::now());
                Err(state)
            }
        }
    }

    /// Lets go of a database that has failed: who asks next opens it anew, which proves that it can be written.
    pub async fn close(&self) {
        *self.handle.lock().await = Handle::Closed;
    }
}

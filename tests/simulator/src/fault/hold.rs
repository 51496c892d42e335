use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::sync::watch;

/// Parks requests until it is released. A test learns that the request is there, does what it wants in the meantime (kills
/// the client, pushes, revokes), and lets go: no sleeping, no guessing.
#[derive(Clone)]
pub struct Hold {
    name: Arc<str>,
    shared: Arc<Shared>,
}

struct Shared {
    /// Requests that ever arrived.
    arrived: watch::Sender<usize>,
    /// Requests that may pass: the first so many.
    passing: watch::Sender<usize>,
}

impl Hold {
    /// A hold that nobody names.
    pub fn new() -> Self {
        Self::named("")
    }

    /// A hold that the control door can release by its name.
    pub fn named(name: &str) -> Self {
        let shared = Shared { arrived: watch::Sender::new(0), passing: watch::Sender::new(0) };
        Self { name: name.into(), shared: Arc::new(shared) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many requests have arrived, released or not.
    pub fn arrived(&self) -> usize {
        *self.shared.arrived.borrow()
    }

    /// Waits until so many requests have arrived. The caller bounds the wait.
    pub async fn wait_for(&self, count: usize) {
        // Fails only when the sender is gone, and this holds it.
        let _ = self.shared.arrived.subscribe().wait_for(|arrived| *arrived >= count).await;
    }

    /// Lets every request pass, now and later.
    pub fn release(&self) {
        self.shared.passing.send_replace(usize::MAX);
    }

    /// Lets one more request pass, in the order they arrived.
    pub fn release_one(&self) {
        self.shared.passing.send_modify(|passing| *passing = passing.saturating_add(1));
    }

    /// Waits until it is released, as a request that is parked here.
    pub async fn park(&self) {
        let mut number = 0;
        self.shared.arrived.send_modify(|arrived| {
            *arrived += 1;
            number = *arrived;
        });
        let _ = self.shared.passing.subscribe().wait_for(|passing| *passing >= number).await;
    }
}

impl Default for Hold {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Hold({:?}, {} arrived)", self.name, self.arrived())
    }
}

impl Serialize for Hold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

impl<'de> Deserialize<'de> for Hold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|name| Self::named(&name))
    }
}

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::fault::Faults;
use crate::git::Store;
use crate::log::Log;
use crate::state::State;

/// What the simulator's handle and its requests have in common.
pub(crate) struct Shared {
    state: Mutex<State>,
    pub store: Store,
    pub log: Arc<Log>,
    pub faults: Faults,
    pub address: SocketAddr,
    /// Empty, or `/` and a name.
    pub context: String,
}

impl Shared {
    pub fn new(state: State, address: SocketAddr, context: String) -> Self {
        let (store, log, faults) = (Store::default(), Arc::default(), Faults::default());
        Self { state: Mutex::new(state), store, log, faults, address, context }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.context)
    }
}

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Error;
use crate::command::Command;
use crate::fault::Faults;
use crate::git::Store;
use crate::log::Log;
use crate::net::Wires;
use crate::replay::Replies;
use crate::state::State;

/// What the simulator's handle and its requests have in common.
pub(crate) struct Shared {
    state: Mutex<State>,
    pub store: Store,
    pub log: Arc<Log>,
    pub faults: Faults,
    pub replies: Replies,
    pub wires: Arc<Wires>,
    pub address: SocketAddr,
    /// Empty, or `/` and a name.
    pub context: String,
}

impl Shared {
    pub fn new(state: State, address: SocketAddr, context: String) -> Self {
        Self {
            state: Mutex::new(state),
            store: Store::default(),
            log: Arc::default(),
            faults: Faults::default(),
            replies: Replies::default(),
            wires: Arc::default(),
            address,
            context,
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, to be changed.
    pub fn state_to_change(&self) -> MutexGuard<'_, State> {
        let state = self.state();
        // While nobody reads it: what is read of it from now on is of the new age, and only that is kept.
        self.replies.forget();
        state
    }

    /// Carries out a command.
    pub fn apply(&self, command: Command) -> Result<(), Error> {
        let mut state = if command.changes_answers() { self.state_to_change() } else { self.state() };
        state.apply(command)
    }

    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.context)
    }
}

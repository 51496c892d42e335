//! Faults: what goes wrong, for which requests, and how often.

mod action;
mod hold;
mod matches;

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

pub use action::{Action, JsonEdit};
pub use hold::Hold;
pub use matches::Matches;

pub(crate) use matches::Facts;

/// Something that goes wrong.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Fault {
    /// Which requests are meant.
    #[serde(default)]
    pub matches: Matches,
    /// So many of them pass unharmed first.
    #[serde(default)]
    pub after: u32,
    /// So many are hit then; none: all of them.
    #[serde(default)]
    pub times: Option<u32>,
    /// What happens to them.
    pub action: Action,
}

impl Fault {
    /// Happens to every request.
    pub fn new(action: Action) -> Self {
        Self { matches: Matches::Any, after: 0, times: None, action }
    }

    /// Happens to every request whose path contains this.
    pub fn on_path(path: &str, action: Action) -> Self {
        Self { matches: Matches::PathContains(path.to_owned()), ..Self::new(action) }
    }

    /// Happens only to these.
    #[must_use]
    pub fn matches(mut self, matches: Matches) -> Self {
        self.matches = matches;
        self
    }

    /// Lets so many pass first.
    #[must_use]
    pub fn after(mut self, count: u32) -> Self {
        self.after = count;
        self
    }

    /// Ends after so many.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.times = Some(count);
        self
    }
}

/// Names a fault that was pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultId(pub u64);

struct Entry {
    id: FaultId,
    fault: Fault,
    /// Requests that matched, hit or not.
    matched: u32,
    hits: u32,
}

#[derive(Default)]
struct Table {
    last: u64,
    entries: Vec<Entry>,
    holds: Vec<Hold>,
}

/// The faults of a simulator, in the order they were pushed.
///
/// A request meets the faults in that order. [`Action::Delay`] and [`Action::Hold`] let it go on to the next; every other
/// action decides the answer, and later faults neither see the request nor count it.
#[derive(Default)]
pub struct Faults {
    table: Mutex<Table>,
}

impl Faults {
    /// Adds a fault after all others.
    pub fn push(&self, fault: Fault) -> FaultId {
        let mut table = self.lock();
        table.last += 1;
        let id = FaultId(table.last);
        if let Action::Hold(hold) = &fault.action {
            table.holds.push(hold.clone());
        }
        table.entries.push(Entry { id, fault, matched: 0, hits: 0 });
        id
    }

    /// Removes a fault. Requests that are held stay held.
    pub fn remove(&self, id: FaultId) {
        self.lock().entries.retain(|entry| entry.id != id);
    }

    /// Removes all faults and releases everything that is held.
    pub fn clear(&self) {
        let mut table = self.lock();
        table.entries.clear();
        for hold in table.holds.drain(..) {
            hold.release();
        }
    }

    /// How many requests a fault has hit; 0 once it was removed.
    pub fn hits(&self, id: FaultId) -> u32 {
        self.lock().entries.iter().find(|entry| entry.id == id).map_or(0, |entry| entry.hits)
    }

    /// Releases the holds of this name. Says whether there were any.
    pub fn release(&self, name: &str) -> bool {
        let table = self.lock();
        let mut named = table.holds.iter().filter(|hold| hold.name() == name).peekable();
        let any = named.peek().is_some();
        named.for_each(Hold::release);
        any
    }

    /// Every fault with its number and its hits.
    pub fn list(&self) -> Vec<(FaultId, Fault, u32)> {
        self.lock().entries.iter().map(|entry| (entry.id, entry.fault.clone(), entry.hits)).collect()
    }

    /// What happens to a request, in order; only the last one decides its answer.
    pub(crate) fn meet(&self, facts: &Facts<'_>) -> Vec<Action> {
        let mut actions = Vec::new();
        for entry in &mut self.lock().entries {
            if !entry.fault.matches.hold_for(facts) {
                continue;
            }
            entry.matched += 1;
            let spent = entry.fault.times.is_some_and(|times| entry.hits >= times);
            if entry.matched <= entry.fault.after || spent {
                continue;
            }
            entry.hits += 1;
            actions.push(entry.fault.action.clone());
            if !entry.fault.action.goes_on() {
                break;
            }
        }
        actions
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

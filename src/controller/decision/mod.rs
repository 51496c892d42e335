//! All that is decided and nothing that is done: from facts to the next status, and from events to when Bitbucket
//! is asked. Pure, and tested without a cluster.

pub mod backoff;
mod decide;
mod deletion;
mod facts;
mod inputs;
mod knowledge;
mod learned;
mod observe;
mod outage;
mod outcome;
mod schedule;
#[cfg(test)]
mod schedule_properties;
mod slots;
#[cfg(test)]
mod tests;
mod wait;

pub use self::decide::decide;
pub use self::deletion::{Attempts, Deletion, DeletionStep, Removal, deletion};
pub use self::facts::{DestinationState, Facts, Observation, RunState, Transport};
pub use self::inputs::Inputs;
pub use self::knowledge::Knowledge;
pub use self::learned::Learned;
pub use self::observe::{Asking, Found, Seen, Step, observe, workable};
pub use self::schedule::{Schedule, stable_hash};
pub use self::wait::{Waiting, wait};

//! What came of asking Bitbucket.

use tokio::time::Instant;

use super::super::inputs::Inputs;
use crate::api::Reason;

/// What Bitbucket was last asked with, whatever came of it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub inputs: Inputs,
    /// When to ask with them again; None: never by itself.
    pub again: Option<Instant>,
    pub refusal: Refusal,
}

/// Whether the password was judged wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    No,
    /// In this process.
    Judged,
    /// Before, as the status says.
    Remembered,
}

/// Transport faults in a row, met with the same credentials on the same way.
#[derive(Clone, Debug)]
pub struct Faults {
    pub since: Instant,
    pub count: u32,
    /// What is said of the last one, until the next try.
    pub reason: Reason,
    pub message: String,
}

impl Asked {
    /// Whether the password was judged wrong.
    pub const fn refused(&self) -> bool {
        matches!(self.refusal, Refusal::Judged | Refusal::Remembered)
    }
}

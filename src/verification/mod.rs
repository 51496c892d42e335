//! From answers to a verdict: do these credentials read commits at this Bitbucket?

mod curl;
mod message;
mod verdict;
mod verify;

pub use self::curl::Curl;
pub use self::verdict::{Identity, Negative, Outcome, Verdict};
pub use self::verify::{Past, is_bitbucket, no_way, outcome_of, verify};

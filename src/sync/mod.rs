//! One sync run: every repository of a connection, once. Joins `bitbucket` and `destination`, and needs no
//! cluster.

mod census;
mod convert;
mod course;
mod discover;
mod failure;
mod fetch;
mod filter;
#[cfg(test)]
mod filter_properties;
mod hints;
mod ledger;
mod outage;
mod pages;
mod plan;
mod progress;
mod run;
mod under_way;
mod visit;
mod walk;

pub use self::discover::{Discovered, discover};
pub use self::failure::{Failure, RunError};
pub use self::filter::Filter;
pub use self::hints::{Hint, Hints};
pub use self::progress::Progress;
pub use self::run::{Run, Summary};

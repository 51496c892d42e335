//! Git repositories: made for tests, and read for answers. The `git` program does both.

mod batch;
mod import;
mod object;
mod process;
mod range;
mod repository;
mod store;

pub use import::{NewCommit, Parent, Person};
pub use repository::GitRepository;

pub(crate) use object::{Commit, Ident};
pub(crate) use range::RangeKey;
pub(crate) use store::{Store, Stored};

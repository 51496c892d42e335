//! Copies the commits of every readable repository's default branch from Bitbucket Data Center into SQL.

pub mod api;
pub mod bitbucket;
pub mod destination;
pub mod sync;
pub mod verification;

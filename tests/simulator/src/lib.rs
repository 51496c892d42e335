//! Answers as Bitbucket Data Center does, from real git repositories.
//!
//! Written from Atlassian's documentation and from recorded answers, without a line in common with the client it tests. git
//! itself says which commits are in a range.
//!
//! ```no_run
//! # async fn example() -> Result<(), bitbucket_simulator::Error> {
//! use bitbucket_simulator::git::GitRepository;
//! use bitbucket_simulator::{Action, Fault, Simulator};
//!
//! let repository = GitRepository::create("/tmp/api.git")?;
//! repository.grow("main", 250)?;
//! let simulator = Simulator::builder().user("reader", "secret").repository("PLAT/api", repository.path()).start().await?;
//! simulator.faults().push(Fault::on_path("/commits", Action::Drop).after(1).times(1));
//! // Point a client at simulator.url() now.
//! # Ok(())
//! # }
//! ```

mod access;
mod answer;
mod apply;
mod auth;
mod bucket;
mod builder;
mod command;
mod control;
mod error;
mod fault;
pub mod git;
pub mod histories;
mod log;
mod mangle;
pub mod net;
mod refusal;
mod replay;
mod rest;
mod server;
mod settings;
mod shared;
mod simulator;
mod state;

pub use access::Access;
pub use auth::Scheme;
pub use builder::Builder;
pub use command::{Command, NewProject, NewRepository, NewUser, RepositoryChange};
pub use error::Error;
pub use fault::{Action, Fault, FaultId, Faults, Hold, JsonEdit, Matches};
pub use log::{Counts, Seen};
pub use refusal::Refusal;
pub use settings::{
    Caps, Filling, Merges, MissingDefault, Moved, Order, RateLimit, ServerState, Settings, UnknownToken,
};
pub use simulator::Simulator;

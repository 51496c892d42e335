//! Webhooks: Bitbucket says that somebody has pushed, and that repository is looked at at once.
//!
//! What is said is a hint and no more. It is believed if it is signed with the connection's own key; what is stored is what Bitbucket
//! answers when it is asked.

mod keys;
mod payload;
mod server;
mod signature;
mod standby;

pub use self::server::{Receiver, Server};
pub use self::standby::Standby;

//! What is written to the API server: the status, the finalizer, and events. Nobody else writes any of them.

pub mod events;
pub mod finalizer;
mod right;
pub mod status;
mod version;

pub use self::right::Right;
pub use self::version::is_older;

//! The REST client of Bitbucket Data Center: requests, answers, paging, limits, errors.
//!
//! Knows no Kubernetes and no SQL. Every call has a timeout and a bound on its size, and every error says
//! by its kind what may be done about it.

mod answer;
#[cfg(test)]
mod answer_properties;
mod bounds;
mod budget;
mod client;
mod clients;
mod credentials;
mod door;
mod endpoints;
mod error;
mod exchange;
mod fault;
mod gate;
mod headers;
#[cfg(test)]
mod headers_properties;
mod limit;
mod listing;
mod metrics;
pub mod model;
#[cfg(test)]
mod model_properties;
#[cfg(test)]
mod noise;
mod pace;
mod pacer;
mod patience;
mod place;
mod rate;
mod refusal;
mod resolver;
mod state;
mod text;
mod url;
#[cfg(test)]
mod url_properties;
mod way;

pub use self::bounds::{EMPTY_PAGES, PAGE_LIMIT};
pub use self::client::{Client, Options};
pub use self::clients::Clients;
pub use self::credentials::Credentials;
pub use self::endpoints::{Range, Slice};
pub use self::error::{Error, Fault, Hop, Policy};
pub use self::gate::Account;
pub use self::listing::{Listed, Listing};
pub use self::metrics::Metrics;
pub use self::patience::{Patience, RETRY_WAITS};
pub use self::rate::Rate;
pub use self::refusal::Refusal;
pub use self::state::{AccountState, PaceState, ServerState};
pub use self::url::{BaseUrl, InvalidUrl};
pub use self::way::{Authorities, InvalidWay, Proxy, Way};

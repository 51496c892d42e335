//! How the limits and gates stand right now, for whoever wonders why a request waits. Nothing of a secret is in it, and nothing that
//! one could be guessed from.

use serde::Serialize;
use tokio::time::Instant;

use super::client::Client;
use super::clients::Clients;

/// The requests that one server sees.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerState {
    /// Scheme, host and port.
    pub server: String,
    /// Requests under way.
    pub under_way: usize,
    /// Requests under way at the most.
    pub most: usize,
}

/// The requests of one set of credentials at one host.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountState {
    /// Whether the password is sent: proven, not proven yet, judged wrong (now, or before this process began), or resting because too
    /// many answers were not Bitbucket's. A token is always sent.
    pub credentials: &'static str,
    /// How fast it asks.
    #[serde(flatten)]
    pub pace: PaceState,
}

/// How fast they may follow each other.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PaceState {
    /// What holds now; None: any number.
    pub requests_per_second: Option<f64>,
    /// The budget that the server has stated, as requests at once and requests a second after that.
    pub budget: Option<(f64, f64)>,
    /// How long nothing is sent, because the server wanted that.
    pub paused_seconds: Option<u64>,
}

impl Clients {
    /// All servers that somebody asks or has just asked.
    pub fn servers(&self) -> Vec<ServerState> {
        self.gates().servers()
    }
}

impl Client {
    /// The account of this client, at the place that it asks.
    pub fn state(&self) -> AccountState {
        let account = &self.place().account;
        AccountState { credentials: account.word(Instant::now()), pace: account.pacer.look() }
    }
}

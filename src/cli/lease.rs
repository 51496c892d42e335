//! The flags of several operators, of which one acts.

use std::time::Duration;

use clap::builder::BoolishValueParser;
use kube::Client;

use super::Failure;
use super::account::duration;
use crate::controller::LeaseOptions;
use crate::destination::DatabaseUrl;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Several operators")]
pub(super) struct LeaseArgs {
    /// Act only while holding a Lease, so that several operators may run, one of which acts. They need one database, on a
    /// server
    #[arg(long, env = "BITBUCKET_CONNECTOR_LEADER_ELECTION", value_parser = BoolishValueParser::new())]
    leader_election: bool,
    /// Where the Lease is [default: the namespace of the Pod]
    #[arg(long, env = "BITBUCKET_CONNECTOR_LEASE_NAMESPACE")]
    lease_namespace: Option<String>,
    /// What the Lease is called: all that look after the same connections share it
    #[arg(long, env = "BITBUCKET_CONNECTOR_LEASE_NAME", default_value = "bitbucket-connector")]
    lease_name: String,
    /// How long the others wait after the last sign of life of the one that acts, as 35s: whole seconds, at least 7
    #[arg(long, env = "BITBUCKET_CONNECTOR_LEASE_DURATION", default_value = "35s", value_parser = lasting)]
    lease_duration: Duration,
}

impl LeaseArgs {
    /// Whether several operators may use this database.
    pub(super) fn check(&self, database: &DatabaseUrl) -> Result<(), Failure> {
        if self.leader_election && matches!(database, DatabaseUrl::Sqlite(_)) {
            let what = "--leader-election: several operators need one database on a server; name a postgres:// URL in --database";
            return Err(Failure::Usage(what.to_owned()));
        }
        Ok(())
    }

    /// The Lease; None, where this operator is alone.
    pub(super) fn options(self, client: &Client) -> Option<LeaseOptions> {
        let namespace = self.lease_namespace.unwrap_or_else(|| client.default_namespace().to_owned());
        let lease = LeaseOptions { namespace, name: self.lease_name, duration: self.lease_duration };
        self.leader_election.then_some(lease)
    }
}

fn lasting(text: &str) -> Result<Duration, String> {
    let lasting = duration(text)?;
    // The Lease has whole seconds, and a seventh of them is what keeps two from acting at once.
    let good = lasting.subsec_nanos() == 0 && lasting >= Duration::from_secs(7);
    if good { Ok(lasting) } else { Err("must be whole seconds, at least 7s".to_owned()) }
}

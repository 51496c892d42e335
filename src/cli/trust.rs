//! The flags that say where an operator may send credentials.

use clap::builder::BoolishValueParser;

use crate::trust::{Addresses, HostPattern, Hosts, Network, Trust};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Whom to trust")]
pub(super) struct TrustArgs {
    /// Connect to these hosts only, as bitbucket.example.com or *.example.com; proxies and the databases of
    /// connections must be among them, and plain http is refused. May be repeated or separated by commas
    #[arg(long, env = "BITBUCKET_CONNECTOR_ALLOWED_HOSTS", value_name = "HOST", value_delimiter = ',')]
    allowed_hosts: Vec<HostPattern>,
    /// Connect to no address of these ranges, beside those that are never connected to: loopback, link-local and
    /// unspecified ones, and the metadata services of clouds there. May be repeated or separated by commas
    #[arg(long, env = "BITBUCKET_CONNECTOR_DENIED_CIDRS", value_name = "CIDR", value_delimiter = ',')]
    denied_cidrs: Vec<Network>,
    /// Accept only Secrets that name in their key url the server that they are for
    #[arg(long, env = "BITBUCKET_CONNECTOR_REQUIRE_SECRET_URL", value_parser = BoolishValueParser::new())]
    require_secret_url: bool,
    /// Connect to loopback addresses too, as tests need it
    #[arg(long, env = "BITBUCKET_CONNECTOR_ALLOW_LOOPBACK", value_parser = BoolishValueParser::new())]
    allow_loopback: bool,
}

impl TrustArgs {
    pub fn addresses(&self) -> Addresses {
        Addresses::for_others(self.allow_loopback, self.denied_cidrs.clone())
    }
}

impl From<TrustArgs> for Trust {
    fn from(args: TrustArgs) -> Self {
        Self { hosts: Hosts::new(args.allowed_hosts), require_secret_url: args.require_secret_url }
    }
}

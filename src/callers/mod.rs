//! What is done for somebody who calls, with their rights: the Data Cloud API and the page.
//!
//! Everything is done as the caller, whose token is one of Kubernetes: what the API server does not let the caller do is not done.
//! The operator's own rights are not used, and it keeps nothing of a token.

mod attempts;
mod caller;
mod candidate;
mod places;
mod refusal;

use std::sync::Arc;

use kube::Config;

use self::attempts::Attempts;
pub use self::caller::{Caller, is_name, is_namespace};
pub use self::candidate::{Password, check, known_to_be_wrong};
use self::places::Places;
pub use self::refusal::Refusal;
use crate::api::BitbucketConnection;
use crate::controller::{Context, Inspector};

/// What all calls share.
pub struct Callers {
    /// The way to the API server, without anybody's credentials.
    server: Config,
    /// Leads to what the operator of this process works with.
    inspector: Inspector,
    /// The passwords that were tried.
    attempts: Arc<Attempts>,
    places: Arc<Places>,
    /// The namespaces that the operator looks after; none are all.
    namespaces: Vec<String>,
}

impl Callers {
    /// Nobody has called yet. `server` is the way to the API server, of which no credentials are used; `namespaces` are those that are
    /// looked after, none are all.
    pub fn new(server: Config, inspector: Inspector, namespaces: Vec<String>) -> Arc<Self> {
        Arc::new(Self { server, inspector, attempts: Arc::default(), places: Arc::default(), namespaces })
    }

    /// The way to the API server.
    pub const fn server(&self) -> &Config {
        &self.server
    }

    /// Whether the operator acts for a connection: it does not in other namespaces than its own, whoever asks it to.
    pub fn looks_after(&self, object: &BitbucketConnection) -> bool {
        self.namespaces.is_empty()
            || object.metadata.namespace.as_ref().is_some_and(|own| self.namespaces.contains(own))
    }

    /// What Bitbucket is asked with. There is one only while this operator leads: two would not know of each other's attempts.
    pub fn context(&self) -> Result<Arc<Context>, Refusal> {
        let leads = self.inspector.context().filter(|context| context.lead.holds());
        leads.ok_or(Refusal::StandsBy)
    }
}

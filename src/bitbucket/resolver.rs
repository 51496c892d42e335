//! Names to addresses, without those that are not to be connected to. What is checked here is what is connected
//! to: a name that changes its address between two look-ups gains nothing.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::trust::Addresses;

/// The machine's resolver, and what it may find.
#[derive(Clone, Debug)]
pub(super) struct Resolver(pub Arc<Addresses>);

/// All addresses of a name are refused.
#[derive(Debug, thiserror::Error)]
#[error("the address is refused")]
pub(super) struct Denied;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let addresses = Arc::clone(&self.0);
        Box::pin(async move {
            // Port 0 stands for the URL's.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<_> = found.iter().copied().filter(|found| addresses.allow(found.ip())).collect();
            if allowed.is_empty() && !found.is_empty() {
                return Err(Denied.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

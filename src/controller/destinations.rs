//! The databases, each opened when it is first needed and again after it could not be. Who uses the same one shares it;
//! one that nobody uses is closed. A fault of one is nothing to the others.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::time::{Instant, timeout};
use tracing::{Instrument, Span, debug, info, warn};

use crate::destination::{DatabaseUrl, Destination, Error};
use crate::runtime::lead::Lead;
use crate::secrets::{Target, TargetKey};
use crate::trust::Addresses;

/// Many connections ask at the same moment; one try answers them all.
const FAULT_HOLDS: Duration = Duration::from_secs(1);
/// A reconcile waits no longer: the opening goes on, and is found ended at the next try.
const PATIENCE: Duration = Duration::from_secs(5);

/// All databases that somebody uses.
#[derive(Debug)]
pub struct Destinations {
    own: DatabaseUrl,
    /// Where those that others have named may be.
    addresses: Addresses,
    lead: Lead,
    handles: Mutex<HashMap<TargetKey, Weak<Handle>>>,
}

/// One database. It is closed when the last who uses it lets go.
pub struct Handle {
    url: DatabaseUrl,
    addresses: Addresses,
    lead: Lead,
    opening: Mutex<Option<Opening>>,
    /// Whether the last try failed.
    failing: Arc<AtomicBool>,
}

/// How an opening ended, and when.
type Opening = Shared<BoxFuture<'static, (Result<Destination, Error>, Instant)>>;

impl Destinations {
    /// Opens nothing yet. They are written only while `lead` holds.
    pub fn new(own: DatabaseUrl, addresses: Addresses, lead: Lead) -> Self {
        Self { own, addresses, lead, handles: Mutex::default() }
    }

    /// The handle of a database.
    pub fn handle(&self, target: &Target) -> Arc<Handle> {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = handles.get(&target.key).and_then(Weak::upgrade) {
            return handle;
        }
        handles.retain(|_, handle| handle.strong_count() > 0);
        let (url, addresses) = match &target.url {
            None => (self.own.clone(), Addresses::all()),
            Some(url) => (url.clone(), self.addresses.clone()),
        };
        let (lead, opening, failing) = (self.lead.clone(), Mutex::default(), Arc::default());
        let handle = Arc::new(Handle { url, addresses, lead, opening, failing });
        handles.insert(target.key, Arc::downgrade(&handle));
        handle
    }
}

impl Handle {
    /// The open database.
    pub async fn get(&self) -> Result<Destination, Error> {
        let opening = {
            let mut opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
            let stale =
                |(result, at): &(Result<Destination, Error>, Instant)| result.is_err() && at.elapsed() >= FAULT_HOLDS;
            opening.take_if(|opening| opening.peek().is_some_and(stale));
            opening.get_or_insert_with(|| self.open()).clone()
        };
        match timeout(PATIENCE, opening).await {
            Ok((result, _)) => result,
            Err(_) => Err(Error::Unavailable("it is slow to open: look whether the server hangs".to_owned())),
        }
    }

    /// Begins to open the database. It goes on whether or not somebody waits for it.
    fn open(&self) -> Opening {
        let (url, addresses, lead) = (self.url.clone(), self.addresses.clone(), self.lead.clone());
        let failing = Arc::clone(&self.failing);
        let work = async move {
            let result = Destination::open_at(&url, addresses, lead).await;
            if let Err(error) = &result {
                // Once: it may be so for long.
                if failing.swap(true, Ordering::Relaxed) {
                    debug!(%error, "the destination cannot be opened");
                } else {
                    warn!(%error, "the destination cannot be opened; it is tried again");
                }
            } else if failing.swap(false, Ordering::Relaxed) {
                info!("the destination is open again");
            }
            (result, Instant::now())
        };
        let opening = work.boxed().shared();
        tokio::spawn(opening.clone().instrument(Span::current()));
        opening
    }

    /// Whether it is open, in a few words.
    pub fn state(&self) -> String {
        match self.opening.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Shared::peek) {
            None => "not open".to_owned(),
            Some(None) => "opening".to_owned(),
            Some(Some((Ok(_), _))) => "open".to_owned(),
            Some(Some((Err(error), _))) => error.to_string(),
        }
    }

    /// Lets go of a database that has failed: who asks next opens it anew, which proves that it can be written.
    pub fn close(&self) {
        *self.opening.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("url", &self.url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(folder: &tempfile::TempDir, name: &str) -> DatabaseUrl {
        format!("sqlite://{}", folder.path().join(name).display()).parse().unwrap()
    }

    fn target(number: u8, url: Option<DatabaseUrl>) -> Target {
        Target { key: TargetKey([number; 32]), url }
    }

    /// Only for a moment: a clock that stands still goes on by itself while a file is opened.
    async fn pass(time: Duration) {
        tokio::time::pause();
        tokio::time::advance(time).await;
        tokio::time::resume();
    }

    #[tokio::test]
    async fn one_handle_for_one_database_as_long_as_it_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let destinations = Destinations::new(at(&folder, "own.db"), Addresses::all(), Lead::alone());
        let (own, again) = (destinations.handle(&Target::OWN), destinations.handle(&Target::OWN));
        let other = destinations.handle(&target(1, Some(at(&folder, "other.db"))));
        assert!(Arc::ptr_eq(&own, &again) && !Arc::ptr_eq(&own, &other));
        own.get().await.unwrap();
        other.get().await.unwrap();
        let (weak, others) = (Arc::downgrade(&other), || destinations.handles.lock().unwrap().len());
        drop(other);
        assert!(weak.upgrade().is_none(), "nobody uses it");
        let _third = destinations.handle(&target(2, None));
        assert_eq!(others(), 2, "what nobody uses is forgotten");
    }

    #[tokio::test]
    async fn only_what_others_have_named_must_be_at_an_address_that_may_be_connected_to() {
        crate::runtime::tls::install();
        // Nobody listens there.
        let nowhere = || "postgres://127.0.0.1:1/a".parse::<DatabaseUrl>().unwrap();
        let destinations = Destinations::new(nowhere(), Addresses::for_others(false, Vec::new()), Lead::alone());
        let said = async |target: &Target| destinations.handle(target).get().await.unwrap_err().to_string();
        assert!(said(&Target::OWN).await.contains("refuses the connection"));
        assert!(said(&target(1, Some(nowhere()))).await.contains("does not connect to"));
        let socket = "postgres://%2Fvar%2Frun/a".parse().unwrap();
        assert!(said(&target(2, Some(socket))).await.contains("a socket in the file system is not connected to"));
    }

    #[tokio::test]
    async fn a_fault_holds_for_a_moment_and_an_open_database_stays() {
        let folder = tempfile::tempdir().unwrap();
        let destinations = Destinations::new(at(&folder, "missing/own.db"), Addresses::all(), Lead::alone());
        let handle = destinations.handle(&Target::OWN);
        assert!(handle.get().await.is_err());
        std::fs::create_dir(folder.path().join("missing")).unwrap();
        assert!(handle.get().await.is_err());
        pass(FAULT_HOLDS).await;
        handle.get().await.unwrap();
        pass(FAULT_HOLDS).await;
        std::fs::remove_dir_all(folder.path().join("missing")).unwrap();
        handle.get().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_hangs_is_nobodys_fault_and_is_not_waited_for() {
        crate::runtime::tls::install();
        // It takes the connection, and says nothing.
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("postgres://{}/a", server.local_addr().unwrap()).parse().unwrap();
        let handle = Destinations::new(url, Addresses::all(), Lead::alone()).handle(&Target::OWN);
        let slow = handle.get().await.unwrap_err();
        assert!(matches!(&slow, Error::Unavailable(text) if text.contains("slow to open")), "{slow}");
    }

    #[tokio::test]
    async fn a_fault_is_tried_again_and_is_nothing_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let destinations = Destinations::new(at(&folder, "own.db"), Addresses::all(), Lead::alone());
        let broken = destinations.handle(&target(1, Some(at(&folder, "missing/other.db"))));
        assert!(matches!(broken.get().await, Err(Error::Unavailable(_))));
        destinations.handle(&Target::OWN).get().await.unwrap();
        std::fs::create_dir(folder.path().join("missing")).unwrap();
        assert!(broken.get().await.is_err(), "one try answers all who ask at once");
        broken.close();
        broken.get().await.unwrap();
    }
}

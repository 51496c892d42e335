//! What all reconciles share, and what is remembered of each object between them.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;
use kube::{Client, ResourceExt};
use tokio::sync::{OwnedMutexGuard, Semaphore, mpsc};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::decision::{Attempts, Inputs, Knowledge};
use super::destinations::{Destinations, Handle};
use super::known::Connections;
use super::metrics::Metrics;
use super::tasks::Task;
use super::watch::Deaf;
use super::write::{Right, is_older};
use crate::api::BitbucketConnection;
use crate::api::destination::DestinationReference;
use crate::api::status::{BitbucketConnectionStatus, RefusedSecret, SyncStatus};
use crate::bitbucket::{Client as Bitbucket, Clients, Rate};
use crate::destination::{ConnectionKey, Destination, Error};
use crate::kubernetes::Guarded;
use crate::runtime::lead::Lead;
use crate::secrets::{Source, Target};
use crate::sync::{Hint, Hints, Progress, RunError, Summary};
use crate::trust::Trust;
use crate::verification::Outcome;

/// How long somebody who only looks waits for a reconcile, which may wait for the API server.
const BRIEFLY: Duration = Duration::from_secs(2);

/// Sync runs of a connection that are remembered.
const RUNS: usize = 10;

/// Progress is shown at most this often.
pub const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

/// A reconcile is going on, and holds what is remembered.
struct Busy;

/// What all reconciles share.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Makes the clients that ask Bitbucket.
    pub clients: Arc<Clients>,
    /// Where credentials may be sent.
    pub trust: Trust,
    /// The databases.
    pub destinations: Arc<Destinations>,
    /// Whether this process may write.
    pub lead: Lead,
    /// Sync runs at a time, in the order in which they were claimed.
    pub turns: Arc<Semaphore>,
    /// Removals of rows at a time: they take a database's connections from runs.
    pub removals: Arc<Semaphore>,
    /// Those that the watches know.
    pub connections: Connections,
    /// What is counted.
    pub metrics: Metrics,
    /// How long rows of a deleted connection are tried to be removed while the database is away.
    pub deletion_timeout: Duration,
    /// The name of this cluster in the database.
    pub cluster: String,
    /// Wakes the reconcile of an object.
    pub wake: mpsc::UnboundedSender<ObjectRef<Guarded>>,
    /// Ends every task.
    pub stop: CancellationToken,
    /// Where changes of Secrets are not heard of.
    pub deaf: Deaf,
    /// What is remembered of the objects.
    pub memories: Memories,
    /// What was pushed to; in each object's memory too, which a reconcile holds for seconds.
    pub hints: Mutex<HashMap<ObjectRef<Guarded>, Hints>>,
}

/// What is remembered of all objects.
pub type Memories = Mutex<HashMap<ObjectRef<Guarded>, Arc<tokio::sync::Mutex<Memory>>>>;

/// What is remembered of one object. Lost with the process.
#[derive(Debug, Default)]
pub struct Memory {
    /// The object's uid: another one is another object.
    pub uid: String,
    /// The status as it was last written: the watch may still show an older one.
    pub written: Option<BitbucketConnectionStatus>,
    /// The object's version when it was last written, or had nothing to be written; None, where nobody knows what became of a write.
    pub version: Option<String>,
    /// Whether a status was sent and nobody has said what became of it.
    pub unsure: bool,
    /// Calls to the API server that have failed in a row.
    pub faults: u32,
    /// What is known of the connection.
    pub knowledge: Knowledge,
    /// The verification under way, or ended and not yet told.
    pub asking: Option<Asking>,
    /// The sync run under way, or ended and not yet told.
    pub run: Option<Underway>,
    /// Repositories that somebody has pushed to.
    pub hints: Hints,
    /// Looking at them, where there is no run that does.
    pub following: Option<Following>,
    /// Held by whoever walks repositories of the connection: a run and what follows hints do not do so at once.
    pub walking: Arc<tokio::sync::Mutex<()>>,
    /// The sync runs that have ended, the newest first.
    pub runs: VecDeque<SyncStatus>,
    /// The right that was said to be missing.
    pub missing: Option<Right>,
    /// The slot that was last told to be skipped.
    pub skipped: Option<Timestamp>,
    /// The rate that the spec allows for, which clients that are at work heed too.
    pub rate: Rate,
    /// Keeps the connections and the gate, and with it what is known of the password, between verifications.
    pub bitbucket: Option<Bitbucket>,
    /// Keeps the database open between runs.
    pub destination: Option<Arc<Handle>>,
    /// The database that `spec.destination` has led to, where the rows are removed with the object.
    pub stored: Option<(Option<DestinationReference>, Arc<Handle>)>,
    /// Whether the finalizer is on the object, as it was last written, and the version that it has been so since.
    pub holds: Option<(bool, String)>,
    /// The removal of the rows of an object that is being deleted, under way, or ended and not yet looked at.
    pub removal: Option<Task<Ended>>,
    /// Those that have failed.
    pub attempts: Attempts,
}

impl Memory {
    /// The status as it is now: as it was written, until the watch shows that. What it shows after that, another operator may have
    /// written that has found out more.
    pub fn status(&self, object: &BitbucketConnection) -> Option<BitbucketConnectionStatus> {
        let shown = object.metadata.resource_version.as_deref();
        let behind = self.version.as_ref().is_none_or(|version| is_older(shown, version));
        self.written.clone().filter(|_| behind).or_else(|| object.status.clone())
    }

    /// Remembers the last sync run, once it has ended.
    pub fn note_run(&mut self, status: &BitbucketConnectionStatus) {
        let Some(sync) = status.sync.as_ref().filter(|sync| sync.completion_time.is_some()) else { return };
        if self.runs.front() != Some(sync) {
            self.runs.push_front(sync.clone());
            self.runs.truncate(RUNS);
        }
    }
}

/// A verification.
#[derive(Debug)]
pub struct Asking {
    /// The work.
    pub task: Task<Outcome>,
    /// What Bitbucket is asked with.
    pub inputs: Inputs,
    /// The Secret that is used, and where.
    pub secret: RefusedSecret,
    /// The request of a person that it answers.
    pub requested_at: Option<String>,
}

/// A sync run.
#[derive(Debug)]
pub struct Underway {
    /// The work.
    pub task: Task<Result<Summary, RunError>>,
    /// Where its rows go.
    pub destination: Arc<Handle>,
    /// How far it is.
    pub progress: Arc<Progress>,
    /// When this process began with it: what an earlier one has claimed may have waited for long.
    pub since: Timestamp,
    /// When progress may be shown again.
    pub show_at: Instant,
}

/// Repositories are looked at that somebody has pushed to.
#[derive(Debug)]
pub struct Following {
    /// The work.
    pub task: Task<()>,
    /// What Bitbucket is asked with.
    pub inputs: Inputs,
}

/// How an attempt to remove the rows of a deleted connection has ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Whether it has removed some.
    pub progressed: bool,
    /// What is wrong with the database.
    pub result: Result<(), String>,
}

impl Context {
    /// The operator's own look at Secrets.
    pub const fn source(&self) -> Source<'_> {
        Source { client: &self.client, trust: &self.trust }
    }

    /// Whose the rows of a connection are.
    pub fn key(&self, object: &BitbucketConnection) -> ConnectionKey {
        ConnectionKey {
            cluster: self.cluster.clone(),
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
        }
    }

    /// The operator's own database. It stays open as long as somebody holds this.
    pub fn own_database(&self) -> Arc<Handle> {
        self.destinations.handle(&Target::OWN)
    }

    /// The database of a connection's rows, or why it cannot be read now; nothing, if the operator has not come to use it.
    pub async fn database(&self, object: &BitbucketConnection) -> Option<Result<Destination, Error>> {
        match self.look(object, |memory| memory.destination.clone()).await {
            Ok(handle) => Some(handle.flatten()?.get().await),
            Err(Busy) => Some(Err(Error::Unavailable("the operator is at work on this connection".to_owned()))),
        }
    }

    /// The sync runs of a connection that this process has seen the end of, the newest first; none, while a reconcile takes long.
    pub async fn runs(&self, object: &BitbucketConnection) -> Vec<SyncStatus> {
        self.look(object, |memory| memory.runs.iter().cloned().collect()).await.ok().flatten().unwrap_or_default()
    }

    /// Whether Bitbucket is asked with a password, and not with a token; nothing, if it was not asked yet, or while a reconcile takes long.
    pub async fn has_password(&self, object: &BitbucketConnection) -> Option<bool> {
        let known = self.look(object, |memory| memory.bitbucket.as_ref().map(Bitbucket::has_password)).await;
        known.ok().flatten().flatten()
    }

    /// Looks at what is remembered of an object, for somebody who does not wait for long; nothing, if it is another one of the
    /// same name.
    async fn look<T>(&self, object: &BitbucketConnection, at: impl FnOnce(&Memory) -> T) -> Result<Option<T>, Busy> {
        let name = ObjectRef::<Guarded>::new(&object.name_any()).within(&object.namespace().unwrap_or_default());
        let memory = self.memories.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        let Some(memory) = memory else { return Ok(None) };
        let memory = timeout(BRIEFLY, memory.lock()).await.map_err(|_| Busy)?;
        Ok((object.uid().as_ref() == Some(&memory.uid)).then(|| at(&memory)))
    }

    /// A connection, as the watch has seen it last.
    pub fn connection(&self, object: &ObjectRef<Guarded>) -> Option<Arc<Guarded>> {
        self.connections.get(object)
    }

    /// What is remembered of an object; nothing, if it is another one of the same name.
    pub async fn memory(&self, object: &ObjectRef<Guarded>, uid: &str) -> OwnedMutexGuard<Memory> {
        let memory = {
            let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(memories.entry(object.clone()).or_default())
        };
        let mut memory = memory.lock_owned().await;
        if memory.uid != uid {
            *memory = Memory { uid: uid.to_owned(), knowledge: Knowledge::new(uid), ..Memory::default() };
            let mut hints = self.hints.lock().unwrap_or_else(PoisonError::into_inner);
            hints.insert(object.clone(), memory.hints.clone());
        }
        memory
    }

    /// Somebody has pushed to a repository of this connection, if it is one that is looked after. Nobody is waited for.
    pub fn hint(&self, object: ObjectRef<Guarded>, hint: Hint) {
        let hints = self.hints.lock().unwrap_or_else(PoisonError::into_inner).get(&object).cloned();
        // Of those that wait already it is known.
        if hints.is_some_and(|hints| hints.push(hint)) {
            // Nobody listens only when the operator is ending.
            let _ = self.wake.send(object);
        }
    }

    /// Forgets an object that is gone. Its tasks stop when its memory is dropped, at the latest with the
    /// reconcile that holds it right now.
    pub fn forget(&self, object: &ObjectRef<Guarded>) {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner).remove(object);
        self.hints.lock().unwrap_or_else(PoisonError::into_inner).remove(object);
    }
}

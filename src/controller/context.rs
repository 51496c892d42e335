//! What all reconciles share, and what is remembered of each object between them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kube::Client;
use kube::runtime::events::Recorder;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Guarded;
use super::dereference::Inputs;
use super::destinations::Destinations;
use super::runs::RunHandle;
use crate::api::status::BitbucketConnectionStatus;
use crate::bitbucket::{Account, Gates};

/// What all reconciles share.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Limits towards Bitbucket.
    pub gates: Gates,
    /// The database.
    pub destinations: Destinations,
    /// Writes events.
    pub recorder: Recorder,
    /// The name of this cluster in the database.
    pub cluster: String,
    /// Wakes the reconcile of an object.
    pub wake: mpsc::UnboundedSender<ObjectRef<Guarded>>,
    memories: Mutex<HashMap<ObjectRef<Guarded>, Arc<tokio::sync::Mutex<Memory>>>>,
}

/// What is remembered of one object. Lost with the process: everything here can be learned again.
#[derive(Debug, Default)]
pub struct Memory {
    /// The object's uid: another one is another object.
    pub uid: String,
    /// The status as it was last written: the watch may still show an older one.
    pub written: Option<BitbucketConnectionStatus>,
    /// What the verdict in the status was made of.
    pub standing: Standing,
    /// What Bitbucket was last asked with, whatever came of it.
    pub asked: Option<Inputs>,
    /// When to ask with it again; None: never without a change.
    pub verify_at: Option<Instant>,
    /// Transport or destination faults in a row.
    pub failures: u32,
    /// Since when the transport is broken.
    pub faulty_since: Option<Instant>,
    /// Keeps the gate, and with it what is known of the password, between verifications.
    pub account: Option<Arc<Account>>,
    /// The sync run under way.
    pub run: Option<RunHandle>,
    /// What the last run was made of.
    pub run_inputs: Option<Inputs>,
    /// When progress may be shown again.
    pub progress_at: Option<Instant>,
}

/// What the verdict in the status was made of.
#[derive(Debug, Default)]
pub enum Standing {
    /// Not known: this process has only just begun with the object.
    #[default]
    New,
    /// There was none: the credentials could not be used.
    Lost,
    /// These.
    Of(Box<Inputs>),
}

impl Context {
    /// A context without memories.
    pub fn new(
        client: Client,
        gates: Gates,
        destinations: Destinations,
        recorder: Recorder,
        cluster: String,
        wake: mpsc::UnboundedSender<ObjectRef<Guarded>>,
    ) -> Self {
        Self { client, gates, destinations, recorder, cluster, wake, memories: Mutex::default() }
    }

    /// What is remembered of an object; nothing, if it is another one of the same name.
    pub async fn memory(&self, object: &ObjectRef<Guarded>, uid: &str) -> tokio::sync::OwnedMutexGuard<Memory> {
        let memory = {
            let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(memories.entry(object.clone()).or_default())
        };
        let mut memory = memory.lock_owned().await;
        if memory.uid != uid {
            memory.stop();
            *memory = Memory { uid: uid.to_owned(), ..Memory::default() };
        }
        memory
    }

    /// Forgets an object that is gone, and stops its run.
    pub fn forget(&self, object: &ObjectRef<Guarded>) {
        let memory = self.memories.lock().unwrap_or_else(PoisonError::into_inner).remove(object);
        // A reconcile that holds it right now ends on its own; its run handle stops the run when dropped.
        if let Some(memory) = memory
            && let Ok(memory) = memory.try_lock()
        {
            memory.stop();
        }
    }
}

impl Memory {
    /// Asks the run to end at its next page.
    pub fn stop(&self) {
        if let Some(run) = &self.run {
            run.stop();
        }
    }

    /// Without usable credentials nothing is left of what was known of them.
    pub fn lose_verdict(&mut self) {
        self.stop();
        self.standing = Standing::Lost;
        self.asked = None;
        self.verify_at = None;
        self.failures = 0;
        self.faulty_since = None;
    }
}

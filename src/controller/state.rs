//! What the controller is at, for whoever looks for the reason of a delay.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use kube::runtime::reflector::ObjectRef;
use serde::Serialize;
use tokio::time::Instant;

use super::context::{Context, Memory};
use crate::api::conditions;
use crate::api::status::BitbucketConnectionStatus;
use crate::bitbucket::{AccountState, Client, ServerState};
use crate::kubernetes::Guarded;

/// What the controller of the present term is at; nothing, where there is none.
#[derive(Clone, Default)]
pub struct Inspector(Arc<Mutex<Weak<Context>>>);

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Sync runs that could begin before others have to wait.
    free_turns: usize,
    bitbuckets: Vec<ServerState>,
    connections: Vec<Connection>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", untagged)]
enum Connection {
    /// A reconcile is going on, and holds what is known.
    Busy {
        connection: String,
        reconciling: bool,
    },
    Known(Box<Known>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    connection: String,
    /// A verification is under way.
    verifying: bool,
    /// Of the run that is under way, or waits for its turn.
    run: Option<Run>,
    /// The next slot of the schedule, as the status has it.
    next_slot: Option<String>,
    /// When Bitbucket, or a database that was down, is asked again by itself.
    next_question_in_seconds: Option<u64>,
    /// Calls to the API server that have failed in a row.
    failed_calls: u32,
    /// The database, as far as it was needed.
    database: Option<String>,
    account: Option<AccountState>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    /// For its turn, until another one has ended.
    waits: bool,
    repositories_done: u64,
    repositories_total: u64,
    commits: u64,
}

impl Inspector {
    /// From now on this one is looked at.
    pub fn watch(&self, context: &Arc<Context>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(context);
    }

    /// The present term's.
    pub fn context(&self) -> Option<Arc<Context>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }

    /// How it is now.
    pub fn look(&self) -> Option<State> {
        let context = self.context()?;
        let memories = context.memories.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let now = Instant::now();
        let mut connections: Vec<_> = memories
            .iter()
            .map(|(object, memory)| {
                let connection = name(object);
                match memory.try_lock() {
                    Ok(memory) => Connection::Known(Box::new(Known::of(connection, &memory, now))),
                    Err(_) => Connection::Busy { connection, reconciling: true },
                }
            })
            .collect();
        connections.sort_by(|one, other| one.name().cmp(other.name()));
        Some(State {
            free_turns: context.turns.available_permits(),
            bitbuckets: context.clients.servers(),
            connections,
        })
    }
}

impl Known {
    fn of(connection: String, memory: &Memory, now: Instant) -> Self {
        let under_way = memory.run.as_ref().filter(|run| run.task.is_under_way());
        let run = under_way.map(|run| {
            let (repositories_done, repositories_total, commits) = run.progress.read();
            Run { waits: run.progress.waits(), repositories_done, repositories_total, commits }
        });
        let suspended = memory.written.as_ref().is_some_and(is_suspended);
        let next = memory.knowledge.next(run.is_some(), now).filter(|_| !suspended);
        let slot = memory.written.as_ref().and_then(|status| status.next_schedule_time.as_ref());
        Self {
            connection,
            verifying: memory.asking.as_ref().is_some_and(|asking| asking.task.is_under_way()),
            run,
            next_slot: slot.map(|slot| slot.0.to_string()),
            next_question_in_seconds: next.as_ref().map(Duration::as_secs),
            failed_calls: memory.faults,
            database: memory.destination.as_ref().map(|handle| handle.state()),
            account: memory.bitbucket.as_ref().map(Client::state),
        }
    }
}

impl Connection {
    fn name(&self) -> &str {
        match self {
            Self::Busy { connection, .. } => connection,
            Self::Known(known) => &known.connection,
        }
    }
}

fn is_suspended(status: &BitbucketConnectionStatus) -> bool {
    conditions::find(&status.conditions, conditions::SYNCED).is_some_and(|synced| synced.reason == "Suspended")
}

fn name(object: &ObjectRef<Guarded>) -> String {
    format!("{}/{}", object.namespace.as_deref().unwrap_or_default(), object.name)
}

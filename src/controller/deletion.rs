//! An object that is being deleted: its tasks end, its rows go if they are to, and then it may go itself.

use std::sync::Arc;
use std::time::Duration;

use kube::Resource;
use kube::runtime::controller::Action;
use tokio::time::Instant;
use tracing::{debug, error_span, info, warn};

use super::context::{Context, Ended, Memory, PROGRESS_INTERVAL};
use super::decision::{Deletion, DeletionStep, Removal, deletion};
use super::destinations::Handle;
use super::pass::Pass;
use super::tasks::Task;
use super::write::{Right, events, finalizer};
use crate::destination::{ConnectionKey, Destination};
use crate::kubernetes::Error;
use crate::kubernetes::Guarded;
use crate::secrets;

/// A lost wake is waited for so long.
const LONG: Duration = Duration::from_mins(1);

/// An object that is being deleted, whether or not it can be understood.
struct Deleted<'a, K> {
    context: &'a Context,
    object: &'a K,
}

impl Pass<'_> {
    /// One look at an object that is being deleted.
    pub(super) async fn delete(&self, memory: &mut Memory) -> Result<Action, Error> {
        // Nothing is asked any more.
        memory.asking = None;
        memory.run.iter().for_each(|run| run.task.stop());
        memory.run.take_if(|run| run.task.result().is_some());
        memory.following.iter().for_each(|following| following.task.stop());
        memory.following.take_if(|following| !following.task.is_under_way());
        let ended = memory.removal.as_ref().map(Task::result);
        let seen = Deletion {
            policy: self.object.spec.deletion_policy,
            held: finalizer::holds(&self.object.metadata, memory),
            claimed: self.old.sync.is_some(),
            running: memory.run.is_some() || memory.following.is_some(),
            removal: ended.as_ref().map(|ended| match ended {
                None => Removal::Underway,
                Some(Ended { result: Ok(()), .. }) => Removal::Done,
                Some(Ended { result: Err(why), .. }) => Removal::Failed(why),
            }),
        };
        let deleted = Deleted { context: self.context, object: self.object };
        match deletion(seen) {
            DeletionStep::Wait => {}
            DeletionStep::Remove => match self.database(memory).await? {
                Ok(handle) => self.remove(memory, handle),
                Err(why) => return deleted.failed(memory, false, &why).await,
            },
            DeletionStep::Failed(why) => {
                memory.removal = None;
                let progressed = matches!(&ended, Some(Some(Ended { progressed: true, .. })));
                return deleted.failed(memory, progressed, why).await;
            }
            DeletionStep::LetGo => return deleted.let_go(memory).await,
        }
        Ok(Action::requeue(LONG))
    }

    /// The database that the spec names. Where its Secrets cannot be used any more, as in a namespace in which they are already
    /// gone, the one that the same spec has led to.
    async fn database(&self, memory: &Memory) -> Result<Result<Arc<Handle>, String>, Error> {
        let why = match secrets::destination(self.context.source(), self.object).await {
            Ok(Ok(target)) => return Ok(Ok(self.context.destinations.handle(&target))),
            Ok(Err(invalid)) => invalid.message,
            Err(error) if error.is_forbidden() => error.to_string(),
            Err(error) => return Err(error),
        };
        let known = memory.stored.as_ref().filter(|(of, _)| *of == self.object.spec.destination);
        Ok(known.map(|(_, handle)| Arc::clone(handle)).ok_or(why))
    }

    fn remove(&self, memory: &mut Memory, handle: Arc<Handle>) {
        if memory.attempts.none() {
            info!("the connection is deleted, and its rows are to be removed (spec.deletionPolicy)");
        }
        let key = self.context.key(self.object);
        let stop = self.context.stop.child_token();
        let (stopped, turns) = (stop.clone(), Arc::clone(&self.context.removals));
        let work = async move {
            let mut removed = None;
            let removing = async {
                // Closed only with the process.
                let _turn = turns.acquire().await;
                let database = handle.get().await?;
                remove_all(&database, &key, &mut removed).await
            };
            let result = match stopped.run_until_cancelled(removing).await {
                Some(Ok(())) => Ok(()),
                Some(Err(error)) => {
                    // It may work when it is opened anew.
                    handle.close();
                    Err(error.to_string())
                }
                None => Err("the operator ended".to_owned()),
            };
            Ended { progressed: removed.is_some(), result }
        };
        let span = error_span!(parent: None, "removal", connection = self.connection);
        let broken = Ended { progressed: false, result: Err("the removal broke off".to_owned()) };
        memory.removal = Some(Task::start(span, work, broken, stop, self.wake()));
    }
}

/// An object that cannot be understood says neither what is to become of its rows nor where they are. It is held as long as
/// a database that cannot be reached: another version of the operator may come.
pub async fn delete_unknown(object: &Guarded, memory: &mut Memory, context: &Context) -> Result<Action, Error> {
    if !finalizer::holds(object.meta(), memory) {
        return Ok(Action::await_change());
    }
    let deleted = Deleted { context, object };
    deleted.failed(memory, false, "this version of the operator cannot understand the object").await
}

impl<K: Resource<DynamicType = ()>> Deleted<'_, K> {
    /// Takes the finalizer off.
    async fn let_go(&self, memory: &mut Memory) -> Result<Action, Error> {
        let result = finalizer::set(self.context, self.object.meta(), memory, false).await;
        events::told(self.context, self.object, memory, result, Right::RemoveFinalizer).await?;
        memory.removal = None;
        Ok(Action::await_change())
    }

    /// The rows could not be removed.
    async fn failed(&self, memory: &mut Memory, progressed: bool, why: &str) -> Result<Action, Error> {
        let patience = self.context.deletion_timeout;
        if memory.attempts.none() {
            warn!(why, "the rows of a deleted connection cannot be removed; it is tried again");
        } else {
            debug!(why, "another try has not removed the rows");
        }
        let wait = memory.attempts.failed(progressed, patience, &memory.uid, Instant::now());
        let Some(wait) = wait else {
            let action = self.let_go(memory).await?;
            warn!(
                cluster = self.context.cluster,
                namespace = self.object.meta().namespace,
                name = self.object.meta().name,
                "the connection is let go and its rows stay; docs/deletion.md says how to remove them"
            );
            events::rows_stay(self.context, self.object, why).await;
            return Ok(action);
        };
        if memory.attempts.is_first() {
            events::rows_block(self.context, self.object, why, patience).await;
        }
        Ok(Action::requeue(wait))
    }
}

/// Removes all rows, portion by portion. `commits` says how many so far, if a portion was removed.
async fn remove_all(
    database: &Destination,
    key: &ConnectionKey,
    commits: &mut Option<u64>,
) -> Result<(), crate::destination::Error> {
    let mut show_at = Instant::now() + PROGRESS_INTERVAL;
    loop {
        let removed = database.remove(key).await?;
        let all = commits.insert(commits.unwrap_or(0) + removed.commits);
        if removed.all {
            info!(commits = *all, "the rows are removed");
            return Ok(());
        }
        if Instant::now() >= show_at {
            info!(commits = *all, "rows are being removed");
            show_at = Instant::now() + PROGRESS_INTERVAL;
        }
    }
}

//! An object that is being deleted: its tasks end, its rows go if they are to, and then it may go itself.

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use tokio::time::Instant;
use tracing::{info, warn};

use super::Guarded;
use super::context::{Context, Memory, PROGRESS_INTERVAL};
use super::decision::{Deletion, DeletionStep, Removal, deletion};
use super::destinations::Handle;
use super::error::Error;
use super::pass::Pass;
use super::tasks::Task;
use super::{dereference, events, finalizer};
use crate::destination::{ConnectionKey, Destination};

/// A lost wake is waited for so long.
const LONG: Duration = Duration::from_mins(1);

/// How an attempt to remove the rows has ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Whether it has removed some.
    progressed: bool,
    /// What is wrong with the database.
    result: Result<(), String>,
}

impl Pass<'_> {
    /// One look at an object that is being deleted.
    pub(super) async fn delete(&self, memory: &mut Memory) -> Result<Action, Error> {
        memory.run.iter().for_each(|run| run.task.stop());
        memory.run.take_if(|run| run.task.result().is_some());
        let ended = memory.removal.as_ref().map(Task::result);
        let seen = Deletion {
            policy: self.object.spec.deletion_policy,
            held: finalizer::holds(&self.object.metadata, memory),
            claimed: self.old.sync.is_some(),
            running: memory.run.is_some(),
            removal: ended.as_ref().map(|ended| match ended {
                None => Removal::Underway,
                Some(Ended { result: Ok(()), .. }) => Removal::Done,
                Some(Ended { result: Err(why), .. }) => Removal::Failed(why),
            }),
        };
        match deletion(seen) {
            DeletionStep::Wait => return Ok(Action::requeue(LONG)),
            DeletionStep::Remove => match self.database(memory).await? {
                Ok(handle) => {
                    self.remove(memory, handle);
                    return Ok(Action::requeue(LONG));
                }
                Err(why) => return self.failed(memory, false, &why).await,
            },
            DeletionStep::Failed(why) => {
                memory.removal = None;
                let progressed = matches!(&ended, Some(Some(Ended { progressed: true, .. })));
                return self.failed(memory, progressed, why).await;
            }
            DeletionStep::LetGo => {}
        }
        memory.removal = None;
        finalizer::set(self.context, &self.object.metadata, memory, false).await?;
        Ok(Action::await_change())
    }

    /// The database that the spec names. Where that cannot be found any more, as in a namespace whose Secrets are already
    /// gone, the one that the last run has stored in.
    async fn database(&self, memory: &Memory) -> Result<Result<Arc<Handle>, String>, Error> {
        let named = match dereference::destination(self.context, self.object).await {
            Ok(target) => target.map_err(|invalid| invalid.message),
            Err(error) if error.is_forbidden() => Err(error.to_string()),
            Err(error) => return Err(error),
        };
        Ok(match named {
            Ok(target) => Ok(self.context.destinations.handle(&target)),
            Err(why) => memory.stored.clone().ok_or(why),
        })
    }

    fn remove(&self, memory: &mut Memory, handle: Arc<Handle>) {
        info!("the connection is deleted, and its rows are removed (spec.deletionPolicy)");
        let key = self.key();
        let stop = self.context.stop.child_token();
        let stopped = stop.clone();
        let work = async move {
            let mut removed = None;
            let removing = async {
                let database = handle.get().await?;
                removal(&database, &key, &mut removed).await
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
        let broken = Ended { progressed: false, result: Err("the removal broke off".to_owned()) };
        memory.removal = Some(Task::start(work, broken, stop, self.wake()));
    }

    async fn failed(&self, memory: &mut Memory, progressed: bool, why: &str) -> Result<Action, Error> {
        let patience = self.context.deletion_timeout;
        warn!(why, "the rows of a deleted connection cannot be removed");
        let wait = memory.attempts.failed(progressed, patience, &memory.uid, Instant::now());
        let object = self.object.object_ref(&());
        let Some(wait) = wait else {
            warn!("the connection is let go and its rows stay; docs/deletion.md has the statements that remove them");
            events::rows_stay(self.context, &object, why).await;
            finalizer::set(self.context, &self.object.metadata, memory, false).await?;
            return Ok(Action::await_change());
        };
        if memory.attempts.is_first() {
            events::rows_block(self.context, &object, why, patience).await;
        }
        Ok(Action::requeue(wait))
    }
}

/// An object that cannot be understood says neither what is to become of its rows nor where they are. It is held as long as
/// a database that cannot be reached: another version of the operator may come.
pub async fn delete_unknown(object: &Guarded, memory: &mut Memory, context: &Context) -> Result<Action, Error> {
    if !finalizer::holds(object.meta(), memory) {
        return Ok(Action::await_change());
    }
    let uid = object.uid().unwrap_or_default();
    let Some(wait) = memory.attempts.failed(false, context.deletion_timeout, &uid, Instant::now()) else {
        warn!("the object is let go, and its rows stay");
        let why = "this version of the operator cannot understand the object";
        events::rows_stay(context, &object.object_ref(&()), why).await;
        finalizer::set(context, object.meta(), memory, false).await?;
        return Ok(Action::await_change());
    };
    Ok(Action::requeue(wait))
}

/// Removes all rows, portion by portion. `commits` says how many so far, if a portion was removed.
async fn removal(
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

//! Which repositories there are for this account: those that Bitbucket lists, and those that are known from before
//! and still answer. Nothing is forgotten because a list was short.

use std::collections::HashSet;

use futures::StreamExt;
use tracing::info;

use super::convert;
use super::discover::{Discovered, discover};
use super::failure::{Failure, RunError};
use super::filter::Filter;
use super::ledger::Ledger;
use super::outage::Outage;
use super::visit::Visited;
use crate::bitbucket::model::Repository;
use crate::bitbucket::{Client, Error, Fault};
use crate::destination::{Absent, ConnectionKey, Destination, Scope, StoredRepository};

/// What a run works on.
pub(super) struct Census {
    pub scope: Scope,
    /// To be brought to their heads.
    pub selected: Vec<StoredRepository>,
    /// Known repositories that are selected, but are not there, or nobody can tell.
    pub missing: Vec<Visited>,
}

/// What became of a known repository that was not listed.
enum Fate {
    /// It is there all the same.
    There(Box<Repository>),
    /// Bitbucket says that it is not there for this account, or gives its name to another one.
    Gone,
    /// Nobody knows.
    Unclear(Failure),
}

/// Lists, asks for what is missing, and records it. `earlier` is what the same run has learned from a listing before.
pub(super) async fn census(
    client: &Client,
    destination: &Destination,
    key: &ConnectionKey,
    filter: &Filter,
    concurrency: usize,
    earlier: Option<&Ledger>,
) -> Result<Census, RunError> {
    let again = earlier.is_some();
    let Discovered { repositories: mut listed, at_once } = discover(client).await?;
    // Only now it is known where a plain http URL leads to.
    let base = client.base();
    let scope = destination.scope(key.clone(), base.to_string()).await?;
    let ids: HashSet<i64> = listed.iter().map(|repository| repository.id).collect();
    let names: HashSet<(String, String)> = listed.iter().map(name).collect();
    let known = destination.repositories(scope).await?;
    let (mut absent, mut unlisted, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for repository in known.into_iter().filter(|known| !ids.contains(&known.source_id)) {
        let allowlisted = filter.selects_path(&repository.project, &repository.slug);
        // One that was found to be gone is not asked for again until a listing shows it.
        let open = earlier.is_some_and(|ledger| ledger.misses(repository.source_id));
        let settled = !repository.listed && !repository.accessible && !open;
        if allowlisted && !settled {
            unlisted.push(repository);
        } else {
            absent.push(Absent { id: repository.id, allowlisted, inaccessible: false });
        }
    }
    let outage = Outage::new(concurrency);
    let mut fates = futures::stream::iter(unlisted)
        .map(|repository| async {
            let taken = names.contains(&(repository.project.to_lowercase(), repository.slug.to_lowercase()));
            let fate = match taken {
                // Whoever asks for the name is told of its new owner.
                true if at_once || again => Fate::Gone,
                // Between two pages it may have been renamed, and is there.
                true => Fate::Unclear(Failure::Replaced),
                false => {
                    let fate = ask(client, &repository, again).await;
                    let failure = if let Fate::Unclear(failure) = &fate { Some(failure) } else { None };
                    outage.look_at(failure, client).await?;
                    fate
                }
            };
            Ok::<_, RunError>((repository, fate))
        })
        .buffer_unordered(concurrency.max(1));
    while let Some(asked) = fates.next().await {
        let (repository, fate) = asked?;
        match fate {
            Fate::There(found) => listed.push(*found),
            Fate::Gone => {
                absent.push(Absent { id: repository.id, allowlisted: true, inaccessible: true });
                missing.push(Visited::missing(repository, Failure::Gone));
            }
            Fate::Unclear(Failure::Run(error)) => return Err(error),
            Fate::Unclear(failure) => {
                absent.push(Absent { id: repository.id, allowlisted: true, inaccessible: false });
                missing.push(Visited::missing(repository, failure));
            }
        }
    }
    drop(fates);
    info!(listed = ids.len(), missing = missing.len(), "repositories listed");
    let lines =
        listed.iter().map(|repository| convert::listing(base, repository, filter.selects(repository))).collect();
    let there: HashSet<i64> = listed.iter().map(|repository| repository.id).collect();
    let mut selected = destination.record(scope, lines, absent).await?;
    selected.retain(|repository| repository.allowlisted && there.contains(&repository.source_id));
    Ok(Census { scope, selected, missing })
}

fn name(repository: &Repository) -> (String, String) {
    (repository.project.key.to_lowercase(), repository.slug.to_lowercase())
}

/// Asks for a repository under the name that it had, and where that leads elsewhere, there: the name may be an old one
/// of another repository, which it shows again. Another one's answer says little of this one: only the second listing of
/// the run that lacks it is believed.
async fn ask(client: &Client, repository: &StoredRepository, again: bool) -> Fate {
    let mut answer = client.repository(&repository.project, &repository.slug).await;
    if let Err(Error::Transport { fault: Fault::Redirect { repository: Some((project, slug)), .. }, .. }) = &answer {
        answer = client.repository(project, slug).await;
    }
    match answer {
        Ok(found) if found.id == repository.source_id => Fate::There(Box::new(found)),
        Ok(_) if again => Fate::Gone,
        Ok(_) => Fate::Unclear(Failure::Replaced),
        Err(error) => match Failure::from(error) {
            failure if failure.inaccessible() => Fate::Gone,
            failure => Fate::Unclear(failure),
        },
    }
}

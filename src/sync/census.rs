//! Which repositories there are for this account: those that Bitbucket lists, and those that are known from before
//! and still answer. Nothing is forgotten because a list was short.

use std::collections::{BTreeMap, HashSet};

use futures::StreamExt;
use tracing::info;

use super::convert;
use super::discover::discover;
use super::failure::{Failure, RunError};
use super::filter::Filter;
use crate::bitbucket::model::Repository;
use crate::bitbucket::{Client, Error, Fault};
use crate::destination::{Absent, ConnectionKey, Destination, Scope, StoredRepository};

/// What a run works on.
pub(super) struct Census {
    pub scope: Scope,
    /// To be brought to their heads.
    pub selected: Vec<StoredRepository>,
    /// Known repositories that were found to be gone now: id and path.
    pub gone: BTreeMap<i64, String>,
    /// Known repositories that were neither listed nor found to be gone.
    pub unclear: Vec<(StoredRepository, Failure)>,
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

/// Lists, asks for what is missing, and records it.
pub(super) async fn census(
    client: &Client,
    destination: &Destination,
    key: &ConnectionKey,
    filter: &Filter,
    concurrency: usize,
) -> Result<Census, RunError> {
    let mut listed = discover(client).await?;
    // Only now it is known where a plain http URL leads to.
    let base = client.base();
    let scope = destination.scope(key.clone(), base.to_string()).await?;
    let ids: HashSet<i64> = listed.iter().map(|repository| repository.id).collect();
    let names: HashSet<(String, String)> = listed.iter().map(name).collect();
    let known = destination.repositories(scope).await?;
    let (mut absent, mut gone, mut unclear) = (Vec::new(), BTreeMap::new(), Vec::new());
    let mut missing = Vec::new();
    for repository in known.into_iter().filter(|known| !ids.contains(&known.source_id)) {
        let allowlisted = filter.selects_path(&repository.project, &repository.slug);
        // One that was found to be gone is not asked for again until a listing shows it.
        let settled = !repository.listed && !repository.accessible;
        if allowlisted && !settled {
            missing.push(repository);
        } else {
            absent.push(Absent { id: repository.id, allowlisted, inaccessible: false });
        }
    }
    let mut fates = futures::stream::iter(missing)
        .map(|repository| async {
            let taken = names.contains(&(repository.project.to_lowercase(), repository.slug.to_lowercase()));
            let fate = if taken { Fate::Gone } else { ask(client, &repository).await };
            (repository, fate)
        })
        .buffer_unordered(concurrency.max(1));
    while let Some((repository, fate)) = fates.next().await {
        match fate {
            Fate::There(found) => listed.push(*found),
            Fate::Gone => {
                absent.push(Absent { id: repository.id, allowlisted: true, inaccessible: true });
                gone.insert(repository.source_id, format!("{}/{}", repository.project, repository.slug));
            }
            Fate::Unclear(Failure::Run(error)) => return Err(error),
            Fate::Unclear(failure) => {
                absent.push(Absent { id: repository.id, allowlisted: true, inaccessible: false });
                unclear.push((repository, failure));
            }
        }
    }
    drop(fates);
    info!(listed = ids.len(), gone = gone.len(), unclear = unclear.len(), "repositories listed");
    let lines =
        listed.iter().map(|repository| convert::listing(base, repository, filter.selects(repository))).collect();
    let there: HashSet<i64> = listed.iter().map(|repository| repository.id).collect();
    let mut selected = destination.record(scope, lines, absent).await?;
    selected.retain(|repository| repository.allowlisted && there.contains(&repository.source_id));
    Ok(Census { scope, selected, gone, unclear })
}

fn name(repository: &Repository) -> (String, String) {
    (repository.project.key.to_lowercase(), repository.slug.to_lowercase())
}

/// Asks for a repository under the name that it had, and where that leads elsewhere, there: the name may be an old one
/// of another repository, which it shows again.
async fn ask(client: &Client, repository: &StoredRepository) -> Fate {
    let mut answer = client.repository(&repository.project, &repository.slug).await;
    if let Err(Error::Transport { fault: Fault::Redirect { repository: Some((project, slug)), .. }, .. }) = &answer {
        answer = client.repository(project, slug).await;
    }
    match answer {
        Ok(found) if found.id == repository.source_id => Fate::There(Box::new(found)),
        Ok(_) => Fate::Gone,
        Err(error) => match Failure::from(error) {
            failure if failure.inaccessible() => Fate::Gone,
            failure => Fate::Unclear(failure),
        },
    }
}

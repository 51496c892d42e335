//! Finding every repository that the account may read.

use std::collections::HashMap;

use super::failure::{RunError, concerns_identity};
use crate::bitbucket::model::Repository;
use crate::bitbucket::{Client, Error};

/// All repositories, as a listing shows them.
#[derive(Debug, Default)]
pub struct Discovered {
    /// Each once, by id.
    pub repositories: Vec<Repository>,
    /// Whether it was one page: what is renamed between two pages may be missing.
    pub at_once: bool,
}

/// Lists all repositories.
pub async fn discover(client: &Client) -> Result<Discovered, RunError> {
    // By id: a repository that moves between two pages may be listed twice.
    let (mut found, mut projects) = (HashMap::new(), HashMap::new());
    let (mut nameless, mut pages) = (false, 0);
    let mut listing = client.listing();
    while let Some(page) = listing.next().await.map_err(listing_failed)? {
        nameless |= page.username.is_none();
        pages += 1;
        // So may a project be renamed: its latest name holds for all that is in it.
        for project in page.repositories.iter().map(|repository| &repository.project) {
            if projects.get(&project.id) != Some(project) {
                projects.insert(project.id, project.clone());
            }
        }
        found.extend(page.repositories.into_iter().map(|repository| (repository.id, repository)));
    }
    if nameless {
        // A proxy may have dropped the name, but a server with public access lists its public repositories to a
        // revoked token too. Asked after the last page, so that it holds for all of them.
        client.prove_identity().await.map_err(not_proven)?;
    }
    let mut repositories: Vec<Repository> = found.into_values().collect();
    repositories.sort_unstable_by_key(|repository| repository.id);
    for project in repositories.iter_mut().map(|repository| &mut repository.project) {
        if let Some(latest) = projects.get(&project.id).filter(|latest| *latest != project) {
            project.clone_from(latest);
        }
    }
    Ok(Discovered { repositories, at_once: pages == 1 })
}

fn listing_failed(error: Error) -> RunError {
    match error {
        Error::Stopped => RunError::Stopped,
        error if concerns_identity(&error) => RunError::Identity(error),
        error => RunError::Listing(error),
    }
}

/// An endpoint that is closed to nobody: whoever is refused there is nobody.
fn not_proven(error: Error) -> RunError {
    if error.refusal().is_some() { RunError::Identity(error) } else { listing_failed(error) }
}

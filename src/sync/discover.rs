//! Finding every repository that the account may read.

use std::collections::HashMap;

use super::failure::{RunError, concerns_identity};
use crate::bitbucket::model::Repository;
use crate::bitbucket::{Client, Error, Fault};

/// Lists all repositories, page by page. The end of a finished listing is only what the server calls its last
/// page, whatever the pages' sizes.
pub async fn discover(client: &Client) -> Result<Vec<Repository>, RunError> {
    // By id: a repository that moves between two pages may be listed twice.
    let mut found = HashMap::new();
    let mut start = 0;
    let mut nameless = false;
    loop {
        let (page, username) = client.repositories(start).await.map_err(listing_failed)?;
        nameless |= username.is_none();
        found.extend(page.values.into_iter().map(|repository| (repository.id, repository)));
        match page.next_page_start {
            _ if page.is_last_page => break,
            Some(next) if next > start => start = next,
            _ => return Err(RunError::Listing(stuck())),
        }
    }
    if nameless {
        // A proxy may have dropped the name, but a server with public access lists its public repositories to a
        // revoked token too. Asked after the last page, so that it holds for all of them.
        client.prove_identity().await.map_err(not_proven)?;
    }
    let mut repositories: Vec<Repository> = found.into_values().collect();
    repositories.sort_unstable_by_key(|repository| repository.id);
    Ok(repositories)
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

fn stuck() -> Error {
    let fault = Fault::Unexpected { status: 200, what: "a page that is not the last and names no next one" };
    Error::Transport { request: "GET repos".to_owned(), fault }
}

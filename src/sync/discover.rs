//! Finding every repository that the account may read.

use std::collections::HashMap;

use super::failure::{RunError, concerns_identity};
use crate::bitbucket::model::Repository;
use crate::bitbucket::{Client, Error, Fault, Refusal};

/// Lists all repositories, page by page. The end of a finished listing is only what the server calls its last
/// page, whatever the pages' sizes.
pub async fn discover(client: &Client) -> Result<Vec<Repository>, RunError> {
    // By id: a repository that moves between two pages may be listed twice.
    let mut found = HashMap::new();
    let mut start = 0;
    loop {
        let (page, username) = client.repositories(start).await.map_err(listing_failed)?;
        if username.is_none() {
            // A server with public access lists its public repositories to a revoked token too.
            return Err(RunError::Identity(anonymous()));
        }
        found.extend(page.values.into_iter().map(|repository| (repository.id, repository)));
        match page.next_page_start {
            _ if page.is_last_page => break,
            Some(next) if next > start => start = next,
            _ => return Err(RunError::Listing(stuck())),
        }
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

fn anonymous() -> Error {
    Error::Refused { request: "GET repos".to_owned(), status: 200, refusal: Refusal::Anonymous, username: None }
}

fn stuck() -> Error {
    let fault = Fault::Unexpected { status: 200, what: "a page that is not the last and names no next one" };
    Error::Transport { request: "GET repos".to_owned(), fault }
}

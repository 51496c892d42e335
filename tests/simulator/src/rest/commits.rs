use axum::response::Response;

use super::branches::{default_ref, git_failed, open};
use super::page::Page;
use super::query::invalid;
use super::repositories::{Found, find};
use super::{Call, shapes};
use crate::access::Access;
use crate::answer::ok;
use crate::git::{RangeKey, Stored};
use crate::refusal::Refusal;
use crate::state::Repository;

/// `GET .../commits`: `git rev-list until ^since`. Each request lists anew, so a push between two pages shifts the second
/// unless both ends are ids.
pub(super) async fn list(call: &Call<'_>, key: &str, slug: &str) -> Result<Response, Refusal> {
    let repository = match find(call, key, slug, Access::Read)? {
        Found::Here(repository) => repository,
        Found::Redirect(redirect) => return Ok(redirect),
    };
    let query = &call.query;
    let request = query.page(call.settings.caps.commits)?;
    let merges = query.merges()?;
    let stored = open(call, &repository);
    let until = until(call, &repository, stored.as_deref()).await?;
    // Where there is no repository there was nothing to resolve, and that was refused.
    let stored = stored.ok_or_else(|| no_such_commit(&until, &repository))?;
    let since = since(call, &repository, &stored).await?;
    let range = RangeKey { until, since, order: call.settings.order, merges };
    let range = stored.range(range).await.map_err(git_failed)?;
    let ids = range.slice(request.start, request.limit);
    let commits = stored.commits(&ids).await.map_err(git_failed)?;
    let next = request.start.saturating_add(ids.len());
    let next = (!ids.is_empty() && next < range.len()).then_some(next);
    let values = {
        let state = call.state();
        commits.iter().map(|commit| shapes::commit(commit, &state, &call.base)).collect()
    };
    let mut page = Page::new(request, values, next);
    if query.is_true("withCounts") {
        page.author_count = Some(stored.authors(&range).await.map_err(git_failed)?);
        page.total_count = Some(range.len());
    }
    ok(&page)
}

async fn until(call: &Call<'_>, repository: &Repository, stored: Option<&Stored>) -> Result<String, Refusal> {
    if let Some(name) = call.query.get("until") {
        return resolve(name, repository, stored).await;
    }
    let branch = default_ref(repository, stored)?;
    let found = match stored {
        Some(stored) => stored.resolve(&branch).await.map_err(git_failed)?,
        None => None,
    };
    found.ok_or(Refusal::NoDefaultBranch { branch })
}

async fn since(call: &Call<'_>, repository: &Repository, stored: &Stored) -> Result<Option<String>, Refusal> {
    let Some(name) = call.query.get("since") else { return Ok(None) };
    match resolve(name, repository, Some(stored)).await {
        // What is missing excludes nothing: the answer is the whole history.
        Err(Refusal::NoSuchCommit { .. }) if call.query.is_true("ignoreMissing") || call.settings.lenient_since => {
            Ok(None)
        }
        found => found.map(Some),
    }
}

async fn resolve(name: &str, repository: &Repository, stored: Option<&Stored>) -> Result<String, Refusal> {
    let found = match stored {
        Some(stored) => stored.resolve(name).await.map_err(git_failed)?,
        None => None,
    };
    found.ok_or_else(|| no_such_commit(name, repository))
}

fn no_such_commit(id: &str, repository: &Repository) -> Refusal {
    Refusal::NoSuchCommit { id: id.to_owned(), slug: repository.slug.clone() }
}

/// `GET .../commits/{id}`: refs are not accepted since 2.11 (REST 9.4).
pub(super) async fn get(call: &Call<'_>, key: &str, slug: &str, id: &str) -> Result<Response, Refusal> {
    let repository = match find(call, key, slug, Access::Read)? {
        Found::Here(repository) => repository,
        Found::Redirect(redirect) => return Ok(redirect),
    };
    if !(4..=40).contains(&id.len()) || !id.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(invalid("commitId", &format!("'{id}' is an invalid commit ID")));
    }
    let stored = open(call, &repository);
    let full = resolve(id, &repository, stored.as_deref()).await?;
    let stored = stored.ok_or_else(|| no_such_commit(id, &repository))?;
    let found = stored.commits(&[full]).await.map_err(git_failed)?;
    let found = found.into_iter().next().ok_or_else(|| no_such_commit(id, &repository))?;
    let parents = stored.commits(&found.parents).await.map_err(git_failed)?;
    let state = call.state();
    ok(&shapes::full_commit(&found, &parents, &state, &call.base))
}

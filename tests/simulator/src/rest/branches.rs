use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::page::Page;
use super::repositories::{Found, find};
use super::{Call, shapes};
use crate::Error;
use crate::access::Access;
use crate::answer::ok;
use crate::git::Stored;
use crate::refusal::Refusal;
use crate::state::Repository;

/// What Bitbucket calls the default branch where nobody chose one.
const FALLBACK: &str = "refs/heads/master";

/// The full name of the default branch, whether or not it exists.
pub(super) fn default_ref(repository: &Repository, stored: Option<&Stored>) -> Result<String, Refusal> {
    if let Some(branch) = &repository.default_branch {
        let full = branch.starts_with("refs/");
        return Ok(if full { branch.clone() } else { format!("refs/heads/{branch}") });
    }
    let head = stored.map(Stored::head).transpose().map_err(git_failed)?;
    Ok(head.flatten().unwrap_or_else(|| FALLBACK.to_owned()))
}

pub(super) fn open(call: &Call<'_>, repository: &Repository) -> Option<Arc<Stored>> {
    repository.path.as_deref().map(|path| call.shared.store.at(path))
}

#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
pub(super) fn git_failed(error: Error) -> Refusal {
    Refusal::Internal { message: error.to_string() }
}

/// `GET .../branches/default`: 204 where nothing was ever pushed, 404 where the branch is missing among others (REST 9.4).
pub(super) async fn default(call: &Call<'_>, key: &str, slug: &str) -> Result<Response, Refusal> {
    let repository = match find(call, key, slug, Access::Read)? {
        Found::Here(repository) => repository,
        Found::Redirect(redirect) => return Ok(redirect),
    };
    let stored = open(call, &repository);
    let name = default_ref(&repository, stored.as_deref())?;
    let Some(stored) = stored else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    if let Some(id) = stored.resolve(&name).await.map_err(git_failed)? {
        return ok(&shapes::branch(&name, &id, true));
    }
    if stored.is_empty().await.map_err(git_failed)? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Err(Refusal::NoDefaultBranch { branch: name })
}

/// `GET .../default-branch`: a name without a commit, 200 even if the branch was never pushed (recorded on 10.4).
pub(super) fn default_name(call: &Call<'_>, key: &str, slug: &str) -> Result<Response, Refusal> {
    let repository = match find(call, key, slug, Access::Read)? {
        Found::Here(repository) => repository,
        Found::Redirect(redirect) => return Ok(redirect),
    };
    let stored = open(call, &repository);
    ok(&shapes::branch_name(&default_ref(&repository, stored.as_deref())?))
}

/// `GET .../branches`: an empty page for an empty repository. `details=true` needs the default branch (recorded on 10.4). That
/// they come by name is a guess.
pub(super) async fn list(call: &Call<'_>, key: &str, slug: &str) -> Result<Response, Refusal> {
    let repository = match find(call, key, slug, Access::Read)? {
        Found::Here(repository) => repository,
        Found::Redirect(redirect) => return Ok(redirect),
    };
    let request = call.query.page(call.settings.caps.branches)?;
    let stored = open(call, &repository);
    let default = default_ref(&repository, stored.as_deref())?;
    let branches = match &stored {
        Some(stored) => stored.branches().await.map_err(git_failed)?,
        None => Vec::new(),
    };
    let has_default = branches.iter().any(|(name, _)| *name == default);
    if call.query.is_true("details") && !has_default {
        return Err(Refusal::NoDefaultBranch { branch: default });
    }
    let filter = call.query.get("filterText").map(str::to_lowercase);
    let meant = |(name, _): &&(String, String)| {
        let short = name.strip_prefix("refs/heads/").unwrap_or(name).to_lowercase();
        filter.as_ref().is_none_or(|filter| short.contains(filter))
    };
    let rows: Vec<_> = branches.iter().filter(meant).collect();
    let shape = |(name, id): &&(String, String)| shapes::branch(name, id, *name == default);
    ok(&Page::of_visible(&rows, request, call.settings.filling, |_| true, shape))
}

//! The endpoints that are used, one function each, but for what finds the place (`place.rs`) and the budget (`budget.rs`). Paths and
//! parameters: Bitbucket's REST 1.0.

use serde::de::IgnoredAny;

use super::answer::{Answerable, Reply};
use super::bounds::PAGE_LIMIT;
use super::client::Client;
use super::error::{Error, Fault};
use super::model::{Branch, Commit, Page, Repository};
use super::refusal::Refusal;

/// What is asked for, as it is counted. Whatever the repository, so that there are few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    ApplicationProperties,
    Users,
    Repositories,
    Repository,
    DefaultBranch,
    Commits,
    RateLimit,
}

impl Endpoint {
    pub const ALL: [Self; 7] = [
        Self::ApplicationProperties,
        Self::Users,
        Self::Repositories,
        Self::Repository,
        Self::DefaultBranch,
        Self::Commits,
        Self::RateLimit,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApplicationProperties => "application-properties",
            Self::Users => "users",
            Self::Repositories => "repositories",
            Self::Repository => "repository",
            Self::DefaultBranch => "default-branch",
            Self::Commits => "commits",
            Self::RateLimit => "rate-limit",
        }
    }

    /// As whom it is asked.
    pub const fn identity(self) -> Identity {
        match self {
            Self::ApplicationProperties => Identity::Nobody,
            Self::Users => Identity::Proof,
            _ => Identity::Account,
        }
    }
}

/// Whether a request carries the credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Account,
    /// The account, where nobody else is answered: a good answer proves it.
    Proof,
    Nobody,
}

/// The commits of one walk: reachable from `until`, not reachable from `since`.
#[derive(Clone, Copy, Debug)]
pub struct Range<'a> {
    /// Inclusive end, a commit id.
    pub until: &'a str,
    /// Exclusive end, a commit id.
    pub since: Option<&'a str>,
}

/// Which commits of a range are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// So many come before the first one.
    pub start: u64,
    /// So many at the most; servers lower it to a cap of their own.
    pub limit: u32,
    /// Whether the server is to count all commits of the range as well, for which it has to look at each.
    pub counted: bool,
}

impl Client {
    /// `users` with one result: closed to anonymous users, so a 200 proves the identity. Tells the account's
    /// name where the server names it.
    pub async fn prove_identity(&self) -> Result<Option<String>, Error> {
        let reply: Reply<IgnoredAny> = self.get(Endpoint::Users, &["users"], &[("limit", "1")]).await?;
        Ok(reply.username)
    }

    /// One page of `repos`: every repository that the account may read, personal and archived ones too. Tells
    /// also as whom the server answered.
    pub async fn repositories(&self, start: u64) -> Result<(Page<Repository>, Option<String>), Error> {
        // The most that any server lets pass; it clamps silently to its own cap.
        let (start, limit) = (start.to_string(), PAGE_LIMIT.to_string());
        // Without `archived=ALL` servers from 8.0 on hide archived repositories; older ones ignore it.
        let query = [("archived", "ALL"), ("limit", limit.as_str()), ("start", start.as_str())];
        let reply = self.get(Endpoint::Repositories, &["repos"], &query).await?;
        let username = reply.username.clone();
        Ok((require(reply)?, username))
    }

    /// One repository by its names, to learn its numeric id.
    pub async fn repository(&self, project: &str, slug: &str) -> Result<Repository, Error> {
        require(self.about(Endpoint::Repository, (project, slug), &[], &[]).await?)
    }

    /// The default branch and its head; None for a repository without commits.
    pub async fn default_branch(&self, project: &str, slug: &str) -> Result<Option<Branch>, Error> {
        Ok(self.about(Endpoint::DefaultBranch, (project, slug), &["branches", "default"], &[]).await?.value)
    }

    /// Whether the newest commit of the default branch may be read: fails where it may not.
    pub async fn newest_commit(&self, project: &str, slug: &str) -> Result<(), Error> {
        let repository = (project, slug);
        let reply: Reply<Page<IgnoredAny>> =
            self.about(Endpoint::Commits, repository, &["commits"], &[("limit", "1")]).await?;
        require(reply).map(drop)
    }

    /// One page of the commits in `range`.
    pub async fn commits(
        &self,
        repository: (&str, &str),
        range: Range<'_>,
        slice: Slice,
    ) -> Result<Page<Commit>, Error> {
        let (start, limit) = (slice.start.to_string(), slice.limit.to_string());
        let mut query = vec![("until", range.until), ("start", &start), ("limit", &limit)];
        query.extend(range.since.map(|since| ("since", since)));
        query.extend(slice.counted.then_some(("withCounts", "true")));
        require(self.about(Endpoint::Commits, repository, &["commits"], &query).await?)
    }

    /// Asks about a repository. Where the account's name is kept from us, a refusal reads like one to nobody: a proof
    /// that comes after it tells that it is one to this account.
    async fn about<T: Answerable>(
        &self,
        endpoint: Endpoint,
        (project, slug): (&str, &str),
        rest: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Reply<T>, Error> {
        let segments = [&["projects", project, "repos", slug], rest].concat();
        match self.get(endpoint, &segments, query).await {
            Err(Error::Refused { request, status, refusal: Refusal::Anonymous }) if self.is_proven_without_name() => {
                self.prove_identity().await?;
                Err(Error::Refused { request, status, refusal: Refusal::Forbidden })
            }
            answered => answered,
        }
    }
}

/// What an answer holds, where nothing is no answer.
pub(super) fn require<T>(Reply { value, request, .. }: Reply<T>) -> Result<T, Error> {
    let fault = Fault::Unexpected { status: 204, what: "nothing" };
    value.ok_or(Error::Transport { request, fault })
}

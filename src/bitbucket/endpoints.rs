//! The endpoints that are used, one function each. Paths and parameters: Bitbucket's REST 1.0.

use serde::de::IgnoredAny;

use super::answer::Reply;
use super::client::{Client, Identity};
use super::error::{Error, Fault};
use super::model::{Branch, Commit, Page, Repository};

/// The most that any server lets pass; it clamps silently to its own cap.
const LISTING_LIMIT: &str = "1000";

/// The commits of one walk: reachable from `until`, not reachable from `since`.
#[derive(Clone, Copy, Debug)]
pub struct Range<'a> {
    /// Inclusive end, a commit id.
    pub until: &'a str,
    /// Exclusive end, a commit id.
    pub since: Option<&'a str>,
}

impl Client {
    /// `users` with one result: closed to anonymous users, so a 200 proves the identity. Tells the account's
    /// name where the server names it.
    pub async fn prove_identity(&self) -> Result<Option<String>, Error> {
        let reply: Reply<IgnoredAny> = self.get(Identity::Account, &["users"], &[("limit", "1")]).await?;
        Ok(reply.username)
    }

    /// One page of `repos`: every repository that the account may read, personal and archived ones too. Tells
    /// also as whom the server answered.
    pub async fn repositories(&self, start: u64) -> Result<(Page<Repository>, Option<String>), Error> {
        let start = start.to_string();
        // Without `archived=ALL` servers from 8.0 on hide archived repositories; older ones ignore it.
        let query = [("archived", "ALL"), ("limit", LISTING_LIMIT), ("start", start.as_str())];
        let reply = self.get(Identity::Account, &["repos"], &query).await?;
        let username = reply.username.clone();
        Ok((require(reply)?, username))
    }

    /// One repository by its names, to learn its numeric id.
    pub async fn repository(&self, project: &str, slug: &str) -> Result<Repository, Error> {
        require(self.get(Identity::Account, &["projects", project, "repos", slug], &[]).await?)
    }

    /// The default branch and its head; None for a repository without commits.
    pub async fn default_branch(&self, project: &str, slug: &str) -> Result<Option<Branch>, Error> {
        let segments = ["projects", project, "repos", slug, "branches", "default"];
        Ok(self.get(Identity::Account, &segments, &[]).await?.value)
    }

    /// Whether the newest commit of the default branch may be read: fails where it may not.
    pub async fn newest_commit(&self, project: &str, slug: &str) -> Result<(), Error> {
        let segments = ["projects", project, "repos", slug, "commits"];
        let reply: Reply<Page<IgnoredAny>> = self.get(Identity::Account, &segments, &[("limit", "1")]).await?;
        require(reply).map(drop)
    }

    /// One page of the commits in `range`, at most `limit` of them.
    pub async fn commits(
        &self,
        (project, slug): (&str, &str),
        range: Range<'_>,
        start: u64,
        limit: u32,
    ) -> Result<Page<Commit>, Error> {
        let (start, limit) = (start.to_string(), limit.to_string());
        let mut query = vec![("until", range.until), ("start", &start), ("limit", &limit)];
        query.extend(range.since.map(|since| ("since", since)));
        require(self.get(Identity::Account, &["projects", project, "repos", slug, "commits"], &query).await?)
    }
}

/// What an answer holds, where nothing is no answer.
pub(super) fn require<T>(Reply { value, request, .. }: Reply<T>) -> Result<T, Error> {
    let fault = Fault::Unexpected { status: 204, what: "nothing" };
    value.ok_or(Error::Transport { request, fault })
}

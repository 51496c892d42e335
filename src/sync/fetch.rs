//! Pages of commits from Bitbucket, each checked as far as it can be by itself.

use super::convert;
use super::failure::Failure;
use crate::bitbucket::{Client, Error, Fault, PAGE_LIMIT, Range, Refusal};
use crate::destination::Commit;

/// Commits that are asked for at a time. Servers cap a page at 100 unless an admin changed it; one that allows more gives
/// more. Where that is more than it can send, or than fits, less is asked for.
const LIMITS: [u32; 3] = [PAGE_LIMIT, 50, 2];

/// Reads one repository's pages.
pub(super) struct Fetch<'a> {
    client: &'a Client,
    repository: (&'a str, &'a str),
    limits: &'static [u32],
}

/// What Bitbucket has listed.
pub(super) enum Fetched {
    /// Some commits, and where the next ones start, if there are more.
    Page(Vec<Commit>, Option<u64>),
    /// Nothing: it does not know one of the range's ends.
    Vanished,
}

impl<'a> Fetch<'a> {
    pub const fn new(client: &'a Client, repository: (&'a str, &'a str)) -> Self {
        Self { client, repository, limits: &LIMITS }
    }

    /// The page of `range` that starts there.
    pub async fn page(&mut self, range: Range<'_>, start: u64) -> Result<Fetched, Failure> {
        let page = loop {
            match self.client.commits(self.repository, range, start, self.limits[0]).await {
                Ok(page) => break page,
                Err(error) if matches!(error.refusal(), Some(Refusal::NoSuchCommit | Refusal::BadRequest)) => {
                    return Ok(Fetched::Vanished);
                }
                Err(error) if self.shrink(&error) => {}
                Err(error) => return Err(error.into()),
            }
        };
        // A start that no list can have would not come back from the database as it was stored.
        let next = page.next_page_start.filter(|next| *next > start && i64::try_from(*next).is_ok());
        if !page.is_last_page && next.is_none() {
            return Err(Failure::IncompleteListing);
        }
        let base = self.client.base();
        let commits = page.values.into_iter().map(|commit| convert::commit(base, commit)).collect::<Option<Vec<_>>>();
        let commits = commits.ok_or_else(|| no_id("commits", self.repository))?;
        if start == 0 && commits.first().is_some_and(|first| first.sha != range.until) {
            return Err(Failure::IncompleteListing);
        }
        Ok(Fetched::Page(commits, next.filter(|_| !page.is_last_page)))
    }

    /// Asks for less from now on, where that may help.
    fn shrink(&mut self, error: &Error) -> bool {
        let smaller = smaller(self.limits, error);
        self.limits = smaller.unwrap_or(self.limits);
        smaller.is_some()
    }
}

fn smaller<'a>(limits: &'a [u32], error: &Error) -> Option<&'a [u32]> {
    let Error::Transport { fault, .. } = error else { return None };
    let least = match fault {
        Fault::TooLarge(_) => 1,
        // Each try has taken its time already, and mostly it is the server that hangs.
        Fault::Timeout(_) => 2,
        _ => return None,
    };
    limits.get(1..).filter(|smaller| smaller.len() >= least)
}

/// An answer that is not Bitbucket's.
pub(super) fn no_id(of: &str, (project, slug): (&str, &str)) -> Failure {
    let fault = Fault::Unexpected { status: 200, what: "a commit id that is not one of git's" };
    Failure::Bitbucket(Error::Transport { request: format!("GET {of} of {project}/{slug}"), fault })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn less_is_asked_for_where_that_may_help() {
        let after = |limits: &'static [u32], fault: &Fault| {
            smaller(limits, &Error::Transport { request: "GET /x".to_owned(), fault: fault.clone() })
        };
        let large = Fault::TooLarge(1);
        assert_eq!(after(&[1000, 50, 2], &large), Some(&[50, 2][..]));
        assert_eq!(after(&[50, 2], &large), Some(&[2][..]));
        assert_eq!(after(&[2], &large), None);
        let slow = Fault::Timeout(Duration::from_secs(30));
        assert_eq!(after(&[1000, 50, 2], &slow), Some(&[50, 2][..]));
        assert_eq!(after(&[50, 2], &slow), None);
        assert_eq!(after(&[1000, 50, 2], &Fault::Broken(200)), None);
        assert_eq!(smaller(&[1000, 50, 2], &Error::GateClosed), None);
    }
}

//! What Bitbucket's answers say of a page of commits, each checked as far as it can be by itself.

use super::convert;
use super::failure::Failure;
use crate::bitbucket::{BaseUrl, EMPTY_PAGES, Error, Fault, PAGE_LIMIT, Range, Refusal, model};
use crate::destination::Commit;

/// Where an answer is too large or too slow, so many times less is asked for.
const SHRINKS: u32 = 20;
/// And so many times more after each that came.
const GROWS: u32 = 4;

/// An answer to a question for commits.
pub(super) type Answer = Result<model::Page<model::Commit>, Error>;

/// Reads the pages to one target, one after another.
pub(super) struct Fetch<'a> {
    base: &'a BaseUrl,
    repository: (&'a str, &'a str),
    /// Commits that are asked for at a time.
    limit: u32,
    /// Pages in a row without a commit.
    empty: u32,
    /// More are not asked for. Servers cap a page at 100 unless an admin changed it; one that allows more gives more.
    most: u32,
}

/// What an answer says.
pub(super) enum Fetched {
    /// Some commits, and where the next ones start, if there are more.
    Page(Vec<Commit>, Option<u64>),
    /// Nothing: it does not know one of the range's ends.
    Vanished,
    /// Nothing yet: less has to be asked for.
    Less,
}

impl<'a> Fetch<'a> {
    pub const fn new(base: &'a BaseUrl, repository: (&'a str, &'a str)) -> Self {
        Self { base, repository, limit: PAGE_LIMIT, empty: 0, most: PAGE_LIMIT }
    }

    /// Commits to ask for.
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// What the answer says to a question for the page of `range` that starts there.
    pub fn read(&mut self, range: Range<'_>, start: u64, answer: Answer) -> Result<Fetched, Failure> {
        let page = match answer {
            Ok(page) => page,
            Err(error) if matches!(error.refusal(), Some(Refusal::NoSuchCommit | Refusal::BadRequest)) => {
                return Ok(Fetched::Vanished);
            }
            Err(error) if self.shrink(&error) => return Ok(Fetched::Less),
            Err(error) => return Err(error.into()),
        };
        self.limit = self.limit.saturating_mul(GROWS).min(self.most);
        // A start that no list can have would not come back from the database as it was stored.
        let next = page.next_page_start.filter(|next| *next > start && i64::try_from(*next).is_ok());
        if !page.is_last_page && next.is_none() {
            return Err(Failure::IncompleteListing);
        }
        self.empty = if page.values.is_empty() { self.empty + 1 } else { 0 };
        if self.empty >= EMPTY_PAGES {
            return Err(Failure::IncompleteListing);
        }
        let commits =
            page.values.into_iter().map(|commit| convert::commit(self.base, commit)).collect::<Option<Vec<_>>>();
        let commits = commits.ok_or_else(|| no_id("commits", self.repository))?;
        if start == 0 && commits.first().is_some_and(|first| first.sha != range.until) {
            return Err(Failure::IncompleteListing);
        }
        Ok(Fetched::Page(commits, next.filter(|_| !page.is_last_page)))
    }

    /// Asks for less, where that may help.
    fn shrink(&mut self, error: &Error) -> bool {
        let Some(smaller) = smaller(self.limit, error) else { return false };
        self.limit = smaller;
        if matches!(error, Error::Transport { fault: Fault::Timeout(_), .. }) {
            self.most = smaller;
        }
        true
    }
}

fn smaller(limit: u32, error: &Error) -> Option<u32> {
    let Error::Transport { fault, .. } = error else { return None };
    match fault {
        Fault::TooLarge(_) if limit > 1 => Some((limit / SHRINKS).max(1)),
        // Once: each try has taken its time already, and mostly it is the server that hangs.
        Fault::Timeout(_) if limit == PAGE_LIMIT => Some(limit / SHRINKS),
        _ => None,
    }
}

/// An answer that is not Bitbucket's.
pub(super) fn no_id(of: &str, (project, slug): (&str, &str)) -> Failure {
    let fault = Fault::Unexpected { status: 200, what: "a commit id that is not 40 hexadecimal digits" };
    Failure::Bitbucket(Error::Transport { request: format!("GET {of} of {project}/{slug}"), fault })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn less_is_asked_for_where_that_may_help() {
        let after = |limit, fault| smaller(limit, &Error::Transport { request: "GET /x".to_owned(), fault });
        let large = |limit| after(limit, Fault::TooLarge(1));
        assert_eq!([1000, 50, 2, 1].map(large), [Some(50), Some(2), Some(1), None]);
        let slow = |limit| after(limit, Fault::Timeout(Duration::from_secs(30)));
        assert_eq!([1000, 50].map(slow), [Some(50), None]);
        assert_eq!(after(1000, Fault::Broken(200)), None);
        assert_eq!(smaller(1000, &Error::GateClosed), None);
    }
}

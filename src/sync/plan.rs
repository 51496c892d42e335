//! What to do with one repository, given what is stored and what was seen. Pure.

use super::failure::Failure;
use crate::destination::{Position, RepositoryState, StoredRepository};

/// What the server says about a repository's default branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// It points to a commit.
    Commit {
        /// The short name.
        branch: String,
        /// The commit's id.
        id: String,
    },
    /// There are no commits, or the default branch does not exist.
    Nowhere(RepositoryState),
}

/// The next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The stored set is the head's already.
    Unchanged,
    /// It is, but the branch is called differently now.
    Rename(String),
    /// Rows and head stay; only the state is noted.
    Note(RepositoryState),
    /// Read the commits between the stored head, if there is one, and the new one.
    Walk {
        /// The new head.
        target: String,
        /// The stored head.
        since: Option<String>,
        /// The default branch's short name.
        branch: String,
    },
}

/// The next step for a repository without a walk under way, or with one that is stuck: any other goes on to its own
/// target first.
pub(super) fn plan(position: &Position, branch: Option<&str>, head: Head) -> Step {
    match head {
        Head::Nowhere(state) => Step::Note(state),
        Head::Commit { branch: name, id } if position.head.as_deref() == Some(&id) => {
            if branch == Some(name.as_str()) {
                Step::Unchanged
            } else {
                Step::Rename(name)
            }
        }
        Head::Commit { branch, id } => Step::Walk { target: id, since: position.head.clone(), branch },
    }
}

/// Whether the walk that was begun, and stands at `position` now, has brought not one page since the last run failed
/// with it: Bitbucket may never answer for its target again, but for a newer one. What came too late, or not
/// from Bitbucket, would do so for the newer one too, and what is stored would be lost for it. A page that is stored takes
/// the failure back.
pub(super) fn is_stuck(repository: &StoredRepository, position: &Position, failure: &Failure) -> bool {
    repository.failed && failure.is_an_answer() && !failure.inaccessible() && *position == repository.position
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bitbucket::{Error, Fault, Refusal};

    fn head(branch: &str, id: &str) -> Head {
        Head::Commit { branch: branch.to_owned(), id: id.to_owned() }
    }

    #[test]
    fn a_walk_is_stuck_where_the_same_answer_meets_it_again() {
        let transport = |fault| Failure::from(Error::Transport { request: "GET /x".to_owned(), fault });
        let refused = |refusal| Failure::from(Error::Refused { request: "GET /x".to_owned(), status: 404, refusal });
        for (failure, stuck) in [
            (transport(Fault::Server { status: 500, retry_after: None }), true),
            (transport(Fault::Unexpected { status: 200, what: "nothing" }), true),
            (refused(Refusal::NoSuchRoute), true),
            // Nothing came, this time.
            (transport(Fault::Timeout(Duration::from_secs(30))), false),
            (transport(Fault::Unreachable("refused")), false),
            (transport(Fault::Cut), false),
            (transport(Fault::Proxy(403)), false),
            (transport(Fault::Server { status: 502, retry_after: None }), false),
            (transport(Fault::Server { status: 503, retry_after: None }), false),
            (transport(Fault::Server { status: 504, retry_after: None }), false),
            (transport(Fault::RateLimited { retry_after: None }), false),
            // This is about the repository, whatever is walked to.
            (refused(Refusal::NoSuchRepository), false),
            (Failure::IncompleteListing, false),
        ] {
            let known = StoredRepository { failed: true, ..StoredRepository::example(1) };
            let moved = Position { head: Some("a".to_owned()), walk: None };
            assert_eq!(is_stuck(&known, &known.position, &failure), stuck, "{failure}");
            assert!(!is_stuck(&known, &moved, &failure), "{failure}: a page came");
            assert!(!is_stuck(&StoredRepository { failed: false, ..known.clone() }, &known.position, &failure));
        }
    }

    #[test]
    fn the_step_follows_from_head_and_name() {
        let fresh = Position::default();
        let complete = Position { head: Some("a".to_owned()), walk: None };
        let walk = |target: &str, since: Option<&str>| Step::Walk {
            target: target.to_owned(),
            since: since.map(str::to_owned),
            branch: "main".to_owned(),
        };
        assert_eq!(plan(&fresh, None, head("main", "a")), walk("a", None));
        assert_eq!(plan(&complete, Some("main"), head("main", "a")), Step::Unchanged);
        assert_eq!(plan(&complete, Some("master"), head("main", "a")), Step::Rename("main".to_owned()));
        assert_eq!(plan(&complete, Some("main"), head("main", "b")), walk("b", Some("a")));
        let nowhere = Head::Nowhere(RepositoryState::NoDefaultBranch);
        assert_eq!(plan(&complete, Some("main"), nowhere), Step::Note(RepositoryState::NoDefaultBranch));
    }
}

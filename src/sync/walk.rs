//! Bringing one repository's stored commits to its head.

use super::convert;
use super::failure::{Failure, RunError};
use super::fetch::no_id;
use super::pages::{Batch, Pages, Room};
use super::plan::{Head, Step, is_stuck, plan};
use super::progress::Progress;
use crate::bitbucket::{Client, Range, Refusal, model};
use crate::destination::{
    Destination, Last, Next, Page, Position, RepositoryState, Scope, StoreError, Stored, StoredRepository,
};

/// What a walk needs beside the repository.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub client: &'a Client,
    pub destination: &'a Destination,
    pub scope: Scope,
    pub progress: &'a Progress,
    pub room: &'a Room,
    /// Whether a listing of the same run has told the names.
    pub listed: bool,
}

/// One repository on its way to its head.
pub(super) struct Walk<'a> {
    context: Context<'a>,
    repository: &'a StoredRepository,
    position: Position,
    /// Whether Bitbucket has said, since the head was last read, that the name still means this repository.
    confirmed: bool,
    /// Rows added so far.
    pub added: u64,
    /// Rows removed so far.
    pub removed: u64,
}

/// How a walk ended.
enum Walked {
    /// The stored set is the head's; true, if it took more than one page.
    There(bool),
    /// Its target has gone, and there is no head any more.
    Headless(RepositoryState),
}

/// How a reading of pages to one target ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reached {
    /// The stored set is the target's; true, if it took more than one page.
    Target(bool),
    /// The server does not know one of the commits any more.
    Vanished,
}

impl<'a> Walk<'a> {
    pub const fn new(context: Context<'a>, repository: &'a StoredRepository) -> Self {
        Self {
            context,
            repository,
            position: Position { head: None, walk: None },
            confirmed: false,
            added: 0,
            removed: 0,
        }
    }

    /// Goes on with a walk that was begun, then looks at the head, and walks to it.
    pub async fn run(&mut self) -> Result<RepositoryState, Failure> {
        self.position = self.repository.position.clone();
        let mut stuck = None;
        if let Some(walk) = self.position.walk.clone() {
            match self.target(&walk.target, walk.since, None).await {
                Ok(Walked::Headless(state)) => return Ok(state),
                Ok(Walked::There(_)) => {}
                Err(failure) if is_stuck(self.repository, &self.position, &failure) => {
                    stuck = Some((walk.target, failure));
                }
                Err(failure) => return Err(failure),
            }
        }
        // A head that moves during a walk of several pages is followed once; then it is the next run's.
        let mut follow = true;
        let mut name = self.repository.branch.clone();
        loop {
            let head = self.head().await?;
            let step = plan(&self.position, name.as_deref(), head);
            if self.position.walk.is_some() && !matches!(step, Step::Walk { .. }) {
                // It was stuck, and leads nowhere any more.
                self.abandon().await?;
            }
            let (target, since, branch) = match step {
                Step::Unchanged => return Ok(RepositoryState::Synced),
                Step::Rename(branch) => {
                    self.context.destination.set_branch(self.repository.id, branch).await?;
                    return Ok(RepositoryState::Synced);
                }
                Step::Note(state) => return Ok(state),
                Step::Walk { target, since, branch } => (target, since, branch),
            };
            if let Some((_, failure)) = stuck.take_if(|(stuck, _)| *stuck == target) {
                return Err(failure);
            }
            name = Some(branch.clone());
            match self.target(&target, since, Some(branch)).await? {
                Walked::Headless(state) => return Ok(state),
                Walked::There(true) if std::mem::take(&mut follow) => {}
                Walked::There(_) => return Ok(RepositoryState::Synced),
            }
        }
    }

    async fn head(&mut self) -> Result<Head, Failure> {
        self.confirmed = false;
        let (project, slug) = self.path();
        let client = self.context.client;
        match client.default_branch(project, slug).await {
            Ok(Some(model::Branch { display_id, latest_commit: Some(id) })) if !id.is_empty() => {
                let head = convert::is_sha(&id).then_some(Head::Commit { branch: display_id, id });
                head.ok_or_else(|| no_id("branches/default", self.path()))
            }
            Ok(_) => Ok(Head::Nowhere(RepositoryState::Empty)),
            Err(error) if error.refusal() == Some(Refusal::NoDefaultBranch) => {
                Ok(Head::Nowhere(RepositoryState::NoDefaultBranch))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Walks to the target, or to where the head has moved if the target is gone.
    async fn target(&mut self, target: &str, since: Option<String>, branch: Option<String>) -> Result<Walked, Failure> {
        let (mut target, mut since, mut branch) = (target.to_owned(), since, branch);
        let mut again = true;
        let mut moves = 3;
        loop {
            match self.pages(&target, since.as_deref(), branch.clone()).await {
                Ok(Reached::Target(several)) => return Ok(Walked::There(several)),
                Ok(Reached::Vanished) if moves > 0 => {
                    moves -= 1;
                    let (name, id) = match self.head().await? {
                        Head::Commit { branch, id } => (branch, id),
                        Head::Nowhere(state) => {
                            self.abandon().await?;
                            return Ok(Walked::Headless(state));
                        }
                    };
                    if id == target {
                        // The end is there, so it is the beginning that has gone: read back until the stored
                        // commits are met. That may end in a sweep, so be sure of the repository first.
                        if since.take().is_none() {
                            return Err(Failure::IncompleteListing);
                        }
                        self.confirm().await?;
                    }
                    (target, branch) = (id, Some(name));
                }
                Ok(Reached::Vanished) => return Err(Failure::IncompleteListing),
                Err(Failure::IncompleteListing) => {
                    self.abandon().await?;
                    if !std::mem::take(&mut again) {
                        return Err(Failure::IncompleteListing);
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Reads and stores the pages up to the target, from where the checkpoint says.
    async fn pages(&mut self, target: &str, since: Option<&str>, branch: Option<String>) -> Result<Reached, Failure> {
        let begun = self.position.walk.as_ref().filter(|walk| walk.target == target && walk.since.as_deref() == since);
        let start = begun.map_or(0, |walk| walk.next_start);
        let mut several = start > 0;
        if begun.is_none() && !self.confirmed && (self.position.head.is_none() || !self.context.listed) {
            // Nothing that is stored ties these commits to this repository, and the listing may be hours old; or what is stored would do
            // so for those of a fork too, and the listing may be weeks old.
            self.confirm().await?;
        }
        let repairs = since.is_none() && self.position.head.is_some();
        let (range, Context { client, room, .. }) = (Range { until: target, since }, self.context);
        let mut pages = Pages::new(client, self.path(), range, start, room, repairs);
        while let Some(Batch { commits, next, rooms }) = pages.next().await? {
            let last = Last { branch: branch.clone(), confirmed: self.confirmed };
            let next = match next {
                None => Next::Last(last),
                Some(next) if repairs => Next::PageUnlessClosed(next, last),
                Some(next) => Next::Page(next),
            };
            let page = Page { target: target.to_owned(), since: since.map(str::to_owned), commits, next };
            let stored = self.store(page).await?;
            drop(rooms);
            self.stored(stored);
            if self.position.walk.is_none() {
                return Ok(Reached::Target(several));
            }
            several = true;
        }
        Ok(Reached::Vanished)
    }

    /// Stores a page. Where commits would be removed, the repository is first asked who it is.
    async fn store(&mut self, page: Page) -> Result<Stored, Failure> {
        let Context { destination, scope, .. } = self.context;
        let id = self.repository.id;
        // Only a page that may be the last is ever stored a second time.
        let again = if let Next::Page(_) = page.next { None } else { Some(page.clone()) };
        match (destination.store(scope, id, self.position.clone(), page).await, again) {
            (Err(StoreError::Unconfirmed), Some(mut page)) => {
                self.confirm().await?;
                if let Next::Last(last) | Next::PageUnlessClosed(_, last) = &mut page.next {
                    last.confirmed = true;
                }
                destination.store(scope, id, self.position.clone(), page).await.map_err(store_failure)
            }
            (result, _) => result.map_err(store_failure),
        }
    }

    fn stored(&mut self, Stored { position, added, removed, .. }: Stored) {
        self.position = position;
        self.added += added;
        self.removed += removed;
        self.context.progress.stored(added, removed);
    }

    /// Gives up the walk under way, with what it has stored.
    async fn abandon(&mut self) -> Result<(), Failure> {
        let (destination, position) = (self.context.destination, self.position.clone());
        let stored = destination.abandon(self.repository.id, position).await.map_err(store_failure)?;
        self.stored(stored);
        Ok(())
    }

    /// Makes sure that the name still leads to the same repository.
    async fn confirm(&mut self) -> Result<(), Failure> {
        let (project, slug) = self.path();
        let client = self.context.client;
        let found = client.repository(project, slug).await?;
        self.confirmed = found.id == self.repository.source_id;
        if self.confirmed {
            return Ok(());
        }
        self.abandon().await?;
        Err(Failure::Replaced)
    }

    fn path(&self) -> (&'a str, &'a str) {
        (&self.repository.project, &self.repository.slug)
    }
}

fn store_failure(error: StoreError) -> Failure {
    match error {
        StoreError::Destination(error) => RunError::from(error).into(),
        StoreError::Superseded => Failure::Superseded,
        StoreError::Incomplete { missing } => {
            tracing::warn!(missing, "a commit belongs to the list, but was not listed");
            Failure::IncompleteListing
        }
        StoreError::Stray { stray } => {
            tracing::warn!(stray, "a commit was listed that does not belong to the list");
            Failure::IncompleteListing
        }
        StoreError::Unconfirmed => Failure::IncompleteListing,
    }
}

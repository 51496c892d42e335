//! The pages of one walk, in their order. While one is stored, the next ones are on their way.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, Span};

use super::course::Course;
use super::failure::{Failure, RunError};
use super::fetch::{Answer, Fetch, Fetched};
use crate::bitbucket::{Client, Error, Fault, PAGE_BODY, PAGE_LIMIT, Policy, Range, Slice};
use crate::destination::Commit;

/// Requests of one walk under way at a time.
const AT_A_TIME: usize = 4;
/// Pages behind the one that is stored.
const AHEAD: usize = 2 * AT_A_TIME - 1;
/// A thousand commits take one megabyte. Bytes.
const AHEAD_BODY: usize = 4 << 20;

/// Room in memory for the pages of a run.
pub(super) struct Room {
    /// Pages that are asked for and not stored.
    pages: Semaphore,
    /// Requests of the run at a time.
    concurrency: usize,
}

impl Room {
    /// For as many pages again as there are requests at a time, so that Bitbucket is asked while something is stored.
    pub fn new(concurrency: usize) -> Self {
        let concurrency = concurrency.max(1);
        Self { pages: Semaphore::new(concurrency.saturating_mul(2).min(Semaphore::MAX_PERMITS)), concurrency }
    }

    /// Waits for room for a page without which a walk cannot go on. It comes: whoever has room has such a page, too.
    async fn one(&self) -> Result<SemaphorePermit<'_>, Failure> {
        self.pages.acquire().await.map_err(|_| RunError::Stopped.into())
    }
}

/// One page.
pub(super) struct Page<'a> {
    pub commits: Vec<Commit>,
    /// Where the next one starts, if there is one.
    pub next: Option<u64>,
    /// To be kept until it is stored.
    pub room: SemaphorePermit<'a>,
}

/// A page that is on its way.
struct Coming<'a> {
    start: u64,
    /// A task: it waits for its turn at Bitbucket and has it, whoever waits for what.
    answer: AbortOnDropHandle<Answer>,
    room: SemaphorePermit<'a>,
}

/// Reads the pages of a range.
pub(super) struct Pages<'a> {
    client: &'a Client,
    /// For what can be done without.
    impatient: Client,
    repository: (&'a str, &'a str),
    range: Range<'a>,
    fetch: Fetch<'a>,
    /// Where the next page starts.
    start: u64,
    course: Course,
    room: &'a Room,
    /// Requests of this walk at a time.
    lanes: Arc<Semaphore>,
    /// Pages from `start` on, without a gap.
    ahead: VecDeque<Coming<'a>>,
}

impl<'a> Pages<'a> {
    /// From `start` on. Those of `one_by_one` may end at any page.
    pub fn new(
        client: &'a Client,
        repository: (&'a str, &'a str),
        range: Range<'a>,
        start: u64,
        room: &'a Room,
        one_by_one: bool,
    ) -> Self {
        Self {
            client,
            impatient: client.impatient(),
            repository,
            range,
            fetch: Fetch::new(client.base(), repository),
            start,
            course: if one_by_one { Course::OneByOne } else { Course::Unknown },
            room,
            lanes: Arc::new(Semaphore::new(room.concurrency.min(AT_A_TIME))),
            ahead: VecDeque::new(),
        }
    }

    /// The next page; None, if the server does not know one of the range's ends.
    pub async fn next(&mut self) -> Result<Option<Page<'a>>, Failure> {
        let (mut answer, room) = match self.come().await {
            Some(came) => came,
            None => {
                let room = self.room.one().await?;
                (self.ask().await, room)
            }
        };
        let (commits, next) = loop {
            match self.fetch.read(self.range, self.start, answer)? {
                Fetched::Page(commits, next) => break (commits, next),
                Fetched::Vanished => return Ok(None),
                Fetched::Less => {
                    self.one_by_one();
                    answer = self.ask().await;
                }
            }
        };
        if let Some(next) = next {
            self.look_ahead(next);
            self.start = next;
        }
        Ok(Some(Page { commits, next, room }))
    }

    /// The page that starts at `start`, if it was asked for ahead and is what was expected.
    async fn come(&mut self) -> Option<(Answer, SemaphorePermit<'a>)> {
        let Coming { answer, room, .. } = self.ahead.pop_front()?;
        let answer = match answer.await {
            Ok(answer) => answer,
            Err(broken) if broken.is_panic() => resume_unwind(broken.into_panic()),
            // The runtime is ending.
            Err(_) => Err(Error::Stopped),
        };
        match &answer {
            Ok(page) if page.start == Some(self.start) => Some((answer, room)),
            // It is asked for with more patience now that nothing goes on without it.
            Err(error) if matches!(error.policy(), Policy::Retry(_)) => None,
            // Now it may be larger, too.
            Ok(_) | Err(Error::Transport { fault: Fault::TooLarge(_), .. }) => {
                self.one_by_one();
                None
            }
            Err(_) => Some((answer, room)),
        }
    }

    /// Asks for the page that starts at `start`.
    async fn ask(&mut self) -> Answer {
        let slice = Slice { start: self.start, limit: self.fetch.limit(), counted: false, largest: PAGE_BODY };
        if self.course.needs_count(self.start) {
            let counted = Slice { counted: true, ..slice };
            let answer = self.impatient.commits(self.repository, self.range, counted).await;
            self.course = self.course.counted(answer.as_ref().ok().and_then(|page| page.total_count));
            // It may be the counting that takes so long.
            if !answer.as_ref().is_err_and(|error| matches!(error.policy(), Policy::Retry(_))) {
                return answer;
            }
        }
        self.client.commits(self.repository, self.range, slice).await
    }

    /// Asks for pages that follow the one at `start`, after which comes the one at `next`.
    fn look_ahead(&mut self, next: u64) {
        if self.ahead.front().is_some_and(|coming| coming.start != next) {
            self.one_by_one();
        }
        let step = next - self.start;
        let mut last = self.ahead.back().map_or(self.start, |coming| coming.start);
        while self.ahead.len() < AHEAD
            && let Some(start) = self.course.following(last, step)
            && let Ok(room) = self.room.pages.try_acquire()
        {
            let answer = AbortOnDropHandle::new(tokio::spawn(self.one_ahead(start).instrument(Span::current())));
            self.ahead.push_back(Coming { start, answer, room });
            last = start;
        }
    }

    /// One request for a page that nobody needs yet.
    fn one_ahead(&self, start: u64) -> impl Future<Output = Answer> + Send + use<> {
        let (client, lanes) = (self.impatient.clone(), Arc::clone(&self.lanes));
        let (project, slug) = (self.repository.0.to_owned(), self.repository.1.to_owned());
        let (until, since) = (self.range.until.to_owned(), self.range.since.map(str::to_owned));
        let slice = Slice { start, limit: PAGE_LIMIT, counted: false, largest: AHEAD_BODY };
        async move {
            let _lane = lanes.acquire().await;
            let range = Range { until: &until, since: since.as_deref() };
            client.commits((&project, &slug), range, slice).await
        }
    }

    /// Something is not as it was expected: from now on one page is asked for after another.
    fn one_by_one(&mut self) {
        self.course = Course::OneByOne;
        self.ahead.clear();
    }
}

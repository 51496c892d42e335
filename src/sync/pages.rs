//! The pages of one walk, in their order. While one is stored, the next ones are on their way.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt, StreamExt};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::course::Course;
use super::failure::Failure;
use super::fetch::{Answer, Fetch, Fetched};
use crate::bitbucket::{Client, Error, Fault, PAGE_BODY, PAGE_LIMIT, Range, Slice};
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

    /// Waits for room for a page without which a walk cannot go on. It comes: whoever has more pages has that one too.
    async fn one(&self) -> Result<SemaphorePermit<'_>, Failure> {
        self.pages.acquire().await.map_err(|_| Failure::Run(super::RunError::Stopped))
    }
}

/// One page, and its room.
pub(super) struct Page<'a> {
    pub commits: Vec<Commit>,
    /// Where the next one starts, if there is one.
    pub next: Option<u64>,
    pub room: SemaphorePermit<'a>,
}

/// An answer, and room for the page in it.
struct Came<'a> {
    answer: Answer,
    room: SemaphorePermit<'a>,
}

/// Reads the pages of a range.
pub(super) struct Pages<'a> {
    fetch: Fetch<'a>,
    range: Range<'a>,
    /// Where the next page starts.
    start: u64,
    course: Course,
    room: &'a Room,
    /// Requests at a time.
    lanes: Arc<Semaphore>,
    /// Where the pages start that were asked for ahead, the first one at `start`.
    starts: VecDeque<u64>,
    /// Those of them that have come before somebody asked, and then the others.
    came: VecDeque<Came<'a>>,
    under_way: FuturesOrdered<BoxFuture<'a, Came<'a>>>,
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
            fetch: Fetch::new(client, repository),
            range,
            start,
            course: if one_by_one { Course::OneByOne } else { Course::Unknown },
            room,
            lanes: Arc::new(Semaphore::new(room.concurrency.min(AT_A_TIME))),
            starts: VecDeque::new(),
            came: VecDeque::new(),
            under_way: FuturesOrdered::new(),
        }
    }

    /// The next page; None, if the server does not know one of the range's ends.
    pub async fn next(&mut self) -> Result<Option<Page<'a>>, Failure> {
        let Came { mut answer, room } = match self.front().await {
            Some(came) => came,
            None => Came { room: self.room.one().await?, answer: self.ask().await },
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

    /// Does something, and lets pages come meanwhile.
    pub async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                Some(came) = self.under_way.next() => self.came.push_back(came),
            }
        }
    }

    /// The page that starts at `start`, if it was asked for ahead and is what was expected.
    async fn front(&mut self) -> Option<Came<'a>> {
        self.starts.pop_front()?;
        let came = match self.came.pop_front() {
            Some(came) => came,
            None => self.under_way.next().await?,
        };
        let expected = match &came.answer {
            Ok(page) => page.start == Some(self.start),
            // More is allowed for the page that is needed now.
            Err(Error::Transport { fault: Fault::TooLarge(_), .. }) => false,
            Err(_) => true,
        };
        if expected {
            return Some(came);
        }
        self.one_by_one();
        None
    }

    /// Asks for the page that starts at `start`.
    async fn ask(&mut self) -> Answer {
        let counted = self.course.needs_count(self.start);
        let slice = Slice { start: self.start, limit: self.fetch.limit(), counted, largest: PAGE_BODY };
        let Fetch { client, repository, .. } = self.fetch;
        let mut answer = client.commits(repository, self.range, slice).await;
        if counted && matches!(answer, Err(Error::Transport { fault: Fault::Timeout(_), .. })) {
            // It may be the counting that takes so long.
            answer = client.commits(repository, self.range, Slice { counted: false, ..slice }).await;
        }
        if counted {
            self.course = self.course.counted(answer.as_ref().ok().and_then(|page| page.total_count));
        }
        answer
    }

    /// Asks for pages that follow the one at `start`, after which comes the one at `next`.
    fn look_ahead(&mut self, next: u64) {
        if self.starts.front().is_some_and(|ahead| *ahead != next) {
            self.one_by_one();
        }
        let step = next - self.start;
        let mut last = self.starts.back().copied().unwrap_or(self.start);
        while self.starts.len() < AHEAD
            && let Some(start) = self.course.following(last, step)
            && let Ok(room) = self.room.pages.try_acquire()
        {
            let slice = Slice { start, limit: PAGE_LIMIT, counted: false, largest: AHEAD_BODY };
            let Fetch { client, repository, .. } = self.fetch;
            let (range, lanes) = (self.range, Arc::clone(&self.lanes));
            let coming = async move {
                let _lane = lanes.acquire().await;
                Came { answer: client.commits(repository, range, slice).await, room }
            };
            self.under_way.push_back(coming.boxed());
            self.starts.push_back(start);
            last = start;
        }
    }

    /// Something is not as it was expected: from now on one page is asked for after another.
    fn one_by_one(&mut self) {
        self.course = Course::OneByOne;
        self.starts.clear();
        self.came.clear();
        self.under_way.clear();
    }
}

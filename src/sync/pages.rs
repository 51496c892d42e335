//! The pages of one walk, in their order. While some are stored, the next ones are on their way.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, Span};

use super::course::Course;
use super::failure::{Failure, RunError};
use super::fetch::{Answer, Fetch, Fetched};
use crate::bitbucket::{Client, Error, Fault, PAGE_LIMIT, Policy, Range, Refusal, Slice};
use crate::destination::Commit;

/// Requests of one walk under way at a time.
const AT_A_TIME: usize = 4;
/// Pages of one walk that are on their way, or have come and wait.
const AHEAD: usize = 2 * AT_A_TIME - 1;
/// What a commit of a page ahead may take in its answer; most take one kilobyte. Bytes.
const AHEAD_COMMIT: usize = 8 << 10;
/// Pages are stored together that have come, up to so many commits: a transaction costs as much as many rows.
const STORED_TOGETHER: usize = PAGE_LIMIT as usize;

/// Room in memory for the pages of a run that are ahead, in commits. Beside them each walk has one page that it cannot go on
/// without.
pub(super) struct Room(Semaphore);

impl Room {
    /// For as many of the largest pages as there are requests at a time.
    pub fn new(concurrency: usize) -> Self {
        let commits = concurrency.saturating_mul(PAGE_LIMIT as usize).min(Semaphore::MAX_PERMITS);
        Self(Semaphore::new(commits))
    }

    /// Room for so many commits, if there is some.
    fn spare(&self, commits: u64) -> Option<SemaphorePermit<'_>> {
        let commits = u32::try_from(commits).ok().filter(|commits| *commits <= PAGE_LIMIT)?;
        self.0.try_acquire_many(commits).ok()
    }
}

/// One page, or several that follow each other.
pub(super) struct Batch<'a> {
    pub commits: Vec<Commit>,
    /// Where the next one starts, if there is one.
    pub next: Option<u64>,
    /// Of those that were ahead; kept until they are stored.
    pub rooms: Vec<SemaphorePermit<'a>>,
}

impl Batch<'_> {
    fn add(&mut self, more: Self) {
        self.commits.extend(more.commits);
        self.next = more.next;
        self.rooms.extend(more.rooms);
    }
}

/// A page that is on its way.
struct Coming<'a> {
    start: u64,
    /// A task: it waits for its turn at Bitbucket and has it, whoever waits for what.
    answer: AbortOnDropHandle<Answer>,
    room: SemaphorePermit<'a>,
}

/// What was found out of the page at `start`.
enum Found<'a> {
    Batch(Batch<'a>),
    /// The server does not know one of the range's ends.
    Vanished,
    /// Nothing: it is to be asked for again.
    Nothing,
}

/// Reads the pages of a range.
pub(super) struct Pages<'a> {
    client: &'a Client,
    repository: (&'a str, &'a str),
    range: Range<'a>,
    fetch: Fetch<'a>,
    /// Where the next page starts.
    start: u64,
    course: Course,
    room: &'a Room,
    /// Requests of this walk at a time.
    lanes: Arc<Semaphore>,
    /// Pages that follow each other, the first one at `start` or behind it.
    ahead: VecDeque<Coming<'a>>,
    /// What was found out already, and could not be told with what was before it.
    held: Option<Result<Found<'a>, Failure>>,
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
            repository,
            range,
            fetch: Fetch::new(client.base(), repository),
            start,
            course: if one_by_one { Course::OneByOne } else { Course::Unknown },
            room,
            lanes: Arc::new(Semaphore::new(AT_A_TIME)),
            ahead: VecDeque::new(),
            held: None,
        }
    }

    /// The next page, with those behind it that have come; the first of all pages comes alone. None, if the server does not
    /// know one of the range's ends.
    pub async fn next(&mut self) -> Result<Option<Batch<'a>>, Failure> {
        let mut batch = loop {
            if self.client.stop().is_cancelled() {
                return Err(RunError::Stopped.into());
            }
            let found = match self.held.take() {
                Some(held) => held?,
                None => match self.come().await? {
                    Found::Nothing => {
                        let answer = self.ask().await;
                        self.read(answer, None)?
                    }
                    found => found,
                },
            };
            match found {
                Found::Batch(batch) => break batch,
                Found::Vanished => return Ok(None),
                Found::Nothing => {}
            }
        };
        while batch.commits.len() < STORED_TOGETHER && self.ahead.front().is_some_and(|one| one.answer.is_finished()) {
            match self.come().await {
                Ok(Found::Batch(more)) if batch.commits.len() + more.commits.len() <= STORED_TOGETHER => {
                    batch.add(more);
                }
                Ok(Found::Nothing) => break,
                found => {
                    self.held = Some(found);
                    break;
                }
            }
        }
        Ok(Some(batch))
    }

    /// The page that starts at `start`, if it was asked for ahead and is what was expected.
    async fn come(&mut self) -> Result<Found<'a>, Failure> {
        let Some(Coming { answer, room, .. }) = self.ahead.pop_front_if(|coming| coming.start == self.start) else {
            return Ok(Found::Nothing);
        };
        let answer = match answer.await {
            Ok(answer) => answer,
            Err(broken) if broken.is_panic() => resume_unwind(broken.into_panic()),
            // The runtime is ending.
            Err(_) => Err(Error::Stopped),
        };
        match &answer {
            Ok(page) if page.start == Some(self.start) => self.read(answer, Some(room)),
            // It is asked for with more patience when nothing goes on without it.
            Err(error) if matches!(error.policy(), Policy::Retry(_)) => Ok(Found::Nothing),
            // And it may be larger then.
            Ok(_) | Err(Error::Transport { fault: Fault::TooLarge(_), .. }) => {
                self.one_by_one();
                Ok(Found::Nothing)
            }
            Err(_) => self.read(answer, Some(room)),
        }
    }

    /// Asks for the page that starts at `start`.
    async fn ask(&mut self) -> Answer {
        let _lane = self.lanes.acquire().await;
        let slice = Slice { start: self.start, limit: self.fetch.limit(), counted: false };
        if self.course.needs_count(self.start) {
            let counted = Slice { counted: true, ..slice };
            let answer = self.client.impatient(usize::MAX).commits(self.repository, self.range, counted).await;
            self.course = Course::counted(answer.as_ref().ok().and_then(|page| page.total_count));
            // Without Bitbucket's word it may be the count that takes too long, or is not understood.
            let is_its_word = |error: &Error| error.refusal().is_some_and(|refusal| refusal != Refusal::BadRequest);
            if answer.as_ref().err().is_none_or(is_its_word) {
                return answer;
            }
        }
        self.client.commits(self.repository, self.range, slice).await
    }

    /// What the answer says of the page that starts at `start`.
    fn read(&mut self, answer: Answer, room: Option<SemaphorePermit<'a>>) -> Result<Found<'a>, Failure> {
        let (commits, next) = match self.fetch.read(self.range, self.start, answer)? {
            Fetched::Page(commits, next) => (commits, next),
            Fetched::Vanished => return Ok(Found::Vanished),
            Fetched::Less => {
                self.one_by_one();
                return Ok(Found::Nothing);
            }
        };
        if let Some(next) = next {
            self.look_ahead(next);
            self.start = next;
        }
        Ok(Found::Batch(Batch { commits, next, rooms: room.into_iter().collect() }))
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
            && let Some(room) = self.room.spare(step)
        {
            let coming = self.one_ahead(start, step).instrument(Span::current());
            self.ahead.push_back(Coming { start, answer: AbortOnDropHandle::new(tokio::spawn(coming)), room });
            last = start;
        }
    }

    /// One request for a page that nobody needs yet.
    fn one_ahead(&self, start: u64, commits: u64) -> impl Future<Output = Answer> + Send + use<> {
        let largest = usize::try_from(commits).unwrap_or(usize::MAX).saturating_mul(AHEAD_COMMIT);
        let (client, lanes) = (self.client.impatient(largest), Arc::clone(&self.lanes));
        let (project, slug) = (self.repository.0.to_owned(), self.repository.1.to_owned());
        let (until, since) = (self.range.until.to_owned(), self.range.since.map(str::to_owned));
        let slice = Slice { start, limit: PAGE_LIMIT, counted: false };
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

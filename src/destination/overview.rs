//! What a page about one connection shows: its repositories, and when its commits were written.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::Instrument;

use super::Error;

/// How long somebody who looks at a page waits for numbers.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Whose turn it is: commits are counted for long, and nobody who looks for repositories waits for that.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    pub overview: Arc<Semaphore>,
    pub weeks: Arc<Semaphore>,
}

impl Turns {
    /// Nobody's.
    pub fn new() -> Self {
        Self { overview: Arc::new(Semaphore::new(1)), weeks: Arc::new(Semaphore::new(1)) }
    }
}

/// Which repositories of a connection are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// A part of `PROJECT/slug`, in upper or lower case; all have the empty one. No character stands for others.
    pub text: String,
    /// Those of them that are shown.
    pub only: Only,
    /// How many are passed over.
    pub offset: i64,
    /// How many are shown at most.
    pub limit: i64,
}

/// Which of the repositories that were listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Only {
    /// Every one.
    All,
    /// Those that are imported, and that the last run left behind or the account may not read.
    Failing,
    /// Those that are imported and have commits of which some are not stored yet.
    Incomplete,
}

/// What is stored of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// All repositories that were listed last.
    pub total: i64,
    /// Those of them that are imported.
    pub imported: i64,
    /// Those of them that are [failing](Only::Failing).
    pub failing: i64,
    /// Those of them that are looked for.
    pub matching: i64,
    /// A portion of what is looked for: the failing ones first, then by name, byte by byte.
    pub repositories: Vec<RepositoryOverview>,
}

/// A repository that was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryOverview {
    /// `PROJECT/slug`.
    pub name: String,
    /// Its page in Bitbucket.
    pub url: String,
    /// `new`, `synced`, `empty` or `no_default_branch`.
    pub state: String,
    /// Whether the stored commits are exactly those of its head. One without commits has no head.
    pub complete: bool,
    /// Whether the import filter selects it.
    pub imported: bool,
    /// Whether the account may read it, as far as Bitbucket has said.
    pub accessible: bool,
    /// When its commits last changed.
    pub synced_at: Option<Timestamp>,
    /// When a run last found them to be all there are; None where the last run could not.
    pub checked_at: Option<Timestamp>,
    /// Why the last run left it behind.
    pub failure: Option<String>,
}

impl Search {
    /// The same for every database: one takes numbers below zero for something else, and one refuses U+0000, for which
    /// U+FFFD is stored.
    pub(super) fn understood(self) -> Self {
        let text = self.text.replace('\0', "\u{FFFD}");
        Self { text, only: self.only, offset: self.offset.max(0), limit: self.limit.max(0) }
    }
}

/// Nobody waits for what takes longer.
pub(super) fn slow() -> Error {
    Error::Unavailable(
        "reading takes longer than five seconds; ask the database itself, see docs/queries.md".to_owned(),
    )
}

/// Others have taken the time.
fn busy() -> Error {
    Error::Unavailable("it has been reading for others for five seconds".to_owned())
}

/// Does something that may be long, one at a time, so that of the connections that the sync works with it never takes more than one. It
/// goes on to its end where nobody waits any more: whoever used its connection next would wait for that.
pub(super) async fn alone<T: Send + 'static>(
    turn: &Arc<Semaphore>,
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let turn = timeout(PATIENCE, Arc::clone(turn).acquire_owned()).await.map_err(|_| busy())?;
    let work = async move {
        let result = work.await;
        drop(turn);
        result
    };
    let stopped = |_| Error::Unavailable("reading was stopped; see the log".to_owned());
    tokio::spawn(work.in_current_span()).await.map_err(stopped)?
}

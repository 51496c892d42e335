use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::process;
use crate::Error;
use crate::settings::{Merges, Order};

/// What `git rev-list` is asked for. Both ends are ids, so the answer never changes and may be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RangeKey {
    pub until: String,
    pub since: Option<String>,
    pub order: Order,
    pub merges: Merges,
}

impl RangeKey {
    fn arguments(&self) -> Vec<String> {
        let order = match self.order {
            Order::Date => "--date-order",
            Order::Topological => "--topo-order",
        };
        let merges = match self.merges {
            Merges::Include => None,
            Merges::Exclude => Some("--no-merges"),
            Merges::Only => Some("--merges"),
        };
        let since = self.since.as_ref().map(|since| format!("^{since}"));
        let options = [Some(order), merges].into_iter().flatten().map(str::to_owned);
        options.chain([self.until.clone()]).chain(since).chain(["--".to_owned()]).collect()
    }
}

/// The ids of a range, kept as git printed them: a list of 200 000 strings would cost three times the memory.
pub(crate) struct Range {
    key: RangeKey,
    text: Vec<u8>,
    line: usize,
    authors: OnceCell<usize>,
}

impl Range {
    async fn read(directory: &Path, key: RangeKey) -> Result<Self, Error> {
        let text = run(directory, "rev-list", &[], &key).await?;
        let line = text.iter().position(|&byte| byte == b'\n').map_or(1, |at| at + 1);
        Ok(Self { key, text, line, authors: OnceCell::new() })
    }

    pub fn len(&self) -> usize {
        self.text.len() / self.line
    }

    /// The ids from `start`, at most `limit` of them.
    pub fn slice(&self, start: usize, limit: usize) -> Vec<String> {
        let lines = self.text.chunks_exact(self.line).skip(start).take(limit);
        lines.map(|line| String::from_utf8_lossy(&line[..self.line - 1]).into_owned()).collect()
    }

    /// How many different authors the range has: `authorCount` of `withCounts=true`.
    pub async fn authors(&self, directory: &Path) -> Result<usize, Error> {
        let count = || async {
            let text = run(directory, "log", &["-z", "--format=%an%n%ae"], &self.key).await?;
            let authors: HashSet<&[u8]> = text.split(|&byte| byte == 0).collect();
            Ok(authors.len() - usize::from(authors.contains(&b""[..])))
        };
        self.authors.get_or_try_init(count).await.copied()
    }
}

async fn run(directory: &Path, command: &str, options: &[&str], key: &RangeKey) -> Result<Vec<u8>, Error> {
    let mut git = tokio::process::Command::from(process::git(directory));
    git.arg(command).args(options).args(key.arguments()).kill_on_drop(true);
    let output = git.output().await?;
    if output.status.success() { Ok(output.stdout) } else { Err(Error::git(command, output.stderr)) }
}

/// A range, or the place where it will be once git is done.
type Cell = Arc<OnceCell<Arc<Range>>>;

/// The ranges of one repository that were asked for last. Without it every page would list the whole history again.
#[derive(Default)]
pub(crate) struct Ranges {
    recent: Mutex<Vec<(RangeKey, Cell)>>,
}

impl Ranges {
    const KEPT: usize = 8;

    pub async fn get(&self, directory: &Path, key: RangeKey) -> Result<Arc<Range>, Error> {
        let cell = self.cell(&key);
        // Pages asked for in parallel wait for one git instead of starting one each.
        let range = cell.get_or_try_init(|| async { Range::read(directory, key).await.map(Arc::new) }).await?;
        Ok(Arc::clone(range))
    }

    fn cell(&self, key: &RangeKey) -> Cell {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let found = recent.iter().position(|(known, _)| known == key);
        let entry = match found {
            Some(at) => recent.remove(at),
            None => (key.clone(), Arc::default()),
        };
        let cell = Arc::clone(&entry.1);
        recent.insert(0, entry);
        recent.truncate(Self::KEPT);
        cell
    }
}

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::batch::{Batch, Object};
use super::object::Commit;
use super::process;
use super::range::{Range, RangeKey, Ranges};
use crate::Error;

/// The repositories read last. Each keeps a git process and its ranges, so there must be a bound.
#[derive(Default)]
pub(crate) struct Store {
    recent: Mutex<Vec<Arc<Stored>>>,
}

impl Store {
    const KEPT: usize = 32;

    /// The repository at a path. Nothing is read yet.
    pub fn at(&self, path: &Path) -> Arc<Stored> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let found = recent.iter().position(|stored| stored.path == path);
        let stored = match found {
            Some(at) => recent.remove(at),
            None => Arc::new(Stored::new(path)),
        };
        recent.insert(0, Arc::clone(&stored));
        recent.truncate(Self::KEPT);
        stored
    }
}

/// A repository on disk that answers are read from. Refs are looked up anew each time: a push must be seen.
pub(crate) struct Stored {
    path: PathBuf,
    ranges: Ranges,
    batch: tokio::sync::Mutex<Option<(Signature, Batch)>>,
}

/// What changes when packs come or go, or another repository takes the path. A running git keeps the packs it has open, so
/// without this it would go on serving commits that were pruned.
type Signature = (u64, u64, i64, i64);

impl Stored {
    fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), ranges: Ranges::default(), batch: tokio::sync::Mutex::new(None) }
    }

    /// The directory with `HEAD`, `objects` and `refs` in it.
    fn directory(&self) -> PathBuf {
        let inner = self.path.join(".git");
        if inner.is_dir() { inner } else { self.path.clone() }
    }

    /// The ref that `HEAD` names: Bitbucket keeps a repository's default branch there. `None` when it names none.
    pub fn head(&self) -> Result<Option<String>, Error> {
        let head = fs::read_to_string(self.directory().join("HEAD"))?;
        Ok(head.strip_prefix("ref:").map(|name| name.trim().to_owned()))
    }

    /// The commit a ref or id stands for.
    pub async fn resolve(&self, name: &str) -> Result<Option<String>, Error> {
        if !is_plain(name) {
            return Ok(None);
        }
        let objects = self.objects(&[format!("{name}^{{commit}}")]).await?;
        Ok(objects.into_iter().next().flatten().map(|object| object.id))
    }

    /// The commits with these ids, in this order.
    pub async fn commits(&self, ids: &[String]) -> Result<Vec<Commit>, Error> {
        let objects = self.objects(ids).await?;
        let pairs = ids.iter().zip(objects);
        pairs
            .map(|(id, object)| {
                let object = object.ok_or_else(|| Error::git("cat-file", format!("{id} is missing")))?;
                Commit::parse(&object.id, &object.bytes)
            })
            .collect()
    }

    /// The ids of a range, newest first.
    pub async fn range(&self, key: RangeKey) -> Result<Arc<Range>, Error> {
        self.ranges.get(&self.path, key).await
    }

    /// How many authors a range has.
    pub async fn authors(&self, range: &Range) -> Result<usize, Error> {
        range.authors(&self.path).await
    }

    /// Branches by name, with the commit each is at.
    pub async fn branches(&self) -> Result<Vec<(String, String)>, Error> {
        let text = self.refs(&["--format=%(objectname) %(refname)", "refs/heads"]).await?;
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        Ok(lines.map(|(id, name)| (name.to_owned(), id.to_owned())).collect())
    }

    /// Whether nothing was ever pushed.
    pub async fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.refs(&["--count=1", "refs/heads", "refs/tags"]).await?.is_empty())
    }

    async fn refs(&self, arguments: &[&str]) -> Result<String, Error> {
        let mut git = tokio::process::Command::from(process::git(&self.path));
        let output = git.arg("for-each-ref").args(arguments).kill_on_drop(true).output().await?;
        if !output.status.success() {
            return Err(Error::git("for-each-ref", output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    async fn objects(&self, names: &[String]) -> Result<Vec<Option<Object>>, Error> {
        let signature = self.signature()?;
        let mut slot = self.batch.lock().await;
        // Taken out, and put back only when every answer was read: a request that is given up half-way must not leave its
        // answers to the next one.
        let mut batch = match slot.take() {
            Some((known, batch)) if known == signature => batch,
            _ => Batch::start(&self.path)?,
        };
        let objects = batch.read(names).await?;
        *slot = Some((signature, batch));
        Ok(objects)
    }

    fn signature(&self) -> Result<Signature, Error> {
        let directory = self.directory();
        let packs = fs::metadata(directory.join("objects/pack"))?;
        Ok((fs::metadata(directory)?.ino(), packs.ino(), packs.mtime(), packs.mtime_nsec()))
    }
}

/// Ids and refs only: none of git's revision operators, and nothing that could end a line.
fn is_plain(name: &str) -> bool {
    let odd = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\{".contains(c);
    !name.is_empty()
        && name.len() <= 1024
        && name != "@"
        && !name.starts_with('-')
        && !name.contains("..")
        && !name.contains(odd)
}

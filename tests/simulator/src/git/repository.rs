use std::collections::HashMap;
use std::fs;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::import::{self, NewCommit};
use super::process;
use crate::Error;

/// A repository that a test or a bench makes and changes. Every method runs git and waits for it: each takes milliseconds,
/// large imports excepted.
#[derive(Debug, Clone)]
pub struct GitRepository {
    path: PathBuf,
}

impl GitRepository {
    /// Makes an empty bare repository whose `HEAD` is `refs/heads/main`. The directory is created.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        fs::create_dir_all(path)?;
        let repository = Self { path: path.canonicalize()? };
        repository.git(["init", "--quiet", "--bare", "--template=", "--initial-branch=main", "."])?;
        Ok(repository)
    }

    /// An existing repository, bare or not.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let repository = Self { path: path.as_ref().canonicalize()? };
        repository.git(["rev-parse", "--git-dir"])?;
        Ok(repository)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes commits and returns their ids in the same order. No branch moves: see [`Self::set_branch`].
    pub fn import(&self, commits: impl IntoIterator<Item = NewCommit>) -> Result<Vec<String>, Error> {
        let marks = self.path.join("simulator-import-marks");
        let mut git = process::git(&self.path);
        git.args(["fast-import", "--quiet", "--force", "--done", "--date-format=raw-permissive"]);
        git.arg(format!("--export-marks={}", marks.display()));
        let mut child = git.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let Some(input) = child.stdin.take() else { return Err(Error::git("fast-import", "no pipe")) };
        let mut out = BufWriter::new(input);
        let mut count = 0;
        let written = commits.into_iter().try_for_each(|commit| {
            count += 1;
            import::write(&mut out, count - 1, &commit)
        });
        let written = written.and_then(|()| import::finish(&mut out));
        drop(out);
        let output = child.wait_with_output()?;
        // What git says explains a broken pipe; the broken pipe explains nothing.
        if !output.status.success() {
            return Err(Error::git("fast-import", output.stderr));
        }
        written?;
        let text = fs::read_to_string(&marks)?;
        fs::remove_file(&marks)?;
        ids(&text, count)
    }

    /// Makes one commit and returns its id. No branch moves.
    pub fn commit(&self, commit: NewCommit) -> Result<String, Error> {
        let ids = self.import([commit])?;
        ids.into_iter().next().ok_or_else(|| Error::git("fast-import", "no commit was made"))
    }

    /// Adds `count` plain commits to a branch, which is created if need be, and returns their ids. Each is a minute younger
    /// than the one before it. Never makes the same commit twice, also when the branch was set back in between.
    pub fn grow(&self, branch: &str, count: usize) -> Result<Vec<String>, Error> {
        let tip = self.branch(branch)?;
        let round = self.next_round()?;
        let before = match &tip {
            Some(tip) => self.rev_list(&[tip])?.len(),
            None => 0,
        };
        let ids = self.import((0..count).map(|index| {
            let number = before + index;
            let commit =
                NewCommit::at(format!("{branch} {number} in round {round}\n"), 60 * i64::try_from(number).unwrap_or(0));
            match (index, &tip) {
                (0, None) => commit,
                (0, Some(tip)) => commit.parent(tip),
                _ => commit.parent(index - 1),
            }
        }))?;
        if let Some(last) = ids.last() {
            self.set_branch(branch, last)?;
        }
        Ok(ids)
    }

    /// How often the repository has grown: without that in its message, a commit made anew would be the old one.
    fn next_round(&self) -> Result<u32, Error> {
        let file = self.path.join("simulator-rounds");
        let round = fs::read_to_string(&file).ok().and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
        fs::write(&file, (round + 1).to_string())?;
        Ok(round)
    }

    /// Points a branch at a commit, wherever it was before: a push, or a forced push.
    pub fn set_branch(&self, branch: &str, id: &str) -> Result<(), Error> {
        self.git(["update-ref", &format!("refs/heads/{branch}"), id]).map(drop)
    }

    /// Removes a branch.
    pub fn delete_branch(&self, branch: &str) -> Result<(), Error> {
        self.git(["update-ref", "-d", &format!("refs/heads/{branch}")]).map(drop)
    }

    /// The commit a branch is at.
    pub fn branch(&self, branch: &str) -> Result<Option<String>, Error> {
        let text = self.git(["for-each-ref", "--format=%(objectname)", &format!("refs/heads/{branch}")])?;
        Ok(String::from_utf8_lossy(&text).lines().next().map(str::to_owned))
    }

    /// Names the default branch. It need not exist.
    pub fn set_head(&self, branch: &str) -> Result<(), Error> {
        self.git(["symbolic-ref", "HEAD", &format!("refs/heads/{branch}")]).map(drop)
    }

    /// What `git rev-list` prints for these arguments, such as `&["main"]` or `&["main", "^old"]`.
    pub fn rev_list(&self, arguments: &[&str]) -> Result<Vec<String>, Error> {
        let arguments = ["rev-list"].iter().chain(arguments).chain(&["--"]);
        let text = self.git(arguments)?;
        Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
    }

    /// Removes every commit that no branch reaches, as the server's garbage collection does some day.
    pub fn prune(&self) -> Result<(), Error> {
        self.git(["reflog", "expire", "--expire=now", "--all"])?;
        self.git(["gc", "--quiet", "--prune=now"]).map(drop)
    }

    /// Runs any git command in the repository and returns what it printed.
    pub fn git<I, S>(&self, arguments: I) -> Result<Vec<u8>, Error>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<std::ffi::OsStr>,
    {
        let mut git = process::git(&self.path);
        let output = git.args(arguments).stdin(Stdio::null()).output()?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let command = git.get_args().nth(2).map(|name| name.to_string_lossy().into_owned());
        Err(Error::git(command.unwrap_or_default(), output.stderr))
    }
}

/// Reads `:MARK ID` lines, which git writes in no useful order.
fn ids(marks: &str, count: usize) -> Result<Vec<String>, Error> {
    let lines = marks.lines().filter_map(|line| line.strip_prefix(':')?.split_once(' '));
    let mut known: HashMap<usize, String> =
        lines.filter_map(|(mark, id)| Some((mark.parse().ok()?, id.to_owned()))).collect();
    (1..=count)
        .map(|mark| known.remove(&mark).ok_or_else(|| Error::git("fast-import", format!("no mark {mark}"))))
        .collect()
}

//! Git repositories to be read, made once and kept in the cache.

use std::fs;
use std::path::{Path, PathBuf};

use bitbucket_simulator::git::GitRepository;

use crate::report::grouped;
use crate::text::Text;
use crate::{Result, say};

/// Repositories and what is in them.
#[derive(Clone, Debug)]
pub struct Histories {
    pub repositories: Vec<Repository>,
}

/// A repository as Bitbucket shows it.
#[derive(Clone, Debug)]
pub struct Repository {
    /// `KEY/slug`
    pub name: String,
    pub path: PathBuf,
    pub head: String,
    pub commits: u64,
}

impl Histories {
    /// So many repositories of so many commits each, every one of its own.
    pub fn of(folder: &Path, repositories: u64, commits: u64) -> Result<Self> {
        let folder = folder.join(format!("histories/{repositories}x{commits}"));
        let missing = (0..repositories).filter(|number| !done(&folder, *number)).count();
        if missing > 0 {
            say!("making {missing} repositories of {commits} commits in {}", folder.display());
        }
        let made = (0..repositories).map(|number| repository(&folder, number, commits));
        Ok(Self { repositories: made.collect::<Result<_>>()? })
    }

    /// So many repositories that are the same one under other names: where their number counts, and not what is in them.
    pub fn alike(folder: &Path, repositories: u64, commits: u64) -> Result<Self> {
        let one = repository(&folder.join(format!("histories/1x{commits}")), 0, commits)?;
        let named = (0..repositories).map(|number| Repository { name: name(number), ..one.clone() });
        Ok(Self { repositories: named.collect() })
    }

    /// All commits.
    pub fn commits(&self) -> u64 {
        self.repositories.iter().map(|one| one.commits).sum()
    }

    /// Both numbers, in words.
    pub fn say(&self) -> String {
        let (commits, repositories) = (grouped(self.commits()), grouped(self.repositories.len() as u64));
        let word = if self.repositories.len() == 1 { "repository" } else { "repositories" };
        format!("{commits} commits in {repositories} {word}")
    }

    /// Pages of commits that a server with this cap gives.
    pub fn pages(&self, cap: u64) -> u64 {
        self.repositories.iter().map(|one| one.commits.div_ceil(cap)).sum()
    }
}

impl Repository {
    /// A push of some commits.
    pub fn push(&mut self, commits: u64) -> Result<()> {
        let git = GitRepository::open(&self.path)?;
        let ids = git.grow("main", usize::try_from(commits)?)?;
        self.head = ids.last().cloned().unwrap_or_default();
        self.commits += commits;
        Ok(())
    }
}

/// A hundred in each project.
fn name(number: u64) -> String {
    format!("P{:03}/r{number:05}", number / 100)
}

/// The file that says that a repository was made to its end.
fn mark(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:05}.head"))
}

fn done(folder: &Path, number: u64) -> bool {
    mark(folder, number).exists()
}

fn repository(folder: &Path, number: u64, commits: u64) -> Result<Repository> {
    let path = folder.join(format!("{number:05}.git"));
    if !done(folder, number) {
        let _ = fs::remove_dir_all(&path);
        let git = GitRepository::create(&path)?;
        let texts = (0..commits).map(|commit| {
            let made = Text::of(number, commit).commit();
            match usize::try_from(commit) {
                Ok(index) if index > 0 => made.parent(index - 1),
                _ => made,
            }
        });
        let ids = git.import(texts)?;
        let head = ids.last().ok_or("a history without commits")?;
        git.set_branch("main", head)?;
        fs::write(mark(folder, number), head)?;
    }
    let head = fs::read_to_string(mark(folder, number))?;
    Ok(Repository { name: name(number), path, head, commits })
}

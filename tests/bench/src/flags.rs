//! What is measured, and with how much of everything.

use std::path::PathBuf;

use clap::ValueEnum;

#[derive(Clone, Debug, clap::Args)]
pub struct Flags {
    /// Small sizes, and each once: shows in two minutes that all of it works, and gives no figure to quote
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Also a million commits and ten thousand repositories
    #[arg(long)]
    full: bool,
    /// Runs of each, of which the median counts [default: 3; with --quick 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// Only these [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub scenes: Vec<Scene>,
    /// Repositories of a usual Bitbucket [default: 100; with --quick 10]
    #[arg(long, value_name = "N")]
    repositories: Option<u64>,
    /// Commits in each of them [default: 1000; with --quick 250]
    #[arg(long, value_name = "N")]
    commits: Option<u64>,
    /// Commits of a large repository [default: 200000; with --quick 3000]
    #[arg(long, value_name = "N")]
    single: Option<u64>,
    /// The document that the tables and plots are written into [default: docs/performance.md; with --quick, or where not all
    /// scenes are measured, none]
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scene {
    /// The first sync beside the floors
    First,
    /// The first sync from a Bitbucket that is far away
    Latency,
    /// A sync that finds nothing new
    Unchanged,
    /// A sync after a push to one repository in a hundred
    Incremental,
    /// A sync of an account that may ask five times a second
    Limited,
    /// How figures grow with commits and repositories, and the memory that the most of them take
    Growth,
    /// Others that do the same
    Peers,
}

/// How much of everything.
#[derive(Clone, Debug)]
pub struct Size {
    pub runs: usize,
    pub repositories: u64,
    pub commits: u64,
    pub single: u64,
    /// Milliseconds.
    pub latencies: Vec<u64>,
    /// Repositories in which nothing is new.
    pub unchanged: Vec<u64>,
    /// Such runs in a row.
    pub again: usize,
    /// Repositories of the account whose requests are limited.
    pub limited: u64,
    /// Commits of one repository, from few to many.
    pub growing_commits: Vec<u64>,
    /// Repositories of ten commits, from few to many.
    pub growing_repositories: Vec<u64>,
    /// Repositories of a thousand commits, whose sync may take so much memory and not more; none: not measured.
    pub memory: Option<u64>,
}

impl Flags {
    pub fn size(&self) -> Size {
        let of = |quick: u64, usual: u64| if self.quick { quick } else { usual };
        let steps = |quick: &[u64], usual: &[u64], full: u64| {
            let mut steps = if self.quick { quick.to_vec() } else { usual.to_vec() };
            steps.extend(self.full.then_some(full));
            steps
        };
        let runs = self.runs.map(|runs| runs as usize);
        Size {
            runs: runs.unwrap_or(if self.quick { 1 } else { 3 }),
            repositories: self.repositories.unwrap_or(of(10, 100)),
            commits: self.commits.unwrap_or(of(250, 1_000)),
            single: self.single.unwrap_or(of(3_000, 200_000)),
            latencies: vec![20, 50, 100],
            unchanged: steps(&[100], &[1_000], 10_000),
            again: if self.quick { 5 } else { 100 },
            limited: of(80, 900),
            growing_commits: steps(&[500, 5_000], &[10_000, 100_000], 1_000_000),
            growing_repositories: steps(&[5, 50], &[10, 100, 1_000], 10_000),
            memory: self.full.then_some(1_000),
        }
    }

    pub fn wants(&self, scene: Scene) -> bool {
        self.scenes.is_empty() || self.scenes.contains(&scene)
    }

    /// Which of the three sizes, in words.
    pub const fn kind(&self) -> &'static str {
        match (self.quick, self.full) {
            (true, _) => "--quick: no figure to quote",
            (_, true) => "--full",
            _ => "the usual size",
        }
    }

    pub fn document(&self) -> Option<PathBuf> {
        let usual = || (!self.quick && self.scenes.is_empty()).then(|| PathBuf::from("docs/performance.md"));
        self.document.clone().or_else(usual)
    }
}

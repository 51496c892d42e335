//! What is true: the server as its administrators left it, told apart from what any run has seen of it.

use std::sync::Mutex;

use bitbucket_connector::destination::{ConnectionKey, Destination, Scope};
use bitbucket_connector::sync::Run;
use bitbucket_simulator::{Access, Command, NewRepository, RepositoryChange};

use super::dice::Dice;
use super::filter::Filter;
use super::history::History;
use crate::support::database::Kind;
use crate::support::sync::Bench;

pub const READER: &str = "reader";
pub const SLUGS: [&str; 5] = ["api", "web", "core", "docs", "jobs"];
pub const KEYS: [&str; 8] = ["PLAT", "PLAT", "PLAT", "TEAM", "TEAM", "OPS", "OLD", "~jdoe"];

pub struct World {
    pub bench: Bench,
    pub filter: Filter,
    pub projects: Vec<Project>,
    /// All there ever were.
    pub repositories: Vec<Repository>,
    folders: usize,
    /// Where the runs since the last look have written to.
    destinations: Mutex<Vec<Destination>>,
}

pub struct Project {
    pub id: i64,
    pub key: String,
    pub name: String,
    pub rule: Option<Access>,
}

pub struct Repository {
    pub id: i64,
    /// Place in [`World::projects`].
    pub project: usize,
    pub slug: String,
    pub archived: bool,
    pub exists: bool,
    pub rule: Option<Access>,
    pub history: History,
    /// Whether the server has a git repository for it.
    pub served: bool,
    /// Name of the default branch, which need not exist.
    pub default: String,
}

/// What `branches/default` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    At(String),
    Empty,
    Missing,
}

impl World {
    pub async fn start(on: Kind, dice: &mut Dice) -> Self {
        let cap = dice.between(2, 25);
        let bench = Bench::start(on, |builder, _| builder.configure(|settings| settings.caps.commits = cap)).await;
        let (projects, repositories, destinations) = (Vec::new(), Vec::new(), Mutex::default());
        Self { bench, filter: Filter::All, projects, repositories, folders: 0, destinations }
    }

    /// A run as the next process would make it. The command makes it with the same key.
    pub async fn run(&self, concurrency: usize) -> Run {
        let name = "127.0.0.1".to_owned();
        let key = ConnectionKey { cluster: String::new(), namespace: String::new(), name, uid: String::new() };
        let run = Run { key, ..self.bench.prepare(concurrency).await };
        self.destinations.lock().unwrap().push(run.destination.clone());
        run
    }

    /// Waits for what runs that have ended, or were given up, had handed to the database by then: each of its answers
    /// comes after all that was asked before.
    pub async fn settle(&self) {
        let destinations = std::mem::take(&mut *self.destinations.lock().unwrap());
        for destination in destinations {
            // Whatever became of it.
            let _ = destination.repositories(Scope { connection: 0, instance: 0 }).await;
        }
        self.bench.database.settled().await;
    }

    /// Repositories that are there, by their places.
    pub fn living(&self) -> Vec<usize> {
        (0..self.repositories.len()).filter(|place| self.repositories[*place].exists).collect()
    }

    /// Some repository that a run will walk.
    pub fn read(&self, dice: &mut Dice) -> Option<usize> {
        let read = |place: &usize| {
            let repository = &self.repositories[*place];
            self.access(repository) == Access::Read && self.is_selected(repository)
        };
        dice.pick(self.living().into_iter().filter(read))
    }

    pub fn by_id(&self, id: i64) -> Option<&Repository> {
        self.repositories.iter().find(|repository| repository.id == id)
    }

    pub fn path(&self, repository: &Repository) -> String {
        format!("{}/{}", self.projects[repository.project].key, repository.slug)
    }

    pub fn is_taken(&self, path: &str) -> bool {
        self.repositories.iter().any(|other| other.exists && self.path(other) == path)
    }

    /// What the account may do with it.
    pub fn access(&self, repository: &Repository) -> Access {
        match (repository.rule, self.projects[repository.project].rule) {
            _ if !repository.exists => Access::Nothing,
            (Some(rule), _) | (None, Some(rule)) => rule,
            (None, None) => Access::Read,
        }
    }

    pub fn is_selected(&self, repository: &Repository) -> bool {
        self.filter.selects(&self.projects[repository.project].key, &repository.slug)
    }

    /// A project's place; it is made if there is none, as the server does.
    pub fn project(&mut self, key: &str) -> usize {
        if let Some(place) = self.projects.iter().position(|project| project.key == key) {
            return place;
        }
        let id = i64::try_from(self.projects.len()).unwrap() + 1;
        self.projects.push(Project { id, key: key.to_owned(), name: key.to_owned(), rule: None });
        self.projects.len() - 1
    }

    pub fn folder(&mut self) -> std::path::PathBuf {
        self.folders += 1;
        self.bench.folder.path().join(format!("{}.git", self.folders))
    }

    /// Makes a repository under a free path, and gives its place.
    pub fn create(&mut self, key: &str, slug: &str, history: History, served: bool) -> usize {
        let path = format!("{key}/{slug}");
        let new = if served { NewRepository::at(&path, history.git.path()) } else { NewRepository::empty(&path) };
        let new = NewRepository { default_branch: Some("main".to_owned()), ..new };
        self.bench.simulator.add_repository(new).unwrap();
        let project = self.project(key);
        let id = i64::try_from(self.repositories.len()).unwrap() + 1;
        let (slug, default) = (slug.to_owned(), "main".to_owned());
        let (archived, exists, rule) = (false, true, None);
        self.repositories.push(Repository { id, project, slug, archived, exists, rule, history, served, default });
        self.repositories.len() - 1
    }

    pub fn change(&self, place: usize, change: RepositoryChange) {
        let repository = self.path(&self.repositories[place]);
        self.bench.simulator.apply(Command::Repository { repository, change }).unwrap();
    }
}

impl Repository {
    /// The tip of the default branch.
    pub fn head(&self) -> Head {
        match self.history.tip(&self.default) {
            Some(tip) if self.served => Head::At(self.history.id(tip).unwrap().to_owned()),
            None if self.served && !self.history.branches().is_empty() => Head::Missing,
            _ => Head::Empty,
        }
    }
}

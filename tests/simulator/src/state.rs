use std::collections::HashMap;
use std::path::PathBuf;

use crate::Error;
use crate::access::{Access, Rules};
use crate::bucket::Bucket;
use crate::settings::{RateLimit, Settings};

#[derive(Debug, Clone)]
pub(crate) struct Project {
    pub id: u64,
    pub key: String,
    pub name: String,
    pub description: Option<String>,
    pub public: bool,
}

impl Project {
    pub fn is_personal(&self) -> bool {
        self.key.starts_with('~')
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Repository {
    pub id: u64,
    pub project: u64,
    pub slug: String,
    pub name: String,
    pub description: Option<String>,
    pub public: bool,
    pub archived: bool,
    pub state: String,
    pub path: Option<PathBuf>,
    /// Short name; `HEAD` decides where there is none.
    pub default_branch: Option<String>,
}

#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct User {
    pub id: u64,
    pub name: String,
    pub slug: String,
    pub display_name: String,
    pub email: String,
    pub password: Option<String>,
    pub active: bool,
    pub service: bool,
    pub licensed: bool,
    pub rules: Rules,
    pub exempt: bool,
    pub rate_limit: Option<RateLimit>,
}

/// The simulated server's own memory; commits are in git.
#[derive(Default)]
pub(crate) struct State {
    pub settings: Settings,
    pub projects: Vec<Project>,
    pub repositories: Vec<Repository>,
    pub users: Vec<User>,
    /// Token to the id of its user.
    pub tokens: HashMap<String, u64>,
    /// Failed Basic attempts in a row, by login in lower case; logins nobody has are counted as well.
    pub failed: HashMap<String, u32>,
    pub buckets: HashMap<u64, Bucket>,
    /// Old names, in lower case, of moved repositories.
    pub moved: HashMap<(String, String), u64>,
    pub last_ids: LastIds,
}

/// Ids count per kind, as the server's do: a project and a repository may well have the same.
#[derive(Default)]
pub(crate) struct LastIds {
    project: u64,
    repository: u64,
    user: u64,
}

impl LastIds {
    pub fn next_project(&mut self) -> u64 {
        self.project += 1;
        self.project
    }

    pub fn next_repository(&mut self) -> u64 {
        self.repository += 1;
        self.repository
    }

    pub fn next_user(&mut self) -> u64 {
        self.user += 1;
        self.user
    }
}

impl State {
    /// Keys and slugs match whatever their case (recorded on 7.x).
    pub fn project(&self, key: &str) -> Option<&Project> {
        self.projects.iter().find(|project| project.key.eq_ignore_ascii_case(key))
    }

    pub fn project_of(&self, repository: &Repository) -> Option<&Project> {
        self.projects.iter().find(|project| project.id == repository.project)
    }

    pub fn repository(&self, key: &str, slug: &str) -> Option<&Repository> {
        let project = self.project(key)?.id;
        self.repositories.iter().find(|found| found.project == project && found.slug.eq_ignore_ascii_case(slug))
    }

    /// The repository that once had this name.
    pub fn moved(&self, key: &str, slug: &str) -> Option<&Repository> {
        let id = self.moved.get(&(key.to_lowercase(), slug.to_lowercase()))?;
        self.repositories.iter().find(|repository| repository.id == *id)
    }

    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name.eq_ignore_ascii_case(name))
    }

    pub fn user_by_id(&self, id: u64) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    /// The account that Bitbucket shows in place of a commit's author. Mail addresses match whatever their case.
    pub fn user_by_mail(&self, mail: &str) -> Option<&User> {
        if mail.is_empty() {
            return None;
        }
        self.users.iter().find(|user| user.email.eq_ignore_ascii_case(mail))
    }

    /// What the caller, or nobody, may do with a repository.
    pub fn repository_access(&self, user: Option<&User>, repository: &Repository) -> Access {
        let public = repository.public || self.project_of(repository).is_some_and(|project| project.public);
        // `feature.public.access` off hides public repositories from anonymous callers only.
        if public && (user.is_some() || self.settings.public_access) {
            return Access::Read;
        }
        user.map_or(Access::Nothing, |user| user.rules.repository(repository.project, repository.id))
    }

    /// `PROJECT_READ`: whether the caller may list the project.
    pub fn project_access(&self, user: Option<&User>, project: &Project) -> Access {
        if project.public && (user.is_some() || self.settings.public_access) {
            return Access::Read;
        }
        user.map_or(Access::Nothing, |user| user.rules.project(project.id))
    }

    /// `PROJECT_VIEW`: implied by access to any repository in the project.
    pub fn sees_project(&self, user: Option<&User>, project: &Project) -> bool {
        let mut inside = self.repositories.iter().filter(|repository| repository.project == project.id);
        self.project_access(user, project) > Access::Nothing
            || inside.any(|repository| self.repository_access(user, repository) > Access::Nothing)
    }

    pub fn user_mut(&mut self, name: &str) -> Result<&mut User, Error> {
        let found = self.users.iter_mut().find(|user| user.name.eq_ignore_ascii_case(name));
        found.ok_or_else(|| Error::unknown("user", name))
    }

    pub fn find_project(&self, key: &str) -> Result<&Project, Error> {
        self.project(key).ok_or_else(|| Error::unknown("project", key))
    }

    /// A repository by `KEY/slug`.
    pub fn find_repository(&self, name: &str) -> Result<&Repository, Error> {
        let (key, slug) = split_name(name)?;
        self.repository(key, slug).ok_or_else(|| Error::unknown("repository", name))
    }
}

/// `KEY/slug` in two.
pub(crate) fn split_name(name: &str) -> Result<(&str, &str), Error> {
    match name.split_once('/') {
        Some((key, slug)) if !key.is_empty() && !slug.is_empty() && !slug.contains('/') => Ok((key, slug)),
        _ => Err(Error::Invalid(format!("{name} is not KEY/slug"))),
    }
}

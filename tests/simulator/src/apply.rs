use std::path::{Path, PathBuf};

use crate::Error;
use crate::access::{Access, Rules};
use crate::command::{Command, NewProject, NewRepository, NewUser, RepositoryChange};
use crate::state::{Project, Repository, State, User, split_name};

impl State {
    /// Carries out a command, or changes nothing.
    pub fn apply(&mut self, command: Command) -> Result<(), Error> {
        match command {
            Command::AddProject(new) => self.add_project(new),
            Command::RemoveProject { key } => {
                let id = self.find_project(&key)?.id;
                self.projects.retain(|project| project.id != id);
                self.repositories.retain(|repository| repository.project != id);
                Ok(())
            }
            Command::RenameProject { key, to } => self.rename_project(&key, to),
            Command::AddRepository(new) => self.add_repository(new),
            Command::RemoveRepository { repository } => {
                let id = self.find_repository(&repository)?.id;
                self.repositories.retain(|found| found.id != id);
                Ok(())
            }
            Command::MoveRepository { repository, to } => self.move_repository(&repository, &to),
            Command::Repository { repository, change } => {
                let id = self.find_repository(&repository)?.id;
                let path = change.path.as_deref().map(existing).transpose()?;
                if let Some(found) = self.repositories.iter_mut().find(|found| found.id == id) {
                    change_repository(found, change, path);
                }
                Ok(())
            }
            Command::AddUser(new) => self.add_user(new),
            Command::Password { user, password } => self.user_mut(&user).map(|user| user.password = password),
            Command::Access { user, target, access } => self.set_access(&user, target.as_deref(), access),
            Command::License { user, licensed } => self.user_mut(&user).map(|user| user.licensed = licensed),
            Command::ExemptFromRateLimit { user, exempt } => self.user_mut(&user).map(|user| user.exempt = exempt),
            Command::UserRateLimit { user, settings } => self.user_mut(&user).map(|user| user.rate_limit = settings),
            Command::Unlock { user } => {
                self.failed.remove(&user.to_lowercase());
                Ok(())
            }
            Command::AddToken { user, token } => {
                let id = self.user_mut(&user)?.id;
                self.tokens.insert(token, id);
                Ok(())
            }
            // The token is not repeated: error messages are printed.
            Command::RemoveToken { token } => {
                self.tokens.remove(&token).map(drop).ok_or_else(|| Error::unknown("token", "(withheld)"))
            }
            Command::Settings { patch } => self.settings.patch(patch),
        }
    }

    fn add_project(&mut self, new: NewProject) -> Result<(), Error> {
        if new.key.is_empty() || new.key.contains('/') {
            return Err(Error::Invalid(format!("{:?} is no project key", new.key)));
        }
        if self.project(&new.key).is_some() {
            return Err(Error::Invalid(format!("project {} exists", new.key)));
        }
        let id = self.last_ids.next_project();
        let name = new.name.unwrap_or_else(|| new.key.clone());
        self.projects.push(Project { id, key: new.key, name, description: new.description, public: new.public });
        Ok(())
    }

    /// The id of the project, which is made if there is none.
    fn project_id(&mut self, key: &str) -> Result<u64, Error> {
        if self.project(key).is_none() {
            self.add_project(NewProject { key: key.to_owned(), ..NewProject::default() })?;
        }
        self.find_project(key).map(|project| project.id)
    }

    fn rename_project(&mut self, key: &str, to: String) -> Result<(), Error> {
        let id = self.find_project(key)?.id;
        if self.project(&to).is_some_and(|other| other.id != id) {
            return Err(Error::Invalid(format!("project {to} exists")));
        }
        let slugs = self.repositories.iter().filter(|found| found.project == id);
        let old: Vec<_> = slugs.map(|found| ((key.to_lowercase(), found.slug.to_lowercase()), found.id)).collect();
        self.moved.extend(old);
        if let Some(project) = self.projects.iter_mut().find(|project| project.id == id) {
            project.key = to;
        }
        Ok(())
    }

    fn add_repository(&mut self, new: NewRepository) -> Result<(), Error> {
        let (key, slug) = split_name(&new.repository)?;
        if self.repository(key, slug).is_some() {
            return Err(Error::Invalid(format!("repository {} exists", new.repository)));
        }
        let path = new.path.as_deref().map(existing).transpose()?;
        let project = self.project_id(key)?;
        let id = self.last_ids.next_repository();
        self.repositories.push(Repository {
            id,
            project,
            slug: slug.to_lowercase(),
            name: new.name.unwrap_or_else(|| slug.to_owned()),
            description: new.description,
            public: new.public,
            archived: new.archived,
            state: "AVAILABLE".to_owned(),
            path,
            default_branch: new.default_branch,
        });
        Ok(())
    }

    fn move_repository(&mut self, name: &str, to: &str) -> Result<(), Error> {
        let id = self.find_repository(name)?.id;
        let ((key, slug), (new_key, new_slug)) = (split_name(name)?, split_name(to)?);
        if self.repository(new_key, new_slug).is_some_and(|other| other.id != id) {
            return Err(Error::Invalid(format!("repository {to} exists")));
        }
        let project = self.project_id(new_key)?;
        self.moved.insert((key.to_lowercase(), slug.to_lowercase()), id);
        if let Some(repository) = self.repositories.iter_mut().find(|repository| repository.id == id) {
            repository.project = project;
            repository.slug = new_slug.to_lowercase();
            new_slug.clone_into(&mut repository.name);
        }
        Ok(())
    }

    fn add_user(&mut self, new: NewUser) -> Result<(), Error> {
        if new.user.is_empty() || self.user(&new.user).is_some() {
            return Err(Error::Invalid(format!("user {:?} exists or has no name", new.user)));
        }
        let id = self.last_ids.next_user();
        self.users.push(User {
            id,
            slug: new.slug.unwrap_or_else(|| slug_of(&new.user)),
            display_name: new.display_name.unwrap_or_else(|| new.user.clone()),
            email: new.email.unwrap_or_else(|| format!("{}@example.com", new.user)),
            name: new.user,
            password: new.password,
            active: new.active,
            service: new.service,
            licensed: new.licensed,
            rules: Rules::new(new.access),
            exempt: false,
            rate_limit: None,
        });
        Ok(())
    }

    fn set_access(&mut self, user: &str, target: Option<&str>, access: Access) -> Result<(), Error> {
        let (project, repository) = match target {
            None => (None, None),
            Some(name) if name.contains('/') => (None, Some(self.find_repository(name)?.id)),
            Some(key) => (Some(self.find_project(key)?.id), None),
        };
        let rules = &mut self.user_mut(user)?.rules;
        match (project, repository) {
            (Some(project), _) => drop(rules.projects.insert(project, access)),
            (_, Some(repository)) => drop(rules.repositories.insert(repository, access)),
            _ => *rules = Rules::new(access),
        }
        Ok(())
    }
}

fn change_repository(repository: &mut Repository, change: RepositoryChange, path: Option<PathBuf>) {
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    repository.path = path.or(repository.path.take());
    repository.public = change.public.unwrap_or(repository.public);
    repository.archived = change.archived.unwrap_or(repository.archived);
    if let Some(name) = change.name {
        repository.name = name;
    }
    if let Some(description) = change.description {
        repository.description = some(description);
    }
    if let Some(branch) = change.default_branch {
        repository.default_branch = some(branch);
    }
    if let Some(state) = change.state {
        repository.state = state;
    }
}

fn existing(path: &Path) -> Result<PathBuf, Error> {
    path.canonicalize().map_err(|error| Error::Invalid(format!("{}: {error}", path.display())))
}

/// Bitbucket makes the slug of a user from the login: lower case, and `_` for what a path segment should not hold.
fn slug_of(login: &str) -> String {
    let keep = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    login.to_lowercase().chars().map(|c| if keep(c) { c } else { '_' }).collect()
}

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Error;
use crate::access::Access;
use crate::builder::Builder;
use crate::command::{Command, NewRepository, NewUser, RepositoryChange};
use crate::fault::Faults;
use crate::log::{Counts, Seen};
use crate::settings::Settings;
use crate::shared::Shared;

/// A running server. It ends when this is dropped, with all its connections.
pub struct Simulator {
    pub(crate) shared: Arc<Shared>,
    pub(crate) listening: watch::Sender<bool>,
    pub(crate) is_listening: watch::Receiver<bool>,
    pub(crate) task: JoinHandle<()>,
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.wires.end_all();
    }
}

/// Where it is, and what becomes of its connections.
impl Simulator {
    /// Sets one up.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The base URL, context path included, without a slash at the end.
    pub fn url(&self) -> String {
        self.shared.url()
    }

    /// The address it listens at.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Stops listening and ends all connections, so that callers are refused; or listens again at the same address. Returns
    /// when it is done.
    pub async fn set_listening(&self, listening: bool) {
        self.listening.send_replace(listening);
        let _ = self.is_listening.clone().wait_for(|actual| *actual == listening).await;
    }

    /// Ends all connections there are; new ones are welcome.
    pub fn drop_connections(&self) {
        self.shared.wires.end_all();
    }
}

/// What came in, and what goes wrong.
impl Simulator {
    /// The faults.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Every request since the start or the last [`Self::clear_requests`], in the order they arrived.
    pub fn requests(&self) -> Vec<Seen> {
        self.shared.log.seen()
    }

    /// The requests whose path contains this.
    pub fn requests_to(&self, path: &str) -> Vec<Seen> {
        self.requests().into_iter().filter(|seen| seen.path.contains(path)).collect()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.shared.log.clear();
    }

    /// How many requests there were since the start or the last [`Self::clear_requests`], remembered or not.
    pub fn counts(&self) -> Counts {
        self.shared.log.counts()
    }

    /// Forgets the answers that the setting `replay` has kept: a push is seen from now on.
    pub fn forget_replies(&self) {
        self.shared.replies.forget();
    }

    /// Waits until `enough` says so of the requests so far. It is asked again after each arrival and each answer, and must not
    /// call the simulator. The caller bounds the wait.
    pub async fn wait_until(&self, enough: impl FnMut(&[Seen]) -> bool) {
        self.shared.log.until(enough).await;
    }

    /// Waits until so many requests whose path contains this have arrived, answered or not. The caller bounds the wait.
    pub async fn wait_for_requests(&self, path: &str, count: usize) {
        self.wait_until(|seen| seen.iter().filter(|one| one.path.contains(path)).count() >= count).await;
    }

    /// The most requests that were in work at once.
    pub fn most_at_once(&self) -> usize {
        self.shared.log.most_at_once(None)
    }

    /// The most requests of one login that were in work at once; "" is nobody.
    pub fn most_at_once_of(&self, user: &str) -> usize {
        self.shared.log.most_at_once(Some(user))
    }

    /// Bytes of all answers so far that were handed to the network, headers included: what is taken, and what fits
    /// between here and the caller.
    pub fn sent(&self) -> u64 {
        self.shared.wires.sent()
    }

    /// Failed Basic attempts of a login in a row.
    pub fn failed_logins(&self, user: &str) -> u32 {
        self.shared.state().failed_logins(user)
    }
}

/// Changes of the server. Each is a [`Command`].
impl Simulator {
    /// Carries out any command.
    pub fn apply(&self, command: Command) -> Result<(), Error> {
        self.shared.apply(command)
    }

    /// Changes the settings.
    pub fn configure(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.shared.state_to_change().settings);
    }

    /// The settings as they are.
    pub fn settings(&self) -> Settings {
        self.shared.state().settings.clone()
    }

    /// Adds a repository.
    pub fn add_repository(&self, repository: NewRepository) -> Result<(), Error> {
        self.apply(Command::AddRepository(repository))
    }

    /// Removes `KEY/slug`.
    pub fn remove_repository(&self, repository: &str) -> Result<(), Error> {
        self.apply(Command::RemoveRepository { repository: repository.to_owned() })
    }

    /// Renames `KEY/slug`, or moves it to another project. Its id stays.
    pub fn move_repository(&self, repository: &str, to: &str) -> Result<(), Error> {
        self.apply(Command::MoveRepository { repository: repository.to_owned(), to: to.to_owned() })
    }

    /// Removes a project and its repositories.
    pub fn remove_project(&self, key: &str) -> Result<(), Error> {
        self.apply(Command::RemoveProject { key: key.to_owned() })
    }

    /// Gives a project another key.
    pub fn rename_project(&self, key: &str, to: &str) -> Result<(), Error> {
        self.apply(Command::RenameProject { key: key.to_owned(), to: to.to_owned() })
    }

    /// Changes some of what a repository is.
    pub fn change_repository(&self, repository: &str, change: RepositoryChange) -> Result<(), Error> {
        self.apply(Command::Repository { repository: repository.to_owned(), change })
    }

    /// Archives a repository, or takes it back.
    pub fn archive(&self, repository: &str, archived: bool) -> Result<(), Error> {
        self.change_repository(repository, RepositoryChange { archived: Some(archived), ..RepositoryChange::default() })
    }

    /// Opens a repository to everyone, or closes it.
    pub fn set_public(&self, repository: &str, public: bool) -> Result<(), Error> {
        self.change_repository(repository, RepositoryChange { public: Some(public), ..RepositoryChange::default() })
    }

    /// Names the default branch, whether or not it exists; "" goes back to what `HEAD` names.
    pub fn set_default_branch(&self, repository: &str, branch: &str) -> Result<(), Error> {
        let default_branch = Some(branch.to_owned());
        self.change_repository(repository, RepositoryChange { default_branch, ..RepositoryChange::default() })
    }

    /// Serves a repository from another path from now on.
    pub fn set_path(&self, repository: &str, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = Some(path.as_ref().to_owned());
        self.change_repository(repository, RepositoryChange { path, ..RepositoryChange::default() })
    }

    /// Adds a user.
    pub fn add_user(&self, user: NewUser) -> Result<(), Error> {
        self.apply(Command::AddUser(user))
    }

    /// Sets a password.
    pub fn set_password(&self, user: &str, password: &str) -> Result<(), Error> {
        self.apply(Command::Password { user: user.to_owned(), password: Some(password.to_owned()) })
    }

    /// Ends a CAPTCHA lock.
    pub fn unlock(&self, user: &str) -> Result<(), Error> {
        self.apply(Command::Unlock { user: user.to_owned() })
    }

    /// Gives or takes the licence.
    pub fn set_licensed(&self, user: &str, licensed: bool) -> Result<(), Error> {
        self.apply(Command::License { user: user.to_owned(), licensed })
    }

    /// Says what a user may do everywhere. Rules for single projects and repositories are forgotten.
    pub fn set_access(&self, user: &str, access: Access) -> Result<(), Error> {
        self.apply(Command::Access { user: user.to_owned(), target: None, access })
    }

    /// Says what a user may do with `KEY` or `KEY/slug`, whatever the wider rule is.
    pub fn set_access_to(&self, user: &str, target: &str, access: Access) -> Result<(), Error> {
        self.apply(Command::Access { user: user.to_owned(), target: Some(target.to_owned()), access })
    }

    /// Lets a user read `KEY` or `KEY/slug`.
    pub fn grant(&self, user: &str, target: &str) -> Result<(), Error> {
        self.set_access_to(user, target, Access::Read)
    }

    /// Hides `KEY` or `KEY/slug` from a user.
    pub fn revoke(&self, user: &str, target: &str) -> Result<(), Error> {
        self.set_access_to(user, target, Access::Nothing)
    }

    /// Adds a token.
    pub fn add_token(&self, user: &str, token: &str) -> Result<(), Error> {
        self.apply(Command::AddToken { user: user.to_owned(), token: token.to_owned() })
    }

    /// Revokes a token.
    pub fn remove_token(&self, token: &str) -> Result<(), Error> {
        self.apply(Command::RemoveToken { token: token.to_owned() })
    }
}

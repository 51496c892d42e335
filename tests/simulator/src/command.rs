use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::access::Access;

/// A change of the simulated server. The library's methods, the binary's flags and the control door all come down to these.
///
/// `POST /_simulator/NAME` takes the fields as JSON; NAME is the variant in kebab-case. Repositories are named `KEY/slug`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Command {
    /// Adds a project. Adding a repository does so by itself.
    AddProject(NewProject),
    /// Removes a project and its repositories.
    RemoveProject {
        /// Its key.
        key: String,
    },
    /// Gives a project another key. Its repositories move with it.
    RenameProject {
        /// The key so far.
        key: String,
        /// The key from now on.
        to: String,
    },
    /// Adds a repository.
    AddRepository(NewRepository),
    /// Removes a repository. Its files stay.
    RemoveRepository {
        /// Its name.
        repository: String,
    },
    /// Renames a repository, or moves it to another project, which is created if need be. Its id stays.
    MoveRepository {
        /// The name so far.
        repository: String,
        /// The name from now on.
        to: String,
    },
    /// Changes some of what a repository is.
    Repository {
        /// Its name.
        repository: String,
        /// What changes.
        #[serde(flatten)]
        change: RepositoryChange,
    },
    /// Adds a user.
    AddUser(NewUser),
    /// Sets a password.
    Password {
        /// The login.
        user: String,
        /// From now on; none: Basic authentication never succeeds.
        password: Option<String>,
    },
    /// Changes what a user may read.
    Access {
        /// The login.
        user: String,
        /// `KEY` or `KEY/slug`; everything that has no rule of its own where it is left out.
        #[serde(default)]
        target: Option<String>,
        /// From now on.
        access: Access,
    },
    /// Gives or takes the licence to use Bitbucket.
    License {
        /// The login.
        user: String,
        /// From now on.
        licensed: bool,
    },
    /// Exempts a user from rate limiting.
    ExemptFromRateLimit {
        /// The login.
        user: String,
        /// From now on.
        exempt: bool,
    },
    /// Gives a user an account of their own rate limit, or takes it away.
    UserRateLimit {
        /// The login.
        user: String,
        /// From now on; none: the server's.
        settings: Option<crate::RateLimit>,
    },
    /// Ends the CAPTCHA lock of a user and forgets failed logins.
    Unlock {
        /// The login.
        user: String,
    },
    /// Adds a token.
    AddToken {
        /// The login it belongs to.
        user: String,
        /// The token.
        token: String,
    },
    /// Revokes a token.
    RemoveToken {
        /// The token.
        token: String,
    },
    /// Changes the settings that the object names.
    Settings {
        /// Fields of [`crate::Settings`].
        #[serde(flatten)]
        patch: Value,
    },
}

impl Command {
    /// Whether an answer may be another one afterwards, and not only come at another time.
    pub(crate) fn changes_answers(&self) -> bool {
        let Self::Settings { patch: Value::Object(patch) } = self else { return true };
        !patch.keys().all(|name| name == "latencyMs")
    }
}

/// A project to be added.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct NewProject {
    /// Its key; `~slug` makes it a personal one.
    pub key: String,
    /// Its name; the key where absent.
    pub name: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// Whether everyone may see it.
    pub public: bool,
}

/// A repository to be added.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct NewRepository {
    /// `KEY/slug`.
    pub repository: String,
    /// The git repository; none: nothing was ever pushed.
    pub path: Option<PathBuf>,
    /// Its name; the slug where absent.
    pub name: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// Whether everyone may read it.
    pub public: bool,
    /// Whether it is archived (8.0 and later).
    pub archived: bool,
    /// The default branch; `HEAD` of the git repository where absent.
    pub default_branch: Option<String>,
}

impl NewRepository {
    /// A repository served from a path.
    pub fn at(repository: &str, path: impl Into<PathBuf>) -> Self {
        Self { repository: repository.to_owned(), path: Some(path.into()), ..Self::default() }
    }

    /// A repository to which nothing was ever pushed.
    pub fn empty(repository: &str) -> Self {
        Self { repository: repository.to_owned(), ..Self::default() }
    }
}

/// What changes about a repository; what is absent stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RepositoryChange {
    /// Where it is served from.
    pub path: Option<PathBuf>,
    /// Its name.
    pub name: Option<String>,
    /// Its description; empty: none.
    pub description: Option<String>,
    /// Whether everyone may read it.
    pub public: Option<bool>,
    /// Whether it is archived.
    pub archived: Option<bool>,
    /// The default branch, such as `main`; empty: what `HEAD` names.
    pub default_branch: Option<String>,
    /// `AVAILABLE`, `INITIALISING`, `INITIALISATION_FAILED` or `OFFLINE`.
    pub state: Option<String>,
}

/// A user to be added.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct NewUser {
    /// The login.
    pub user: String,
    /// None: no Basic authentication.
    pub password: Option<String>,
    /// `LOGIN@example.com` where absent. Commits with it show the account.
    pub email: Option<String>,
    /// The login where absent.
    pub display_name: Option<String>,
    /// Made from the login where absent.
    pub slug: Option<String>,
    /// Whether the account is active.
    pub active: bool,
    /// Whether it is a SERVICE user, as project and repository tokens have.
    pub service: bool,
    /// What it may read, but for the rules of single projects and repositories.
    pub access: Access,
    /// Whether it may use Bitbucket at all.
    pub licensed: bool,
}

impl Default for NewUser {
    fn default() -> Self {
        Self {
            user: String::new(),
            password: None,
            email: None,
            display_name: None,
            slug: None,
            active: true,
            service: false,
            access: Access::Read,
            licensed: true,
        }
    }
}

impl NewUser {
    /// A user who may read everything.
    pub fn reader(user: &str, password: &str) -> Self {
        Self { user: user.to_owned(), password: Some(password.to_owned()), ..Self::default() }
    }

    /// The same with other rights.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }
}

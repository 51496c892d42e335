use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::command::{Command, NewRepository, NewUser};
use crate::net::Listener;
use crate::settings::Settings;
use crate::shared::Shared;
use crate::state::State;
use crate::{Error, Simulator, server};

/// Sets up a [`Simulator`]. Mistakes are reported by [`Builder::start`].
#[derive(Debug)]
#[must_use]
pub struct Builder {
    address: SocketAddr,
    context: String,
    settings: Settings,
    commands: Vec<Command>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            context: String::new(),
            settings: Settings::default(),
            commands: Vec::new(),
        }
    }
}

impl Builder {
    /// Where to listen; otherwise a free port of 127.0.0.1.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// The context path, such as `/bitbucket`; otherwise none.
    pub fn context(mut self, context: &str) -> Self {
        let name = context.trim_matches('/');
        self.context = if name.is_empty() { String::new() } else { format!("/{name}") };
        self
    }

    /// The server's version, which decides about endpoints and fields too.
    pub fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.settings.version);
        self
    }

    /// Changes the settings.
    pub fn configure(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Adds a user who may read everything.
    pub fn user(self, user: &str, password: &str) -> Self {
        self.add_user(NewUser::reader(user, password))
    }

    /// Adds a user.
    pub fn add_user(self, user: NewUser) -> Self {
        self.command(Command::AddUser(user))
    }

    /// Gives a user, added before, a token.
    pub fn token(self, user: &str, token: &str) -> Self {
        self.command(Command::AddToken { user: user.to_owned(), token: token.to_owned() })
    }

    /// Serves `KEY/slug` from a git repository. The project is added if need be.
    pub fn repository(self, repository: &str, path: impl Into<PathBuf>) -> Self {
        self.add_repository(NewRepository::at(repository, path))
    }

    /// Adds a repository to which nothing was ever pushed.
    pub fn empty_repository(self, repository: &str) -> Self {
        self.add_repository(NewRepository::empty(repository))
    }

    /// Adds a repository.
    pub fn add_repository(self, repository: NewRepository) -> Self {
        self.command(Command::AddRepository(repository))
    }

    /// Carries out a command at the start, after those given before.
    pub fn command(mut self, command: Command) -> Self {
        self.commands.push(command);
        self
    }

    /// Starts to serve, on the runtime this is called in.
    pub async fn start(self) -> Result<Simulator, Error> {
        let mut state = State { settings: self.settings, ..State::default() };
        for command in self.commands {
            state.apply(command)?;
        }
        let inner = TcpListener::bind(self.address).await?;
        let address = inner.local_addr()?;
        let shared = Arc::new(Shared::new(state, address, self.context));
        let (listening, wanted) = watch::channel(true);
        let (actual, is_listening) = watch::channel(true);
        let listener = Listener { inner: Some(inner), address, wires: Arc::clone(&shared.wires), wanted, actual };
        let task = tokio::spawn(server::serve(listener, Arc::clone(&shared)));
        Ok(Simulator { shared, listening, is_listening, task })
    }
}

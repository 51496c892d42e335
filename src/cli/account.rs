//! The flags with which a command reaches one Bitbucket, as one account.

use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::api::limits::TIMEOUT;
use crate::api::spec::{ImportFilter, ImportMode, PersonalProjects};
use crate::bitbucket::{
    Authorities, BaseUrl, Client, Clients, Credentials, Options, Patience, Proxy, RETRY_WAITS, Way,
};
use crate::secrets::bare;
use crate::trust::Addresses;
use crate::verification::Curl;

#[derive(Debug, clap::Args)]
pub(super) struct Account {
    /// Base URL of the Bitbucket Data Center, with its context path
    #[arg(long, env = "BITBUCKET_URL", hide_env_values = true)]
    url: String,
    /// File with the account's name [or environment: BITBUCKET_USERNAME]
    #[arg(long, value_name = "FILE", requires = "password_file")]
    username_file: Option<PathBuf>,
    /// File with the account's password [or environment: BITBUCKET_PASSWORD]
    #[arg(long, value_name = "FILE", requires = "username_file")]
    password_file: Option<PathBuf>,
    /// File with an HTTP access token [or environment: BITBUCKET_TOKEN]
    #[arg(long, value_name = "FILE", conflicts_with = "password_file")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    way: WayArgs,
}

/// How to get to the Bitbucket, and which of its repositories are meant.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct WayArgs {
    /// File with certificates in PEM form to trust beside the machine's
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// HTTP proxy, as http://HOST:PORT [default: HTTPS_PROXY and NO_PROXY]
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,
    /// How long one request may take, such as 30s
    #[arg(long, default_value = TIMEOUT, value_parser = duration)]
    pub timeout: Duration,
    /// Only this project; may be repeated, and * stands for any run of characters but /
    #[arg(long, value_name = "KEY")]
    pub project: Vec<String>,
    /// Only this repository; may be repeated, and * stands for any run of characters but /
    #[arg(long, value_name = "KEY/SLUG")]
    pub repository: Vec<String>,
}

/// Whom and how to ask.
pub(crate) struct Access {
    pub client: Client,
    pub import: ImportFilter,
    pub curl: Curl,
}

impl Account {
    /// Reads the files; whatever is wrong is a usage error, and nothing has been sent.
    /// `stop` ends what is under way.
    pub fn access(self, concurrency: usize, stop: CancellationToken) -> Result<Access, Failure> {
        let url = BaseUrl::parse(&self.url).map_err(|error| usage("--url", &error))?;
        let credentials = self.credentials()?;
        self.way.access(url, credentials, concurrency, stop)
    }

    fn credentials(&self) -> Result<Credentials, Failure> {
        if let Some(file) = &self.token_file {
            return Ok(Credentials::Token(read(file)?));
        }
        if let (Some(username), Some(password)) = (&self.username_file, &self.password_file) {
            let username = secrecy::ExposeSecret::expose_secret(&read(username)?).to_owned();
            return Ok(Credentials::Basic { username, password: read(password)? });
        }
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let Some(token) = variable("BITBUCKET_TOKEN") {
            return Ok(Credentials::Token(token.into()));
        }
        match (variable("BITBUCKET_USERNAME"), variable("BITBUCKET_PASSWORD")) {
            (Some(username), Some(password)) => Ok(Credentials::Basic { username, password: password.into() }),
            _ => Err(Failure::Usage(
                "no credentials: give --username-file and --password-file, or --token-file, or set BITBUCKET_USERNAME \
                 and BITBUCKET_PASSWORD, or BITBUCKET_TOKEN"
                    .to_owned(),
            )),
        }
    }
}

impl WayArgs {
    /// The same, where it is known already who asks whom.
    pub fn access(
        self,
        url: BaseUrl,
        credentials: Credentials,
        concurrency: usize,
        stop: CancellationToken,
    ) -> Result<Access, Failure> {
        let mut way = Way::new(self.timeout);
        if let Some(file) = &self.ca_file {
            let pem = std::fs::read(file).map_err(|error| usage(&file.display().to_string(), &error))?;
            way.authorities =
                Authorities::from_pem(&pem).map_err(|error| usage(&file.display().to_string(), &error))?;
        }
        if let Some(address) = &self.proxy {
            way.proxy = Some(Proxy::new(address, None).map_err(|error| usage("--proxy", &error))?);
        }
        let import = self.import();
        let curl = Curl { password: credentials.is_password(), ca_file: self.ca_file, proxy: self.proxy };
        let patience = Patience { waits: RETRY_WAITS, stop };
        let options = Options { concurrency, patience, reopen: None };
        let client = Clients::new(concurrency, Addresses::all())
            .client(url, credentials, &way, options)
            .map_err(|error| usage("certificates", &error))?;
        Ok(Access { client, import, curl })
    }

    /// The filter that these repositories are.
    pub fn import(&self) -> ImportFilter {
        let listed = !(self.project.is_empty() && self.repository.is_empty());
        ImportFilter {
            mode: if listed { ImportMode::Allowlist } else { ImportMode::AllowAll },
            projects: self.project.clone(),
            repositories: self.repository.clone(),
            personal_projects: PersonalProjects::Exclude,
        }
    }
}

fn usage(what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::Usage(format!("{what}: {error}"))
}

/// The text of a file, without the newline at its end.
pub(crate) fn read(file: &Path) -> Result<SecretString, Failure> {
    let problem = |what: &dyn std::fmt::Display| Failure::Usage(format!("{}: {what}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| problem(&error))?;
    let text = bare(&text);
    if text.is_empty() { Err(problem(&"is empty")) } else { Ok(text.into()) }
}

/// A Go duration, as in a manifest.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let duration: kube::core::Duration = text.parse().map_err(|error| format!("{error}"))?;
    let positive = !duration.is_negative() && duration > Duration::ZERO;
    positive.then(|| duration.into()).ok_or_else(|| "must be longer than nothing".to_owned())
}

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;

/// Everything about the server that can be switched while it runs. Each field is one decision the documentation leaves open
/// or an administrator may take; the defaults are a plain 8.19.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "switches, each of its own")]
pub struct Settings {
    /// What `application-properties` says. Also decides which endpoints and fields exist.
    pub version: String,
    /// What `/status` says. Unless it is `RUNNING` or `FIRST_RUN`, REST calls are answered 503.
    pub state: ServerState,
    /// `feature.public.access`: whether anonymous callers see public projects and repositories.
    pub public_access: bool,
    /// Whether Basic authentication is on. Off by default on 10.x servers.
    pub basic_authentication: bool,
    /// How an unknown or revoked bearer token is treated.
    pub unknown_token: UnknownToken,
    /// Failed Basic attempts in a row that lock an account; 0 means never.
    pub captcha_after: u32,
    /// The status a locked account is answered with: 401 or 403, no record says which.
    pub captcha_status: u16,
    /// Whether an account without a licence gets the envelope, or the empty body of older servers.
    pub unlicensed_body: bool,
    /// The largest pages.
    pub caps: Caps,
    /// Whether pages are filled up when rows are hidden from the caller.
    pub filling: Filling,
    /// The order of commits.
    pub order: Order,
    /// Whether a `since` that is not there excludes nothing, so that the whole history is the answer; otherwise it is refused.
    pub lenient_since: bool,
    /// What becomes of the old name of a moved repository.
    pub moved: Moved,
    /// How a missing default branch is worded.
    pub missing_default: MissingDefault,
    /// Leaves `emailAddress` out where a commit has none; otherwise it is an empty string.
    pub omit_empty_email: bool,
    /// The token bucket of each user; none by default, as on a server where no administrator switched it on.
    pub rate_limit: Option<RateLimit>,
    /// Whether answers are packed (gzip) for callers that accept it.
    pub compression: bool,
    /// Added to every answer.
    pub latency_ms: u64,
    /// Whether good answers are kept and given again, so that git is not in the way of a bench. A push is seen only once they
    /// are forgotten ([`crate::Simulator::forget_replies`]), every other change at once. Credentials, rate limits, latency and
    /// faults are as ever; of the requests only the last thousand are remembered, but all are counted.
    pub replay: bool,
    /// What links begin with, where that is not the address requests come in at.
    pub base_url: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: "8.19.4".to_owned(),
            state: ServerState::Running,
            public_access: false,
            basic_authentication: true,
            unknown_token: UnknownToken::Anonymous,
            captcha_after: 5,
            captcha_status: 401,
            unlicensed_body: true,
            caps: Caps::default(),
            filling: Filling::Full,
            order: Order::Date,
            lenient_since: false,
            moved: Moved::Redirect { status: 307 },
            missing_default: MissingDefault::NotDefined,
            omit_empty_email: false,
            rate_limit: None,
            compression: false,
            latency_ms: 0,
            replay: false,
            base_url: None,
        }
    }
}

impl Settings {
    /// Takes over the fields that `patch` names, and those within `caps` likewise.
    pub(crate) fn patch(&mut self, patch: Value) -> Result<(), Error> {
        let invalid = |error: serde_json::Error| Error::Invalid(error.to_string());
        let mut whole = serde_json::to_value(&*self).map_err(invalid)?;
        let (Value::Object(fields), Value::Object(changes)) = (&mut whole, patch) else {
            return Err(Error::Invalid("settings are a JSON object".to_owned()));
        };
        for (name, change) in changes {
            match (fields.get_mut(&name), change) {
                (Some(Value::Object(old)), Value::Object(new)) if name == "caps" => old.extend(new),
                (_, change) => drop(fields.insert(name, change)),
            }
        }
        *self = serde_json::from_value(whole).map_err(invalid)?;
        Ok(())
    }

    /// Whether the version is this one or a later one.
    pub(crate) fn at_least(&self, major: u32, minor: u32) -> bool {
        let mut numbers = self.version.split('.').map(|part| part.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (major, minor)
    }
}

/// `page.max.*` of bitbucket.properties: larger limits are lowered to these without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Caps {
    /// `page.max.commits`
    pub commits: usize,
    /// `page.max.repositories`
    pub repositories: usize,
    /// `page.max.projects`
    pub projects: usize,
    /// `page.max.users`
    pub users: usize,
    /// `page.max.branches`
    pub branches: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { commits: 100, repositories: 1000, projects: 1000, users: 1000, branches: 1000 }
    }
}

/// What `/status` calls the server's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServerState {
    /// Not ready; the one state answered with 503.
    Starting,
    /// Waits for its setup.
    FirstRun,
    /// Serves.
    Running,
    /// Locked for maintenance, although `/status` is 200.
    Maintenance,
    /// Failed to start.
    Error,
}

impl ServerState {
    pub(crate) fn serves(self) -> bool {
        matches!(self, Self::Running | Self::FirstRun)
    }
}

/// How an unknown or revoked bearer token is treated; sources disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UnknownToken {
    /// As no credential at all: measured on 10.4.1.
    Anonymous,
    /// 401 `IncorrectPasswordAuthenticationException`.
    AuthenticationFailed,
    /// 401 `AuthorisationException`, without a user name.
    NotPermitted,
}

/// What a page does about rows the caller may not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Filling {
    /// Reads on until the page is full: recorded for `/projects`.
    Full,
    /// Leaves the page short, or even empty, and not the last one.
    Short,
}

/// The order of commits that no ancestry decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// `git rev-list --date-order`: what every recording shows.
    Date,
    /// `git rev-list --topo-order`.
    Topological,
}

/// The `merges` parameter of `/commits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Merges {
    /// The default.
    Include,
    /// `git rev-list --no-merges`.
    Exclude,
    /// `git rev-list --merges`.
    Only,
}

/// What becomes of the old name of a moved repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Moved {
    /// A redirect to the new name. 307 is recorded for DELETE only.
    Redirect {
        /// The status.
        status: u16,
    },
    /// The old name goes on working, the answer carries the new one: reported for 5.13.
    Alias,
    /// The old name is forgotten.
    Gone,
}

/// The two wordings of `NoDefaultBranchException`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MissingDefault {
    /// "No default branch is defined": measured on 10.4.1.
    NotDefined,
    /// "refs/heads/x is set as the default branch, but this branch does not exist".
    NamedButMissing,
}

/// A token bucket, with Bitbucket's names. Its defaults, once switched on, are 60 and 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RateLimit {
    /// Requests that may come at once.
    pub capacity: u32,
    /// Requests a second after that.
    pub fill_rate: u32,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { capacity: 60, fill_rate: 5 }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_changes_what_it_names() {
        let mut settings = Settings::default();
        settings.patch(json!({"caps": {"commits": 3}, "rateLimit": {"capacity": 1, "fillRate": 2}})).unwrap();
        assert_eq!((settings.caps.commits, settings.caps.users), (3, 1000));
        assert_eq!(settings.rate_limit, Some(RateLimit { capacity: 1, fill_rate: 2 }));
        settings.patch(json!({"rateLimit": null, "moved": {"redirect": {"status": 302}}})).unwrap();
        assert_eq!((settings.rate_limit, settings.moved), (None, Moved::Redirect { status: 302 }));
        assert!(settings.patch(json!({"capz": {}})).is_err());
    }

    #[test]
    fn versions_compare_as_numbers() {
        let settings = Settings { version: "10.2.1".to_owned(), ..Settings::default() };
        assert!(settings.at_least(9, 9) && settings.at_least(10, 2) && !settings.at_least(10, 3));
    }
}

//! What a user writes: the spec of a `BitbucketConnection`, with its defaults, bounds and rules.

#![expect(clippy::duplicated_attributes, reason = "each printcolumn has its own name, type and path")]

use kube::core::Duration;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::destination::DestinationReference;
use super::limits::{Limits, TIMEOUT};
use super::status::BitbucketConnectionStatus;
use super::webhook::Webhook;

pub(super) const DNS_SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
const GO_DURATION: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$";

/// A Bitbucket Data Center whose default-branch commits are copied into the destination's SQL tables.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "bitbucket-connector.dev",
    version = "v1alpha1",
    kind = "BitbucketConnection",
    plural = "bitbucketconnections",
    shortname = "bbc",
    category = "bitbucket",
    namespaced,
    status = "BitbucketConnectionStatus",
    derive = "PartialEq",
    doc = "BitbucketConnection copies the commits of every readable repository's default branch from one Bitbucket Data Center into SQL tables. Commit metadata only, never source code.",
    selectable = ".spec.secretRef.name",
    printcolumn(name = "URL", type_ = "string", json_path = ".spec.url"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Commits", type_ = "integer", json_path = ".status.sync.commits"),
    printcolumn(name = "Last sync", type_ = "date", json_path = ".status.lastSuccessfulTime"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    ),
    printcolumn(name = "Repositories", type_ = "integer", json_path = ".status.sync.repositories.total", priority = 1),
    printcolumn(name = "Next schedule", type_ = "string", json_path = ".status.nextScheduleTime", priority = 1)
)]
#[serde(rename_all = "camelCase")]
pub struct BitbucketConnectionSpec {
    /// Base URL of the Bitbucket Data Center, with its context path if it has one, for example
    /// `https://bitbucket.example.com/bitbucket`. A user name, password, query or fragment does not
    /// belong into it; neither does `/rest/api/1.0`.
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(
        validation = Rule::new("self.startsWith('https://') || self.startsWith('http://')").message("url must begin with https:// or http://"),
        validation = Rule::new("!self.matches('^[a-z]+://[^/?#]*@')").message("url must not contain a user name or password: put them into the Secret"),
        validation = Rule::new("!self.matches('[?#]')").message("url must not contain a query or a fragment"),
        validation = Rule::new("isURL(self) && url(self).getHost() != ''").message("url must be a valid URL with a host")
    )]
    pub url: String,

    /// The Secret in the same namespace that holds the credentials: keys `username` and `password`, or
    /// `bitbucket_data_center_username` and `bitbucket_data_center_password`, or `token` (an HTTP access
    /// token). An optional key `url` binds it to that one origin.
    pub secret_ref: LocalReference,

    /// A Secret in the same namespace whose key `ca.crt` holds, in PEM form, the certificates of the authority
    /// that signed Bitbucket's certificate. They are trusted beside the public authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalReference>,

    /// A Secret in the same namespace with the HTTP proxy that leads to Bitbucket: key `address`, such as
    /// `http://proxy.example.com:3128`, and if it wants them `username` and `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<LocalReference>,

    /// When to sync, in the five-field cron grammar of a Kubernetes CronJob: minute, hour, day of month,
    /// month, day of week. Runs start up to 60 seconds after the slot, spread over the connections.
    #[serde(default = "default_schedule")]
    #[schemars(length(min = 1, max = 128))]
    pub schedule: String,

    /// IANA name of the time zone of `schedule`, for example `Europe/Berlin`.
    #[serde(default = "default_time_zone")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,

    /// How late, in seconds, a missed slot may still be made up for. Without it there is no limit. Only
    /// the latest missed slot is ever made up for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub starting_deadline_seconds: Option<i64>,

    /// Stops all requests to Bitbucket: no verification, no sync. A sync under way stops at its next page
    /// and goes on when `suspend` is false again.
    #[serde(default)]
    pub suspend: bool,

    /// How often the credentials are verified again, as a Go duration such as `10m`; at least `1m`. Wrong
    /// credentials are never tried again by themselves.
    #[serde(default = "default_verify_interval")]
    #[schemars(length(min = 2, max = 32), regex(pattern = GO_DURATION), extend("default" = "10m"))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1m')").message("verifyInterval must be at least 1m"))]
    pub verify_interval: Duration,

    /// How long one HTTP request to Bitbucket may take in all, as a Go duration from `1s` to `10m`.
    #[serde(default = "default_timeout")]
    #[schemars(length(min = 2, max = 32), regex(pattern = GO_DURATION), extend("default" = TIMEOUT))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('10m')").message("timeout must be from 1s to 10m"))]
    pub timeout: Duration,

    /// Which repositories are imported.
    #[serde(default)]
    pub import: ImportFilter,

    /// Limits towards Bitbucket beyond those that hold for every connection.
    #[serde(default)]
    pub limits: Limits,

    /// A PostgreSQL database that the connection's rows go to. Without it they go to the operator's own database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<DestinationReference>,

    /// What becomes of the connection's rows when it is deleted: `Retain` lets them stay. `Delete` removes them from the
    /// database that `destination` names then, and a finalizer holds the object until that is done. While the database
    /// cannot be reached it is tried for ten minutes; then they stay.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// Lets Bitbucket say when somebody has pushed: that repository is synced at once. Where the operator receives webhooks, the
    /// address to enter in Bitbucket ends in `/webhooks/NAMESPACE/NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
}

impl BitbucketConnectionSpec {
    /// The names of all Secrets that a verification or a run depends on. The webhook's is read when somebody calls.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let references = [Some(&self.secret_ref), self.cert_secret_ref.as_ref(), self.proxy_secret_ref.as_ref()];
        let destination = self.destination.iter().flat_map(DestinationReference::secrets);
        references.into_iter().flatten().map(|reference| reference.name.as_str()).chain(destination)
    }
}

/// A reference to an object in the same namespace, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LocalReference {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_SUBDOMAIN))]
    pub name: String,
}

/// Which repositories are imported, by project and by repository.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.mode != 'AllowAll' || (!has(self.projects) && !has(self.repositories))").message("import.projects and import.repositories belong to mode Allowlist or Denylist"),
    validation = Rule::new("self.mode == 'AllowAll' || has(self.projects) || has(self.repositories)").message("import.mode Allowlist and Denylist need at least one entry in projects or repositories")
)]
pub struct ImportFilter {
    /// `AllowAll` imports every repository the account can read, `Allowlist` only those listed,
    /// `Denylist` all but those listed.
    #[serde(default)]
    pub mode: ImportMode,
    /// Project keys; `*` stands for any run of characters but `/`, case does not matter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 1000), inner(length(min = 1, max = 128), regex(pattern = r"^[^/\s]+$")))]
    pub projects: Vec<String>,
    /// Repositories as `PROJECT/slug`; `*` stands for any run of characters but `/`, case does not matter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 1000), inner(length(min = 3, max = 257), regex(pattern = r"^[^/\s]+/[^/\s]+$")))]
    pub repositories: Vec<String>,
    /// Whether personal projects (`~user`) are imported. One that an Allowlist names is imported anyway.
    #[serde(default)]
    pub personal_projects: PersonalProjects,
}

/// How the lists of an import filter are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ImportMode {
    /// Every repository that the account can read.
    #[default]
    AllowAll,
    /// Only the repositories listed.
    Allowlist,
    /// All repositories but those listed.
    Denylist,
}

/// Whether personal projects are imported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PersonalProjects {
    /// Left out, unless an Allowlist names them.
    #[default]
    Exclude,
    /// Treated as any other project.
    Include,
}

/// What becomes of the rows of a connection that is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// They stay. A new connection of the same name takes them over.
    #[default]
    Retain,
    /// They are removed.
    Delete,
}

fn default_schedule() -> String {
    "0 * * * *".to_owned()
}

fn default_time_zone() -> String {
    "Etc/UTC".to_owned()
}

fn default_verify_interval() -> Duration {
    std::time::Duration::from_mins(10).into()
}

fn default_timeout() -> Duration {
    TIMEOUT.parse().unwrap_or_else(|_| unreachable!("a Go duration"))
}

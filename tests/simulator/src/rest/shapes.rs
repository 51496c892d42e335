//! What is sent, key by key in the order it was recorded. Links are absolute.

use serde::Serialize;

use crate::git::{Commit, Ident};
use crate::settings::Settings;
use crate::state::{Project, Repository, State, User};

#[derive(Serialize)]
pub(super) struct Href {
    href: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
}

#[derive(Serialize)]
pub(super) struct Links {
    #[serde(skip_serializing_if = "Option::is_none")]
    clone: Option<[Href; 2]>,
    #[serde(rename = "self")]
    own: [Href; 1],
}

impl Links {
    fn to(href: String) -> Self {
        Self { clone: None, own: [Href { href, name: None }] }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserShape {
    name: String,
    email_address: String,
    active: bool,
    display_name: String,
    id: u64,
    slug: String,
    #[serde(rename = "type")]
    kind: &'static str,
    links: Links,
}

pub(super) fn user(user: &User, base: &str) -> UserShape {
    UserShape {
        name: user.name.clone(),
        email_address: user.email.clone(),
        active: user.active,
        display_name: user.display_name.clone(),
        id: user.id,
        slug: user.slug.clone(),
        kind: if user.service { "SERVICE" } else { "NORMAL" },
        links: Links::to(format!("{base}/users/{}", user.slug)),
    }
}

#[derive(Serialize)]
pub(super) struct ProjectShape {
    key: String,
    id: u64,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    public: bool,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<UserShape>,
    links: Links,
}

pub(super) fn project(state: &State, project: &Project, base: &str) -> ProjectShape {
    let slug = project.key.strip_prefix('~');
    let owner = slug.and_then(|slug| state.users.iter().find(|user| user.slug.eq_ignore_ascii_case(slug)));
    ProjectShape {
        key: project.key.clone(),
        id: project.id,
        name: project.name.clone(),
        description: project.description.clone().filter(|text| !text.is_empty()),
        public: project.public,
        kind: if project.is_personal() { "PERSONAL" } else { "NORMAL" },
        owner: owner.map(|owner| user(owner, base)),
        links: Links::to(format!("{base}/{}", place(project))),
    }
}

fn place(project: &Project) -> String {
    match project.key.strip_prefix('~') {
        Some(slug) => format!("users/{slug}"),
        None => format!("projects/{}", project.key),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RepositoryShape {
    slug: String,
    id: u64,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hierarchy_id: Option<String>,
    scm_id: &'static str,
    state: String,
    status_message: String,
    forkable: bool,
    project: ProjectShape,
    public: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    archived: Option<bool>,
    links: Links,
}

pub(super) fn repository(state: &State, repository: &Repository, within: &Project, base: &str) -> RepositoryShape {
    let (settings, slug) = (&state.settings, &repository.slug);
    let key = within.key.to_lowercase();
    let http = Href { href: format!("{base}/scm/{key}/{slug}.git"), name: Some("http") };
    let ssh = Href { href: format!("ssh://git@bitbucket.example.com:7999/{key}/{slug}.git"), name: Some("ssh") };
    // Recorded in both orders, even within one answer.
    let clone = if repository.id.is_multiple_of(2) { [ssh, http] } else { [http, ssh] };
    let own = Href { href: format!("{base}/{}/repos/{slug}/browse", place(within)), name: None };
    let status_message = match repository.state.as_str() {
        "AVAILABLE" => "Available",
        "INITIALISING" => "Initialising",
        "INITIALISATION_FAILED" => "Initialisation failed",
        _ => "Offline",
    };
    RepositoryShape {
        slug: slug.clone(),
        id: repository.id,
        name: repository.name.clone(),
        description: repository.description.clone().filter(|text| !text.is_empty()),
        hierarchy_id: settings.at_least(7, 0).then(|| format!("{:020x}", repository.id)),
        scm_id: "git",
        state: repository.state.clone(),
        status_message: status_message.to_owned(),
        forkable: true,
        project: project(state, within, base),
        public: repository.public,
        archived: settings.at_least(8, 0).then_some(repository.archived),
        links: Links { clone: Some(clone), own: [own] },
    }
}

/// An author or committer: as git has it, or the account the mail address belongs to.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum PersonShape {
    Account(UserShape),
    #[serde(rename_all = "camelCase")]
    Stranger {
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        email_address: Option<String>,
    },
}

fn person(ident: &Ident, state: &State, base: &str) -> PersonShape {
    match state.user_by_mail(&ident.email) {
        Some(account) => PersonShape::Account(user(account, base)),
        None => PersonShape::Stranger { name: ident.name.clone(), email_address: mail(ident, &state.settings) },
    }
}

fn mail(ident: &Ident, settings: &Settings) -> Option<String> {
    Some(ident.email.clone()).filter(|mail| !(mail.is_empty() && settings.omit_empty_email))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MinimalCommit {
    id: String,
    display_id: String,
}

impl MinimalCommit {
    /// Eleven characters in every recording; samples with seven are older.
    fn new(id: &str) -> Self {
        Self { id: id.to_owned(), display_id: id.chars().take(11).collect() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CommitShape<P = MinimalCommit> {
    #[serde(flatten)]
    ids: MinimalCommit,
    author: PersonShape,
    author_timestamp: i64,
    committer: PersonShape,
    committer_timestamp: i64,
    message: String,
    parents: Vec<P>,
}

fn shape<P>(commit: &Commit, state: &State, base: &str, parents: Vec<P>) -> CommitShape<P> {
    CommitShape {
        ids: MinimalCommit::new(&commit.id),
        author: person(&commit.author, state, base),
        author_timestamp: commit.author.seconds.saturating_mul(1000),
        committer: person(&commit.committer, state, base),
        committer_timestamp: commit.committer.seconds.saturating_mul(1000),
        message: commit.message.clone(),
        parents,
    }
}

/// A commit as lists show it: its parents are ids.
pub(super) fn commit(commit: &Commit, state: &State, base: &str) -> CommitShape {
    shape(commit, state, base, commit.parents.iter().map(|id| MinimalCommit::new(id)).collect())
}

/// A commit asked for by its id: its parents are shown as lists show commits.
pub(super) fn full_commit(found: &Commit, parents: &[Commit], state: &State, base: &str) -> CommitShape<CommitShape> {
    shape(found, state, base, parents.iter().map(|parent| commit(parent, state, base)).collect())
}

/// A branch with the commit it is at.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BranchShape {
    #[serde(flatten)]
    name: BranchName,
    latest_commit: String,
    /// Legacy, and still sent.
    latest_changeset: String,
    is_default: bool,
}

/// A branch by its name only: no commit id (recorded on 10.4).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BranchName {
    id: String,
    display_id: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

pub(super) fn branch_name(full: &str) -> BranchName {
    let short = full.strip_prefix("refs/heads/").unwrap_or(full);
    BranchName { id: full.to_owned(), display_id: short.to_owned(), kind: "BRANCH" }
}

pub(super) fn branch(full: &str, id: &str, is_default: bool) -> BranchShape {
    BranchShape { name: branch_name(full), latest_commit: id.to_owned(), latest_changeset: id.to_owned(), is_default }
}

//! What is written and what is read back.

/// Which connection rows belong to. The command line uses an empty namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionKey {
    /// The cluster's name.
    pub cluster: String,
    /// The object's namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The object's uid.
    pub uid: String,
}

/// A portion of a connection's rows that was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Commits among them.
    pub commits: u64,
    /// Whether none are left.
    pub all: bool,
}

/// The rows of one connection at one Bitbucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Row of `bitbucket_connections`.
    pub connection: i64,
    /// Row of `bitbucket_server_instances`.
    pub instance: i64,
}

/// A project as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Bitbucket's numeric id.
    pub source_id: i64,
    /// Its key.
    pub key: String,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// Whether anybody may read it.
    pub public: bool,
    /// Its web page.
    pub source_url: String,
}

/// A repository as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Bitbucket's numeric id.
    pub source_id: i64,
    /// Its name in URLs.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// Whether anybody may read it.
    pub public: bool,
    /// Whether it is archived.
    pub archived: bool,
    /// Its web page.
    pub source_url: String,
}

/// One line of a finished listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The repository.
    pub repository: Repository,
    /// The project that it is in.
    pub project: Project,
    /// Whether the import filter selects it.
    pub allowlisted: bool,
}

/// A known repository that a finished listing does not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absent {
    /// The row's id.
    pub id: i64,
    /// Whether the import filter selects it.
    pub allowlisted: bool,
    /// Whether it is as good as gone for this account.
    pub inaccessible: bool,
}

/// Where a repository stands: the head of the complete set, and the walk under way. Compared with the stored
/// one before anything is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The commit that the complete set belongs to; None before the first one.
    pub head: Option<String>,
    /// How far the walk under way is stored.
    pub walk: Option<Checkpoint>,
}

/// How far a walk is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The commit that the walk goes to.
    pub target: String,
    /// The commit whose ancestors are left out of the listing.
    pub since: Option<String>,
    /// Where the next page starts.
    pub next_start: u64,
    /// Rows with higher ids are this walk's.
    pub after_id: i64,
    /// Of the walk's rows up to this id every parent is known to be stored.
    pub closed_id: i64,
}

/// A repository with its row.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "flags, each a column of its own")]
pub struct StoredRepository {
    /// The row's id.
    pub id: i64,
    /// Bitbucket's numeric id.
    pub source_id: i64,
    /// The project's key.
    pub project: String,
    /// Its name in URLs.
    pub slug: String,
    /// The default branch's short name.
    pub branch: Option<String>,
    /// What was found out last, beside failures.
    pub state: RepositoryState,
    /// Whether the last run left it behind.
    pub failed: bool,
    /// Whether the import filter selects it.
    pub allowlisted: bool,
    /// Whether the last finished listing showed it.
    pub listed: bool,
    /// Whether the account may read it, as far as Bitbucket has said.
    pub accessible: bool,
    /// Where it stands.
    pub position: Position,
}

#[cfg(test)]
impl StoredRepository {
    /// One that is new.
    pub(crate) fn example(id: i64) -> Self {
        Self {
            id,
            source_id: id,
            project: "PLAT".to_owned(),
            slug: id.to_string(),
            branch: None,
            state: RepositoryState::New,
            failed: false,
            allowlisted: true,
            listed: true,
            accessible: true,
            position: Position::default(),
        }
    }
}

/// What a run found out about a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepositoryState {
    /// Not looked at yet.
    New,
    /// The stored set is the head's.
    Synced,
    /// It has no commits.
    Empty,
    /// Its default branch does not exist.
    NoDefaultBranch,
    /// Bitbucket refuses it to this account.
    Inaccessible,
    /// It was left behind, for the reason named.
    Failed(&'static str),
}

/// Who wrote a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Author {
    /// The account's numeric id; None for an author without account.
    pub account: Option<i64>,
    /// The full name.
    pub name: Option<String>,
    /// The mail.
    pub email: Option<String>,
    /// Whether the account may log in.
    pub active: Option<bool>,
    /// Whether it is a service account.
    pub bot: bool,
    /// The account's web page.
    pub source_url: Option<String>,
}

/// One commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its id: 40 lower-case hexadecimal digits.
    pub sha: String,
    /// The ids of its parents.
    pub parents: Vec<String>,
    /// Who wrote it.
    pub author: Option<Author>,
    /// When it was written, UTC, RFC 3339.
    pub created: Option<String>,
    /// When it was committed, UTC, RFC 3339.
    pub committed: Option<String>,
    /// The message.
    pub message: String,
}

impl Commit {
    /// The ids of its parents as a JSON array.
    pub(super) fn parents_json(&self) -> String {
        // Ids are hexadecimal: nothing in them needs escaping.
        let quoted: Vec<String> = self.parents.iter().map(|id| format!("\"{id}\"")).collect();
        format!("[{}]", quoted.join(","))
    }
}

/// One page of a walk.
#[derive(Clone, Debug)]
pub struct Page {
    /// The commit that the walk goes to.
    pub target: String,
    /// The commit whose ancestors are left out.
    pub since: Option<String>,
    /// The commits of the page.
    pub commits: Vec<Commit>,
    /// What comes after it.
    pub next: Next,
}

/// What comes after a page.
#[derive(Clone, Debug)]
pub enum Next {
    /// Another page, at this start.
    Page(u64),
    /// Nothing: the walk is complete.
    Last(Last),
    /// Another page, at this start, unless every parent is stored by now. For a walk without `since` that
    /// replaces a complete set.
    PageUnlessClosed(u64, Last),
}

/// What the last page of a walk needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Last {
    /// The default branch's short name; None where it is not known, as after a restart.
    pub branch: Option<String>,
    /// Whether the repository was asked for its numeric id since the head was last read, so that commits may be removed.
    pub confirmed: bool,
}

/// A page that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Where the repository stands now.
    pub position: Position,
    /// Rows that were added.
    pub added: u64,
    /// Rows that were removed.
    pub removed: u64,
}

/// How many rows there are more than before.
pub(super) fn difference(added: u64, removed: u64) -> i64 {
    added.cast_signed() - removed.cast_signed()
}

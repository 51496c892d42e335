//! What Bitbucket's answers hold, as far as it is needed. Unknown fields are ignored.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};

use super::answer::Answerable;
use super::bounds::{PAGE_BODY, items, lenient_count, name};
use super::text::{lenient, lenient_or_empty};

/// One page of a listing. A short page may have successors; only `next_page_start` tells.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: Deserialize<'de>")]
pub struct Page<T> {
    /// The items of this page, at most `limit`.
    #[serde(deserialize_with = "items")]
    pub values: Vec<T>,
    /// Whether this is the last page.
    pub is_last_page: bool,
    /// Where the next page starts: not always `start` plus the number of items.
    #[serde(default)]
    pub next_page_start: Option<u64>,
    /// Where this page starts.
    #[serde(default, deserialize_with = "lenient_count")]
    pub start: Option<u64>,
    /// Commits of the whole range, where the server was asked to count them.
    #[serde(default, deserialize_with = "lenient_count")]
    pub total_count: Option<u64>,
}

/// What `application-properties` tells to anybody.
#[derive(Clone, Debug, Deserialize)]
pub struct ApplicationProperties {
    /// Version of the server, such as `8.19.4`.
    pub version: String,
}

/// A project.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Project {
    /// The numeric id: stays when the project is renamed.
    pub id: i64,
    /// The key; `~slug` for a personal project.
    #[serde(deserialize_with = "name")]
    pub key: String,
    /// The name.
    #[serde(default, deserialize_with = "lenient_or_empty")]
    pub name: String,
    /// The description, if there is one.
    #[serde(default, deserialize_with = "lenient")]
    pub description: Option<String>,
    /// Whether anybody may read it.
    #[serde(default, deserialize_with = "or_false")]
    pub public: bool,
}

/// A repository.
#[derive(Clone, Debug, Deserialize)]
pub struct Repository {
    /// The numeric id: stays when the repository is renamed or moved.
    pub id: i64,
    /// The name in URLs.
    #[serde(deserialize_with = "name")]
    pub slug: String,
    /// The name.
    #[serde(default, deserialize_with = "lenient_or_empty")]
    pub name: String,
    /// The description, if there is one.
    #[serde(default, deserialize_with = "lenient")]
    pub description: Option<String>,
    /// Whether anybody may read it.
    #[serde(default, deserialize_with = "or_false")]
    pub public: bool,
    /// Whether it is archived (8.0 and newer).
    #[serde(default, deserialize_with = "or_false")]
    pub archived: bool,
    /// The project it is in.
    pub project: Project,
}

/// The default branch and what it points to.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Branch {
    /// The short name.
    #[serde(deserialize_with = "lenient_or_empty")]
    pub display_id: String,
    /// The head; may be empty where nothing was pushed.
    #[serde(default)]
    pub latest_commit: Option<String>,
}

/// One commit of a listing.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Commit {
    /// The full id.
    pub id: String,
    /// Who wrote it.
    #[serde(default)]
    pub author: Option<Person>,
    /// When it was written, milliseconds since 1970.
    #[serde(default)]
    pub author_timestamp: Option<i64>,
    /// When it was committed, milliseconds since 1970.
    #[serde(default)]
    pub committer_timestamp: Option<i64>,
    /// The message, without the newline at its end.
    #[serde(default, deserialize_with = "lenient")]
    pub message: Option<String>,
    /// The parents, in git's order; none for a root. Never left out: a commit that is taken for a root would have all
    /// before it swept away.
    #[serde(deserialize_with = "items")]
    pub parents: Vec<Parent>,
}

/// A parent of a commit.
#[derive(Clone, Debug, Deserialize)]
pub struct Parent {
    /// The full id.
    pub id: String,
}

/// An author: git's name and mail, or the account that the mail belongs to. In the second form `name` is
/// the login.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// Git's name, or the account's login.
    #[serde(default, deserialize_with = "lenient")]
    pub name: Option<String>,
    /// The mail; some commits have none.
    #[serde(default, deserialize_with = "lenient")]
    pub email_address: Option<String>,
    /// The account's numeric id.
    #[serde(default)]
    pub id: Option<i64>,
    /// The account's full name.
    #[serde(default, deserialize_with = "lenient")]
    pub display_name: Option<String>,
    /// Whether the account may log in.
    #[serde(default)]
    pub active: Option<bool>,
    /// The account's name in URLs.
    #[serde(default, deserialize_with = "lenient")]
    pub slug: Option<String>,
    /// `NORMAL` or `SERVICE`.
    #[serde(default, deserialize_with = "lenient", rename = "type")]
    pub kind: Option<String>,
}

impl<T: DeserializeOwned + Send + 'static> Answerable for Page<T> {
    const LARGEST: usize = PAGE_BODY;
}
impl Answerable for ApplicationProperties {}
impl Answerable for Branch {}
impl Answerable for IgnoredAny {}
impl Answerable for Repository {}

fn or_false<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_not_lost_for_an_odd_name() {
        let json = r#"{"id":1,"slug":"api","name":null,"description":"a\ud800","public":null,"archived":null,
                       "project":{"id":2,"key":"PLAT","name":"\udc00","public":null}}"#;
        let repository: Repository = serde_json::from_str(json).unwrap();
        assert_eq!((repository.name.as_str(), repository.public, repository.archived), ("", false, false));
        assert_eq!(repository.description.as_deref(), Some("a\u{FFFD}"));
        assert_eq!(repository.project.name, "\u{FFFD}");
        let branch: Branch = serde_json::from_str(r#"{"displayId":"a\ud800","latestCommit":null}"#).unwrap();
        assert_eq!(branch.display_id, "a\u{FFFD}");
        let person: Person = serde_json::from_str(r#"{"slug":"a\ud800","type":null}"#).unwrap();
        assert_eq!((person.slug.as_deref(), person.kind), (Some("a\u{FFFD}"), None));
    }
}

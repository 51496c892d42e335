use serde::{Deserialize, Serialize};

/// Which requests a fault is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Matches {
    /// All of them.
    #[default]
    Any,
    /// The path contains this.
    PathContains(String),
    /// The path ends with this: `/commits` is the listing and not a single commit.
    PathEndsWith(String),
    /// The query, as sent, contains this.
    QueryContains(String),
    /// The path is of this repository, `KEY/slug` in any case.
    Repository(String),
    /// The login sent, or the owner of the token, is this.
    User(String),
    /// There is no credential.
    Anonymous,
    /// The method is this.
    Method(String),
    /// Every one of these is true.
    All(Vec<Matches>),
    /// This is not true.
    Not(Box<Matches>),
}

/// What is known of a request before anything is done about it.
pub(crate) struct Facts<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    pub claimed: Option<&'a str>,
    pub anonymous: bool,
}

impl Matches {
    pub(crate) fn hold_for(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::PathContains(text) => facts.path.contains(text.as_str()),
            Self::PathEndsWith(text) => facts.path.ends_with(text.as_str()),
            Self::QueryContains(text) => facts.query.contains(text.as_str()),
            Self::Repository(name) => is_of(facts.path, name),
            Self::User(name) => facts.claimed.is_some_and(|claimed| claimed.eq_ignore_ascii_case(name)),
            Self::Anonymous => facts.anonymous,
            Self::Method(name) => facts.method.eq_ignore_ascii_case(name),
            Self::All(all) => all.iter().all(|matches| matches.hold_for(facts)),
            Self::Not(not) => !not.hold_for(facts),
        }
    }
}

fn is_of(path: &str, name: &str) -> bool {
    let Some((key, slug)) = name.split_once('/') else { return false };
    let part = format!("/projects/{key}/repos/{slug}/").to_lowercase();
    format!("{path}/").to_lowercase().contains(&part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_combine() {
        let path = "/rest/api/1.0/projects/PLAT/repos/api/commits";
        let facts = Facts { method: "GET", path, query: "start=100", claimed: Some("ada"), anonymous: false };
        let holds = |text: &str| serde_json::from_str::<Matches>(text).unwrap().hold_for(&facts);
        assert!(holds(r#"{"all":[{"repository":"plat/API"},{"queryContains":"start="},{"not":"anonymous"}]}"#));
        assert!(holds(r#"{"user":"ADA"}"#) && !holds(r#"{"method":"post"}"#));
        assert!(!holds(r#"{"repository":"PLAT/ap"}"#));
        assert!(!holds(r#"{"pathEndsWith":"/api"}"#));
    }
}

//! Names that are nobody else's business, and what stands in their place. Pure.

use std::collections::BTreeMap;

use crate::api::BitbucketConnection;
use crate::bitbucket::BaseUrl;

/// What stands before the path of a repository in what the operator writes, in text and in JSON.
const BEFORE_PATHS: [&str; 3] = ["repository=\"", "repository=", "\"repository\":\""];
/// The same in a sentence, where several may follow.
const BEFORE_LIST: &str = "Not readable for this account: ";

/// Which words are replaced.
pub(super) struct Redaction(BTreeMap<String, String>);

impl Redaction {
    /// Replaces nothing.
    pub fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// Replaces hosts, accounts, projects and repositories that these connections name, and that a text names which tells of them; the
    /// same word by the same one each time.
    pub fn of(objects: &[BitbucketConnection], text: &str) -> Self {
        let mut redaction = Self::none();
        for object in objects {
            if let Ok(url) = BaseUrl::parse(&object.spec.url) {
                redaction.add("host", url.host());
            }
            let status = object.status.as_ref();
            if let Some(username) = status.and_then(|status| status.username.as_ref()) {
                redaction.add("user", username);
            }
            let failures = status.and_then(|status| status.sync.as_ref()).map(|sync| sync.failures.as_slice());
            let failures = failures.unwrap_or_default().iter().map(|failure| &failure.repository);
            failures.chain(&object.spec.import.repositories).for_each(|path| redaction.path(path));
            object.spec.import.projects.iter().for_each(|project| redaction.add("project", project));
        }
        for before in BEFORE_PATHS {
            text.match_indices(before).for_each(|(at, _)| redaction.path(word(&text[at + before.len()..])));
        }
        for (at, _) in text.match_indices(BEFORE_LIST) {
            let list = text[at + BEFORE_LIST.len()..].lines().next().unwrap_or_default();
            list.split(", ").for_each(|path| redaction.path(word(path)));
        }
        // As requests name them.
        for (at, _) in text.match_indices("/projects/") {
            let mut parts = word(&text[at + "/projects/".len()..]).split('/');
            if let (Some(project), Some("repos"), Some(slug)) = (parts.next(), parts.next(), parts.next()) {
                redaction.path(&format!("{project}/{slug}"));
            }
        }
        redaction
    }

    fn path(&mut self, path: &str) {
        if let Some((project, slug)) = path.split_once('/') {
            self.add("project", project);
            self.add("repository", slug);
        }
    }

    fn add(&mut self, kind: &str, word: &str) {
        let word = word.trim_matches('*');
        if word.len() < 2 || self.0.contains_key(word) {
            return;
        }
        let number = self.0.values().filter(|place| place.starts_with(kind)).count() + 1;
        self.0.insert(word.to_owned(), format!("{kind}-{number}"));
    }

    /// The text with other words in their place: whole words, the longest first.
    pub fn apply(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        let mut words: Vec<_> = self.0.iter().collect();
        words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
        let part = |c: char| c.is_alphanumeric() || c == '_';
        let mut result = String::with_capacity(text.len());
        let mut rest = text;
        let mut last = '\n';
        while let Some(next) = rest.chars().next() {
            let found = words.iter().find(|(word, _)| {
                let after = rest.get(word.len()..).and_then(|after| after.chars().next());
                !part(last) && rest.starts_with(word.as_str()) && !after.is_some_and(part)
            });
            // The path of the REST API is no repository's.
            let found = found.filter(|(word, _)| !(*word == "api" && result.ends_with("/rest/")));
            let length = if let Some((word, place)) = found {
                result.push_str(place);
                word.len()
            } else {
                result.push(next);
                next.len_utf8()
            };
            last = rest[..length].chars().next_back().unwrap_or(next);
            rest = &rest[length..];
        }
        result
    }
}

/// The word that a text begins with, as paths of repositories are made of.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || "-_.~/".contains(c))).unwrap_or(text.len());
    text[..end].trim_end_matches('.')
}

/// A text without the user name and password of any URL in it, whoever it is for.
pub(super) fn without_userinfo(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        result.push_str(before);
        result.push_str("://");
        let authority = after.find(|c: char| c.is_whitespace() || "/\"'".contains(c)).unwrap_or(after.len());
        // A password may hold any of these as it is: the last one ends it.
        rest = after[..authority].rfind('@').map_or(after, |at| &after[at + 1..]);
    }
    result + rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_replaced_and_words_that_hold_them_are_not() {
        let object: BitbucketConnection = serde_json::from_value(json!({
            "apiVersion": "bitbucket-connector.dev/v1alpha1", "kind": "BitbucketConnection", "metadata": {"name": "a"},
            "spec": {"url": "https://git.corp.example.com/x", "secretRef": {"name": "s"}, "import": {"mode": "Allowlist", "projects": ["PLAT", "SEC*"]}},
            "status": {"username": "svc", "sync": {"trigger": "Schedule", "startTime": "2026-01-01T00:00:00Z",
                "failures": [{"repository": "PLAT/api", "reason": "Timeout", "message": ""}]}}
        }))
        .unwrap();
        for (text, expected) in [
            (
                "GET https://git.corp.example.com/x/rest/api/1.0/projects/PLAT/repos/api as svc; svcs, PLATE, SECRET stay",
                "GET https://host-1/x/rest/api/1.0/projects/project-1/repos/repository-1 as user-1; svcs, PLATE, SECRET stay",
            ),
            ("repository=\"PLAT/unnamed\": x", "repository=\"project-1/repository-2\": x"),
            (r#"{"repository":"PLAT/json"}"#, r#"{"repository":"project-1/repository-2"}"#),
            (
                "GET projects/X/repos/y, https://h/projects/HR/repos/pay/commits",
                "GET projects/X/repos/y, https://h/projects/project-3/repos/repository-2/commits",
            ),
            (
                "Not readable for this account: AB/cd, EF/gh.\nAB",
                "Not readable for this account: project-3/repository-2, project-4/repository-3.\nproject-3",
            ),
        ] {
            assert_eq!(Redaction::of(std::slice::from_ref(&object), text).apply(text), expected);
            assert_eq!(Redaction::none().apply(text), text);
        }
    }

    #[test]
    fn no_url_keeps_its_user() {
        for (text, expected) in [
            ("--database=postgres://u:hunter2@h:5432/d?x=1 --a", "--database=postgres://h:5432/d?x=1 --a"),
            ("http://a@b@h and https://h/a@b", "http://h and https://h/a@b"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(without_userinfo(text), expected);
        }
    }
}

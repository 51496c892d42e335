//! Which repositories are imported.

use crate::api::spec::{ImportFilter, ImportMode, PersonalProjects};
use crate::bitbucket::model::Repository;

/// An import filter, ready to be asked.
#[derive(Clone, Debug)]
pub struct Filter {
    mode: ImportMode,
    projects: Vec<String>,
    repositories: Vec<String>,
    personal: bool,
}

impl From<&ImportFilter> for Filter {
    fn from(filter: &ImportFilter) -> Self {
        let lower = |patterns: &[String]| patterns.iter().map(|pattern| pattern.to_lowercase()).collect();
        Self {
            mode: filter.mode,
            projects: lower(&filter.projects),
            repositories: lower(&filter.repositories),
            personal: filter.personal_projects == PersonalProjects::Include,
        }
    }
}

impl Filter {
    /// Whether the repository is imported.
    pub fn selects(&self, repository: &Repository) -> bool {
        self.selects_path(&repository.project.key, &repository.slug)
    }

    /// Whether the repository of these names is imported.
    pub(super) fn selects_path(&self, project: &str, slug: &str) -> bool {
        let project = project.to_lowercase();
        let path = format!("{project}/{}", slug.to_lowercase());
        let listed = self.projects.iter().any(|pattern| matches(pattern, &project))
            || self.repositories.iter().any(|pattern| matches(pattern, &path));
        let personal = project.starts_with('~');
        match self.mode {
            ImportMode::AllowAll => self.personal || !personal,
            ImportMode::Denylist => !listed && (self.personal || !personal),
            ImportMode::Allowlist => listed && (self.personal || !personal || self.names_personal(&project)),
        }
    }

    /// Whether a pattern names this personal project itself: a bare `*` does not.
    fn names_personal(&self, project: &str) -> bool {
        let of_repository = |pattern: &String| pattern.split('/').next().map(str::to_owned);
        let mut patterns = self.projects.iter().cloned().chain(self.repositories.iter().filter_map(of_repository));
        patterns.any(|pattern| pattern.starts_with('~') && matches(&pattern, project))
    }
}

/// Whether the pattern covers all of the text; `*` is any run of characters but `/`.
fn matches(pattern: &str, text: &str) -> bool {
    let (mut patterns, mut names) = (pattern.split('/'), text.split('/'));
    loop {
        match (patterns.next(), names.next()) {
            (Some(pattern), Some(name)) if covers(pattern, name) => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

/// The same within one segment, where `*` is any run of characters. Takes each part between two stars where it comes
/// first, which leaves the most to the others: trying every place would take for ever with many stars.
fn covers(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(mut left) = name.strip_prefix(head).and_then(|name| name.strip_suffix(tail)) else { return false };
    middle.split('*').all(|part| {
        let found = left.split_once(part);
        left = found.map_or("", |(_, after)| after);
        found.is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitbucket::model::Project;

    fn repository(project: &str, slug: &str) -> Repository {
        Repository {
            id: 1,
            slug: slug.to_owned(),
            name: String::new(),
            description: None,
            public: false,
            archived: false,
            project: Project { id: 1, key: project.to_owned(), name: String::new(), description: None, public: false },
        }
    }

    fn filter(mode: ImportMode, projects: &[&str], repositories: &[&str]) -> Filter {
        let own = |list: &[&str]| list.iter().map(|&entry| entry.to_owned()).collect();
        let personal_projects = PersonalProjects::Exclude;
        Filter::from(&ImportFilter {
            mode,
            projects: own(projects),
            repositories: own(repositories),
            personal_projects,
        })
    }

    #[test]
    fn patterns_cover_whole_names_and_stay_in_one_segment() {
        for (pattern, text, expected) in [
            ("plat", "plat", true),
            ("plat", "platform", false),
            ("team-*", "team-", true),
            ("team-*", "team-a/b", false),
            ("*/api", "plat/api", true),
            ("plat/*-api-*", "plat/x-api-y", true),
            ("*", "plat/api", false),
            ("*é", "é", true),
            ("a*a", "a", false),
            ("*a*a*/*", "aXa/", true),
            ("*aab*", "aaab", true),
            ("plat/*", "plat", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn modes_and_personal_projects() {
        let all = filter(ImportMode::AllowAll, &[], &[]);
        assert!(all.selects(&repository("PLAT", "api")));
        assert!(!all.selects(&repository("~jdoe", "api")));
        let allow = filter(ImportMode::Allowlist, &["plat", "*", "~JDoe"], &["TEAM/Api"]);
        assert!(allow.selects(&repository("PLAT", "x")));
        assert!(allow.selects(&repository("~jdoe", "x")));
        assert!(!allow.selects(&repository("~other", "x")), "a bare * does not name a personal project");
        let deny = filter(ImportMode::Denylist, &[], &["plat/legacy-*"]);
        assert!(!deny.selects(&repository("PLAT", "legacy-1")));
        assert!(deny.selects(&repository("PLAT", "api")));
        assert!(!deny.selects(&repository("~jdoe", "x")));
    }
}

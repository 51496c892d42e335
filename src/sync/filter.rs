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
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(head) else { return false };
    let run = rest.find('/').unwrap_or(rest.len());
    (0..=run).filter(|end| rest.is_char_boundary(*end)).any(|end| matches(tail, &rest[end..]))
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

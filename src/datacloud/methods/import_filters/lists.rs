//! What becomes of an import filter's lists. Pure.

use crate::api::spec::{ImportFilter, ImportMode};
use crate::callers::Refusal;
use crate::datacloud::arguments::Arguments;

/// Entries of the lists: projects, and repositories as `PROJECT/slug`.
pub struct Entries {
    projects: Vec<String>,
    repositories: Vec<String>,
}

impl Entries {
    /// Takes them out of the arguments.
    pub fn read(arguments: &mut Arguments) -> Result<Self, Refusal> {
        Ok(Self { projects: arguments.texts("projects")?, repositories: arguments.texts("repositories")? })
    }

    /// The filter with this mode. A list that was made for the other mode would mean the opposite now, so it goes.
    pub fn with_mode(&self, mode: ImportMode, previous: &ImportFilter) -> Result<ImportFilter, Refusal> {
        let lists = mode != ImportMode::AllowAll;
        if mode == previous.mode && self.is_empty() {
            return Ok(previous.clone());
        }
        if lists && self.is_empty() {
            return Err(Refusal::InvalidArguments("The lists would be empty. Send projects or repositories (PROJECT/slug) with the mode; * stands for any run of characters but /.".to_owned()));
        }
        if !lists && !self.is_empty() {
            return Err(Refusal::InvalidArguments(
                "allow_all has no lists. Leave out projects and repositories, or choose allowlist or denylist."
                    .to_owned(),
            ));
        }
        Ok(ImportFilter {
            mode,
            projects: self.projects.clone(),
            repositories: self.repositories.clone(),
            ..previous.clone()
        })
    }

    /// The filter with these entries too.
    pub fn added(&self, previous: &ImportFilter) -> Result<ImportFilter, Refusal> {
        self.some(previous)?;
        let mut changed = previous.clone();
        for (list, more) in [(&mut changed.projects, &self.projects), (&mut changed.repositories, &self.repositories)] {
            for entry in more {
                if !list.iter().any(|one| same(one, entry)) {
                    list.push(entry.clone());
                }
            }
        }
        Ok(changed)
    }

    /// The filter without these entries.
    pub fn removed(&self, previous: &ImportFilter) -> Result<ImportFilter, Refusal> {
        self.some(previous)?;
        let mut changed = previous.clone();
        changed.projects.retain(|one| !self.projects.iter().any(|entry| same(one, entry)));
        changed.repositories.retain(|one| !self.repositories.iter().any(|entry| same(one, entry)));
        if changed.projects.is_empty() && changed.repositories.is_empty() {
            return Err(Refusal::InvalidArguments(
                "The lists would be empty. Set the mode to allow_all by importFilters.setMode, or add other entries first."
                    .to_owned(),
            ));
        }
        Ok(changed)
    }

    fn some(&self, previous: &ImportFilter) -> Result<(), Refusal> {
        let wrong = if self.is_empty() {
            "There is nothing to do. Send projects or repositories (PROJECT/slug)."
        } else if previous.mode == ImportMode::AllowAll {
            "The mode is allow_all, which has no lists. Send the entries to importFilters.setMode with allowlist or denylist."
        } else {
            return Ok(());
        };
        Err(Refusal::InvalidArguments(wrong.to_owned()))
    }

    fn is_empty(&self) -> bool {
        self.projects.is_empty() && self.repositories.is_empty()
    }
}

/// As the filter itself sees it.
fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(projects: &[&str], repositories: &[&str]) -> Entries {
        let owned = |list: &[&str]| list.iter().map(|entry| (*entry).to_owned()).collect();
        Entries { projects: owned(projects), repositories: owned(repositories) }
    }

    fn filter(mode: ImportMode, projects: &[&str], repositories: &[&str]) -> ImportFilter {
        let Entries { projects, repositories } = entries(projects, repositories);
        ImportFilter { mode, projects, repositories, ..ImportFilter::default() }
    }

    #[test]
    fn a_mode_comes_with_its_lists() {
        use ImportMode::{AllowAll, Allowlist, Denylist};
        let old = filter(Allowlist, &["A"], &[]);
        assert_eq!(entries(&[], &[]).with_mode(AllowAll, &old), Ok(filter(AllowAll, &[], &[])));
        assert_eq!(entries(&[], &[]).with_mode(Allowlist, &old), Ok(old.clone()));
        assert_eq!(entries(&[], &["B/x"]).with_mode(Denylist, &old), Ok(filter(Denylist, &[], &["B/x"])));
        assert_eq!(entries(&["C"], &[]).with_mode(Allowlist, &old), Ok(filter(Allowlist, &["C"], &[])));
        assert!(entries(&[], &[]).with_mode(Denylist, &old).is_err(), "an empty list");
        assert!(entries(&["A"], &[]).with_mode(AllowAll, &old).is_err(), "a list that means nothing");
    }

    #[test]
    fn entries_come_and_go_whatever_their_case() {
        let old = filter(ImportMode::Denylist, &["A"], &["B/x"]);
        assert_eq!(entries(&["a", "C"], &["b/X"]).added(&old), Ok(filter(ImportMode::Denylist, &["A", "C"], &["B/x"])));
        assert_eq!(entries(&["a", "Z"], &[]).removed(&old), Ok(filter(ImportMode::Denylist, &[], &["B/x"])));
        assert!(entries(&["A"], &["B/X"]).removed(&old).is_err(), "the last ones");
        assert!(entries(&[], &[]).added(&old).is_err(), "nothing");
        assert!(entries(&["A"], &[]).added(&filter(ImportMode::AllowAll, &[], &[])).is_err(), "no lists");
    }
}

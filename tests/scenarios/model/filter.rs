//! Import filters of a few plain forms, and what they mean, told a second time.

use bitbucket_connector::api::spec::{ImportFilter, ImportMode};

use super::dice::Dice;
use super::world::{KEYS, SLUGS};

#[derive(Clone, Debug)]
pub enum Filter {
    All,
    /// `KEY`, `KEY/slug` or `KEY/*`.
    Only(Vec<String>),
    Not(Vec<String>),
}

impl Filter {
    pub fn random(dice: &mut Dice) -> Self {
        let mut entries: Vec<String> = Vec::new();
        for _ in 0..dice.between(1, 4) {
            let key = dice.one_of(&KEYS);
            entries.push(match dice.below(3) {
                0 => key.to_owned(),
                1 => format!("{key}/*"),
                _ => format!("{key}/{}", dice.one_of(&SLUGS)),
            });
        }
        match dice.below(6) {
            0 => Self::Only(entries),
            1 => Self::Not(entries),
            _ => Self::All,
        }
    }

    pub fn selects(&self, key: &str, slug: &str) -> bool {
        let means = |entry: &String| match entry.split_once('/') {
            None => entry == key,
            Some((project, "*")) => project == key,
            Some((project, name)) => project == key && name == slug,
        };
        // A personal project is imported only where it is named, and here every entry names its project.
        match self {
            Self::All => !key.starts_with('~'),
            Self::Only(entries) => entries.iter().any(means),
            Self::Not(entries) => !key.starts_with('~') && !entries.iter().any(means),
        }
    }

    pub fn spec(&self) -> ImportFilter {
        let (mode, entries) = match self {
            Self::All => (ImportMode::AllowAll, &vec![]),
            Self::Only(entries) => (ImportMode::Allowlist, entries),
            Self::Not(entries) => (ImportMode::Denylist, entries),
        };
        let (repositories, projects) = entries.iter().cloned().partition(|entry| entry.contains('/'));
        ImportFilter { mode, projects, repositories, ..ImportFilter::default() }
    }

    /// The flags that mean the same; the command has none that leave out.
    pub fn flags(&self) -> Option<Vec<String>> {
        let flag = |entry: &String| if entry.contains('/') { "--repository" } else { "--project" };
        match self {
            Self::All => Some(Vec::new()),
            Self::Only(entries) => {
                Some(entries.iter().flat_map(|entry| [flag(entry).to_owned(), entry.clone()]).collect())
            }
            Self::Not(_) => None,
        }
    }
}

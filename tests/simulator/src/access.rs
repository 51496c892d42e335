use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// What a user may do with a project or repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Access {
    /// Does not see it.
    Nothing,
    /// Sees it in listings, but is refused its branches and commits. No Bitbucket permission is like that; a proxy or a plugin
    /// in front of one can be, and a token's scope can.
    Listing,
    /// `REPO_READ`, or `PROJECT_READ`.
    Read,
}

/// What one user may read: the most exact rule decides.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub everything: Access,
    pub projects: HashMap<u64, Access>,
    pub repositories: HashMap<u64, Access>,
}

impl Rules {
    pub fn new(everything: Access) -> Self {
        Self { everything, projects: HashMap::new(), repositories: HashMap::new() }
    }

    pub fn project(&self, project: u64) -> Access {
        self.projects.get(&project).copied().unwrap_or(self.everything)
    }

    pub fn repository(&self, project: u64, repository: u64) -> Access {
        self.repositories.get(&repository).copied().unwrap_or_else(|| self.project(project))
    }
}

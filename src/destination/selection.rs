//! What the import filter selects.

/// Which repositories of a connection are imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// All that were listed last.
    pub total: i64,
    /// Those of them that are imported.
    pub imported: i64,
    /// A portion of them, in the order of their ids.
    pub repositories: Vec<Selected>,
}

/// A repository that was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// The row's id.
    pub id: i64,
    /// `PROJECT/slug`.
    pub name: String,
    /// Its page in Bitbucket.
    pub url: String,
    /// Whether the import filter selects it.
    pub imported: bool,
}

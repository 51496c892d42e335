//! What one operator was told and another one is to do.

/// Somebody has pushed to a repository of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The connection's namespace.
    pub namespace: String,
    /// The connection's name.
    pub name: String,
    /// Bitbucket's id of the repository.
    pub source_id: i64,
    /// The refs that were pushed to; None is any.
    pub refs: Option<Vec<String>>,
}

//! What can go wrong with the database, and who must help.

/// A fault of the database itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Waits for a person: wrong file, wrong login, a schema newer than this program.
    #[error("{0}")]
    Invalid(String),
    /// May pass by itself: down, full, read-only, locked.
    #[error("{0}")]
    Unavailable(String),
}

/// Why a page was not stored. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error(transparent)]
    Destination(#[from] Error),
    /// Another process has moved this repository on.
    #[error("another process stored commits of this repository meanwhile")]
    Superseded,
    /// After the last page a commit's parent is missing: the listing was wrong or partial.
    #[error("the listing of commits was incomplete: {missing} is a parent, but was not listed")]
    Incomplete {
        /// The id of a commit that should be there.
        missing: String,
    },
    /// After the last page a commit was listed that the target does not reach: the listing was another one's.
    #[error("the listing of commits was wrong: {stray} was listed, but does not belong to it")]
    Stray {
        /// The id of a commit that should not be there.
        stray: String,
    },
    /// Commits would be removed, and nobody has confirmed that it is still the same repository.
    #[error("history was rewritten")]
    Unconfirmed,
}

/// What to do about a file.
pub(super) const VOLUME: &str = "check that its volume is mounted, writable and not full";

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            AuthorizationForStatementDenied, NotADatabase, SchemaChanged, TypeMismatch, Unknown,
        };
        let text = format!("the SQLite database says: {error}");
        match error.sqlite_error_code() {
            None if matches!(error, rusqlite::Error::MultipleStatement) => {
                Self::Invalid("only one statement can be run at a time".to_owned())
            }
            Some(NotADatabase | AuthorizationForStatementDenied | SchemaChanged | TypeMismatch | Unknown) => {
                Self::Invalid(text)
            }
            _ => Self::Unavailable(format!("{text}; {VOLUME}")),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Destination(error.into())
    }
}

//! Which database, as written on a command line.

use std::path::PathBuf;
use std::str::FromStr;

/// A database's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// An SQLite file.
    Sqlite(PathBuf),
}

/// What is wrong with the address. Never repeats it: there may be a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDatabaseUrl {
    /// No database of this kind is known.
    #[error("the database must be written as sqlite://PATH")]
    Scheme,
    /// There is no path.
    #[error("sqlite:// needs a path, such as sqlite:///var/lib/bitbucket-connector/commits.db")]
    Path,
}

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text.strip_prefix("sqlite://").ok_or(InvalidDatabaseUrl::Scheme)?;
        if path.is_empty() || path.ends_with('/') {
            return Err(InvalidDatabaseUrl::Path);
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }
}

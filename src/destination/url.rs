//! Which database, as written on a command line or in a Secret.

use std::path::PathBuf;
use std::str::FromStr;

use super::Error;
use super::postgres::{PostgresUrl, SchemaName};

/// A database's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A schema of a PostgreSQL database.
    Postgres(Box<PostgresUrl>),
}

/// What is wrong with the address. Never repeats it: there may be a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDatabaseUrl {
    /// No database of this kind is known.
    #[error("the database must be written as sqlite://PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
    Scheme,
    /// There is no path.
    #[error("sqlite:// needs a path, such as sqlite:///var/lib/bitbucket-connector/commits.db")]
    Path,
    /// There is no host, or something that is none.
    #[error(
        "postgres:// needs a host, such as postgres://USER:PASSWORD@HOST:PORT/DATABASE; special characters of user name \
         and password are written in percent-encoding, an @ as %40"
    )]
    Host,
    /// A parameter is not known, or its value is not.
    #[error("the address has a parameter, behind its question mark, that is not known or has a wrong value")]
    Parameter,
    /// `sslmode` and `sslrootcert` do not go together.
    #[error("sslmode=verify-ca needs certificates, and sslmode=disable has no use for them")]
    Tls,
    /// A file or socket of the machine that this program runs on, in an address that somebody else has given.
    #[error("sslrootcert with a file, and a socket in the file system, are the operator's own")]
    Local,
    /// What should hold certificates of authorities does not.
    #[error("there is no certificate in PEM form")]
    Authorities,
    /// SQLite has no schemas.
    #[error("a schema can be chosen in a postgres:// database only")]
    Schema,
}

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return text.parse().map(|url| Self::Postgres(Box::new(url)));
        }
        let path = text.strip_prefix("sqlite://").ok_or(InvalidDatabaseUrl::Scheme)?;
        if path.is_empty() || path.ends_with('/') {
            return Err(InvalidDatabaseUrl::Path);
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }
}

impl DatabaseUrl {
    /// The same database with another schema than `bitbucket`.
    pub fn with_schema(self, schema: SchemaName) -> Result<Self, InvalidDatabaseUrl> {
        match self {
            Self::Sqlite(_) => Err(InvalidDatabaseUrl::Schema),
            Self::Postgres(url) => Ok(Self::Postgres(Box::new(url.with_schema(schema)))),
        }
    }

    /// Looks whether the files that the address names can be used.
    pub fn check_files(&self) -> Result<(), Error> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(url) => url.check_files(),
        }
    }
}

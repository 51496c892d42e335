//! The flags that name a database.

use std::ffi::OsStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Command};

use super::Failure;
use crate::destination::{DatabaseUrl, InvalidDatabaseUrl, SchemaName};

#[derive(Debug, clap::Args)]
pub(super) struct DatabaseArgs {
    /// The database, as sqlite://PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE. Other programs of this machine can
    /// read a password on the command line, but not in the variable
    #[arg(long, env = "BITBUCKET_CONNECTOR_DATABASE", hide_env_values = true, value_parser = Database)]
    database: DatabaseUrl,
    /// The schema in a postgres:// database that holds the tables [default: bitbucket]
    #[arg(long, env = "BITBUCKET_CONNECTOR_SCHEMA")]
    schema: Option<SchemaName>,
}

impl DatabaseArgs {
    /// The database, as far as it can be told without asking it.
    pub fn url(self) -> Result<DatabaseUrl, Failure> {
        let usage = |flag: &str, error: &dyn std::fmt::Display| Failure::Usage(format!("{flag}: {error}"));
        let url = match self.schema {
            Some(schema) => self.database.with_schema(schema).map_err(|error| usage("--schema", &error))?,
            None => self.database,
        };
        url.check_files().map_err(|error| usage("--database", &error))?;
        Ok(url)
    }
}

/// Understands a database's address. Left to itself, clap repeats a value that it refuses, and there may be a password
/// in this one.
#[derive(Clone, Copy, Debug)]
struct Database;

impl TypedValueParser for Database {
    type Value = DatabaseUrl;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<DatabaseUrl, clap::Error> {
        let parsed = value.to_str().ok_or(InvalidDatabaseUrl::Scheme).and_then(str::parse);
        parsed.map_err(|error| {
            clap::Error::raw(ErrorKind::ValueValidation, format!("--database: {error}\n")).with_cmd(command)
        })
    }
}

//! The value of `--database`.

use std::ffi::OsStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Command};

use crate::destination::{DatabaseUrl, InvalidDatabaseUrl};

/// Understands it. Left to itself, clap repeats a value that it refuses, and there may be a password in this one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Database;

impl TypedValueParser for Database {
    type Value = DatabaseUrl;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<DatabaseUrl, clap::Error> {
        let parsed = value.to_str().ok_or(InvalidDatabaseUrl::Scheme).and_then(str::parse);
        parsed.map_err(|error| {
            clap::Error::raw(ErrorKind::ValueValidation, format!("--database: {error}\n")).with_cmd(command)
        })
    }
}

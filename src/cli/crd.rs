//! `bitbucket-connector crd`

use std::io::Write;
use std::process::ExitCode;

use super::Failure;
use crate::api::crd;

/// Prints the definition.
pub(super) fn run() -> Result<ExitCode, Failure> {
    std::io::stdout().write_all(crd::yaml()?.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

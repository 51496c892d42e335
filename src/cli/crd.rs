//! `bitbucket-connector crd`

use std::io::Write;

use super::Failure;
use crate::api::crd;

/// Prints the definition.
pub(super) fn run() -> Result<(), Failure> {
    std::io::stdout().write_all(crd::yaml()?.as_bytes())?;
    Ok(())
}

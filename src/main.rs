//! The command.
fn main() { print!("{}", bitbucket_connector::api::crd::yaml().unwrap()); }

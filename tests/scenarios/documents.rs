//! What is written for people is so: commands and manifests work as they stand there, links lead somewhere, and the reference is
//! that of the types.

mod commands;
mod house;
mod links;
mod quota;
mod reference;
mod tables;

use std::path::{Path, PathBuf};

/// A page.
struct Document {
    /// From the root of the repository on.
    path: String,
    text: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All pages.
fn documents() -> Vec<Document> {
    let in_docs = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let in_docs = in_docs.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let mut paths: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", CHART].map(|path| root().join(path)).into();
    paths.extend(in_docs);
    paths.sort();
    assert!(paths.len() > 20);
    paths.iter().map(|path| document(path)).collect()
}

/// The chart's own page.
const CHART: &str = "charts/bitbucket-connector/README.md";

fn document(path: &Path) -> Document {
    let text = std::fs::read_to_string(path).unwrap();
    let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    Document { path, text }
}

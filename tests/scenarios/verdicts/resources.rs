//! What the account may read.

use bitbucket_connector::api::spec::ImportMode;
use bitbucket_simulator::{MissingDefault, NewRepository};

use super::*;

fn only(projects: &[&str], repositories: &[&str]) -> Case {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let (projects, repositories) = (texts(projects), texts(repositories));
    let filter = ImportFilter { mode: ImportMode::Allowlist, projects, repositories, ..ImportFilter::default() };
    Case { filter, ..case() }
}

#[tokio::test]
async fn what_the_account_may_read() {
    let (s, folder) = bitbucket().await;
    let lister = || with(password("lister", "hunter2"));
    row("projects but no commits", &s, lister(), FORBIDDEN, "Repository read", Interval).await;
    row("nothing", &s, with(password("stranger", "hunter2")), NOTHING, "Project read", Interval).await;
    row("nothing selected", &s, only(&["OTHER"], &[]), NOTHING, "spec.import selects none", Interval).await;
    row("only empty ones", &s, only(&[], &["plat/EMPTY"]), GOOD, "are empty", Interval).await;
    s.grant("lister", "PLAT/empty").unwrap();
    row("no commits but in an empty one", &s, lister(), FORBIDDEN, "Repository read", Interval).await;
    let path = folder.path().join("more.git");
    histories::linear(&path, 2).unwrap();
    s.add_repository(NewRepository::at("PLAT/more", path)).unwrap();
    s.grant("lister", "PLAT/more").unwrap();
    row("some and not others", &s, lister(), GOOD, "commits can be read", Interval).await;
    for missing in [MissingDefault::NotDefined, MissingDefault::NamedButMissing] {
        s.configure(|settings| settings.missing_default = missing);
        s.set_default_branch("PLAT/api", "gone").unwrap();
        row(&format!("no default branch: {missing:?}"), &s, only(&[], &["plat/api"]), GOOD, "are empty", Interval)
            .await;
    }
}

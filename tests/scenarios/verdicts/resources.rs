//! What the account may read.

use bitbucket_connector::api::spec::ImportMode;
use bitbucket_simulator::{Fault, JsonEdit, Matches, MissingDefault, NewRepository, Refusal};

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
    s.configure(|settings| settings.caps.repositories = 1);
    let empty = JsonEdit::Set("/values".to_owned(), serde_json::json!([]));
    s.faults().push(Fault::on_path("/repos", Action::EditJson(vec![empty])).after(1));
    row("nothing on the last page", &s, only(&["OTHER"], &[]), NOTHING, "spec.import selects none", Interval).await;
    s.configure(|settings| settings.caps.repositories = 1000);
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

/// Repositories that the account sees and may not read, in the order in which they are tried.
#[tokio::test]
async fn ten_repositories_are_tried_that_are_not_empty() {
    let (s, folder) = bitbucket().await;
    s.add_repository(NewRepository::empty("TEN/a")).unwrap();
    s.grant("lister", "TEN/a").unwrap();
    for number in 1..=12 {
        let name = format!("TEN/b{number:02}");
        s.add_repository(NewRepository::at(&name, folder.path().join("api.git"))).unwrap();
    }
    let ten = || Case { credentials: password("lister", "hunter2"), ..only(&["TEN"], &[]) };
    // The tenth is the last one of a page, and not.
    for page in [4, 5] {
        s.configure(|settings| settings.caps.repositories = page);
        s.clear_requests();
        row("all refuse", &s, ten(), FORBIDDEN, "repos/b01/commits was answered 401", Interval).await;
        assert_eq!(s.requests_to("/commits").len(), 11, "the empty one, and ten");
    }
    s.grant("lister", "TEN/b11").unwrap();
    row("all but the eleventh", &s, ten(), FORBIDDEN, "Repository read", Interval).await;
    s.grant("lister", "TEN/b10").unwrap();
    row("all but the tenth", &s, ten(), GOOD, "commits can be read", Interval).await;
}

/// Refuses, or does not do, what is asked of these repositories.
fn broken(s: &Simulator, paths: &[&str], action: &Action) {
    for path in paths {
        s.faults().push(Fault::new(action.clone()).matches(Matches::Repository((*path).to_owned())));
    }
}

#[tokio::test]
async fn a_broken_repository_says_nothing_of_the_others() {
    let (s, folder) = bitbucket().await;
    for slug in ["a", "b", "c", "d"] {
        s.add_repository(NewRepository::at(&format!("MANY/{slug}"), folder.path().join("api.git"))).unwrap();
    }
    let many = || only(&["MANY"], &[]);
    let down = Action::Status { status: 500, headers: vec![], body: String::new() };
    for odd in [down.clone(), Action::Html200, Action::Refuse(Refusal::NoSuchRoute), Action::CutBody(5)] {
        broken(&s, &["MANY/a", "MANY/b"], &odd);
        row(&format!("two, {odd:?}"), &s, many(), GOOD, "commits can be read", Interval).await;
    }
    broken(&s, &["MANY/a", "MANY/b", "MANY/c"], &down);
    row("three", &s, many(), "Unknown Unknown ServerError", "repos/a/commits was answered 500", Soon).await;
    // Of what is refused and what is broken, the broken one may be readable.
    broken(&s, &["MANY/a"], &down);
    for path in ["MANY/b", "MANY/c", "MANY/d"] {
        broken(&s, &[path], &Action::Refuse(Refusal::NotPermitted));
    }
    row("refused but one", &s, many(), "Unknown Unknown ServerError", "answered 500", Soon).await;
    // What concerns the account is not passed over.
    broken(&s, &["MANY/a"], &Action::Refuse(Refusal::Captcha));
    row("the account", &s, many(), BAD, "CAPTCHA", Hour).await;
}

#[tokio::test]
async fn a_hundred_empty_repositories_are_enough() {
    let (s, folder) = bitbucket().await;
    for number in 0..101 {
        s.add_repository(NewRepository::empty(&format!("NEW/r{number:03}"))).unwrap();
    }
    s.add_repository(NewRepository::at("NEW/s", folder.path().join("api.git"))).unwrap();
    s.clear_requests();
    row("empty ones", &s, only(&["NEW"], &[]), GOOD, "the first 100 selected repositories are empty", Interval).await;
    assert_eq!(s.requests_to("/commits").len(), 101);
}

#[tokio::test]
async fn what_one_repository_says_of_itself() {
    let (s, _folder) = bitbucket().await;
    let (key, slug) = ("PLAT".to_owned(), "api".to_owned());
    for refusal in [
        Refusal::NoSuchRepository { key: key.clone(), slug: slug.clone() },
        Refusal::NoSuchProject { key },
        Refusal::NoSuchCommit { id: "main".to_owned(), slug },
    ] {
        s.faults().push(Fault::on_path("/commits", Action::Refuse(refusal.clone())));
        row(&format!("{refusal:?}"), &s, case(), GOOD, "are empty", Interval).await;
    }
}

#[tokio::test]
async fn what_the_listing_cannot_say() {
    let (s, _folder) = bitbucket().await;
    let unexpected = "Unknown Unknown UnexpectedAnswer";
    let text = || "x".to_owned();
    for refusal in [
        Refusal::NoSuchRoute,
        Refusal::NoSuchProject { key: text() },
        Refusal::NoSuchRepository { key: text(), slug: text() },
        Refusal::NoSuchCommit { id: text(), slug: text() },
        Refusal::NoDefaultBranch { branch: text() },
        Refusal::NoSuchUser { slug: text() },
        Refusal::InvalidArgument { context: text(), message: text() },
    ] {
        s.faults().push(Fault::on_path("/repos", Action::Refuse(refusal.clone())));
        row(&format!("{refusal:?}"), &s, case(), unexpected, "Check the version of Bitbucket", Soon).await;
    }
    for next in [
        JsonEdit::Remove("/nextPageStart".to_owned()),
        JsonEdit::Set("/nextPageStart".to_owned(), serde_json::json!(0)),
    ] {
        let endless = vec![JsonEdit::Set("/isLastPage".to_owned(), serde_json::json!(false)), next];
        s.faults().push(Fault::on_path("/repos", Action::EditJson(endless)));
        row("no next page", &s, only(&["OTHER"], &[]), unexpected, "names no next one", Soon).await;
    }
}

//! What Bitbucket says of the account.

use bitbucket_connector::api::spec::ImportMode;
use bitbucket_simulator::{Access, Action, Command, Fault, Matches, NewUser, Refusal, Simulator, UnknownToken};

use super::*;

#[tokio::test]
async fn a_password() {
    let (s, _folder) = bitbucket().await;
    row("good", &s, case(), GOOD, "commits can be read", Interval).await;
    row("wrong", &s, with(password("reader", "wrong-hunter2")), BAD, "Correct the password", Never).await;
    row("unknown account", &s, with(password("nobody", "wrong-hunter2")), BAD, "Correct the password", Never).await;
    s.apply(Command::Password { user: "reader".to_owned(), password: None }).unwrap();
    row("expired", &s, case(), BAD, "Correct the password", Never).await;
    s.set_password("reader", "hunter2").unwrap();
    s.set_licensed("reader", false).unwrap();
    row("no licence", &s, case(), BAD, "licence", Hour).await;
    s.configure(|settings| settings.unlicensed_body = false);
    row("no licence, no body", &s, case(), BAD, "licence", Hour).await;
    s.set_licensed("reader", true).unwrap();
    for status in [401, 403] {
        s.configure(|settings| {
            settings.captcha_after = 1;
            settings.captcha_status = status;
        });
        row("the try before the lock", &s, with(password("reader", "wrong-hunter2")), BAD, "Correct", Never).await;
        row(&format!("CAPTCHA as {status}"), &s, case(), BAD, "in a browser", Hour).await;
        s.unlock("reader").unwrap();
    }
    s.configure(|settings| settings.basic_authentication = false);
    row("Basic switched off", &s, case(), BAD, "HTTP access token", Hour).await;
}

#[tokio::test]
async fn a_token() {
    let (s, _folder) = bitbucket().await;
    row("a user's", &s, token("tok-hunter2"), GOOD, "", Interval).await;
    row("a user's as password", &s, with(password("reader", "tok-hunter2")), GOOD, "", Interval).await;
    // Those of a project and of a repository are of accounts of their own, which have no password.
    s.add_user(NewUser { user: "project".to_owned(), access: Access::Nothing, ..service() }).unwrap();
    s.add_user(NewUser { user: "repository".to_owned(), access: Access::Nothing, ..service() }).unwrap();
    s.grant("project", "PLAT").unwrap();
    s.grant("repository", "PLAT/api").unwrap();
    for kind in ["project", "repository"] {
        let text = format!("{kind}-hunter2");
        s.add_token(kind, &text).unwrap();
        row(&format!("a {kind}'s"), &s, token(&text), GOOD, "commits can be read", Interval).await;
        row(&format!("a {kind}'s as password"), &s, with(password(kind, &text)), BAD, "Correct", Never).await;
    }
    s.configure(|settings| settings.basic_authentication = false);
    row("where Basic is switched off", &s, token("tok-hunter2"), GOOD, "", Interval).await;
}

#[tokio::test]
async fn whose_the_credentials_are_is_told_as_far_as_it_is_known() {
    let (s, _folder) = bitbucket().await;
    let told = async |case: Case| {
        let mut connection = Connection::new(&s.url(), case.credentials, case.way);
        Process::new().look(&mut connection, Clock::new()).await;
        connection.status.username
    };
    assert_eq!(told(case()).await.as_deref(), Some("reader"));
    assert_eq!(told(token("tok-hunter2")).await.as_deref(), Some("reader"));
    assert_eq!(told(with(password("lister", "hunter2"))).await.as_deref(), Some("lister"));
    assert_eq!(told(with(password("reader", "wrong-hunter2"))).await, None);
    name_stripped(&s, Matches::PathEndsWith("/repos".to_owned()));
    assert_eq!(told(case()).await.as_deref(), Some("reader"), "the proof tells it");
}

fn service() -> NewUser {
    NewUser { service: true, ..NewUser::default() }
}

#[tokio::test]
async fn a_token_that_nobody_knows() {
    let (s, _folder) = bitbucket().await;
    row("unknown", &s, token("gone-hunter2"), BAD, "valid token", Hour).await;
    for answer in [UnknownToken::AuthenticationFailed, UnknownToken::NotPermitted] {
        s.configure(|settings| settings.unknown_token = answer);
        row(&format!("unknown: {answer:?}"), &s, token("gone-hunter2"), BAD, "valid token", Hour).await;
    }
    s.configure(|settings| {
        settings.unknown_token = UnknownToken::Anonymous;
        settings.public_access = true;
    });
    s.set_public("PLAT/api", true).unwrap();
    let (answer, listed) = (token("gone-hunter2"), s.requests().len());
    row("served as nobody, who may read a repository", &s, answer, BAD, "valid token", Hour).await;
    let answers = s.requests();
    let listing = answers[listed..].iter().find(|seen| seen.path.ends_with("/repos")).unwrap();
    assert_eq!((listing.status, &listing.user), (Some(200), &None), "it was served");
}

#[tokio::test]
async fn an_account_that_is_known_and_may_not() {
    let (s, _folder) = bitbucket().await;
    for (status, refusal) in [(401, Refusal::NotPermitted), (403, Refusal::Forbidden)] {
        for path in ["/repos", "/commits"] {
            s.faults().push(Fault::on_path(path, Action::Refuse(refusal.clone())));
            row(&format!("{status} on {path}"), &s, case(), FORBIDDEN, "Bitbucket admin", Interval).await;
        }
    }
}

/// Makes a proxy drop a header of the requests, so that they are nobody's.
fn authorization_stripped(s: &Simulator) {
    s.faults().push(Fault::on_path("/repos", Action::Refuse(Refusal::NotAuthenticated)));
}

/// Makes a proxy drop the header of the answers that names the account.
fn name_stripped(s: &Simulator, matches: Matches) {
    s.faults().push(Fault::new(Action::AddHeader("X-AUSERNAME".to_owned(), String::new())).matches(matches));
}

#[tokio::test]
async fn what_a_proxy_strips() {
    let (s, _folder) = bitbucket().await;
    authorization_stripped(&s);
    row("Authorization", &s, case(), BAD, "nobody's", Hour).await;
    name_stripped(&s, Matches::Any);
    row("X-AUSERNAME", &s, case(), GOOD, "commits can be read", Interval).await;
    // Each page is proven, before anything on it counts: the account may be nobody's from one to the next.
    s.configure(|settings| settings.caps.repositories = 1);
    let second = || {
        let filter = ImportFilter {
            mode: ImportMode::Allowlist,
            repositories: vec!["PLAT/empty".to_owned()],
            ..ImportFilter::default()
        };
        Case { filter, ..case() }
    };
    s.faults().push(Fault::on_path("/users", Action::Refuse(Refusal::NotAuthenticated)).after(1));
    name_stripped(&s, Matches::Any);
    row("X-AUSERNAME, and nobody's on the second page", &s, second(), BAD, "nobody's", Hour).await;
    s.faults().push(Fault::on_path("/repos", Action::AddHeader("X-AUSERNAME".to_owned(), String::new())).after(1));
    s.faults().push(Fault::on_path("/users", Action::Refuse(Refusal::NotAuthenticated)));
    row("X-AUSERNAME of the second page, which is nobody's", &s, second(), BAD, "nobody's", Hour).await;
    s.configure(|settings| settings.caps.repositories = 1000);
    name_stripped(&s, Matches::Any);
    row("X-AUSERNAME, nothing visible", &s, with(password("stranger", "hunter2")), NOTHING, "", Interval).await;
    name_stripped(&s, Matches::Any);
    let lister = || with(password("lister", "hunter2"));
    row("X-AUSERNAME, no commits", &s, lister(), FORBIDDEN, "Repository read", Interval).await;
    name_stripped(&s, Matches::Any);
    row("X-AUSERNAME, wrong password", &s, with(password("reader", "wrong-hunter2")), BAD, "Correct", Never).await;
    s.configure(|settings| settings.public_access = true);
    s.set_public("PLAT/api", true).unwrap();
    name_stripped(&s, Matches::PathEndsWith("/users".to_owned()));
    row("X-AUSERNAME, unknown token", &s, token("gone-hunter2"), BAD, "valid token", Hour).await;
}

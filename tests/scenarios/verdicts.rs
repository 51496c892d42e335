//! Each answer a Bitbucket can give, and what a user is told. One row a case: what the server does, and the
//! conditions, the message and the next try that follow.

use std::time::Duration;

use bitbucket_connector::api::conditions::{self, READY, STALLED, VERIFIED};
use bitbucket_connector::api::spec::{ImportFilter, ImportMode};
use bitbucket_connector::api::status::{BitbucketConnectionStatus, RefusedSecret};
use bitbucket_connector::bitbucket::{BaseUrl, Clients, Credentials, Options, Patience, Way};
use bitbucket_connector::controller::decision::{
    DestinationState, Facts, Inputs, Knowledge, Observation, RunState, Schedule, decide,
};
use bitbucket_connector::runtime::tls;
use bitbucket_connector::sync::Filter;
use bitbucket_connector::trust::Addresses;
use bitbucket_connector::verification::{Past, verify};
use bitbucket_simulator::{
    Access, Action, Fault, Matches, MissingDefault, NewUser, Refusal, ServerState, Simulator, UnknownToken, histories,
};
use tempfile::TempDir;
use tokio::time::Instant;

const INTERVAL: Duration = Duration::from_mins(10);

/// When Bitbucket is asked again by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    Never,
    Interval,
    Hour,
    /// Within seconds, and then in growing pauses.
    Soon,
    /// Not before this many seconds.
    After(u64),
}
use Again::{After, Hour, Interval, Never, Soon};

/// How a connection is made: who asks, and for what.
struct Case {
    credentials: Credentials,
    filter: ImportFilter,
    path: &'static str,
}

fn password(username: &str, password: &str) -> Credentials {
    Credentials::Basic { username: username.to_owned(), password: password.into() }
}

impl Default for Case {
    fn default() -> Self {
        Self { credentials: password("reader", "hunter2"), filter: ImportFilter::default(), path: "" }
    }
}

async fn bitbucket() -> (Simulator, TempDir) {
    tls::install();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.git");
    histories::linear(&path, 5).unwrap();
    let simulator = Simulator::builder()
        .context("/bitbucket")
        .user("reader", "hunter2")
        .token("reader", "tok-hunter2")
        .add_user(NewUser::reader("lister", "hunter2").access(Access::Listing))
        .add_user(NewUser::reader("stranger", "hunter2").access(Access::Nothing))
        .add_user(NewUser { service: true, ..NewUser::reader("robot", "hunter2") })
        .token("robot", "robots-hunter2")
        .repository("PLAT/api", path)
        .empty_repository("PLAT/empty")
        .start()
        .await
        .unwrap();
    (simulator, folder)
}

/// What a user of a new connection is told: `Verified Ready reason`, whether it is stalled, the message, and when
/// it is tried again.
async fn told(simulator: &Simulator, case: &Case) -> (String, bool, String, Again) {
    let base = BaseUrl::parse(&format!("{}{}", simulator.url(), case.path)).unwrap();
    let options = Options { concurrency: 4, patience: Patience::default(), reopen: None };
    let way = Way::new(Duration::from_secs(1));
    let client =
        Clients::new(16, Addresses::all()).client(base.clone(), case.credentials.clone(), &way, options).unwrap();
    let outcome =
        crate::support::within("a verdict", verify(&client, &Filter::from(&case.filter), Past::Unknown)).await;

    let now = Instant::now();
    let inputs = Inputs::new(base, "u".to_owned(), &case.credentials, [0; 32], case.filter.clone());
    let mut knowledge = Knowledge::new("uid");
    knowledge.answered(&inputs, &outcome, INTERVAL, now);
    let secret = RefusedSecret { uid: "u".to_owned(), resource_version: "1".to_owned(), url: simulator.url() };
    let decision = decide(&Facts {
        now: "2026-01-01T12:30:00Z".parse().unwrap(),
        generation: 1,
        old: BitbucketConnectionStatus { observed_generation: Some(-1), ..Default::default() },
        schedule: Schedule::parse("0 * * * *", "Etc/UTC", "uid"),
        deadline: None,
        suspended: false,
        requested_at: None,
        refused: knowledge.refuses(&inputs).then_some(secret),
        observation: Observation::Asked { outcome },
        inputs_changed: true,
        wanted: None,
        transport: knowledge.transport(INTERVAL, now),
        destination: DestinationState::NotAsked,
        run: RunState::None,
    });
    let state = |type_| conditions::state(&decision.status.conditions, type_);
    let (verified, ready) = (state(VERIFIED).unwrap(), state(READY).unwrap());
    assert_eq!(verified.reason, ready.reason);
    let shown = format!("{} {} {}", verified.truth.as_str(), ready.truth.as_str(), ready.reason);
    assert_eq!(decision.status.refused_secret.is_some(), knowledge.refuses(&inputs));
    let again = match knowledge.next(false, now).map(|wait| wait.as_secs()) {
        None => Never,
        Some(0..=2) => Soon,
        Some(540..=600) => Interval,
        Some(3240..=3600) => Hour,
        Some(seconds) => After(seconds),
    };
    (shown, state(STALLED).is_some(), ready.message, again)
}

/// Checks one row, and that the message holds nothing that the server wrote.
async fn row(what: &str, simulator: &Simulator, case: Case, shown: &str, says: &str, again: Again) {
    let told = told(simulator, &case).await;
    assert_eq!(told.0, shown, "{what}: {}", told.2);
    assert_eq!(told.1, shown.starts_with("False"), "{what}: Stalled");
    assert!(told.2.contains(says), "{what}: {:?} does not say {says:?}", told.2);
    assert!(!told.2.contains("hunter2"), "{what}: {}", told.2);
    match (told.3, again) {
        (After(real), After(wanted)) => {
            assert!(real >= wanted && real <= wanted * 11 / 10, "{what}: again in {real} s");
        }
        (real, wanted) => assert_eq!(real, wanted, "{what}"),
    }
    simulator.faults().clear();
}

fn case() -> Case {
    Case::default()
}

fn with(credentials: Credentials) -> Case {
    Case { credentials, ..case() }
}

/// A 200 with this JSON.
fn json(body: &str) -> Action {
    let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    Action::Status { status: 200, headers, body: body.to_owned() }
}

const BAD: &str = "False False invalid_credentials";

#[tokio::test]
async fn what_bitbucket_says_of_the_credentials() {
    let (s, _folder) = bitbucket().await;
    let refuse = |refusal| s.faults().push(Fault::on_path("/repos", Action::Refuse(refusal)));
    row("good", &s, case(), "True True Verified", "commits can be read", Interval).await;
    row("wrong password", &s, with(password("reader", "wrong-hunter2")), BAD, "Correct the password", Never).await;
    row("unknown account", &s, with(password("nobody", "wrong-hunter2")), BAD, "Correct the password", Never).await;
    row("unknown token", &s, with(Credentials::Token("gone-hunter2".into())), BAD, "valid token", Hour).await;
    s.configure(|settings| settings.public_access = true);
    s.set_public("PLAT/api", true).unwrap();
    row("served as nobody", &s, with(Credentials::Token("gone-hunter2".into())), BAD, "valid token", Hour).await;
    s.configure(|settings| settings.public_access = false);
    for answer in [UnknownToken::AuthenticationFailed, UnknownToken::NotPermitted] {
        s.configure(|settings| settings.unknown_token = answer);
        row("unknown token", &s, with(Credentials::Token("gone-hunter2".into())), BAD, "valid token", Hour).await;
    }
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
        row("CAPTCHA", &s, case(), BAD, "in a browser", Hour).await;
        s.unlock("reader").unwrap();
    }
    s.configure(|settings| settings.basic_authentication = false);
    row("Basic switched off", &s, case(), BAD, "HTTP access token", Hour).await;
    row("user token", &s, with(Credentials::Token("tok-hunter2".into())), "True True Verified", "", Interval).await;
    s.configure(|settings| settings.basic_authentication = true);
    row("user token as password", &s, with(password("reader", "tok-hunter2")), "True True Verified", "", Interval)
        .await;
    row("project token", &s, with(Credentials::Token("robots-hunter2".into())), "True True Verified", "", Interval)
        .await;
    row("project token as password", &s, with(password("robot", "robots-hunter2")), BAD, "", Never).await;
    refuse(Refusal::NotPermitted);
    row("401 for a known account", &s, case(), "False False invalid_permissions", "Bitbucket admin", Interval).await;
    refuse(Refusal::Forbidden);
    row("403 for a known account", &s, case(), "False False invalid_permissions", "Bitbucket admin", Interval).await;
}

#[tokio::test]
async fn what_the_account_may_read() {
    let (s, folder) = bitbucket().await;
    let no_permission = "False False invalid_permissions";
    let nothing = "False False no_resources";
    row("projects but no commits", &s, with(password("lister", "hunter2")), no_permission, "Repository read", Interval)
        .await;
    row("nothing", &s, with(password("stranger", "hunter2")), nothing, "Project read", Interval).await;
    let filter =
        ImportFilter { mode: ImportMode::Allowlist, projects: vec!["OTHER".to_owned()], ..ImportFilter::default() };
    row("filter", &s, Case { filter, ..case() }, nothing, "spec.import selects none", Interval).await;
    let filter = ImportFilter {
        mode: ImportMode::Allowlist,
        repositories: vec!["plat/EMPTY".to_owned()],
        ..ImportFilter::default()
    };
    let only_empty = Case { filter: filter.clone(), ..case() };
    row("only empty ones", &s, only_empty, "True True Verified", "are empty", Interval).await;
    s.grant("lister", "PLAT/empty").unwrap();
    let path = folder.path().join("more.git");
    histories::linear(&path, 2).unwrap();
    s.add_repository(bitbucket_simulator::NewRepository::at("PLAT/more", path)).unwrap();
    s.grant("lister", "PLAT/more").unwrap();
    row("some and not others", &s, with(password("lister", "hunter2")), "True True Verified", "", Interval).await;
    for missing in [MissingDefault::NotDefined, MissingDefault::NamedButMissing] {
        s.configure(|settings| settings.missing_default = missing);
        s.set_default_branch("PLAT/api", "gone").unwrap();
        let filter = ImportFilter { repositories: vec!["plat/api".to_owned()], ..filter.clone() };
        let case = Case { filter, ..case() };
        row("no default branch", &s, case, "True True Verified", "are empty", Interval).await;
    }
}

#[tokio::test]
async fn what_is_no_bitbucket() {
    let (s, _folder) = bitbucket().await;
    let bad = "False False InvalidURL";
    let fault = |action| s.faults().push(Fault::new(action));
    row("wrong context path", &s, Case { path: "/nowhere", ..case() }, bad, "context path", Interval).await;
    fault(Action::Refuse(Refusal::NoSuchRoute));
    row("no such route", &s, case(), bad, "context path", Interval).await;
    fault(Action::Refuse(Refusal::NoSuchPage));
    row("an HTML 404", &s, case(), bad, "context path", Interval).await;
    fault(Action::Html200);
    row("a login page", &s, case(), bad, "There is no Bitbucket", Interval).await;
    fault(Action::Redirect { status: 302, location: "/login".to_owned() });
    row("a redirect to a login page", &s, case(), bad, "There is no Bitbucket", Interval).await;
    s.clear_requests();
    let elsewhere = "https://elsewhere.example.com/rest/api/1.0/application-properties".to_owned();
    fault(Action::Redirect { status: 301, location: elsewhere });
    row("a redirect to another origin", &s, case(), bad, "There is no Bitbucket", Interval).await;
    fault(json("{}"));
    row("JSON of another program", &s, case(), bad, "There is no Bitbucket", Interval).await;
    assert!(s.requests().iter().all(|seen| seen.scheme.is_none()), "no password has left");
}

#[tokio::test]
async fn what_is_broken_on_the_way() {
    let (s, _folder) = bitbucket().await;
    let unknown = |reason: &str| format!("Unknown Unknown {reason}");
    let on = |path: &str, action| s.faults().push(Fault::on_path(path, action));
    let bare = |status: u16, headers: &[(&str, &str)]| Action::Status {
        status,
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: "<html>our proxy says no</html>".to_owned(),
    };
    for (what, path, action, reason, says, again) in [
        ("401 of a proxy", "/repos", bare(401, &[]), "ProxyRefused", "does not come from Bitbucket", Soon),
        ("403 of a proxy", "/repos", bare(403, &[]), "ProxyRefused", "does not come from Bitbucket", Soon),
        ("407", "", bare(407, &[]), "ProxyRefused", "proxy", Soon),
        ("429", "/repos", bare(429, &[]), "RateLimited", "exempt", Soon),
        ("429 with seconds", "/repos", bare(429, &[("Retry-After", "120")]), "RateLimited", "exempt", After(120)),
        ("503 of Bitbucket", "", Action::Refuse(Refusal::ResourceBusy), "ServerError", "503", Soon),
        ("502 of a proxy", "/repos", bare(502, &[]), "ServerError", "502", Soon),
        ("504 with Retry-After", "/repos", bare(504, &[("Retry-After", "60")]), "ServerError", "504", After(60)),
        ("closed at once", "", Action::Drop, "ServerUnreachable", "Check the url", Soon),
        ("closed within the headers", "/repos", Action::CloseAfterBytes(20), "ServerUnreachable", "cut", Soon),
        ("a body that ends too early", "/repos", Action::CutBody(40), "UnexpectedAnswer", "broken JSON", Soon),
        ("no headers", "/repos", Action::Hang, "ServerUnreachable", "within 1 s", Soon),
        (
            "a body without end",
            "/repos",
            Action::Trickle { bytes: 1, every: Duration::from_millis(200) },
            "ServerUnreachable",
            "within 1 s",
            Soon,
        ),
        ("a login page after all", "/repos", Action::Html200, "UnexpectedAnswer", "single sign-on", Soon),
        ("broken JSON", "/repos", json("{\"values\":["), "UnexpectedAnswer", "broken JSON", Soon),
        ("another shape", "/repos", json("{\"a\":1}"), "UnexpectedAnswer", "another shape", Soon),
    ] {
        on(path, action);
        row(what, &s, case(), &unknown(reason), says, again).await;
    }
    let stripped =
        Fault::new(Action::Refuse(Refusal::NotAuthenticated)).matches(Matches::PathContains("/repos".to_owned()));
    s.faults().push(stripped);
    row("Authorization stripped by a proxy", &s, case(), BAD, "nobody's", Hour).await;
    for state in [ServerState::Starting, ServerState::Maintenance] {
        s.configure(|settings| settings.state = state);
        row("not running", &s, case(), &unknown("ServerError"), "503", Soon).await;
    }
    s.configure(|settings| settings.state = ServerState::Running);
    s.set_listening(false).await;
    row("refused", &s, case(), &unknown("ServerUnreachable"), "refused", Soon).await;
}

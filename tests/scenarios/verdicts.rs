//! Each answer a Bitbucket can give, and what a user is told. One row a case: what the server does, and the
//! conditions, the message and the next try that follow.

mod account;
mod body;
mod day;
mod place;
mod resources;
mod way;

use std::time::Duration;

use bitbucket_connector::api::conditions::{self, READY, RECONCILING, STALLED, VERIFIED};
use bitbucket_connector::api::spec::ImportFilter;
use bitbucket_connector::bitbucket::{Credentials, Way};
use bitbucket_connector::runtime::tls;
use bitbucket_simulator::{Access, Action, NewUser, Simulator, histories};
use tempfile::TempDir;

use self::Again::{After, Hour, Interval, Never, Soon};
use crate::support::process::{Clock, Connection, Process};

const BAD: &str = "False False invalid_credentials";
const GOOD: &str = "True True Verified";
const FORBIDDEN: &str = "False False invalid_permissions";
const NOTHING: &str = "False False no_resources";
const NOWHERE: &str = "False False InvalidURL";

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

impl Again {
    /// By what is waited for; the interval is ten minutes, and everything is spread by up to a tenth.
    fn of(wait: Option<Duration>) -> Self {
        match wait.map(|wait| wait.as_secs()) {
            None => Never,
            Some(0..=2) => Soon,
            Some(540..=600) => Interval,
            Some(3240..=3600) => Hour,
            Some(seconds) => After(seconds),
        }
    }
}

/// How a connection is made: who asks, for what, and how.
struct Case {
    /// Of another server than the row's.
    url: Option<String>,
    path: &'static str,
    credentials: Credentials,
    filter: ImportFilter,
    way: Way,
}

fn password(username: &str, password: &str) -> Credentials {
    Credentials::Basic { username: username.to_owned(), password: password.into() }
}

fn token(token: &str) -> Case {
    with(Credentials::Token(token.into()))
}

fn case() -> Case {
    let way = Way::new(Duration::from_mins(2));
    let credentials = password("reader", "hunter2");
    Case { url: None, path: "", credentials, filter: ImportFilter::default(), way }
}

fn with(credentials: Credentials) -> Case {
    Case { credentials, ..case() }
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
        .repository("PLAT/api", path)
        .empty_repository("PLAT/empty")
        .start()
        .await
        .unwrap();
    (simulator, folder)
}

/// What the conditions say: `Verified Ready reason`.
fn shown(connection: &Connection) -> String {
    let state = |type_| conditions::state(&connection.status.conditions, type_).unwrap();
    let (verified, ready) = (state(VERIFIED), state(READY));
    format!("{} {} {}", verified.truth.as_str(), ready.truth.as_str(), ready.reason)
}

/// Checks one row, of a new connection, and that the message holds nothing that the server wrote.
async fn row(what: &str, simulator: &Simulator, case: Case, expected: &str, says: &str, again: Again) {
    let url = case.url.unwrap_or_else(|| format!("{}{}", simulator.url(), case.path));
    let mut connection = Connection::new(&url, case.credentials, case.way);
    connection.spec.import = case.filter;
    let (mut process, clock) = (Process::new(), Clock::new());
    process.look(&mut connection, clock).await;

    let status = &connection.status;
    let state = |type_| conditions::state(&status.conditions, type_);
    let (verified, ready) = (state(VERIFIED).unwrap(), state(READY).unwrap());
    assert_eq!(shown(&connection), expected, "{what}: {}", ready.message);
    assert_eq!((&verified.reason, &verified.message), (&ready.reason, &ready.message), "{what}");
    let (judged, faulty) = (expected.starts_with("False"), expected.starts_with("Unknown"));
    assert_eq!(state(STALLED).map(|stalled| stalled.reason), judged.then_some(ready.reason), "{what}: Stalled");
    assert_eq!(state(RECONCILING).is_some(), faulty, "{what}: Reconciling");
    assert_eq!(status.observed_generation, Some(if faulty { -1 } else { 1 }), "{what}");
    let version = (!faulty && expected != NOWHERE).then_some("8.19.4");
    assert_eq!(status.server_version.as_deref(), version, "{what}");
    assert_eq!(status.refused_secret.is_some(), again == Never, "{what}: only a password judged wrong is refused");
    assert!(ready.message.contains(says), "{what}: {:?} does not say {says:?}", ready.message);
    // Not shown: a test must not print what it finds.
    assert!(!ready.message.contains("hunter2") && !ready.message.contains('<'), "{what}: the server is quoted");
    match (Again::of(process.again(clock)), again) {
        (After(real), After(wanted)) => {
            assert!(real >= wanted && real <= wanted * 11 / 10, "{what}: again in {real} s");
        }
        (real, wanted) => assert_eq!(real, wanted, "{what}"),
    }
    for (_, fault, hits) in simulator.faults().list() {
        assert!(hits > 0, "{what}: {:?} has met nobody", fault.matches);
    }
    simulator.faults().clear();
}

/// A 200 with this JSON.
fn json(body: &str) -> Action {
    answer(200, &[("Content-Type", "application/json")], body)
}

/// An answer of something in front of Bitbucket.
fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Action {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Action::Status { status, headers, body: body.to_owned() }
}

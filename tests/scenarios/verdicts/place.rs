//! Whether there is a Bitbucket at the URL.

use bitbucket_connector::bitbucket::Authorities;
use bitbucket_simulator::{Fault, Refusal};

use super::*;
use crate::support::tls::{Authority, Flaw, redirect};

fn moved(status: u16, location: &str) -> Action {
    Action::Redirect { status, location: location.to_owned() }
}

#[tokio::test]
async fn what_is_no_bitbucket() {
    let (s, _folder) = bitbucket().await;
    row("wrong context path", &s, Case { path: "/nowhere", ..case() }, NOWHERE, "context path", Interval).await;
    for (what, action) in [
        ("a route that does not exist", Action::Refuse(Refusal::NoSuchRoute)),
        ("an HTML 404", Action::Refuse(Refusal::NoSuchPage)),
        ("a login page", Action::Html200),
        ("a redirect to a login page", moved(302, "/login")),
        (
            "a redirect to another origin",
            moved(301, "https://elsewhere.example.com/rest/api/1.0/application-properties"),
        ),
        ("JSON of another program", json("{}")),
    ] {
        s.faults().push(Fault::new(action));
        row(what, &s, case(), NOWHERE, "There is no Bitbucket", Interval).await;
    }
    assert!(s.requests().iter().all(|seen| seen.scheme.is_none()), "no password has left");
}

#[tokio::test]
async fn where_it_redirects_to() {
    let (s, _folder) = bitbucket().await;
    let (other, _other_folder) = bitbucket().await;
    for (what, location) in [
        ("another origin", format!("{}/rest/api/1.0/repos", other.url())),
        ("a login page", "/login".to_owned()),
        ("itself", format!("{}/rest/api/1.0/repos", s.url())),
    ] {
        s.faults().push(Fault::on_path("/repos", moved(307, &location)));
        row(what, &s, case(), "Unknown Unknown UnexpectedAnswer", "a redirect", Soon).await;
    }
    assert!(other.requests().is_empty(), "nobody follows with credentials");

    let authority = Authority::new();
    let front = authority.front(s.address(), Flaw::None).await;
    let (plain, mut told) = redirect(front.port()).await;
    let mut way = case().way;
    way.authorities = Authorities::from_pem(authority.pem().as_bytes()).unwrap();
    let url = Some(format!("http://localhost:{}/bitbucket", plain.port()));
    row("the same by https", &s, Case { url, way, ..case() }, GOOD, "write the url so", Interval).await;
    let head = told.recv().await.unwrap();
    assert!(!head.to_lowercase().contains("authorization") && told.try_recv().is_err(), "no password by plain http");
}

#[tokio::test]
async fn a_bitbucket_that_was_there_is_missing_only_when_the_grace_has_ended() {
    let (s, _folder) = bitbucket().await;
    for action in [Action::Html200, Action::Refuse(Refusal::NoSuchRoute), moved(302, "/login")] {
        let (mut process, mut clock) = (Process::new(), Clock::new());
        let mut connection = Connection::new(&s.url(), case().credentials, case().way);
        let wait = process.look(&mut connection, clock).await;
        let (good, begin) = (connection.status.clone(), clock.now);
        assert_eq!(shown(&connection), GOOD);
        s.faults().push(Fault::new(action));
        clock.pass(wait);
        let mut seen = Vec::new();
        for _ in 0..100 {
            let wait = process.look(&mut connection, clock).await;
            if seen.last() != Some(&connection.status) {
                seen.push(connection.status.clone());
            }
            clock.pass(wait);
        }
        assert_eq!(shown(&connection), NOWHERE);
        assert!(seen.len() <= 3 && seen[0] == good, "nothing changes before");
        let ended = conditions::find(&connection.status.conditions, READY).unwrap().last_transition_time.0;
        let lasted = Duration::try_from(ended.duration_since(Clock::new().read)).unwrap();
        assert!(lasted > Duration::from_mins(28) && clock.now.duration_since(begin) > lasted, "{lasted:?}");
        s.faults().clear();
        process.look(&mut connection, clock).await;
        assert_eq!(shown(&connection), GOOD);
    }
}

//! What is broken on the way to Bitbucket, or in front of it.

use bitbucket_connector::bitbucket::{Authorities, Proxy};
use bitbucket_simulator::{Fault, Refusal, ServerState};

use super::*;
use crate::support::net::{silent, stalling};
use crate::support::tls::{Authority, Flaw};

fn unknown(reason: &str) -> String {
    format!("Unknown Unknown {reason}")
}

/// The page of a proxy.
fn page(status: u16, headers: &[(&str, &str)]) -> Action {
    answer(status, headers, "<html>our proxy says no</html>")
}

#[tokio::test]
async fn what_is_in_front_of_it() {
    let (s, _folder) = bitbucket().await;
    let busy = Action::Refuse(Refusal::RateLimited { retry_after: 120 });
    // Capped at an hour; how a date is read to the second is tested beside the code.
    let (date, past) = ("Tue, 31 Dec 2999 23:59:59 GMT", "Wed, 21 Oct 2015 07:28:00 GMT");
    for (what, path, action, reason, says, again) in [
        ("401 of a proxy", "/repos", page(401, &[]), "ProxyRefused", "does not come from Bitbucket", Soon),
        (
            "401 of a proxy, nothing else",
            "/repos",
            answer(401, &[], ""),
            "ProxyRefused",
            "does not come from Bitbucket",
            Soon,
        ),
        ("403 of a proxy", "/repos", page(403, &[]), "ProxyRefused", "does not come from Bitbucket", Soon),
        ("407", "", page(407, &[]), "ProxyRefused", "refused by a proxy with 407", Soon),
        ("429", "/repos", page(429, &[]), "RateLimited", "exempt", Soon),
        ("429 of Bitbucket", "/repos", busy, "RateLimited", "exempt", After(120)),
        ("429 with seconds", "/repos", page(429, &[("Retry-After", "120")]), "RateLimited", "exempt", After(120)),
        ("429 with a date", "/repos", page(429, &[("Retry-After", date)]), "RateLimited", "exempt", After(3600)),
        ("429 with a past date", "/repos", page(429, &[("Retry-After", past)]), "RateLimited", "exempt", Soon),
        ("503 of Bitbucket", "", Action::Refuse(Refusal::ResourceBusy), "ServerError", "503", Soon),
        ("502", "/repos", page(502, &[]), "ServerError", "502", Soon),
        ("504", "/repos", page(504, &[]), "ServerError", "504", Soon),
        ("504 with Retry-After", "/repos", page(504, &[("Retry-After", "60")]), "ServerError", "504", After(60)),
        ("a login page after all", "/repos", Action::Html200, "UnexpectedAnswer", "single sign-on", Soon),
    ] {
        s.faults().push(Fault::on_path(path, action));
        row(what, &s, case(), &unknown(reason), says, again).await;
    }
    for state in [ServerState::Starting, ServerState::Maintenance] {
        s.configure(|settings| settings.state = state);
        row(&format!("{state:?}"), &s, case(), &unknown("ServerError"), "503", Soon).await;
    }
}

#[tokio::test]
async fn what_takes_too_long() {
    let (s, _folder) = bitbucket().await;
    let hasty = |url| Case { url, way: Way::new(Duration::from_secs(1)), ..case() };
    let (unreachable, says) = (unknown("ServerUnreachable"), "no complete answer within 1 s");
    let silent = silent().await;
    let url = Some(format!("http://{}", silent.address));
    row("the connection", &s, hasty(url), &unreachable, says, Soon).await;
    for text in ["", "HTTP/1.1 200 OK\r\nContent-Type: applica"] {
        let url = Some(format!("http://{}", stalling(text).await));
        row(&format!("the headers, after {} bytes", text.len()), &s, hasty(url), &unreachable, says, Soon).await;
    }
    for (what, action) in [
        ("the headers, from Bitbucket", Action::Hang),
        ("the body", Action::Trickle { bytes: 1, every: Duration::from_millis(200) }),
    ] {
        s.faults().push(Fault::on_path("/application-properties", action));
        row(what, &s, hasty(None), &unreachable, says, Soon).await;
    }
}

#[tokio::test]
async fn what_is_no_connection() {
    let (s, _folder) = bitbucket().await;
    let unreachable = unknown("ServerUnreachable");
    let name = Case { url: Some("http://no-such-host.invalid".to_owned()), ..case() };
    row("a name that is not known", &s, name, &unreachable, "the host name is not known", Soon).await;
    for (what, action) in [
        ("closed at once", Action::Drop),
        ("closed within the body", Action::CloseAfterBytes(20)),
        ("not HTTP", Action::Raw("SSH-2.0-OpenSSH\r\n".to_owned())),
    ] {
        s.faults().push(Fault::on_path("/repos", action));
        row(what, &s, case(), &unreachable, "the connection was cut", Soon).await;
    }
    s.set_listening(false).await;
    row("refused", &s, case(), &unreachable, "(the connection was refused or cut)", Soon).await;
    let address = format!("http://{}", s.address());
    let through = |way: Way| Way { proxy: Some(Proxy::new(&address, None).unwrap()), ..way };
    let proxied = Case { way: through(case().way), url: Some("http://bitbucket.example.com".to_owned()), ..case() };
    row("refused by the proxy's machine", &s, proxied, &unreachable, "the connection to the proxy was refused", Soon)
        .await;
}

#[tokio::test]
async fn what_tls_does_not_accept() {
    let (s, _folder) = bitbucket().await;
    let (ours, other) = (Authority::new(), Authority::new());
    let good = GOOD.to_owned();
    let bad = unknown("TLSFailure");
    for (what, flaw, trusted, expected, says, again) in [
        ("all is right", Flaw::None, &ours, &good, "", Interval),
        ("unknown authority", Flaw::None, &other, &bad, "of an authority that is not trusted", Soon),
        ("wrong name", Flaw::WrongName, &ours, &bad, "does not name this host", Soon),
        ("expired", Flaw::Expired, &ours, &bad, "has expired", Soon),
        ("broken in the middle", Flaw::Garbled, &ours, &bad, "TLS", Soon),
    ] {
        let front = ours.front(s.address(), flaw).await;
        let mut way = case().way;
        way.authorities = Authorities::from_pem(trusted.pem().as_bytes()).unwrap();
        let url = Some(format!("https://localhost:{}/bitbucket", front.port()));
        row(what, &s, Case { url, way, ..case() }, expected, says, again).await;
    }
    let url = Some(s.url().replace("http://", "https://"));
    row("no TLS at all", &s, Case { url, ..case() }, &bad, "speaks no TLS", Soon).await;
}

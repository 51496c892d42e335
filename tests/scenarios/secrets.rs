//! No secret comes out, whatever goes wrong and however much is logged. Each stage looks at its log, its objects, their
//! events and the database when it ends; here is much for it to look at.

mod doors;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bitbucket_connector::bitbucket::{BaseUrl, Clients, Credentials, Options, Patience, Proxy, Way};
use bitbucket_connector::cli::Cli;
use bitbucket_connector::runtime::tls;
use bitbucket_connector::trust::Addresses;
use bitbucket_simulator::{Action, Fault, Matches, Simulator, histories};
use clap::Parser;

use crate::support::leaks::assert_clean;
use crate::support::manifests::{connection, secret};
use crate::support::operator::Stage;
use crate::support::tls::{Authority, Flaw, proxy};
use crate::webhook::KEY;

/// Not ASCII, and each character that some syntax takes for its own.
const ODD: &str = "a:b #@/%ühunter2 \"'\\";

async fn bitbucket(stage: &Stage) -> Simulator {
    let path = stage.folder.path().join("api.git");
    histories::linear(&path, 5).unwrap();
    let mut builder = Simulator::builder().user("odd", ODD);
    for user in ["reader", "careful", "failing", "echo", "shape"] {
        builder = builder.user(user, "hunter2");
    }
    builder.token("reader", "tok-hunter2").repository("PLAT/api", path).start().await.unwrap()
}

/// A Secret with these keys.
fn keys(name: &str, data: &[(&str, &[u8])]) -> String {
    let data: Vec<String> = data.iter().map(|(key, value)| format!("{key}: {}", STANDARD.encode(value))).collect();
    format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\ndata: {{{}}}\n---\n", data.join(", "))
}

/// A server, or something in front of it, that repeats what it was sent.
fn echo(status: u16, body: &str) -> Action {
    let login = format!("Basic {}", STANDARD.encode("reader:hunter2"));
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let headers = vec![
        header("Content-Type", "application/json"),
        header("X-Seen", &login),
        header("Set-Cookie", "password=hunter2"),
        header("Location", "http://reader:hunter2@elsewhere.example.com/?password=hunter2"),
    ];
    Action::Status { status, headers, body: body.replace("LOGIN", &login) }
}

/// Makes `action` meet the requests of one account.
fn for_account(user: &str, more: Matches, action: Action) -> Fault {
    Fault::new(action).matches(Matches::All(vec![Matches::User(user.to_owned()), more]))
}

#[tokio::test(flavor = "multi_thread")]
async fn none_comes_out_however_much_is_logged() {
    let mut stage = Stage::without_operator("secrets").await;
    stage.variables.push(("BITBUCKET_CONNECTOR_LOG_LEVEL", "trace".to_owned()));
    stage.variables.push(("BITBUCKET_CONNECTOR_LOG_FORMAT", "json".to_owned()));
    let authority = Authority::new();
    doors::open(&mut stage, &authority);
    stage.start_operator();
    let simulator = bitbucket(&stage).await;
    let url = simulator.url();
    let push = |fault| simulator.faults().push(fault);
    push(for_account("echo", Matches::Any, echo(500, r#"{"errors":[{"message":"LOGIN","exceptionName":"LOGIN"}]}"#)));
    push(for_account("shape", Matches::Any, echo(200, r#"{"values":"LOGIN hunter2"}"#)));
    push(for_account("failing", Matches::QueryContains("until=".to_owned()), echo(404, "LOGIN hunter2")));
    let elsewhere = Simulator::builder().start().await.unwrap();
    elsewhere.faults().push(Fault::new(echo(302, "LOGIN")));
    let front = authority.front(simulator.address(), Flaw::None).await;
    let (plain, _told) = proxy(simulator.address()).await;
    let (tunnel, _told) = proxy(front).await;

    let at = |address: String| vec![("address", address), ("username", "me".to_owned()), ("password", ODD.to_owned())];
    for (name, address) in [
        ("plain", format!("http://{plain}")),
        ("tunnel", format!("http://{tunnel}")),
        ("closed", "http://127.0.0.1:1".to_owned()),
        ("inside", "http://me:hunter2@127.0.0.1:1".to_owned()),
    ] {
        let data = at(address);
        let data: Vec<_> = data.iter().map(|(key, value)| (*key, value.as_bytes())).collect();
        stage.apply(&keys(&format!("proxy-{name}"), &data));
    }
    stage.apply(&keys("ca", &[("ca.crt", authority.pem().as_bytes())]));
    for (name, password) in
        [("careful", "wrong-hunter2"), ("odd", ODD), ("echo", "hunter2"), ("shape", "hunter2"), ("failing", "hunter2")]
    {
        stage.apply(&secret(name, name, password));
    }
    stage.apply(&secret("reader", "reader", "hunter2"));
    for (name, key, value) in [
        ("token", "token", &b"tok-hunter2"[..]),
        ("revoked", "token", b"gone-hunter2"),
        ("control", "token", b"tok-hunter2\x01"),
        ("binary", "token", b"\xfftok-hunter2"),
        ("long", "token", "hunter2".repeat(1000).as_bytes()),
        ("lonely", "password", b"hunter2"),
    ] {
        stage.apply(&keys(name, &[(key, value)]));
    }
    stage.apply(&keys("bound", &[("token", b"tok-hunter2"), ("url", b"https://u:hunter2@git.example.com")]));
    stage.apply(&keys("hook", &[("secret", KEY.as_bytes())]));

    let tunnelled = ", certSecretRef: {name: ca}, proxySecretRef: {name: proxy-tunnel}";
    let secure = format!("https://localhost:{}", front.port());
    let cases = [
        ("careful", url.clone(), "careful", "", "False invalid_credentials"),
        ("odd", url.clone(), "odd", "", "True Synced"),
        ("token", url.clone(), "token", "", "True Synced"),
        ("plain", url.clone(), "reader", ", proxySecretRef: {name: proxy-plain}", "True Synced"),
        ("tunnel", secure, "token", tunnelled, "True Synced"),
        ("closed", url.clone(), "reader", ", proxySecretRef: {name: proxy-closed}", "Unknown ServerUnreachable"),
        ("inside", url.clone(), "reader", ", proxySecretRef: {name: proxy-inside}", "False InvalidSecret"),
        ("failing", url.clone(), "failing", "", "True SyncIncomplete"),
        ("echo", url.clone(), "echo", "", "Unknown ServerError"),
        ("shape", url.clone(), "shape", "", "Unknown UnexpectedAnswer"),
        ("elsewhere", elsewhere.url(), "reader", "", "False InvalidURL"),
        ("revoked", url.clone(), "revoked", "", "False invalid_credentials"),
        ("control", url.clone(), "control", "", "False invalid_credentials"),
        ("binary", url.clone(), "binary", "", "False InvalidSecret"),
        ("long", url.clone(), "long", "", "False InvalidSecret"),
        ("lonely", url.clone(), "lonely", "", "False InvalidSecret"),
        ("bound", url.clone(), "bound", "", "False InvalidSecret"),
        ("door", url.clone(), "door", "", "False SecretNotFound"),
        ("hooked", url.clone(), "token", ", webhook: {secretRef: {name: hook}}", "True Synced"),
    ];
    for (name, url, secret, more, _) in &cases {
        stage.apply(&connection(name, url, secret, more));
    }
    for (name, .., ready) in cases {
        let (status, reason) = ready.split_once(' ').unwrap();
        stage.until_ready(name, status, reason).await;
    }
    stage.apply(&secret("careful", "careful", "hunter2"));
    stage.until_ready("careful", "True", "Synced").await;
    doors::come_in(&stage, &authority).await;

    let log = stage.log();
    for target in ["bitbucket_connector", "reqwest", "hyper", "rustls", "kube_client", "kube_runtime"] {
        assert!(log.contains(&format!("\"target\":\"{target}")), "{target} logs nothing, so nothing was looked at");
    }
    for page in ["/livez", "/readyz", "/metrics", "/nowhere?password=hunter2"] {
        let answer = stage.page(page);
        assert!(answer.starts_with("HTTP/1"), "{page}");
        assert_clean(page, answer);
    }
}

#[tokio::test]
async fn what_holds_one_does_not_show_it() {
    tls::install();
    let simulator = Simulator::builder().user("reader", ODD).token("reader", "tok-hunter2").start().await.unwrap();
    let (through, _told) = proxy(simulator.address()).await;
    let proxy = Proxy::new(&format!("http://{through}"), Some(("me".to_owned(), ODD.into()))).unwrap();
    let way = Way { proxy: Some(proxy.clone()), ..Way::new(Duration::from_secs(20)) };
    let options = Options { concurrency: 4, patience: Patience::default(), reopen: Some("now".to_owned()) };
    let base = BaseUrl::parse(&simulator.url()).unwrap();
    let clients = Clients::new(16, Addresses::all());
    assert_clean("the ways", format!("{proxy:?} {proxy:#?} {way:?} {way:#?} {options:?}"));
    for credentials in [
        Credentials::Basic { username: "reader".to_owned(), password: ODD.into() },
        Credentials::Token("tok-hunter2".into()),
    ] {
        let client = clients.client(base.clone(), credentials.clone(), &way, options.clone()).unwrap();
        assert_clean("a new client", format!("{client:?} {client:#?}"));
        assert_eq!(client.prove_identity().await, Ok(Some("reader".to_owned())));
        assert_clean("a client that has asked", format!("{client:?} {client:#?}"));
        let account = clients.account(&base, &credentials);
        assert_clean("its account", format!("{credentials:?} {credentials:#?} {account:?} {clients:?}"));
    }
}

#[test]
fn arguments_name_the_files_of_secrets_and_do_not_hold_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("word");
    std::fs::write(&file, "hunter2").unwrap();
    let file = file.to_str().unwrap();
    for credentials in [&["--username-file", file, "--password-file", file][..], &["--token-file", file]] {
        let arguments = ["bitbucket-connector", "verify", "--url", "https://git.example.com"];
        let cli = Cli::try_parse_from([&arguments, credentials].concat()).unwrap();
        assert_clean("the arguments", format!("{cli:?}"));
    }
}

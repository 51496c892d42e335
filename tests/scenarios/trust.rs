//! Where credentials go, and where they do not.

use bitbucket_connector::api::BitbucketConnection;
use bitbucket_simulator::{Simulator, histories};
use tempfile::TempDir;

use crate::support::manifests::{connection, secret};
use crate::support::operator::{Stage, condition};
use crate::support::tls::{Authority, Flaw, proxy, redirect};

async fn bitbucket() -> (Simulator, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.git");
    histories::linear(&path, 5).unwrap();
    let simulator = Simulator::builder().user("reader", "hunter2").repository("PLAT/api", path).start().await.unwrap();
    (simulator, folder)
}

/// A Secret with these keys.
fn keys(name: &str, data: &[(&str, &str)]) -> String {
    let data: serde_json::Map<_, _> = data.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    let data = serde_json::Value::Object(data);
    format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {data}\n---\n")
}

fn message(object: &BitbucketConnection) -> String {
    condition(object, "Ready").unwrap().message.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_own_addresses_are_not_connected_to() {
    let mut stage = Stage::without_operator("addresses").await;
    stage.variables.clear();
    stage.start_operator();
    let (simulator, _folder) = bitbucket().await;
    let (through, mut told) = proxy(simulator.address()).await;
    let port = simulator.address().port();
    stage.apply(&secret("s", "reader", "hunter2"));
    stage.apply(&keys("literal", &[("address", &format!("http://{through}"))]));
    stage.apply(&keys("named", &[("address", &format!("http://localhost:{}", through.port()))]));
    for (name, url, more, ready, says) in [
        ("literal", format!("http://127.0.0.1:{port}"), "", ("False", "InvalidURL"), "the url's host"),
        ("named", format!("http://localhost:{port}"), "", ("False", "InvalidURL"), "the url's host"),
        ("mapped", format!("http://[::ffff:127.0.0.1]:{port}"), "", ("False", "InvalidURL"), "the url's host"),
        (
            "proxy-literal",
            "http://git.example.com".to_owned(),
            ", proxySecretRef: {name: literal}",
            ("Unknown", "ServerUnreachable"),
            "the proxy",
        ),
        (
            "proxy-named",
            "http://git.example.com".to_owned(),
            ", proxySecretRef: {name: named}",
            ("Unknown", "ServerUnreachable"),
            "the proxy",
        ),
        (
            "metadata-behind-a-proxy",
            "http://169.254.169.254".to_owned(),
            ", proxySecretRef: {name: named}",
            ("False", "InvalidURL"),
            "the url's host",
        ),
    ] {
        stage.apply(&connection(name, &url, "s", more));
        let object = stage.until_ready(name, ready.0, ready.1).await;
        let message = message(&object);
        let expected = format!("was not sent, because {says} has an address that the operator does not connect to");
        assert!(message.contains(&expected), "{name}: {message}");
    }
    assert!(simulator.requests().is_empty() && told.try_recv().is_err(), "nobody was connected to");
}

#[tokio::test(flavor = "multi_thread")]
async fn further_addresses_can_be_denied() {
    let mut stage = Stage::without_operator("denied").await;
    stage.variables.push(("BITBUCKET_CONNECTOR_DENIED_CIDRS", "10.0.0.0/8,127.0.0.0/8".to_owned()));
    stage.start_operator();
    let (simulator, _folder) = bitbucket().await;
    let url = format!("http://localhost:{}", simulator.address().port());
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &url, "s", "")));
    let object = stage.until_ready("a", "False", "InvalidURL").await;
    assert!(message(&object).contains("--denied-cidrs"), "{}", message(&object));
    assert!(simulator.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_hosts_are_named_no_other_is_connected_to_and_none_in_plain_text() {
    let mut stage = Stage::without_operator("hosts").await;
    stage.variables.push(("BITBUCKET_CONNECTOR_ALLOWED_HOSTS", "localhost,*.example.com".to_owned()));
    stage.start_operator();
    let (simulator, _folder) = bitbucket().await;
    let authority = Authority::new();
    let front = authority.front(simulator.address(), Flaw::None).await;
    let (through, mut told) = proxy(simulator.address()).await;
    let good = format!("https://localhost:{}", front.port());
    let trusting = ", certSecretRef: {name: ca}";
    stage.apply(&secret("s", "reader", "hunter2"));
    stage.apply(&keys("ca", &[("ca.crt", &authority.pem())]));
    stage.apply(&keys("proxy", &[("address", &format!("http://{through}"))]));
    let by_proxy = format!("{trusting}, proxySecretRef: {{name: proxy}}");
    for (name, url, more, reason, says) in [
        ("other", format!("https://127.0.0.1:{}", front.port()), trusting, "InvalidURL", "none of those"),
        ("plain", simulator.url().replace("127.0.0.1", "localhost"), "", "InvalidURL", "https://"),
        ("proxy", good.clone(), by_proxy.as_str(), "InvalidSecret", "none of the hosts"),
    ] {
        stage.apply(&connection(name, &url, "s", more));
        let object = stage.until_ready(name, "False", reason).await;
        assert!(message(&object).contains(says), "{name}: {}", message(&object));
    }
    assert!(simulator.requests().is_empty() && told.try_recv().is_err());
    stage.apply(&connection("good", &good, "s", trusting));
    stage.until_ready("good", "True", "Synced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_may_have_to_name_its_server() {
    let mut stage = Stage::without_operator("bound").await;
    stage.variables.push(("BITBUCKET_CONNECTOR_REQUIRE_SECRET_URL", "true".to_owned()));
    stage.start_operator();
    let (simulator, _folder) = bitbucket().await;
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    let object = stage.until_ready("a", "False", "InvalidSecret").await;
    assert!(message(&object).contains("--require-secret-url"), "{}", message(&object));
    assert!(simulator.requests().is_empty());
    let url = simulator.url();
    stage.apply(&keys("s", &[("username", "reader"), ("password", "hunter2"), ("url", &url)]));
    stage.until_ready("a", "True", "Synced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_http_leads_to_https_no_password_leaves_before_that_is_known() {
    let stage = Stage::start("upgrade").await;
    let (simulator, _folder) = bitbucket().await;
    let authority = Authority::new();
    let front = authority.front(simulator.address(), Flaw::None).await;
    let (plain, mut told) = redirect(front.port()).await;
    stage.apply(&secret("s", "reader", "hunter2"));
    stage.apply(&keys("ca", &[("ca.crt", &authority.pem())]));
    let url = format!("http://LOCALHOST:{}/rest/api/1.0/", plain.port());
    stage.apply(&connection("a", &url, "s", ", certSecretRef: {name: ca}"));
    let object = stage.until_ready("a", "True", "Synced").await;
    let verified = &condition(&object, "Verified").unwrap().message;
    assert!(verified.contains("write the url so") && verified.contains("write only the base"), "{verified}");
    let rows = stage.query("SELECT normalized_instance_url FROM bitbucket_server_instances").await;
    assert_eq!(rows.rows, [[serde_json::json!(format!("https://localhost:{}", front.port()))]]);
    let mut heads = 0;
    while let Ok(head) = told.try_recv() {
        assert!(head.starts_with("GET /rest/api/1.0/application-properties "), "{head}");
        assert!(!head.to_lowercase().contains("authorization"), "{head}");
        heads += 1;
    }
    assert_eq!(heads, 2, "one for the verification, one for the run");
}

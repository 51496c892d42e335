//! The ways in: private authorities and proxies.

use std::time::Duration;

use bitbucket_connector::bitbucket::{
    Authorities, BaseUrl, Clients, Credentials, Error, Options, Patience, Proxy, Way,
};
use bitbucket_connector::runtime::tls;
use bitbucket_connector::trust::Addresses;
use bitbucket_simulator::{Simulator, histories};
use tempfile::TempDir;

use crate::support::manifests::{connection, secret};
use crate::support::operator::Stage;
use crate::support::tls::{Authority, Flaw, proxy};

async fn bitbucket() -> (Simulator, TempDir) {
    tls::install();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.git");
    histories::linear(&path, 5).unwrap();
    let simulator = Simulator::builder().user("reader", "hunter2").repository("PLAT/api", path).start().await.unwrap();
    (simulator, folder)
}

async fn ask(url: &str, way: &Way) -> Result<Option<String>, Error> {
    let credentials = Credentials::Basic { username: "reader".to_owned(), password: "hunter2".into() };
    let options = Options { concurrency: 4, patience: Patience::default(), reopen: None };
    let client =
        Clients::new(16, Addresses::all()).client(BaseUrl::parse(url).unwrap(), credentials, way, options).unwrap();
    crate::support::within("an answer", client.prove_identity()).await
}

#[tokio::test]
async fn a_proxy_is_used_with_its_credentials() {
    let (simulator, _folder) = bitbucket().await;
    let authority = Authority::new();
    let front = authority.front(simulator.address(), Flaw::None).await;
    let authorities = Authorities::from_pem(authority.pem().as_bytes()).unwrap();
    for (url, behind) in [
        ("http://bitbucket.example.com".to_owned(), simulator.address()),
        (format!("https://localhost:{}", front.port()), front),
    ] {
        let (address, mut told) = proxy(behind).await;
        let credentials = Some(("me".to_owned(), "p:hunter2".into()));
        let proxy = Some(Proxy::new(&format!("http://{address}"), credentials).unwrap());
        let way = Way { proxy, authorities: authorities.clone(), ..Way::new(Duration::from_secs(20)) };
        assert_eq!(ask(&url, &way).await, Ok(Some("reader".to_owned())), "{url}");
        // Not `assert_eq`, which would print them.
        assert!(told.recv().await.unwrap().as_deref() == Some("Basic bWU6cDpodW50ZXIy"), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_in_a_secret_can_be_replaced_without_a_restart() {
    let stage = Stage::start("ca").await;
    let (simulator, _folder) = bitbucket().await;
    let (old, new) = (Authority::new(), Authority::new());
    let front = new.front(simulator.address(), Flaw::None).await;
    let url = format!("https://localhost:{}", front.port());
    let ca = |pem: &str| {
        let data = serde_json::json!({"ca.crt": pem});
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: ca}}\nstringData: {data}\n---\n")
    };
    let trusting = ", certSecretRef: {name: ca}";
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &url, "s", trusting)));
    stage.until_ready("a", "False", "SecretNotFound").await;
    stage.apply(&ca("not a certificate"));
    stage.until_ready("a", "False", "InvalidSecret").await;
    stage.apply(&ca(&old.pem()));
    stage.until_ready("a", "Unknown", "TLSFailure").await;
    stage.apply(&ca(&new.pem()));
    stage.until_ready("a", "True", "Synced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_in_a_secret_leads_to_bitbucket() {
    let stage = Stage::start("proxy").await;
    let (simulator, _folder) = bitbucket().await;
    let (address, _told) = proxy(simulator.address()).await;
    let data = serde_json::json!({"address": format!("http://{address}"), "username": "me", "password": "p:hunter2"});
    let proxy = format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: proxy}}\nstringData: {data}\n---\n");
    let through = ", proxySecretRef: {name: proxy}";
    let manifests = secret("s", "reader", "hunter2") + &proxy;
    stage.apply(&(manifests + &connection("a", "http://bitbucket.example.com", "s", through)));
    stage.until_ready("a", "True", "Synced").await;
}

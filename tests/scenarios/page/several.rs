//! Of several operators, one that stands by says so before anything is done: by the page and by the Data Cloud API.

use bitbucket_simulator::{Simulator, histories};
use reqwest::{Certificate, Client, StatusCode};
use serde_json::{Value, json};

use crate::support::manifests::{connection, secret};
use crate::support::operator::Stage;
use crate::support::postgres::server;
use crate::support::tls::Authority;
use crate::support::until;
use crate::support::visitor::open_door;

#[tokio::test(flavor = "multi_thread")]
async fn one_that_stands_by_does_nothing_and_says_so() {
    let mut stage = Stage::with_rights("page-several", &["--set", "database.secretRef.name=commits"]).await;
    let database = server().await.database().await;
    stage.set_postgres(database.text());
    let authority = Authority::new();
    let (certificate, key) = authority.sign("localhost");
    let file = |name: &str, text: &str| {
        let path = stage.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (certificate, key) = (file("tls.crt", &certificate), file("tls.key", &key));
    stage.variables.extend([
        ("BITBUCKET_CONNECTOR_LEADER_ELECTION", "true".to_owned()),
        ("BITBUCKET_CONNECTOR_LEASE_NAMESPACE", stage.namespace.clone()),
        ("BITBUCKET_CONNECTOR_PAGE_LISTEN", "127.0.0.1:0".to_owned()),
        ("BITBUCKET_CONNECTOR_DATA_CLOUD_LISTEN", "127.0.0.1:0".to_owned()),
        ("BITBUCKET_CONNECTOR_DATA_CLOUD_TLS_CERT_FILE", certificate),
        ("BITBUCKET_CONNECTOR_DATA_CLOUD_TLS_KEY_FILE", key),
    ]);
    let path = stage.folder.path().join("api.git");
    histories::linear(&path, 5).unwrap();
    let simulator = Simulator::builder().user("reader", "hunter2").repository("PLAT/api", path).start().await.unwrap();
    stage.apply(&secret("s", "reader", "hunter2"));
    stage.apply(&connection("a", &simulator.url(), "s", ""));
    stage.start_operator();
    stage.until_ready("a", "True", "Synced").await;
    stage.start_operator();
    let page = open_door(&stage, 1, "the page is there").await;
    let api = open_door(&stage, 1, "the Data Cloud API is there").await;
    until("the other one stands by", async || stage.log_of(1).contains("standing by")).await;
    stage.kubectl(&["create", "serviceaccount", "admin"]);
    let account = format!("--serviceaccount={}:admin", stage.namespace);
    stage.kubectl(&["create", "rolebinding", "admin", "--clusterrole=cluster-admin", &account]);
    let token = stage.kubectl(&["create", "token", "admin"]).trim().to_owned();
    let trusted = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    let http = Client::builder().no_proxy().tls_certs_only([trusted]).build().unwrap();

    let own = format!("http://{page}/connections/{}/a", stage.namespace);
    let shown = http.get(&own).bearer_auth(&token).send().await.unwrap();
    assert_eq!(shown.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(shown.text().await.unwrap().contains("This operator does not lead"));
    let suspend = http.post(format!("{own}/suspend")).header("Origin", format!("http://{page}")).bearer_auth(&token);
    assert_eq!(suspend.send().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!stage.objects.get("a").await.unwrap().spec.suspend, "nothing was done");

    let api = format!("https://localhost:{}/api/connections", api.port());
    let namespace = format!("?namespace={}", stage.namespace);
    let listed = http.get(format!("{api}.list{namespace}")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(listed.status(), StatusCode::OK, "what needs no Bitbucket is answered by any");
    let listed: Value = serde_json::from_str(&listed.text().await.unwrap()).unwrap();
    let id = listed["connections"][0]["id"].as_u64().unwrap();
    stage.kubectl(&["delete", "secret", "s"]);
    let requests = simulator.requests().len();
    let credential = json!({
        "settings": {"bitbucket_data_center_username": "reader"},
        "secrets": {"bitbucket_data_center_password": "hunter2"},
    });
    let create = http.post(format!("{api}/{id}/credentials.create{namespace}")).bearer_auth(&token);
    let create = create.json(&credential).send().await.unwrap();
    assert_eq!(create.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(create.text().await.unwrap().contains("stands by"));
    assert_eq!(simulator.requests().len(), requests, "two operators would not know of each other's passwords");
    assert_eq!(stage.kubectl(&["get", "secret", "s", "--ignore-not-found", "-o", "name"]).trim(), "");
}

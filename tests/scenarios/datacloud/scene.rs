//! An operator with the API, a Bitbucket, and callers with the rights that a test gives them.

use std::net::{IpAddr, SocketAddr};

use bitbucket_simulator::{Simulator, histories};
use reqwest::{Certificate, Client, RequestBuilder};
use serde_json::{Value, json};

use crate::support::leaks::assert_clean;
use crate::support::operator::Stage;
use crate::support::tls::Authority;
use crate::support::visitor::{open_door, token};

/// All that the API may need, as `verbs resource`.
pub const EVERYTHING: [&str; 2] =
    ["get,list,create,patch,delete secrets", "get,list,patch bitbucketconnections.bitbucket-connector.dev"];

pub struct Scene {
    pub stage: Stage,
    pub simulator: Simulator,
    pub http: Client,
    pub address: SocketAddr,
    trusted: Certificate,
}

/// A ServiceAccount that calls.
#[derive(Clone)]
pub struct Caller {
    http: Client,
    base: String,
    namespace: String,
    pub token: String,
}

/// The body that makes a credential.
pub fn credential(username: &str, password: &str) -> Value {
    json!({
        "settings": {"bitbucket_data_center_username": username},
        "secrets": {"bitbucket_data_center_password": password},
    })
}

impl Scene {
    pub async fn start(theme: &str) -> Self {
        let mut stage = Stage::without_operator(theme).await;
        let authority = Authority::new();
        let (certificate, key) = authority.sign("localhost");
        for (name, text) in [("tls.crt", &certificate), ("tls.key", &key), ("ca.crt", &authority.pem())] {
            std::fs::write(stage.folder.path().join(name), text).unwrap();
        }
        let file = |name: &str| stage.folder.path().join(name).display().to_string();
        let variables = [
            ("BITBUCKET_CONNECTOR_DATA_CLOUD_LISTEN", "127.0.0.1:0".to_owned()),
            ("BITBUCKET_CONNECTOR_DATA_CLOUD_TLS_CERT_FILE", file("tls.crt")),
            ("BITBUCKET_CONNECTOR_DATA_CLOUD_TLS_KEY_FILE", file("tls.key")),
        ];
        stage.variables.extend(variables);
        let number = stage.start_operator();
        let path = stage.folder.path().join("api.git");
        histories::linear(&path, 5).unwrap();
        let simulator = Simulator::builder()
            .user("reader", "hunter2")
            .user("second", "hunter2")
            .token("reader", "tok-hunter2")
            .repository("PLAT/api", path)
            .start()
            .await
            .unwrap();
        let trusted = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
        let http = Client::builder().no_proxy().tls_certs_only([trusted.clone()]).build().unwrap();
        let address = open_door(&stage, number, "the Data Cloud API is there").await;
        Self { stage, simulator, http, address, trusted }
    }

    /// Another process in place of the operator.
    pub async fn restart(&mut self) {
        self.stage.terminate_operators().await;
        let number = self.stage.start_operator();
        self.address = open_door(&self.stage, number, "the Data Cloud API is there").await;
    }

    /// A ServiceAccount with these rights in the namespace of the test, each as `verbs resource`, and `@NAME` after the resource for one
    /// object only.
    pub async fn caller(&self, name: &str, rights: &[&str]) -> Caller {
        let token = token(&self.stage, name, rights).await;
        self.with_token(token)
    }

    /// Somebody with this token.
    pub fn with_token(&self, token: String) -> Caller {
        let base = format!("https://localhost:{}/api", self.address.port());
        Caller { http: self.http.clone(), base, namespace: self.stage.namespace.clone(), token }
    }

    /// The same, from an address of its own of this machine: who is refused again and again keeps nobody else waiting.
    pub fn elsewhere(&self, caller: Caller, number: u8) -> Caller {
        let http = Client::builder().no_proxy().tls_certs_only([self.trusted.clone()]);
        let http = http.local_address(IpAddr::from([127, 0, 1, number])).build().unwrap();
        Caller { http, ..caller }
    }

    /// The same, of the operator that there is now.
    pub fn renew(&self, caller: Caller) -> Caller {
        self.with_token(caller.token)
    }
}

impl Caller {
    /// The id of the connection with this name.
    pub async fn connection(&self, name: &str) -> u64 {
        let (_, listed) = self.get("connections.list").await;
        let all = listed["connections"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).unwrap()["id"].as_u64().unwrap()
    }

    pub async fn get(&self, method: &str) -> (u16, Value) {
        self.send(self.http.get(self.url(method))).await
    }

    pub async fn post(&self, method: &str, body: Value) -> (u16, Value) {
        self.send(self.http.post(self.url(method)).json(&body)).await
    }

    pub async fn form(&self, method: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.http.post(self.url(method)).header("Content-Type", "application/x-www-form-urlencoded");
        self.send(request.body(body)).await
    }

    /// In the namespace of the test, as most callers may list there alone.
    pub fn url(&self, method: &str) -> String {
        let sign = if method.contains('?') { '&' } else { '?' };
        format!("{}/{method}{sign}namespace={}", self.base, self.namespace)
    }

    /// The answer; it has no secret in it, and is in DX's form.
    pub async fn send(&self, request: RequestBuilder) -> (u16, Value) {
        let answer = request.bearer_auth(&self.token).send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        assert_clean("an answer", &text);
        let body: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(body["ok"].as_bool(), Some(status < 300), "{status} {body}");
        if status >= 300 {
            assert!(body["error"].is_string() && body["message"].is_string(), "{body}");
        }
        (status, body)
    }
}

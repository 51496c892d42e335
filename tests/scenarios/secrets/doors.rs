//! Who comes to the operator's doors brings secrets too: a token of Kubernetes, passwords, and what a webhook is signed with.

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder};
use serde_json::{Value, json};

use crate::support::leaks::assert_clean;
use crate::support::operator::Stage;
use crate::support::tls::Authority;
use crate::support::visitor::{open_door, token};
use crate::webhook::{KEY, pushed, signed};

const RIGHTS: [&str; 2] =
    ["get,list,create,patch,delete secrets", "get,list,create,patch bitbucketconnections.bitbucket-connector.dev"];

/// The operators that are started from now on have all doors.
pub fn open(stage: &mut Stage, authority: &Authority) {
    let (certificate, key) = authority.sign("localhost");
    let file = |name: &str, text: &str| {
        let path = stage.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let variables = [
        ("BITBUCKET_CONNECTOR_DATA_CLOUD_TLS_CERT_FILE", file("tls.crt", &certificate)),
        ("BITBUCKET_CONNECTOR_DATA_CLOUD_TLS_KEY_FILE", file("tls.key", &key)),
        ("BITBUCKET_CONNECTOR_DATA_CLOUD_LISTEN", "127.0.0.1:0".to_owned()),
        ("BITBUCKET_CONNECTOR_PAGE_LISTEN", "127.0.0.1:0".to_owned()),
        ("BITBUCKET_CONNECTOR_WEBHOOK_LISTEN", "127.0.0.1:0".to_owned()),
    ];
    stage.variables.extend(variables);
}

/// Somebody who calls.
struct Visitor<'a> {
    stage: &'a Stage,
    http: Client,
    token: String,
}

impl Visitor<'_> {
    /// An answer without a secret, which has this status.
    async fn send(&self, request: RequestBuilder, status: u16) -> String {
        let answer = request.send().await.unwrap();
        let (got, head) = (answer.status().as_u16(), format!("{:?}", answer.headers()));
        let text = answer.text().await.unwrap();
        assert_clean("an answer", format!("{head} {text}"));
        assert_eq!(got, status, "{text}");
        text
    }

    async fn data_cloud(&self) {
        let api = open_door(self.stage, 0, "the Data Cloud API is there").await;
        let base = format!("https://localhost:{}/api", api.port());
        let of = |method: &str| format!("{base}/{method}?namespace={}", self.stage.namespace);
        let list = self.http.get(of("connections.list"));
        let listed = self.send(list.bearer_auth(&self.token), 200).await;
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let all = listed["connections"].as_array().unwrap();
        let id = all.iter().find(|one| one["name"] == "door").unwrap()["id"].as_u64().unwrap();
        let credentials = |method: &str| of(&format!("connections/{id}/credentials.{method}"));
        let post = |method: &str| self.http.post(credentials(method)).bearer_auth(&self.token);
        let of_reader = |password: &str| {
            let settings = json!({"bitbucket_data_center_username": "reader"});
            json!({"settings": settings, "secrets": {"bitbucket_data_center_password": password}})
        };
        for (body, status) in [(of_reader("wrong-hunter2"), 422), (of_reader("hunter2"), 201)] {
            self.send(post("create").json(&body), status).await;
        }
        let listed = self.send(self.http.get(credentials("list")).bearer_auth(&self.token), 200).await;
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let update =
            json!({"id": listed["credentials"][0]["id"], "secrets": {"bitbucket_data_center_token": "tok-hunter2"}});
        self.send(post("update").json(&update), 200).await;
        self.send(post("update").body("{\"hunter2\": hunter2}"), 422).await;
        self.send(post("update").json(&json!({"id": "hunter2"})), 422).await;
        // Somebody else's, or out of date.
        let nobodys = self.http.get(of("connections.list")).bearer_auth(format!("{}x", self.token));
        self.send(nobodys, 422).await;
        self.send(self.http.get(of("connections.list")).basic_auth("reader", Some("hunter2")), 422).await;
    }

    async fn page(&self) {
        let page = format!("http://{}", open_door(self.stage, 0, "the page is there").await);
        let object = format!("{page}/connections/{}/odd", self.stage.namespace);
        self.send(self.http.get(&object).bearer_auth(&self.token), 200).await;
        self.send(self.http.get(&object).bearer_auth("tok-hunter2"), 401).await;
        let post = |path: &str, body: String| {
            let request = self.http.post(path).header("Origin", &page).bearer_auth(&self.token);
            request.header("Content-Type", "application/x-www-form-urlencoded").body(body)
        };
        self.send(post(&format!("{object}/suspend"), String::new()), 303).await;
        let url = self.stage.objects.get("odd").await.unwrap().spec.url;
        let fields = [("namespace", self.stage.namespace.as_str()), ("name", "typed"), ("url", &url)];
        for (password, status) in [("wrong-hunter2-page", 422), ("hunter2", 303)] {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            form.extend_pairs(fields).extend_pairs([("username", "reader"), ("password", password)]);
            self.send(post(&format!("{page}/new"), form.finish()), status).await;
        }
        self.stage.until_ready("typed", "True", "Synced").await;
    }

    async fn webhook(&self) {
        let address = open_door(self.stage, 0, "webhooks are received").await;
        let url = format!("http://{address}/webhooks/{}/hooked", self.stage.namespace);
        let body = pushed(1, "refs/heads/main", &Value::Null);
        for (key, status) in [("wrong-hunter2", 401), (KEY, 202)] {
            let push = self.http.post(&url).header("X-Event-Key", "repo:refs_changed").header("X-Request-Id", "1");
            self.send(push.header("X-Hub-Signature", signed(&body, key)).body(body.clone()), status).await;
        }
    }
}

/// Comes to each of them, for the connections `door`, `odd` and `hooked`.
pub async fn come_in(stage: &Stage, authority: &Authority) {
    let trusted = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    let http = Client::builder().no_proxy().redirect(Policy::none()).tls_certs_only([trusted]).build().unwrap();
    let visitor = Visitor { stage, http, token: token(stage, "visitor", &RIGHTS).await };
    visitor.data_cloud().await;
    visitor.page().await;
    visitor.webhook().await;
}

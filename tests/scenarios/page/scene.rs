//! An operator with the page, a Bitbucket, and visitors with the rights that a test gives them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use bitbucket_simulator::{Simulator, histories};
use kube::config::{AuthInfo, Kubeconfig};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::leaks::assert_clean;
use crate::support::operator::Stage;
use crate::support::visitor::open_door;
use crate::support::within;

/// What a visitor may need.
pub const EVERYTHING: [&str; 2] =
    ["get,list,create,delete secrets", "get,list,create,patch bitbucketconnections.bitbucket-connector.dev"];
/// Who looks only.
pub const LOOKING: [&str; 1] = ["get,list bitbucketconnections.bitbucket-connector.dev"];

pub struct Scene {
    pub stage: Stage,
    pub simulator: Simulator,
    pub address: SocketAddr,
    pub http: Client,
}

/// The way in of somebody: `kubectl bitbucket open` of theirs.
pub struct Way {
    pub url: String,
    _open: Child,
}

impl Scene {
    pub async fn start(theme: &str) -> Self {
        let mut stage = Stage::without_operator(theme).await;
        stage.variables.push(("BITBUCKET_CONNECTOR_PAGE_LISTEN", "127.0.0.1:0".to_owned()));
        stage.start_operator();
        let (api, web) = (stage.folder.path().join("api.git"), stage.folder.path().join("web.git"));
        histories::linear(&api, 40).unwrap();
        histories::linear(&web, 7).unwrap();
        let simulator = Simulator::builder()
            .user("reader", "hunter2")
            .user("second", "hunter2")
            .repository("PLAT/api", api)
            .repository("PLAT/web", web)
            .start()
            .await
            .unwrap();
        let address = open_door(&stage, 0, "the page is there").await;
        let http = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { stage, simulator, address, http }
    }

    /// Comes in with this token, as somebody would whose kubeconfig has it.
    pub async fn way(&self, token: &str) -> Way {
        let kubeconfig = self.kubeconfig(token);
        let mut open = Command::new(env!("CARGO_BIN_EXE_kubectl-bitbucket"))
            .args(["open", "--no-browser", "--address", &self.address.to_string(), "--kubeconfig"])
            .arg(kubeconfig)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(open.stdout.take().unwrap()).lines();
        let url = within("the address", async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the address is printed");
                assert_clean("what open prints", &line);
                if let Some(url) = line.split_whitespace().find(|word| word.starts_with("http://")) {
                    break url.to_owned();
                }
            }
        })
        .await;
        Way { url, _open: open }
    }

    fn kubeconfig(&self, token: &str) -> PathBuf {
        let path = self.stage.folder.path().join(format!("visitor-{}", &token[token.len() - 8..]));
        let mut config = Kubeconfig::read_from(&self.stage.cluster.line.kubeconfig).unwrap();
        for user in &mut config.auth_infos {
            user.auth_info = Some(AuthInfo { token: Some(token.to_owned().into()), ..AuthInfo::default() });
        }
        for context in config.contexts.iter_mut().filter_map(|context| context.context.as_mut()) {
            context.namespace = Some(self.stage.namespace.clone());
        }
        std::fs::write(&path, serde_json::to_string(&config).unwrap()).unwrap();
        path
    }

    /// A request to the server itself.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("http://{}{path}", self.address))
    }

    /// A form, as a browser sends it from the page itself.
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.http
            .post(format!("http://{}{path}", self.address))
            .header("Origin", format!("http://{}", self.address))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body)
    }
}

//! The simulator in its fast mode, as a process of its own, so that the client's figures are the client's alone.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::Result;
use crate::histories::Histories;

pub const USER: &str = "reader";
pub const PASSWORD: &str = "bench-password";
pub const TOKEN: &str = "bench-token";
/// `page.max.commits`, as servers have it where nobody has changed it.
pub const CAP: u64 = 100;

/// A running simulator. It ends with this.
pub struct Bitbucket {
    pub url: String,
    http: reqwest::Client,
    _process: Child,
}

/// What it has counted.
#[derive(Clone, Debug, Deserialize)]
pub struct Counts {
    /// Since they were forgotten.
    pub requests: u64,
    /// The same by status.
    statuses: BTreeMap<u16, u64>,
    /// Bytes of all answers, since the start.
    pub sent: u64,
}

impl Counts {
    /// Those that were answered with this status.
    pub fn with(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or_default()
    }
}

impl Bitbucket {
    /// Starts one that serves these.
    pub async fn start(program: &Path, histories: &Histories) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["--listen", "127.0.0.1:0", "--replay", "--compression", "--exit-on-stdin-eof"]);
        command.args(["--user", &format!("{USER}:{PASSWORD}"), "--token", &format!("{USER}:{TOKEN}")]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let mut line = String::new();
        let output = process.stdout.take().ok_or("the simulator has no output")?;
        BufReader::new(output).read_line(&mut line).await?;
        let url = serde_json::from_str::<Value>(&line)?["url"].as_str().ok_or("the simulator has no URL")?.to_owned();
        let bitbucket = Self { url, http: reqwest::Client::builder().no_proxy().build()?, _process: process };
        for one in &histories.repositories {
            bitbucket.post("add-repository", &json!({"repository": one.name, "path": one.path})).await?;
        }
        Ok(bitbucket)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value> {
        let response = request.send().await?;
        let (status, body) = (response.status(), response.text().await?);
        if status.is_success() { Ok(serde_json::from_str(&body)?) } else { Err(body.into()) }
    }

    async fn post(&self, name: &str, body: &Value) -> Result<()> {
        self.send(self.http.post(format!("{}/_simulator/{name}", self.url)).json(body)).await.map(drop)
    }

    pub async fn settings(&self, patch: Value) -> Result<()> {
        self.post("settings", &patch).await
    }

    pub async fn counts(&self) -> Result<Counts> {
        let counts = self.send(self.http.get(format!("{}/_simulator/counts", self.url))).await?;
        Ok(serde_json::from_value(counts)?)
    }

    /// Counts requests from zero again.
    pub async fn forget_requests(&self) -> Result<()> {
        self.send(self.http.delete(format!("{}/_simulator/requests", self.url))).await.map(drop)
    }

    /// Sees what was pushed.
    pub async fn forget_replies(&self) -> Result<()> {
        self.send(self.http.delete(format!("{}/_simulator/replies", self.url))).await.map(drop)
    }
}

/// The addresses of all pages of commits, as a client finds them that asks for as much as it may.
pub fn pages(url: &str, histories: &Histories) -> Vec<String> {
    let mut pages = Vec::new();
    for one in &histories.repositories {
        let Some((project, slug)) = one.name.split_once('/') else { continue };
        for start in (0..one.commits).step_by(usize::try_from(CAP).unwrap_or(1)) {
            let range = format!("until={}&limit=1000&start={start}", one.head);
            pages.push(format!("{url}/rest/api/1.0/projects/{project}/repos/{slug}/commits?{range}"));
        }
    }
    pages
}

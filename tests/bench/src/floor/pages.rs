//! Pages of commits, so many in flight.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::header::ACCEPT_ENCODING;
use serde::Deserialize;
use tokio::task::JoinSet;

use crate::Result;
use crate::bitbucket::TOKEN;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file with the pages' addresses, one a line
    addresses: PathBuf,
    /// So many at a time
    at_a_time: usize,
}

/// What there is to be read of a page; text without escapes stays where it is.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    values: Vec<Commit<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Commit<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    author: Person<'a>,
    author_timestamp: i64,
    committer_timestamp: i64,
    #[serde(borrow)]
    message: Cow<'a, str>,
    #[serde(borrow)]
    parents: Vec<Parent<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Person<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    email_address: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Parent<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

/// Reads them and drops them: what the server and the network can do.
pub async fn read(args: Args) -> Result<()> {
    let http = reqwest::Client::builder().no_proxy().no_gzip().tcp_nodelay(true).build()?;
    each(args, move |address| {
        let request = http.get(address).bearer_auth(TOKEN).header(ACCEPT_ENCODING, "gzip");
        async move {
            let (mut answer, mut bytes) = (request.send().await?.error_for_status()?, 0);
            while let Some(chunk) = answer.chunk().await? {
                bytes += chunk.len();
            }
            Ok(bytes)
        }
    })
    .await
}

/// Reads and parses them: what a client must do in any case.
pub async fn parse(args: Args) -> Result<()> {
    let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
    each(args, move |address| {
        let request = http.get(address).bearer_auth(TOKEN);
        async move {
            let body = request.send().await?.error_for_status()?.bytes().await?;
            let page: Page<'_> = serde_json::from_slice(&body)?;
            Ok(page.values.iter().map(Commit::length).sum())
        }
    })
    .await
}

impl Commit<'_> {
    /// So that nothing of it is left out as unused.
    fn length(&self) -> usize {
        let dates = usize::from(self.author_timestamp <= self.committer_timestamp);
        let parents: usize = self.parents.iter().map(|parent| parent.id.len()).sum();
        self.id.len() + self.author.name.len() + self.author.email_address.len() + self.message.len() + dates + parents
    }
}

/// So many workers, on all processors.
async fn each<F>(args: Args, one: impl Fn(String) -> F + Clone + Send + 'static) -> Result<()>
where
    F: Future<Output = Result<usize>> + Send,
{
    let addresses: Vec<String> = std::fs::read_to_string(args.addresses)?.lines().map(str::to_owned).collect();
    let left = Arc::new(Mutex::new(addresses.into_iter()));
    let mut workers = JoinSet::new();
    for _ in 0..args.at_a_time {
        let (left, one) = (Arc::clone(&left), one.clone());
        let next = move || left.lock().unwrap_or_else(PoisonError::into_inner).next();
        workers.spawn(async move {
            let mut all = 0;
            while let Some(address) = next() {
                all += one(address).await?;
            }
            Result::Ok(all)
        });
    }
    let mut all = 0;
    while let Some(done) = workers.join_next().await {
        all += done??;
    }
    println!("{all}");
    Ok(())
}

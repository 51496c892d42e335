//! All connections.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use futures::TryStreamExt;
use jiff::Timestamp;
use kube::ResourceExt;
use serde::Deserialize;
use tokio::join;

use super::paging::{Paging, ROWS};
use super::problem::{NOT_FOUND, Problem, message, page};
use super::request::Visitor;
use super::standing::{Standing, ago};
use crate::api::BitbucketConnection;
use crate::api::status::BitbucketConnectionStatus;
use crate::api::times::due;
use crate::callers::{Caller, Callers, Refusal, is_namespace};

/// What the address asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    namespace: String,
    q: String,
    page: Option<usize>,
}

#[derive(Template)]
#[template(path = "list.html")]
struct List {
    namespace: Option<String>,
    /// Whether the visitor may make one here.
    may_create: bool,
    search: String,
    problem: Option<String>,
    counts: String,
    rows: Vec<Row>,
    paging: Paging,
}

struct Row {
    namespace: String,
    name: String,
    standing: Standing,
    commits: String,
    last_sync: String,
    running: Option<String>,
    next_run: String,
    url: String,
}

/// The page.
pub async fn show(
    State(callers): State<Arc<Callers>>,
    Visitor(caller): Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let Asked { namespace, q: search, page: wanted } = asked;
    let namespace = Some(namespace).filter(|namespace| !namespace.is_empty());
    if namespace.as_ref().is_some_and(|namespace| !is_namespace(namespace)) {
        return Err(NOT_FOUND);
    }
    let listing = rows(&callers, &caller, namespace.as_deref());
    let (listed, may_create) = join!(listing, caller.may_create(namespace.as_deref().unwrap_or_default()));
    let (rows, problem) = listed?;
    let status = if problem.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
    let list = List { may_create: may_create.unwrap_or(false), ..list(rows, namespace, search, problem, wanted) };
    Ok(page(status, &list))
}

/// All that there are, and why there are no more where the visitor may not see them.
async fn rows(
    callers: &Callers,
    caller: &Caller,
    namespace: Option<&str>,
) -> Result<(Vec<Row>, Option<String>), Problem> {
    let now = Timestamp::now();
    let mut listed = caller.connections(namespace);
    let mut rows = Vec::new();
    let problem = loop {
        match listed.try_next().await {
            Ok(Some(object)) if callers.looks_after(&object) => rows.push(row(&object, now)),
            Ok(Some(_)) => {}
            Ok(None) => break None,
            Err(refusal @ Refusal::NoPermission(_)) => break Some(message(&refusal)),
            Err(refusal) => return Err(refusal.into()),
        }
    };
    Ok((rows, problem))
}

/// Pure: the rows that match, and of them one page.
fn list(
    mut rows: Vec<Row>,
    namespace: Option<String>,
    search: String,
    problem: Option<String>,
    wanted: Option<usize>,
) -> List {
    let all = rows.len();
    let failing = rows.iter().filter(|row| row.standing.class == "bad").count();
    let text = search.to_lowercase();
    rows.retain(|row| row.matches(&text));
    let query = [("namespace", namespace.as_deref().unwrap_or_default()), ("q", &search)];
    let paging = Paging::new("Pages of connections", rows.len(), wanted, "/", &query, "");
    let counts = format!("{} of {all} connections, {failing} with trouble", rows.len());
    rows.sort_by(|one, other| one.key().cmp(&other.key()));
    let rows = rows.into_iter().skip(paging.skipped()).take(ROWS).collect();
    List { namespace, may_create: false, search, problem, counts, rows, paging }
}

fn row(object: &BitbucketConnection, now: Timestamp) -> Row {
    let empty = BitbucketConnectionStatus::default();
    let status = object.status.as_ref().unwrap_or(&empty);
    let commits = status.sync.as_ref().and_then(|sync| sync.commits);
    let next = status.next_schedule_time.as_ref();
    Row {
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        standing: Standing::of(object),
        commits: commits.map_or_else(|| "–".to_owned(), |commits| commits.to_string()),
        last_sync: ago(status.last_successful_time.as_ref(), now),
        running: status.progress.map(|progress| progress.to_string()),
        next_run: next.map_or_else(|| "–".to_owned(), |next| due(next, now)),
        url: object.spec.url.clone(),
    }
}

impl Row {
    fn matches(&self, text: &str) -> bool {
        let Self { namespace, name, standing, url, .. } = self;
        let places = [namespace, name, url, &standing.reason];
        standing.word.to_lowercase().contains(text) || places.iter().any(|place| place.to_lowercase().contains(text))
    }

    fn key(&self) -> (u8, &str, &str) {
        (self.standing.rank(), &self.namespace, &self.name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(name: &str, ready: &str) -> BitbucketConnection {
        serde_json::from_value(json!({
            "apiVersion": "bitbucket-connector.dev/v1alpha1", "kind": "BitbucketConnection",
            "metadata": {"namespace": "team", "name": name},
            "spec": {"url": "https://git.example.com", "secretRef": {"name": "s"}},
            "status": {"conditions": [{"type": "Ready", "status": ready, "reason": "no_resources", "message": "<b>", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}
        }))
        .unwrap()
    }

    #[test]
    fn trouble_comes_first_and_a_page_has_fifty_rows() {
        let rows = || {
            (0..120).map(|number| {
                row(&object(&format!("c{number:03}"), if number == 70 { "False" } else { "True" }), Timestamp::now())
            })
        };
        let first = list(rows().collect(), None, String::new(), None, None);
        assert_eq!((first.rows.len(), first.rows[0].name.as_str(), first.rows[1].name.as_str()), (50, "c070", "c000"));
        let last = list(rows().collect(), None, String::new(), None, Some(3));
        assert_eq!((last.rows.len(), last.paging.pages), (20, 3));
        let found = list(rows().collect(), Some("team".to_owned()), "C07".to_owned(), None, None);
        assert_eq!((found.rows.len(), found.counts.as_str()), (10, "10 of 120 connections, 1 with trouble"));
        let failing = list(rows().collect(), None, "failing".to_owned(), None, None);
        assert_eq!(failing.rows.len(), 1);
        assert!(
            failing.render().unwrap().contains("&lt;b&gt;") || failing.render().unwrap().contains("&#60;b&#62;"),
            "what others write is text"
        );
    }
}

//! One connection: how it stands, what it has done, and what is stored.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use serde::Deserialize;

use super::problem::{Problem, page};
use super::request::Connection;
use super::standing::{Standing, ago};
use super::stored::{self, Stored, stored, unread, word};
use super::weeks::Weeks;
use crate::api::conditions::{self, READY, Truth};
use crate::api::status::{BitbucketConnectionStatus, Progress, RepositoryFailure, SyncStatus};
use crate::api::times::{due, span};
use crate::api::{BitbucketConnection, REQUESTED_AT, refused};
use crate::bitbucket::BaseUrl;
use crate::callers::Callers;
use crate::destination::Only;
use crate::verification::Curl;

/// What the address asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    q: String,
    only: String,
    page: Option<usize>,
    /// What was done just now.
    said: String,
}

#[derive(Template)]
#[template(path = "connection.html")]
struct Page {
    namespace: String,
    name: String,
    /// Whether there will soon be something new to see.
    refresh: bool,
    said: Option<&'static str>,
    standing: Standing,
    curl: Vec<String>,
    /// Whether they take a password, and not a token.
    password: bool,
    /// Of the sync run under way.
    progress: Option<Progress>,
    /// What the visitor may have done; nothing, where that is so.
    actions: Option<Actions>,
    secret: String,
    facts: Vec<(&'static str, String)>,
    conditions: Vec<ConditionRow>,
    runs: Vec<RunRow>,
    failures: Vec<RepositoryFailure>,
    search: String,
    only: &'static str,
    stored: Result<Stored, String>,
}

/// What there is to be done depends on these.
struct Actions {
    suspended: bool,
    /// Whether the password was judged wrong.
    refused: bool,
}

struct ConditionRow {
    type_: String,
    status: String,
    reason: String,
    message: String,
    since: String,
}

struct RunRow {
    began: String,
    trigger: String,
    took: String,
    added: String,
    removed: String,
    repositories: String,
    failed: String,
}

/// The page.
pub async fn show(
    State(callers): State<Arc<Callers>>,
    Extension(weeks): Extension<Arc<Weeks>>,
    Connection { caller, object }: Connection,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let may_change = caller.may("patch", "bitbucketconnections", &namespace, Some(&name)).await.unwrap_or(false);
    let only = match asked.only.as_str() {
        "failing" => Only::Failing,
        "incomplete" => Only::Incomplete,
        _ => Only::All,
    };
    let context = callers.context()?;
    let stored = match context.database(&object).await {
        None => Err("The operator has not opened the database: it does so for the first sync run.".to_owned()),
        Some(Err(error)) => Err(unread(&error)),
        Some(Ok(database)) => {
            let asked = stored::Asked { text: asked.q.clone(), only, page: asked.page };
            stored(&database, &weeks, context.key(&object), asked, &format!("/connections/{namespace}/{name}")).await
        }
    };
    let runs = context.runs(&object).await;
    // Most do, and of those that were not asked yet nobody knows.
    let password = context.has_password(&object).await.unwrap_or(true);
    let view = view(&object, runs, password, Timestamp::now());
    let actions = may_change.then(|| Actions { suspended: object.spec.suspend, refused: refused(&object).is_some() });
    let page_ = Page { actions, said: said(&asked.said, &object), search: asked.q, only: word(only), stored, ..view };
    Ok(page(StatusCode::OK, &page_))
}

/// What was done just now, in a sentence; None, if the object's state contradicts it by now.
fn said(word: &str, object: &BitbucketConnection) -> Option<&'static str> {
    Some(match word {
        "suspended" if !object.spec.suspend => return None,
        "resumed" if object.spec.suspend => return None,
        "requested" => "It is asked for: the credentials are verified, and if they are good, a sync run begins.",
        "suspended" => "It is suspended: Bitbucket is asked nothing more.",
        "resumed" => "It goes on.",
        "created" => "The credentials were verified, and the connection is stored. Its first sync begins by itself.",
        _ => return None,
    })
}

/// What the object itself tells. Pure.
fn view(object: &BitbucketConnection, runs: Vec<SyncStatus>, password: bool, now: Timestamp) -> Page {
    let empty = BitbucketConnectionStatus::default();
    let status = object.status.as_ref().unwrap_or(&empty);
    let requested = object.annotations().get(REQUESTED_AT);
    let waits = requested.is_some() && requested != status.last_handled_reconcile_at.as_ref() && !object.spec.suspend;
    let standing = Standing::of(object);
    // After a restart the status knows of one at least.
    let unknown = status.sync.as_ref().filter(|sync| sync.completion_time.is_some() && !runs.contains(sync));
    let runs: Vec<SyncStatus> = unknown.cloned().into_iter().chain(runs).collect();
    Page {
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        refresh: waits || status.progress.is_some() || is_new(object, status) || begins(object, status),
        said: None,
        curl: if standing.class == "good" { Vec::new() } else { curl(object, password) },
        password,
        standing,
        progress: status.progress,
        actions: None,
        secret: object.spec.secret_ref.name.clone(),
        facts: facts(object, status, now),
        conditions: status
            .conditions
            .iter()
            .map(|condition| ConditionRow {
                type_: condition.type_.clone(),
                status: condition.status.clone(),
                reason: condition.reason.clone(),
                message: condition.message.clone(),
                since: ago(Some(&condition.last_transition_time), now),
            })
            .collect(),
        runs: runs.iter().map(|run| run_row(run, now)).collect(),
        failures: status.sync.as_ref().map(|sync| sync.failures.clone()).unwrap_or_default(),
        search: String::new(),
        only: "all",
        stored: Err(String::new()),
    }
}

/// Whether the operator has not looked at the object as it is now.
fn is_new(object: &BitbucketConnection, status: &BitbucketConnectionStatus) -> bool {
    status.conditions.is_empty() || status.observed_generation < object.metadata.generation
}

/// Whether a run will soon be under way, as far as nothing is in its way.
fn begins(object: &BitbucketConnection, status: &BitbucketConnectionStatus) -> bool {
    let ready = conditions::state(&status.conditions, READY).is_some_and(|ready| ready.truth == Truth::True);
    let open = status.sync.as_ref().is_none_or(|sync| sync.completion_time.is_none());
    ready && open && !object.spec.suspend
}

fn facts(
    object: &BitbucketConnection,
    status: &BitbucketConnectionStatus,
    now: Timestamp,
) -> Vec<(&'static str, String)> {
    let spec = &object.spec;
    let at = |time: &Option<Time>, word: fn(&Time, Timestamp) -> String| {
        time.as_ref().map(|time| format!("{} ({})", time.0, word(time, now)))
    };
    let since: fn(&Time, Timestamp) -> String = |time, now| format!("{} ago", span(time, now));
    let lists = spec.import.projects.iter().chain(&spec.import.repositories).cloned().collect::<Vec<_>>().join(", ");
    let import =
        if lists.is_empty() { format!("{:?}", spec.import.mode) } else { format!("{:?}: {lists}", spec.import.mode) };
    let version = status.server_version.as_ref().map(|version| format!(" (version {version})"));
    let facts = [
        ("Bitbucket", Some(format!("{}{}", spec.url, version.unwrap_or_default()))),
        ("Account", status.username.clone()),
        ("Secret", Some(spec.secret_ref.name.clone())),
        ("Schedule", Some(format!("{} ({})", spec.schedule, spec.time_zone))),
        ("Next run", at(&status.next_schedule_time, due).filter(|_| !spec.suspend)),
        ("Last verified", at(&status.last_verified_time, since)),
        ("Last complete sync", at(&status.last_successful_time, since)),
        ("Commits stored", status.sync.as_ref().and_then(|sync| sync.commits).map(|commits| commits.to_string())),
        ("Import", Some(import)),
        (
            "Destination",
            spec.destination.as_ref().map(|to| format!("Secret {}, schema {}", to.secret_ref.name, to.schema)),
        ),
    ];
    facts.into_iter().filter_map(|(term, value)| Some((term, value?))).collect()
}

fn run_row(run: &SyncStatus, now: Timestamp) -> RunRow {
    let number = |number: Option<i64>| number.map_or_else(|| "–".to_owned(), |number| number.to_string());
    let took = run.completion_time.as_ref().map(|end| span(&run.start_time, end.0));
    RunRow {
        began: ago(Some(&run.start_time), now),
        trigger: format!("{:?}", run.trigger),
        took: took.unwrap_or_else(|| "–".to_owned()),
        added: number(run.commits_added),
        removed: number(run.commits_removed),
        repositories: number(run.repositories.map(|repositories| repositories.total)),
        failed: number(run.repositories.map(|repositories| repositories.failed)),
    }
}

/// The Secret is not looked at: not everybody may. Of which kind its credentials are is no secret.
fn curl(object: &BitbucketConnection, password: bool) -> Vec<String> {
    let spec = &object.spec;
    let curl = Curl {
        password,
        ca_file: spec.cert_secret_ref.as_ref().map(|_| "ca.crt".into()),
        proxy: spec.proxy_secret_ref.as_ref().map(|_| "YOUR_PROXY".to_owned()),
    };
    BaseUrl::parse(&spec.url).map(|base| curl.lines(&base, None)).unwrap_or_default()
}

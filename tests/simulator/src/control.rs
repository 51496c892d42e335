//! The control door: what a test does through the library, a script does through `/_simulator/`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Error;
use crate::answer::{html, json as answer};
use crate::command::Command;
use crate::fault::{Fault, FaultId};
use crate::shared::Shared;

const PREFIX: &str = "/_simulator/";
const LARGEST: usize = 1 << 20;

pub(crate) fn is_meant(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// Requests to the door are not logged, and meet no faults.
pub(crate) async fn handle(shared: &Shared, peer: SocketAddr, request: Request) -> Response {
    // Passwords can be set here.
    if !peer.ip().to_canonical().is_loopback() {
        return html(StatusCode::NOT_FOUND, "Page not found - Bitbucket");
    }
    let (parts, body) = request.into_parts();
    let name = parts.uri.path().trim_start_matches(PREFIX).trim_end_matches('/').to_owned();
    let Ok(body) = to_bytes(body, LARGEST).await else {
        return failed(&Error::Invalid("the body is too large".to_owned()));
    };
    let body = if body.iter().all(u8::is_ascii_whitespace) { Ok(json!({})) } else { serde_json::from_slice(&body) };
    let done = match body {
        Err(error) => Err(invalid(&error)),
        Ok(body) if parts.method == Method::GET => read(shared, &name, parts.uri.query(), &body).await,
        Ok(_) if parts.method == Method::DELETE => clear(shared, &name),
        Ok(body) if parts.method == Method::POST => change(shared, &name, body),
        Ok(_) => Err(Error::Invalid("GET, POST or DELETE".to_owned())),
    };
    match done {
        Ok(value) => answer(StatusCode::OK, value.to_string()),
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) -> Response {
    let status = if matches!(error, Error::Unknown { .. }) { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST };
    answer(status, json!({"error": error.to_string()}).to_string())
}

fn invalid(error: &serde_json::Error) -> Error {
    Error::Invalid(error.to_string())
}

fn to_value(value: impl serde::Serialize) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|error| invalid(&error))
}

async fn read(shared: &Shared, name: &str, query: Option<&str>, body: &Value) -> Result<Value, Error> {
    match name {
        "requests" => requests(shared),
        "counts" => counts(shared),
        "settings" => to_value(&shared.state().settings),
        "faults" => {
            let faults = shared.faults.list().into_iter();
            Ok(faults.map(|(id, fault, hits)| json!({"id": id, "fault": fault, "hits": hits})).collect())
        }
        "users" => {
            let state = shared.state();
            let users = state.users.iter().map(|user| {
                let at_once = shared.log.most_at_once(Some(&user.name));
                let failed = state.failed_logins(&user.name);
                json!({"user": user.name, "slug": user.slug, "failedLogins": failed, "mostAtOnce": at_once})
            });
            Ok(users.collect())
        }
        "wait" => wait(shared, query.unwrap_or_default()).await,
        _ => Err(Error::unknown("question", format!("{name} {body}"))),
    }
}

/// The log, with counts by status: `null` is still open or was given up.
fn requests(shared: &Shared) -> Result<Value, Error> {
    let seen = shared.log.seen();
    let mut statuses = BTreeMap::<String, usize>::new();
    for one in &seen {
        let status = one.status.map_or_else(|| "null".to_owned(), |status| status.to_string());
        *statuses.entry(status).or_default() += 1;
    }
    let at_once = shared.log.most_at_once(None);
    Ok(json!({"total": seen.len(), "statuses": statuses, "mostAtOnce": at_once, "requests": to_value(&seen)?}))
}

/// What is known without the log: cheap, and complete where the log has forgotten.
fn counts(shared: &Shared) -> Result<Value, Error> {
    let mut value = to_value(shared.log.counts())?;
    value["mostAtOnce"] = shared.log.most_at_once(None).into();
    value["sent"] = shared.wires.sent().into();
    Ok(value)
}

/// `wait?path=TEXT&count=N&timeoutMs=MS`: returns when so many requests whose path contains TEXT have come in.
async fn wait(shared: &Shared, query: &str) -> Result<Value, Error> {
    let value = |name: &str| query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
    let number = |name: &str, default: u64| match value(name) {
        None => Ok(default),
        Some((_, text)) => text.parse().map_err(|_| Error::Invalid(format!("{name} is not a number"))),
    };
    let path = value("path").map_or("", |(_, text)| text);
    let count = usize::try_from(number("count", 1)?).unwrap_or(usize::MAX);
    let patience = Duration::from_millis(number("timeoutMs", 30_000)?);
    let enough = |seen: &[crate::Seen]| seen.iter().filter(|one| one.path.contains(path)).count() >= count;
    let in_time = tokio::time::timeout(patience, shared.log.until(enough)).await.is_ok();
    Ok(json!({"seen": in_time}))
}

fn clear(shared: &Shared, name: &str) -> Result<Value, Error> {
    match name.split_once('/') {
        None if name == "requests" => shared.log.clear(),
        None if name == "replies" => shared.replies.forget(),
        None if name == "faults" => shared.faults.clear(),
        Some(("faults", id)) => {
            let id = id.parse().map_err(|_| Error::Invalid(format!("{id} is not a number")))?;
            shared.faults.remove(FaultId(id));
        }
        _ => return Err(Error::unknown("thing to delete", name)),
    }
    Ok(json!({"ok": true}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Release {
    hold: String,
}

fn change(shared: &Shared, name: &str, mut body: Value) -> Result<Value, Error> {
    match name {
        "fault" => {
            let fault: Fault = serde_json::from_value(body).map_err(|error| invalid(&error))?;
            return Ok(json!({"id": shared.faults.push(fault)}));
        }
        "release" => {
            let Release { hold } = serde_json::from_value(body).map_err(|error| invalid(&error))?;
            if !shared.faults.release(&hold) {
                return Err(Error::unknown("hold", hold));
            }
        }
        _ => {
            let Value::Object(fields) = &mut body else { return Err(Error::Invalid("a JSON object".to_owned())) };
            fields.insert("command".to_owned(), Value::from(name));
            let command: Command = serde_json::from_value(body).map_err(|error| invalid(&error))?;
            shared.apply(command)?;
        }
    }
    Ok(json!({"ok": true}))
}

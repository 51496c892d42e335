use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::Call;
use crate::answer::{json, ok};
use crate::refusal::Refusal;
use crate::settings::{ServerState, Settings};

/// All strings, even the date (recorded on 7.11.2).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    version: String,
    build_number: String,
    build_date: &'static str,
    display_name: &'static str,
}

/// Answered to everyone: a 200 proves nothing about a credential (10.4.1).
pub(super) fn application(call: &Call<'_>) -> Result<Response, Refusal> {
    let version = &call.settings.version;
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    let build_number = format!("{}{:03}{:03}", next(), next(), next());
    ok(&Properties { version: version.clone(), build_number, build_date: "1718000000000", display_name: "Bitbucket" })
}

#[derive(Serialize)]
struct Status {
    state: ServerState,
}

/// `/status`, beside the REST API: 503 only while starting, 200 even in maintenance (Atlassian's knowledge base).
pub(super) fn status(settings: &Settings) -> Result<Response, Refusal> {
    if settings.state != ServerState::Starting {
        return ok(&Status { state: settings.state });
    }
    Ok(json(StatusCode::SERVICE_UNAVAILABLE, r#"{"state":"STARTING"}"#.to_owned()))
}

//! The REST API: `{context}/rest/api/1.0` and `/latest`, which are the same (seen on 10.4).

mod branches;
mod commits;
mod page;
mod projects;
mod properties;
mod query;
mod repositories;
mod shapes;
mod users;

use axum::http::header::ACCEPT;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use percent_encoding::percent_decode_str;

use crate::refusal::Refusal;
use crate::settings::Settings;
use crate::shared::Shared;
use crate::state::{State, User};
use query::Query;

/// One request, with what every endpoint needs.
struct Call<'a> {
    shared: &'a Shared,
    settings: &'a Settings,
    user: Option<&'a User>,
    query: Query,
    /// The path below the context path, and the query, as they were sent.
    path: &'a str,
    raw_query: Option<&'a str>,
    /// What links begin with.
    base: String,
}

impl Call<'_> {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state()
    }

    /// Refuses nobody in particular, unless public access is on (10.4: 401 on every list).
    fn public_or_user(&self) -> Result<(), Refusal> {
        if self.user.is_some() || self.settings.public_access { Ok(()) } else { Err(Refusal::NotAuthenticated) }
    }

    /// The caller, where only somebody will do.
    fn somebody(&self) -> Result<&User, Refusal> {
        self.user.ok_or(Refusal::NotAuthenticated)
    }
}

pub(crate) fn is_status(shared: &Shared, path: &str) -> bool {
    path.strip_prefix(shared.context.as_str()) == Some("/status")
}

pub(crate) async fn answer(
    shared: &Shared,
    parts: &Parts,
    settings: &Settings,
    user: Option<&User>,
) -> Result<Response, Refusal> {
    let whole = parts.uri.path();
    if is_status(shared, whole) {
        return properties::status(settings);
    }
    let path = whole.strip_prefix(shared.context.as_str()).ok_or(Refusal::NoSuchPage)?;
    let inside = ["/rest/api/1.0/", "/rest/api/latest/"].iter().find_map(|prefix| path.strip_prefix(prefix));
    let Some(inside) = inside else {
        return Err(if path.starts_with("/rest/") { no_such_route(&parts.headers) } else { Refusal::NoSuchPage });
    };
    let segments = segments(inside).ok_or(Refusal::NoSuchPage)?;
    if !accepts(&parts.headers, "json") {
        return Err(Refusal::NotAcceptable);
    }
    if ![Method::GET, Method::HEAD].contains(&parts.method) {
        return Err(Refusal::MethodNotAllowed);
    }
    let base = settings.base_url.clone().unwrap_or_else(|| shared.url());
    let (query, raw_query) = (Query::parse(parts.uri.query()), parts.uri.query());
    let call = Call { shared, settings, user, query, path, raw_query, base };
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match route(&call, &segments).await {
        Err(Refusal::NoSuchRoute) => Err(no_such_route(&parts.headers)),
        answer => answer,
    }
}

async fn route(call: &Call<'_>, segments: &[&str]) -> Result<Response, Refusal> {
    match segments {
        ["application-properties"] => properties::application(call),
        ["projects"] => projects::list(call),
        ["projects", key] => projects::get(call, key),
        ["projects", key, "repos"] => repositories::of_project(call, key),
        // Repositories of a personal project have this second address.
        ["users", slug, "repos"] => repositories::of_project(call, &format!("~{slug}")),
        ["projects", key, "repos", slug, rest @ ..] => repository(call, key, slug, rest).await,
        ["users", owner, "repos", slug, rest @ ..] => repository(call, &format!("~{owner}"), slug, rest).await,
        ["repos"] => repositories::list(call),
        ["users"] => users::list(call),
        ["users", slug] => users::get(call, slug),
        ["profile", "recent", "repos"] => repositories::recent(call),
        ["admin", "rate-limit", "settings", rest @ ..] if call.settings.at_least(6, 6) => match rest {
            [] => users::rate_limit(call),
            ["users", slug] => users::own_rate_limit(call, slug),
            _ => Err(Refusal::NoSuchRoute),
        },
        _ => Err(Refusal::NoSuchRoute),
    }
}

async fn repository(call: &Call<'_>, key: &str, slug: &str, rest: &[&str]) -> Result<Response, Refusal> {
    match rest {
        [] => repositories::get(call, key, slug),
        ["branches", "default"] => branches::default(call, key, slug).await,
        // Since 7.5, as far as the SDK shows; before that the route does not exist.
        ["default-branch"] if call.settings.at_least(7, 5) => branches::default_name(call, key, slug),
        ["branches"] => branches::list(call, key, slug).await,
        ["commits"] => commits::list(call, key, slug).await,
        ["commits", id] => commits::get(call, key, slug, id).await,
        _ => Err(Refusal::NoSuchRoute),
    }
}

/// The decoded parts of a path; none where the servlet container would not let it through.
fn segments(path: &str) -> Option<Vec<String>> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let decode = |segment: &str| {
        let text = percent_decode_str(segment).decode_utf8().ok()?.into_owned();
        let plain = !text.is_empty() && !text.contains(['/', '\\', ';']) && text != "." && text != "..";
        plain.then_some(text)
    };
    path.split('/').map(decode).collect()
}

fn no_such_route(headers: &HeaderMap) -> Refusal {
    // XML is what JAX-RS falls back to (seen on 10.2 and 10.4).
    let named = headers.get_all(ACCEPT).iter().any(|value| value.to_str().is_ok_and(|value| value.contains("json")));
    if named { Refusal::NoSuchRoute } else { Refusal::NoSuchRouteXml }
}

/// Whether the caller takes `application/KIND`; it takes anything if it does not say.
pub(crate) fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    let mut values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    if values.peek().is_none() {
        return true;
    }
    let wanted = ["*/*".to_owned(), "application/*".to_owned(), format!("application/{kind}")];
    let mut types =
        values.flat_map(|value| value.split(',')).map(|part| part.split(';').next().unwrap_or_default().trim());
    types.any(|kind| wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(kind)))
}

use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::page::Page;
use super::query::PageRequest;
use super::{Call, shapes};
use crate::access::Access;
use crate::answer::{ok, with_header};
use crate::refusal::Refusal;
use crate::settings::Moved;
use crate::state::{Project, Repository, State};

type Row<'a> = (&'a Repository, &'a Project);

/// `GET /projects/{key}/repos`: needs `PROJECT_READ`, archived repositories included.
pub(super) fn of_project(call: &Call<'_>, key: &str) -> Result<Response, Refusal> {
    call.public_or_user()?;
    let request = call.query.page(call.settings.caps.repositories)?;
    let state = call.state();
    let project = state.project(key).ok_or_else(|| Refusal::NoSuchProject { key: key.to_owned() })?;
    if state.project_access(call.user, project) == Access::Nothing {
        return Err(Refusal::NotPermitted);
    }
    let rows = state.repositories.iter().filter(|found| found.project == project.id);
    let rows = rows.map(|repository| (repository, project)).collect();
    page(call, &state, rows, request, |_| true)
}

/// `GET /repos` with the filters of REST 9.4. Archived repositories are left out unless asked for, from 8.0 on.
pub(super) fn list(call: &Call<'_>) -> Result<Response, Refusal> {
    call.public_or_user()?;
    let (query, settings) = (&call.query, call.settings);
    let request = query.page(settings.caps.repositories)?;
    let permission = query.one_of("permission", &["REPO_READ", "REPO_WRITE", "REPO_ADMIN"])?;
    let visibility = query.one_of("visibility", &["public", "private"])?;
    let states = ["AVAILABLE", "INITIALISING", "INITIALISATION_FAILED", "OFFLINE"];
    let wanted = query.one_of("state", &states)?;
    let (archived, key) = if settings.at_least(8, 0) {
        let archived = query.one_of("archived", &["ACTIVE", "ARCHIVED", "ALL"])?.unwrap_or("ACTIVE");
        (archived, query.get("projectkey"))
    } else {
        ("ALL", None)
    };
    // Anywhere in the name: a guess, REST 9.4 says only that case does not matter.
    let holds = |text: &str, part: &str| text.to_lowercase().contains(&part.trim().to_lowercase());
    let state = call.state();
    let meant = |(repository, project): &Row<'_>| {
        let public = repository.public || project.public;
        query.get("name").is_none_or(|name| holds(&repository.name, name))
            && query.get("projectname").is_none_or(|name| holds(&project.name, name))
            && key.is_none_or(|key| project.key.eq_ignore_ascii_case(key))
            && wanted.is_none_or(|wanted| repository.state == wanted)
            && visibility.is_none_or(|visibility| public == (visibility == "public"))
            && (archived == "ALL" || repository.archived == (archived == "ARCHIVED"))
    };
    let rows = state.repositories.iter().filter_map(|found| Some((found, state.project_of(found)?)));
    let rows = rows.filter(meant).collect();
    // Named, a permission must have been granted; what is public to everyone does not count.
    let granted = |repository: &Repository| match permission {
        None => true,
        Some("REPO_READ") => {
            call.user.is_some_and(|user| user.rules.repository(repository.project, repository.id) > Access::Nothing)
        }
        Some(_) => false,
    };
    page(call, &state, rows, request, granted)
}

fn page(
    call: &Call<'_>,
    state: &State,
    mut rows: Vec<Row<'_>>,
    request: PageRequest,
    also: impl Fn(&Repository) -> bool,
) -> Result<Response, Refusal> {
    // By name, as projects are: a guess.
    rows.sort_by_key(|(repository, _)| (repository.name.to_lowercase(), repository.id));
    let visible = |row: &Row<'_>| state.repository_access(call.user, row.0) > Access::Nothing && also(row.0);
    let shape = |row: &Row<'_>| shapes::repository(state, row.0, row.1, &call.base);
    ok(&Page::of_visible(&rows, request, call.settings.filling, visible, shape))
}

/// `GET /profile/recent/repos`: never a listing of what can be read; here nobody visited anything.
pub(super) fn recent(call: &Call<'_>) -> Result<Response, Refusal> {
    call.somebody()?;
    let request = call.query.page(call.settings.caps.repositories)?;
    ok(&Page::<()>::new(request, Vec::new(), None))
}

/// `GET /projects/{key}/repos/{slug}`
pub(super) fn get(call: &Call<'_>, key: &str, slug: &str) -> Result<Response, Refusal> {
    let repository = match find(call, key, slug, Access::Listing)? {
        Found::Here(repository) => repository,
        Found::Redirect(redirect) => return Ok(redirect),
    };
    let state = call.state();
    let project = state.project_of(&repository).ok_or(Refusal::NoSuchRoute)?;
    ok(&shapes::repository(&state, &repository, project, &call.base))
}

pub(super) enum Found {
    Here(Box<Repository>),
    /// It has moved, and that is the answer.
    Redirect(Response),
}

/// The repository of a path, if the caller may do that much with it.
pub(super) fn find(call: &Call<'_>, key: &str, slug: &str, needed: Access) -> Result<Found, Refusal> {
    call.public_or_user()?;
    let state = call.state();
    let moved = || state.moved(key, slug).filter(|_| call.settings.moved != Moved::Gone);
    let (repository, has_moved) = match (state.repository(key, slug), moved()) {
        (Some(repository), _) => (repository, false),
        (None, Some(repository)) => (repository, true),
        (None, None) => return Err(missing(&state, key, slug)),
    };
    if state.repository_access(call.user, repository) < needed {
        return Err(Refusal::NotPermitted);
    }
    match (call.settings.moved, has_moved) {
        (Moved::Redirect { status }, true) => redirect(call, &state, repository, status).map(Found::Redirect),
        _ => Ok(Found::Here(Box::new(repository.clone()))),
    }
}

fn missing(state: &State, key: &str, slug: &str) -> Refusal {
    match state.project(key) {
        Some(project) => Refusal::NoSuchRepository { key: project.key.clone(), slug: slug.to_owned() },
        None => Refusal::NoSuchProject { key: key.to_owned() },
    }
}

/// The same path with the new name, and the same query.
fn redirect(call: &Call<'_>, state: &State, repository: &Repository, status: u16) -> Result<Response, Refusal> {
    let project = state.project_of(repository).ok_or(Refusal::NoSuchRoute)?;
    // /rest/api/VERSION/projects/KEY/repos/SLUG/REST
    let parts: Vec<&str> = call.path.splitn(9, '/').collect();
    let version = parts.get(3).copied().unwrap_or("latest");
    let mut location = format!("{}/rest/api/{version}/projects/{}/repos/{}", call.base, project.key, repository.slug);
    if let Some(rest) = parts.get(8) {
        location.push('/');
        location.push_str(rest);
    }
    if let Some(query) = call.raw_query {
        location.push('?');
        location.push_str(query);
    }
    let location = HeaderValue::from_str(&location).map_err(|_| Refusal::NoSuchRoute)?;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::TEMPORARY_REDIRECT);
    Ok(with_header(status.into_response(), LOCATION, location))
}

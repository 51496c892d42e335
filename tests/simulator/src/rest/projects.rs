use axum::response::Response;

use super::page::Page;
use super::{Call, shapes};
use crate::access::Access;
use crate::answer::ok;
use crate::refusal::Refusal;
use crate::state::Project;

const PERMISSIONS: [&str; 5] = ["PROJECT_VIEW", "PROJECT_READ", "PROJECT_WRITE", "PROJECT_ADMIN", "REPO_CREATE"];

/// `GET /projects`: sorted by name (recorded). Personal projects are in no recorded list.
pub(super) fn list(call: &Call<'_>) -> Result<Response, Refusal> {
    call.public_or_user()?;
    let request = call.query.page(call.settings.caps.projects)?;
    let permission = call.query.one_of("permission", &PERMISSIONS)?;
    let name = call.query.get("name").map(|name| name.trim().to_lowercase());
    let state = call.state();
    let meant = |project: &&Project| {
        let named = name.as_ref().is_none_or(|name| project.name.to_lowercase().contains(name));
        named && !project.is_personal()
    };
    let mut rows: Vec<&Project> = state.projects.iter().filter(meant).collect();
    rows.sort_by_key(|project| (project.name.to_lowercase(), project.id));
    let visible = |project: &&Project| match permission {
        None | Some("PROJECT_VIEW") => state.sees_project(call.user, project),
        Some("PROJECT_READ") => state.project_access(call.user, project) > Access::Nothing,
        // Nobody here may do more than read.
        Some(_) => false,
    };
    let shape = |project: &&Project| shapes::project(&state, project, &call.base);
    ok(&Page::of_visible(&rows, request, call.settings.filling, visible, shape))
}

/// `GET /projects/{key}`: needs `PROJECT_VIEW`.
pub(super) fn get(call: &Call<'_>, key: &str) -> Result<Response, Refusal> {
    call.public_or_user()?;
    let state = call.state();
    let project = state.project(key).ok_or_else(|| Refusal::NoSuchProject { key: key.to_owned() })?;
    if !state.sees_project(call.user, project) {
        return Err(Refusal::NotPermitted);
    }
    ok(&shapes::project(&state, project, &call.base))
}

use axum::response::Response;
use serde::Serialize;

use super::Call;
use super::page::Page;
use super::shapes::{self, UserShape};
use crate::answer::ok;
use crate::refusal::Refusal;
use crate::settings::RateLimit;
use crate::state::User;

/// `GET /users`: closed to anonymous callers, which makes it the cheapest proof of a credential (recorded on 10.4).
pub(super) fn list(call: &Call<'_>) -> Result<Response, Refusal> {
    call.somebody()?;
    let request = call.query.page(call.settings.caps.users)?;
    let filter = call.query.get("filter").map(str::to_lowercase);
    let state = call.state();
    let meant = |user: &&User| {
        let texts = [&user.name, &user.display_name, &user.email];
        let holds = |filter: &String| texts.iter().any(|text| text.to_lowercase().contains(filter));
        !user.service && filter.as_ref().is_none_or(holds)
    };
    let mut rows: Vec<&User> = state.users.iter().filter(meant).collect();
    rows.sort_by_key(|user| (user.name.to_lowercase(), user.id));
    let shape = |user: &&User| shapes::user(user, &call.base);
    ok(&Page::of_visible(&rows, request, call.settings.filling, |_| true, shape))
}

/// `GET /users/{slug}`: by slug, which is not always the login.
pub(super) fn get(call: &Call<'_>, slug: &str) -> Result<Response, Refusal> {
    call.somebody()?;
    let state = call.state();
    let found = state.users.iter().find(|user| user.slug.eq_ignore_ascii_case(slug));
    let found = found.ok_or_else(|| Refusal::NoSuchUser { slug: slug.to_owned() })?;
    ok(&shapes::user(found, &call.base))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ServerLimit {
    enabled: bool,
    default_settings: RateLimit,
}

/// `GET /admin/rate-limit/settings`: any authenticated user may read it (REST 9.4).
pub(super) fn rate_limit(call: &Call<'_>) -> Result<Response, Refusal> {
    call.somebody()?;
    let limit = call.settings.rate_limit;
    ok(&ServerLimit { enabled: limit.is_some(), default_settings: limit.unwrap_or_default() })
}

#[derive(Serialize)]
struct OwnLimit {
    user: UserShape,
    whitelisted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<RateLimit>,
}

/// `GET /admin/rate-limit/settings/users/{slug}`: one's own only, and 404 where there are none (REST 9.4: "The specified
/// user does not exist, or has no settings"). They are kept, and shown, while limiting is off (seen on 10.4). The exception
/// is inferred.
pub(super) fn own_rate_limit(call: &Call<'_>, slug: &str) -> Result<Response, Refusal> {
    let user = call.somebody()?;
    if !user.slug.eq_ignore_ascii_case(slug) {
        return Err(Refusal::NotPermitted);
    }
    let settings = user.rate_limit.filter(|_| !user.exempt);
    if settings.is_none() && !user.exempt {
        return Err(Refusal::NoSuchUser { slug: slug.to_owned() });
    }
    ok(&OwnLimit { user: shapes::user(user, &call.base), whitelisted: user.exempt, settings })
}

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State as Extension};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use tower_http::compression::CompressionLayer;

use crate::answer::add_headers;
use crate::auth::Credential;
use crate::fault::{Action, Facts};
use crate::log::{KEPT, KEPT_IN_REPLAY, Ticket};
use crate::net::{Listener, Peer};
use crate::refusal::Refusal;
use crate::replay::Key;
use crate::settings::Settings;
use crate::shared::Shared;
use crate::state::User;
use crate::{control, mangle, rest};

/// Serves until it is dropped.
pub(crate) async fn serve(listener: Listener, shared: Arc<Shared>) {
    let packing = CompressionLayer::new().compress_when(is_packed);
    let router = Router::new().fallback(handle).layer(packing).with_state(shared);
    let service = router.into_make_service_with_connect_info::<Peer>();
    // Never returns: accepting does not end.
    let _ = axum::serve(listener, service).await;
}

/// Marks an answer that goes out packed where the caller accepts that.
#[derive(Clone, Copy)]
struct Packed;

fn is_packed(_: StatusCode, _: Version, _: &HeaderMap, extensions: &Extensions) -> bool {
    extensions.get::<Packed>().is_some()
}

async fn handle(
    Extension(shared): Extension<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    if control::is_meant(request.uri().path()) {
        return control::handle(&shared, peer.address, request).await;
    }
    let (parts, _) = request.into_parts();
    let credential = Credential::of(&parts.headers);
    let claimed = shared.state().claimed(&credential);
    let request = (&parts.method, &parts.uri, &parts.headers);
    let kept = if shared.state().settings.replay { KEPT_IN_REPLAY } else { KEPT };
    let ticket = shared.log.arrive(request, credential.scheme(), claimed.clone(), kept);
    let actions = shared.faults.meet(&Facts {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        claimed: claimed.as_deref(),
        anonymous: credential.scheme().is_none(),
    });
    let mut response = suffer(&shared, &peer, &parts, &credential, &ticket, actions).await;
    if shared.state().settings.compression {
        response.extensions_mut().insert(Packed);
    }
    ticket.answered(response.status().as_u16());
    response
}

/// Lets everything happen to a request that its faults want.
async fn suffer(
    shared: &Shared,
    peer: &Peer,
    parts: &Parts,
    credential: &Credential,
    ticket: &Ticket,
    actions: Vec<Action>,
) -> Response {
    let latency = shared.state().settings.latency_ms;
    if latency > 0 {
        tokio::time::sleep(Duration::from_millis(latency)).await;
    }
    // What faults change is nothing to be kept.
    let plain = actions.is_empty();
    let mut last = None;
    for action in actions {
        match action {
            Action::Delay(duration) => tokio::time::sleep(duration).await,
            Action::Hold(hold) => hold.park().await,
            Action::Hang => pending().await,
            Action::Drop => {
                peer.wire.end();
                return ().into_response();
            }
            Action::Raw(text) => {
                peer.wire.replace(text.into_bytes());
                return ().into_response();
            }
            action => last = Some(action),
        }
    }
    match last {
        None => bitbucket(shared, parts, credential, ticket, Answer::Usual { plain }).await,
        Some(Action::Refuse(refusal)) => bitbucket(shared, parts, credential, ticket, Answer::Forced(refusal)).await,
        Some(action) => match mangle::instead(&action) {
            Some(response) => response,
            None => {
                mangle::changed(&action, bitbucket(shared, parts, credential, ticket, Answer::Usual { plain }).await)
                    .await
            }
        },
    }
}

/// Which answer is wanted of Bitbucket.
enum Answer {
    /// What it says of itself; plain, where no fault has met the request.
    Usual { plain: bool },
    /// This, whoever may ask.
    Forced(Refusal),
}

/// What Bitbucket says, with the headers it always sends.
async fn bitbucket(
    shared: &Shared,
    parts: &Parts,
    credential: &Credential,
    ticket: &Ticket,
    wanted: Answer,
) -> Response {
    let age = shared.replies.age();
    let settings = shared.state().settings.clone();
    let (user, answer) = match authenticate(shared, parts, credential) {
        Err(refusal) => (None, Err(refusal)),
        Ok((user, budget)) => {
            if let Some(user) = &user {
                ticket.recognised(&user.name);
            }
            let answer = match (budget, wanted) {
                (Err(refusal), _) | (Ok(()), Answer::Forced(refusal)) => Err(refusal),
                (Ok(()), Answer::Usual { plain }) if plain && settings.replay => {
                    replayed(shared, parts, &settings, user.as_ref(), age).await
                }
                (Ok(()), Answer::Usual { .. }) => rest::answer(shared, parts, &settings, user.as_ref()).await,
            };
            (user, answer)
        }
    };
    let shown = user.filter(|_| !answer.as_ref().is_err_and(Refusal::hides_user));
    let mut response = answer.unwrap_or_else(|refusal| refusal.answer(&settings));
    add_headers(response.headers_mut(), ticket.sequence, shown.as_ref());
    response
}

/// The answer that was kept, or the one that is kept from now on.
async fn replayed(
    shared: &Shared,
    parts: &Parts,
    settings: &Settings,
    user: Option<&User>,
    age: u64,
) -> Result<Response, Refusal> {
    let Some(key) = Key::of(parts, user.map(|user| user.id), settings.compression, age) else {
        return rest::answer(shared, parts, settings, user).await;
    };
    match shared.replies.get(&key) {
        Some(kept) => Ok(kept),
        None => Ok(shared.replies.keep(key, rest::answer(shared, parts, settings, user).await?).await),
    }
}

/// Who is asking, and whether the caller may ask at all just now. One lock, so that failures in parallel are all counted.
fn authenticate(
    shared: &Shared,
    parts: &Parts,
    credential: &Credential,
) -> Result<(Option<User>, Result<(), Refusal>), Refusal> {
    // The state of the server is told before any filter looks at credentials.
    if rest::is_status(shared, parts.uri.path()) {
        return Ok((None, Ok(())));
    }
    let mut state = shared.state();
    if !state.settings.state.serves() {
        return Err(Refusal::NotRunning);
    }
    let user = state.authenticate(credential)?;
    let budget = user.as_ref().map_or(Ok(()), |user| state.take_token(user));
    Ok((user, budget))
}

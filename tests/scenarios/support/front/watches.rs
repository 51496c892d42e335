//! The open watches: their events can be held back, and they can be ended.

use axum::body::{Body, Bytes};
use futures::{Stream, StreamExt};
use serde_json::json;
use tokio::sync::watch;

/// How watches are ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As an API server does when their time is over.
    Quiet,
    /// With the event that says that too much has happened meanwhile.
    Gone,
}

/// What is done to all watches.
pub struct Watches {
    flowing: watch::Sender<bool>,
    /// How often they were ended, and how the last time.
    ended: watch::Sender<(usize, End)>,
}

impl Watches {
    pub fn new() -> Self {
        Self { flowing: watch::Sender::new(true), ended: watch::Sender::new((0, End::Quiet)) }
    }

    /// From now on no event comes through, and what has happened is told later.
    pub fn hold(&self) {
        self.flowing.send_replace(false);
    }

    pub fn release(&self) {
        self.flowing.send_replace(true);
    }

    /// Ends those that are open. What was held back of them is never told.
    pub fn end(&self, end: End) {
        self.ended.send_modify(|(times, how)| (*times, *how) = (*times + 1, end));
    }

    /// The stream of one, as it goes on.
    pub fn pass<E>(&self, events: impl Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static) -> Body
    where
        E: Into<axum::BoxError> + Send + 'static,
    {
        let (flowing, mut ended) = (self.flowing.subscribe(), self.ended.subscribe());
        let since = ended.borrow_and_update().0;
        let state = Some((events, flowing, ended));
        Body::from_stream(futures::stream::unfold(state, move |state| async move {
            let (mut events, mut flowing, mut ended) = state?;
            let next = tokio::select! {
                biased;
                end = async { ended.wait_for(|(times, _)| *times > since).await.map(|end| end.1) } => Err(end),
                event = async {
                    let _ = flowing.wait_for(|flowing| *flowing).await;
                    let event = events.next().await;
                    // It may have been on its way when the hold came.
                    let _ = flowing.wait_for(|flowing| *flowing).await;
                    event
                } => Ok(event),
            };
            match next {
                Ok(event) => event.map(|event| (event, Some((events, flowing, ended)))),
                Err(Ok(End::Gone)) => Some((Ok(gone_event().into()), None)),
                Err(_) => None,
            }
        }))
    }
}

/// What an API server says of a resource version that is too old.
pub fn gone() -> serde_json::Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Expired", "code": 410,
        "message": "too old resource version: 1 (2)"
    })
}

/// The same, as an event of a watch.
pub fn gone_event() -> String {
    format!("{}\n", json!({"type": "ERROR", "object": gone()}))
}

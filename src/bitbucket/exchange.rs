//! One request and its answer, and what the answer says of the credentials.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use reqwest::header::{ACCEPT, HeaderValue, LOCATION};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tracing::{Instrument, Span, debug_span, field};
use url::Url;

use super::answer::{Answer, Answerable, Reply};
use super::bounds::SMALL_BODY;
use super::client::Client;
use super::endpoints::{Endpoint, Identity};
use super::error::{Error, Fault};
use super::gate::{Account, Pass};
use super::refusal::Refusal;
use super::{fault, headers};

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub endpoint: Endpoint,
    pub url: Url,
    /// Method and path.
    pub request: String,
    /// A larger body of a good answer is refused. Bytes.
    pub largest: usize,
}

/// A complete answer, and room for what is made of it.
struct Received {
    answer: Answer,
    _large: Option<OwnedSemaphorePermit>,
}

impl Client {
    /// Sends the question, reads the whole answer, and lets the account's gate know what it says of the password.
    pub(super) async fn exchange<T: Answerable>(
        &self,
        account: &Arc<Account>,
        pass: Pass,
        question: Question,
    ) -> Result<Reply<T>, Error> {
        // A request that is under way counts at the server, whoever still waits for the answer here. As a task it goes on
        // without them, keeps its place among those that the server sees at a time, and a password in it is judged.
        let span = debug_span!(
            "request",
            otel.kind = "client",
            endpoint = question.endpoint.as_str(),
            http.request.method = "GET",
            url.path = question.url.path(),
            http.response.status_code = field::Empty,
            error.type = field::Empty,
        );
        let request = question.request.clone();
        let sent = self.clone().sent(Arc::clone(account), pass, question);
        // Read there as well: several pages can be, at a time.
        let read = async { sent.await?.answer.reply(request) };
        match tokio::spawn(read.instrument(span)).await {
            Ok(reply) => reply,
            Err(broken) if broken.is_panic() => std::panic::resume_unwind(broken.into_panic()),
            // The runtime is ending, and the connection with it.
            Err(_) => Err(Error::Stopped),
        }
    }

    async fn sent(self, account: Arc<Account>, pass: Pass, question: Question) -> Result<Received, Error> {
        if !self.leads() {
            return Err(Error::Stopped);
        }
        let Question { endpoint, url, request, largest } = question;
        let identity = endpoint.identity();
        let broken = |fault| Error::Transport { request: request.clone(), fault };
        let accept = HeaderValue::from_static("application/json");
        let mut builder = self.http().get(url.clone()).header(ACCEPT, accept).timeout(self.timeout());
        if identity != Identity::Nobody {
            builder = self.credentials().apply(builder);
            self.sends_credentials();
        }
        self.sent_requests().fetch_add(1, Ordering::Relaxed);
        let sent = Instant::now();
        let under_way = self.metrics().sent(endpoint);
        let received = self.receive(builder, &url, largest).await;
        let status = received.as_ref().map(|received| received.answer.status);
        let word = under_way.ended(status);
        match status {
            Ok(status) => Span::current().record("http.response.status_code", i64::from(status)),
            Err(_) => Span::current().record("error.type", word),
        };
        let received = match received {
            Ok(received) => received,
            Err(fault) => {
                let error = broken(fault);
                if identity != Identity::Nobody {
                    account.judge(&pass, false, Some(&error));
                }
                return Err(error);
            }
        };
        let answer = &received.answer;
        let mut error = answer.error(&request);
        if identity != Identity::Nobody {
            let named = answer.username.is_some();
            let other = answer.username.as_deref().is_some_and(|name| self.is_another(name));
            error = error.map(|error| self.of_these_credentials(error));
            // Nobody else is answered there.
            let proof = identity == Identity::Proof && error.is_none() && answer.json;
            if proof {
                self.proven();
            }
            let recognised = (named || proof) && !other;
            // A page in the answer's place says nothing of the password.
            let page = (answer.status == 200 && !answer.json).then(|| broken(answer.page()));
            account.judge(&pass, recognised, error.as_ref().or(page.as_ref()));
            if other {
                error = Some(broken(Fault::OtherAccount));
            } else {
                account.pacer.note(sent, recognised, error.as_ref());
            }
        }
        error.map_or(Ok(received), Err)
    }

    async fn receive(&self, builder: reqwest::RequestBuilder, url: &Url, largest: usize) -> Result<Received, Fault> {
        let fault = |error| fault::of(&error, self.hop(), self.timeout());
        let response = builder.send().await.map_err(fault)?;
        let found = response.headers();
        let mut answer = Answer {
            status: response.status().as_u16(),
            username: headers::username(found),
            numbered: found.contains_key("x-arequestid"),
            json: headers::is_json(found),
            retry_after: headers::retry_after(found),
            https: found.get(LOCATION).and_then(|to| headers::port_of_https(url, to)),
            repository: found.get(LOCATION).and_then(|to| headers::repository(url, to)),
            body: Vec::new(),
        };
        let good = answer.status == 200;
        let limit = if good { largest } else { SMALL_BODY };
        let mut large = None;
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let broken = Fault::Broken(answer.status);
            // Of a 401 this much is known: the password may have been judged.
            let known = |error: &_| answer.status == 401 || fault::is_malformed(error);
            let chunk = chunk.map_err(|error| if known(&error) { broken } else { fault(error) })?;
            let size = answer.body.len() + chunk.len();
            if size > limit && !good {
                // The status says enough; what a proxy has to say may be long.
                break;
            } else if size > limit {
                return Err(Fault::TooLarge(limit));
            }
            if size > SMALL_BODY && large.is_none() {
                large = Some(self.room_for_a_large_body().await?);
            }
            answer.body.extend_from_slice(&chunk);
        }
        Ok(Received { answer, _large: large })
    }

    /// A token has no password that could be judged wrong: so answered, it is nobody's.
    fn of_these_credentials(&self, error: Error) -> Error {
        match error {
            Error::Refused { request, status, refusal: Refusal::WrongPassword }
                if !self.credentials().is_password() =>
            {
                Error::Refused { request, status, refusal: Refusal::Anonymous }
            }
            error => error,
        }
    }
}

//! Where a client sends its requests: to the URL as it was given, or where plain http leads on the same host. That
//! is learned from an answer to nobody, before a password leaves.

use std::sync::Arc;

use super::client::Client;
use super::clients::Clients;
use super::endpoints::{Endpoint, require};
use super::error::{Error, Fault};
use super::gate::{Account, Server};
use super::model::ApplicationProperties;
use super::rate::Rate;
use super::{BaseUrl, Credentials};

/// A Bitbucket, and the gate of the client's credentials there.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub base: BaseUrl,
    pub account: Arc<Account>,
    pub server: Server,
}

impl Place {
    /// The gate is opened for a person who did what `reopen` says, and the account's pace heeds `rate` as long as that
    /// lives.
    pub fn new(
        clients: &Clients,
        base: BaseUrl,
        credentials: &Credentials,
        reopen: Option<&str>,
        rate: &Arc<Rate>,
    ) -> Self {
        let account = clients.account(&base, credentials);
        account.pacer.join(rate);
        if let Some(request) = reopen {
            account.reopen(request);
        }
        let server = clients.server(&base);
        Self { base, account, server }
    }
}

impl Client {
    /// `application-properties`, asked as nobody: shows that there is a Bitbucket before a password leaves, and
    /// whether it wants to be asked by https.
    pub async fn application_properties(&self) -> Result<ApplicationProperties, Error> {
        let path = &["application-properties"];
        let answered = self.get(Endpoint::ApplicationProperties, path, &[]).await.map_err(no_word_of_an_account);
        let secure = match &answered {
            Err(Error::Transport { fault: Fault::Redirect { https: Some(port), .. }, .. }) => {
                self.place().base.behind_https(*port)
            }
            _ => None,
        };
        if let Some(base) = secure {
            self.settle(Some(base));
            return require(self.get(Endpoint::ApplicationProperties, path, &[]).await.map_err(no_word_of_an_account)?);
        }
        let properties = require(answered?)?;
        self.settle(None);
        Ok(properties)
    }

    /// The place that the credentials may go to. Costs a request where that is plain http and nobody has asked.
    pub(super) async fn settled(&self) -> Result<&Place, Error> {
        if self.base().is_plain() && !self.is_settled() {
            self.application_properties().await?;
        }
        Ok(self.place())
    }
}

/// Bitbucket refuses this to nobody: whoever does is none, and says nothing about an account that was not named.
fn no_word_of_an_account(error: Error) -> Error {
    match error {
        Error::Refused { request, status, .. } => {
            let fault = Fault::Unexpected { status, what: "a refusal of what anybody may ask" };
            Error::Transport { request, fault }
        }
        error => error,
    }
}

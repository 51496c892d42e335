//! Asking for the account's request budget. Whether there is one at all says one endpoint; whether the account is
//! exempt, or has a bucket of its own, says another, and that one only: it has nothing to say of most accounts, and
//! what it says does not count where limiting is off.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::answer::Answerable;
use super::bounds::SMALL_BODY;
use super::client::Client;
use super::endpoints::Endpoint;
use super::error::{Error, Fault, Policy};
use super::exchange::Question;
use super::gate::{Account, Pass};
use super::limit::Budget;
use super::pace::Told;

/// When to ask again where the way was broken: not soon, because everybody waits for the answer.
const AFTER_A_FAULT: Duration = Duration::from_mins(10);
/// When to ask again where there were too many requests already.
const AFTER_A_LIMIT: Duration = Duration::from_secs(5);

/// What holds for everybody (REST 9.4: any account may read it).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    enabled: bool,
    default_settings: Bucket,
}

/// What holds for one account, which may read it itself.
#[derive(Debug, Deserialize)]
struct Own {
    #[serde(default)]
    whitelisted: Option<bool>,
    #[serde(default)]
    settings: Option<Bucket>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bucket {
    capacity: u32,
    fill_rate: u32,
}

impl Answerable for Settings {}
impl Answerable for Own {}

impl From<Bucket> for Option<Budget> {
    /// A bucket that never fills is not one that anybody means.
    fn from(Bucket { capacity, fill_rate }: Bucket) -> Self {
        (capacity > 0 && fill_rate > 0).then(|| Budget { capacity: capacity.into(), fill_rate: fill_rate.into() })
    }
}

impl Client {
    /// Asks what the account may send. Costs one request, and a second one where limiting is on.
    pub(super) async fn budget(&self, account: &Arc<Account>, pass: &Pass) -> Told {
        let path = ["admin", "rate-limit", "settings"];
        let budget = match self.out_of_turn::<Settings>(account, pass, &path).await {
            Ok(Some(settings)) if settings.enabled => Option::from(settings.default_settings),
            Ok(_) => None,
            Err(error) => return Told { budget: None, again: after(&error) },
        };
        let (Some(_), Some(name)) = (budget, self.recognised()) else { return Told { budget, again: None } };
        let slug = slug(name);
        let path = [path.as_slice(), &["users", &slug]].concat();
        match self.out_of_turn::<Own>(account, pass, &path).await {
            Ok(Some(Own { whitelisted: Some(true), .. })) => Told { budget: None, again: None },
            Ok(own) => {
                let own = own.and_then(|own| own.settings).and_then(Option::from);
                Told { budget: own.or(budget), again: None }
            }
            Err(error) => Told { budget, again: after(&error) },
        }
    }

    /// Sends a GET that has its turn already, by the pass of another one. None for 204.
    async fn out_of_turn<T: Answerable>(
        &self,
        account: &Arc<Account>,
        pass: &Pass,
        segments: &[&str],
    ) -> Result<Option<T>, Error> {
        let pass = pass.clone().departed(account.pacer.charge());
        let url = self.place().base.rest(segments);
        let request = format!("GET {}", url.path());
        let question = Question { endpoint: Endpoint::RateLimit, url, request, largest: SMALL_BODY };
        Ok(self.exchange(account, pass, question).await?.value)
    }
}

/// None, where the server has said that it does not say.
fn after(error: &Error) -> Option<Duration> {
    match error {
        Error::Transport { fault: Fault::RateLimited { .. }, .. } => Some(AFTER_A_LIMIT),
        error if matches!(error.policy(), Policy::Retry(_)) => Some(AFTER_A_FAULT),
        _ => None,
    }
}

/// The name in paths that Bitbucket makes of a login.
fn slug(name: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '-' | '_');
    name.to_lowercase().chars().map(|letter| if plain(letter) { letter } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(json: &str) -> Option<Budget> {
        serde_json::from_str::<Bucket>(json).ok().and_then(Option::from)
    }

    #[test]
    fn a_bucket_that_cannot_be_is_none() {
        assert_eq!(budget(r#"{"capacity":60,"fillRate":5}"#), Some(Budget { capacity: 60.0, fill_rate: 5.0 }));
        for odd in
            [r#"{"capacity":0,"fillRate":5}"#, r#"{"capacity":60,"fillRate":0}"#, r#"{"capacity":-1,"fillRate":5}"#]
        {
            assert_eq!(budget(odd), None, "{odd}");
        }
    }

    #[test]
    fn only_what_passes_is_asked_again() {
        let after = |fault| after(&Error::Transport { request: "GET /x".to_owned(), fault });
        assert_eq!(after(Fault::RateLimited { retry_after: None }), Some(AFTER_A_LIMIT));
        assert_eq!(after(Fault::Server { status: 503, retry_after: None }), Some(AFTER_A_FAULT));
        assert_eq!(after(Fault::Unexpected { status: 404, what: "a page that is not Bitbucket's" }), None);
    }

    #[test]
    fn a_login_has_a_name_in_paths() {
        assert_eq!(slug("Jane.Doe@example.com"), "jane.doe_example.com");
        assert_eq!(slug("svc-bot_1"), "svc-bot_1");
    }
}

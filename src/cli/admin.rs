//! `bitbucket-connector state` and `bitbucket-connector log-level`: pages of an operator that runs on this machine, for a container that
//! has no other program.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use reqwest::{Client, RequestBuilder};

use super::Failure;
use crate::runtime::admin::{LOG_LEVEL, STATE};

/// Where an operator has its pages for its own machine, if nobody says otherwise.
pub(super) const DEBUG: &str = "127.0.0.1:8081";

const TIMEOUT: Duration = Duration::from_secs(10);

/// The operator that is asked.
#[derive(Debug, clap::Args)]
pub(super) struct Operator {
    /// Where its pages for this machine are
    #[arg(long, env = "BITBUCKET_CONNECTOR_DEBUG_LISTEN", value_name = "ADDRESS", default_value = DEBUG)]
    address: SocketAddr,
}

#[derive(Debug, clap::Args)]
pub(super) struct LogLevel {
    /// From now on: error, warn, info, debug or trace, or a filter such as info,bitbucket_connector=debug [default: nothing changes]
    filter: Option<String>,
    #[command(flatten)]
    operator: Operator,
}

/// Prints what it is at, as JSON.
pub(super) async fn state(operator: Operator) -> Result<ExitCode, Failure> {
    operator.ask(|http, server| http.get(format!("{server}{STATE}"))).await
}

/// Prints what it logs, after a change if there is one.
pub(super) async fn log_level(LogLevel { filter, operator }: LogLevel) -> Result<ExitCode, Failure> {
    operator
        .ask(|http, server| match filter {
            Some(filter) => http.put(format!("{server}{LOG_LEVEL}")).body(filter),
            None => http.get(format!("{server}{LOG_LEVEL}")),
        })
        .await
}

impl Operator {
    async fn ask(&self, question: impl FnOnce(&Client, &str) -> RequestBuilder) -> Result<ExitCode, Failure> {
        let address = self.address;
        let http = Client::builder().no_proxy().timeout(TIMEOUT).build()?;
        let nobody = |error: reqwest::Error| {
            Failure::Other(format!("no operator answers at {address} (--address): {}", error.without_url()))
        };
        let answer = question(&http, &format!("http://{address}")).send().await.map_err(nobody)?;
        let good = answer.status().is_success();
        let text = answer.text().await.map_err(nobody)?;
        if good {
            println!("{}", text.trim_end());
            return Ok(ExitCode::SUCCESS);
        }
        Err(Failure::Usage(text.trim_end().to_owned()))
    }
}

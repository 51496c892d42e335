//! Logs.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing::{Event, Level, Metadata};
use tracing_log::NormalizeEvent;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use super::traces::{Traces, is_traced};

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, which may be changed while it is.
#[derive(Clone, Debug)]
pub struct LogLevel(Handle<EnvFilter, Registry>);

/// Writes logs to standard error. `filter` is `tracing`'s, such as `info` or `info,bitbucket_connector=debug`. What is traced does not
/// depend on it.
pub fn init(format: LogFormat, filter: &str, traces: Option<&Traces>) -> Result<LogLevel, String> {
    let (filter, handle) = reload::Layer::new(parse(filter)?);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Text => {
            let ansi = io::stderr().is_terminal();
            fmt::layer().with_writer(io::stderr).with_ansi(ansi).with_target(false).boxed()
        }
        LogFormat::Json => {
            // The fields of spans stand beside those of the event: whoever looks for a connection need not know where it was told.
            let json = json_subscriber::fmt::layer().with_writer(io::stderr).flatten_event(true);
            let json = json.with_current_span(false).flatten_span_list_on_top_level(true);
            let mut json = json.with_opentelemetry_ids(traces.is_some()).with_target(false);
            json.inner_layer_mut().add_dynamic_field("target", |event, _| Some(target(event)));
            json.boxed()
        }
    };
    let spans = traces.map(|traces| {
        let spans = tracing_opentelemetry::layer().with_tracer(traces.tracer());
        spans.with_location(false).with_threads(false).with_filter(filter_fn(is_traced))
    });
    let subscriber =
        tracing_subscriber::registry().with(lines.with_filter(filter.and(filter_fn(is_told_once)))).with(spans);
    subscriber.try_init().map_err(|error| format!("logs cannot be written: {error}"))?;
    Ok(LogLevel(handle))
}

/// What kube says of each call that fails, whoever has made it says too, or has said.
fn is_told_once(metadata: &Metadata<'_>) -> bool {
    metadata.target() != "kube_client::client::builder" || *metadata.level() != Level::ERROR
}

/// Where an event is from: of libraries that know `log` only, it says so in a field.
fn target(event: &Event<'_>) -> String {
    event.normalized_metadata().as_ref().unwrap_or(event.metadata()).target().to_owned()
}

fn parse(filter: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(filter).map_err(|error| format!("the log level cannot be understood: {error}"))
}

impl LogLevel {
    /// What is logged now.
    pub fn get(&self) -> String {
        self.0.with_current(ToString::to_string).unwrap_or_default()
    }

    /// From now on this is logged, until the process ends.
    pub fn set(&self, filter: &str) -> Result<(), String> {
        let parsed = parse(filter)?;
        self.0.reload(parsed).map_err(|error| format!("the log level cannot be changed: {error}"))
    }
}

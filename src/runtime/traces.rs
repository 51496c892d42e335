//! Traces by OTLP, where the environment names who takes them. Variables: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, SpanData};
use tracing::{Metadata, info, warn};

const PROGRAM: &str = "bitbucket-connector";
/// Where this program's own spans and events come from.
const OWN: &str = "bitbucket_connector";
/// What is still to be sent at the end may take so long: with all else that the end waits for, it must be over within ten seconds.
pub const LAST_WORDS: Duration = Duration::from_secs(1);

/// Traces that are sent until this ends.
#[derive(Clone, Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Where `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set. An error where the variables ask for what
    /// cannot be done: they may be set for a whole cluster.
    pub fn from_env() -> Result<Option<Self>, String> {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if !set("OTEL_EXPORTER_OTLP_ENDPOINT") && !set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
            return Ok(None);
        }
        for name in ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] {
            if std::env::var(name).is_ok_and(|protocol| protocol == "grpc") {
                return Err(format!("{name} asks for grpc, and only http/protobuf is spoken"));
            }
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .build()
            .map_err(|error| format!("OTEL_EXPORTER_OTLP_ENDPOINT: {error}"))?;
        let mut resource = Resource::builder();
        let attributes = std::env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        if !set("OTEL_SERVICE_NAME") && !attributes.contains("service.name=") {
            resource = resource.with_service_name(PROGRAM);
        }
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(Told { exporter, failing: AtomicBool::new(false) })
            .with_resource(resource.build())
            .build();
        Ok(Some(Self(provider)))
    }

    /// What makes spans.
    pub fn tracer(&self) -> SdkTracer {
        self.0.tracer(PROGRAM)
    }

    /// Sends what is left, but not for long. Blocks.
    pub fn end(&self) {
        // Whoever does not take them has been told of.
        let _ = self.0.shutdown_with_timeout(LAST_WORDS);
    }
}

/// What belongs into a trace: this program's own spans, whatever is logged, and what everybody reads in the log.
pub fn is_traced(of: &Metadata<'_>) -> bool {
    of.target().starts_with(OWN) && (of.is_span() || *of.level() <= tracing::Level::INFO)
}

/// Tells once that nobody takes them, and once that somebody does again.
#[derive(Debug)]
struct Told {
    exporter: SpanExporter,
    failing: AtomicBool,
}

impl opentelemetry_sdk::trace::SpanExporter for Told {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.exporter.export(batch).await;
        let failed = self.failing.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(error) if !failed => {
                warn!(%error, "traces cannot be sent (OTEL_EXPORTER_OTLP_ENDPOINT); what was to be sent is lost");
            }
            Ok(()) if failed => info!("traces are sent again"),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

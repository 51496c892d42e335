//! What is sent by OTLP, where the environment names who takes it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use bitbucket_simulator::{Simulator, histories};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;

use crate::support::leaks::assert_clean;
use crate::support::manifests::{connection, secret};
use crate::support::operator::Stage;
use crate::support::until;

/// Takes traces, and keeps them.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    services: Arc<Mutex<Vec<String>>>,
}

impl Collector {
    async fn start(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let own = self.clone();
        let take = move |body: Bytes| async move {
            assert_clean("what is sent", &body);
            for resource in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
                own.services.lock().unwrap().extend(text(&resource.resource.unwrap().attributes, "service.name"));
                own.spans.lock().unwrap().extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        };
        let router = Router::new().route("/v1/traces", post(take));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        address
    }

    fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?.value?;
    if let any_value::Value::StringValue(text) = value { Some(text) } else { None }
}

fn number(attributes: &[KeyValue], key: &str) -> Option<i64> {
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?.value?;
    if let any_value::Value::IntValue(number) = value { Some(number) } else { None }
}

/// The names of a span and of those above it, from the root on.
fn way(spans: &[Span], span: &Span) -> Vec<String> {
    let above = spans.iter().find(|one| one.span_id == span.parent_span_id);
    let mut way = above.map_or(Vec::new(), |above| way(spans, above));
    way.push(span.name.clone());
    way
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_transactions_stand_below_the_run_that_makes_them() {
    let mut stage = Stage::without_operator("traces").await;
    let collector = Collector::default();
    let endpoint = format!("http://{}", collector.start().await);
    // Whatever is logged.
    stage.variables.push(("BITBUCKET_CONNECTOR_LOG_LEVEL", "warn,bitbucket_connector::cli=info".to_owned()));
    stage.variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint));
    stage.variables.push(("OTEL_BSP_SCHEDULE_DELAY", "200".to_owned()));
    stage.start_operator();
    let path = stage.folder.path().join("api.git");
    histories::linear(&path, 150).unwrap();
    let bitbucket = Simulator::builder().user("reader", "hunter2");
    let simulator = bitbucket.repository("PLAT/api", path).start().await.unwrap();
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    let object = stage.until_ready("a", "True", "Synced").await;
    let start = object.status.unwrap().sync.unwrap().start_time.0.to_string();
    // The end sends what is left.
    stage.terminate_operators().await;

    let spans = collector.spans();
    assert!(collector.services.lock().unwrap().iter().all(|service| service == "bitbucket-connector"));
    let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    for (root, count) in [("verification", 1), ("run", 1)] {
        let found = named(root);
        assert_eq!(found.len(), count, "{root}");
        assert!(found.iter().all(|span| span.parent_span_id.is_empty()), "{root} is a root");
        let of = format!("{}/a", stage.namespace);
        assert!(found.iter().all(|span| text(&span.attributes, "connection").as_ref() == Some(&of)));
    }
    assert!(!named("reconcile").is_empty());
    let run = named("run")[0];
    assert_eq!(text(&run.attributes, "run"), Some(start));
    let told: Vec<_> = run.events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(told, ["sync run started", "repositories listed", "sync run ended"]);

    // Each request that Bitbucket has seen, below what it was for.
    let requests = named("request");
    assert_eq!(requests.len(), simulator.requests().len());
    assert!(requests.iter().all(|span| number(&span.attributes, "http.response.status_code").is_some()));
    let ways = |name: &str| named(name).into_iter().map(|span| way(&spans, span).join(" > ")).collect::<Vec<_>>();
    let commits = requests.iter().filter(|span| text(&span.attributes, "endpoint").as_deref() == Some("commits"));
    let commits: Vec<_> = commits.map(|span| way(&spans, span).join(" > ")).collect();
    assert!(commits.contains(&"run > repository > request".to_owned()), "{commits:?}");
    assert!(commits.contains(&"verification > request".to_owned()), "{commits:?}");
    assert_eq!(ways("store"), ["run > repository > store", "run > repository > store"], "two pages");
    assert_eq!(ways("record"), ["run > record"]);
    let store = named("store")[0];
    assert_eq!(text(&store.attributes, "db.system.name").as_deref(), Some("sqlite"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_is_told_of_once_and_holds_up_nothing() {
    let mut stage = Stage::without_operator("no-collector").await;
    stage.variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1".to_owned()));
    stage.variables.push(("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned()));
    stage.start_operator();
    let path = stage.folder.path().join("api.git");
    histories::linear(&path, 5).unwrap();
    let bitbucket = Simulator::builder().user("reader", "hunter2");
    let simulator = bitbucket.repository("PLAT/api", path).start().await.unwrap();
    let told = || stage.log().matches("traces cannot be sent").count();
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    stage.until_ready("a", "True", "Synced").await;
    until("it is told", async || told() == 1).await;
    for number in 0..3 {
        let annotation = format!("bitbucket-connector.dev/requestedAt={number}");
        stage.kubectl(&["annotate", "--overwrite", "bbc", "a", &annotation]);
        let more = || stage.log().matches("sync run ended").count() >= number + 2;
        until("another run", async || more()).await;
    }
    assert_eq!(told(), 1);
    stage.terminate_operators().await;
    assert_eq!(stage.log().matches("traces cannot be sent").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_says_nothing_holds_up_no_end() {
    let mut stage = Stage::without_operator("silent-collector").await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    stage.variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", silent.local_addr().unwrap())));
    // Asked for by who has set them for all programs.
    stage.variables.push(("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip".to_owned()));
    stage.start_operator();
    let path = stage.folder.path().join("api.git");
    histories::linear(&path, 5).unwrap();
    let simulator = Simulator::builder().user("reader", "hunter2").repository("PLAT/api", path).start().await.unwrap();
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    stage.until_ready("a", "True", "Synced").await;
    let asked = std::time::Instant::now();
    stage.terminate_operators().await;
    // A bound that Kubernetes sets: thirty seconds, of which others need some.
    assert!(asked.elapsed() < std::time::Duration::from_secs(10), "{:?}", asked.elapsed());
}

/// What cannot be done is said, and is no reason not to work.
#[tokio::test(flavor = "multi_thread")]
async fn a_protocol_that_is_not_spoken_is_told_of() {
    let mut stage = Stage::without_operator("no-grpc").await;
    stage.variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317".to_owned()));
    stage.variables.push(("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc".to_owned()));
    stage.start_operator();
    until("it is told", async || stage.log().contains("there will be no traces: OTEL_EXPORTER_OTLP_PROTOCOL")).await;
    until("it works", async || !stage.log().is_empty() && stage.log().contains("connector started")).await;
    until("it is ready", async || stage.page("/readyz").contains(" 200 ")).await;
}

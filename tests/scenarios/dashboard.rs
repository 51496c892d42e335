//! What the chart's dashboard and alerts ask Prometheus for is there, and docs/metrics.md says of each metric what it is.

mod docs;

use std::collections::BTreeSet;

use bitbucket_connector::api::Reason;
use bitbucket_simulator::{Simulator, histories};
use serde_json::Value;

use crate::support::manifests::{connection, secret};
use crate::support::operator::Stage;
use crate::support::prometheus::{ALERTS, Prometheus};
use crate::support::replica::address;
use crate::support::until;

const DASHBOARD: &str = include_str!("../../charts/bitbucket-connector/files/dashboard.json");
const PREFIX: &str = "bitbucket_connector_";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_is_there() {
    let stage = Stage::start("dashboard").await;
    let path = stage.folder.path().join("api.git");
    histories::linear(&path, 20).unwrap();
    let bitbucket = Simulator::builder().user("reader", "hunter2").user("careful", "hunter2");
    let simulator = bitbucket.repository("PLAT/api", path).start().await.unwrap();
    let prometheus = Prometheus::start().await;
    until("the operator's start", async || stage.log().contains("bitbucket-connector started")).await;
    prometheus.scrape(&[address(&stage.log())]);
    // Whatever happens from here on is seen to rise.
    until("the first page", async || !prometheus.query("bitbucket_connector_build_info").await.is_empty()).await;
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    stage.apply(&(secret("w", "careful", "wrong-hunter2") + &connection("wrong", &simulator.url(), "w", "")));
    stage.until_ready("a", "True", "Synced").await;
    stage.until_ready("wrong", "False", "invalid_credentials").await;

    until("the watch knows", async || stage.page("/metrics").contains("reason=\"invalid_credentials\"} 1")).await;
    let page = stage.page("/metrics");
    let there: BTreeSet<_> = page.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
    let (dashboard, alerts): (Value, _) = (serde_json::from_str(DASHBOARD).unwrap(), alerts());
    for query in targets(&dashboard).chain(alerts.iter().map(String::as_str)) {
        for name in names(query) {
            assert!(there.contains(name), "{query}: there is no {name}");
        }
    }
    docs::have_all(&page);

    let variables = variables(&dashboard, &prometheus).await;
    for query in targets(&dashboard) {
        let query = filled_in(query, &variables);
        until(&format!("something to be shown for {query}"), async || {
            prometheus.query(&query).await.iter().any(|series| {
                series["value"][1].as_str().is_some_and(|value| value.parse::<f64>().is_ok_and(f64::is_finite))
            })
        })
        .await;
    }
    for expression in &alerts {
        prometheus.query(expression).await;
    }
    // A label of ours that the Prometheus Operator needs for itself would be renamed.
    for series in prometheus.query(r#"{__name__=~"bitbucket_connector_.+"}"#).await {
        assert!(series["metric"].as_object().unwrap().keys().all(|label| !label.starts_with("exported_")), "{series}");
    }
}

#[test]
fn alerts_name_reasons_and_are_explained() {
    let alerts: Value = serde_saphyr::from_str(ALERTS).unwrap();
    for alert in alerts["groups"][0]["rules"].as_array().unwrap() {
        let (name, expression) = (alert["alert"].as_str().unwrap(), alert["expr"].as_str().unwrap());
        assert!(docs::TEXT.contains(&format!("\n| `{name}` |")), "docs/metrics.md does not explain {name}");
        for reasons in expression.split("reason").filter_map(|rest| rest.strip_prefix(['=', '~'])) {
            let reasons = reasons.trim_start_matches('~').split('"').nth(1).unwrap();
            for reason in reasons.split('|') {
                assert!(Reason::parse(reason).is_some(), "{name}: {reason} is no reason");
            }
        }
    }
}

/// The expressions of all alerts.
fn alerts() -> Vec<String> {
    let alerts: Value = serde_saphyr::from_str(ALERTS).unwrap();
    let rules = alerts["groups"][0]["rules"].as_array().unwrap().iter();
    rules.map(|rule| rule["expr"].as_str().unwrap().to_owned()).collect()
}

/// The queries of all panels. Each panel says what to do, and has an id of its own.
fn targets(dashboard: &Value) -> impl Iterator<Item = &str> {
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let panels = panels.iter().filter(|panel| panel["type"] != "row");
    panels
        .inspect(|panel| assert!(panel["description"].is_string(), "{panel}"))
        .flat_map(|panel| panel["targets"].as_array().unwrap())
        .inspect(|target| assert_eq!(target["datasource"]["uid"], "${datasource}"))
        .map(|target| target["expr"].as_str().unwrap())
}

/// What may be chosen on the dashboard: each variable with all its values, as a regular expression.
async fn variables(dashboard: &Value, prometheus: &Prometheus) -> Vec<(String, String)> {
    let mut variables = vec![("$__rate_interval".to_owned(), "2m".to_owned())];
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if variable["type"] == "datasource" {
            continue;
        }
        let query = variable["query"]["query"].as_str().unwrap();
        let (series, label) = query.strip_prefix("label_values(").unwrap().rsplit_once(", ").unwrap();
        let label = label.strip_suffix(')').unwrap();
        let series = prometheus.query(&format!("group by ({label}) ({})", filled_in(series, &variables))).await;
        let values: Vec<_> = series.iter().map(|series| series["metric"][label].as_str().unwrap()).collect();
        assert!(!values.is_empty(), "{query}");
        variables.push((format!("${}", variable["name"].as_str().unwrap()), format!("({})", values.join("|"))));
    }
    variables
}

/// As Grafana fills it in, where the page is read every thirty seconds.
fn filled_in(query: &str, variables: &[(String, String)]) -> String {
    let query = variables.iter().fold(query.to_owned(), |query, (name, value)| query.replace(name, value));
    assert!(!query.contains('$'), "{query}");
    query
}

/// The metrics that a query names.
fn names(query: &str) -> impl Iterator<Item = &str> {
    let words = query.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    words.filter(|word| word.starts_with(PREFIX))
}

//! What tools make of a status, written from the README of sigs.k8s.io/cli-utils/pkg/kstatus and from nothing of
//! this package.

use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KStatus {
    Terminating,
    InProgress,
    Failed,
    Current,
}

/// The generic rules, of an object as JSON.
pub fn kstatus(object: &Value) -> KStatus {
    if object["metadata"]["deletionTimestamp"].is_string() {
        return KStatus::Terminating;
    }
    let (generation, observed) = (&object["metadata"]["generation"], &object["status"]["observedGeneration"]);
    if !generation.is_null() && !observed.is_null() && generation != observed {
        return KStatus::InProgress;
    }
    let conditions = object["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    for condition in conditions {
        match (condition["type"].as_str(), condition["status"].as_str()) {
            (Some("Reconciling"), Some("True")) => return KStatus::InProgress,
            (Some("Stalled"), Some("True")) => return KStatus::Failed,
            _ => {}
        }
    }
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
    match ready.and_then(|condition| condition["status"].as_str()) {
        Some("False" | "Unknown") => KStatus::InProgress,
        _ => KStatus::Current,
    }
}

#[test]
fn each_rule_of_the_readme_holds() {
    let object = |observed: i64, conditions: Value| serde_json::json!({"metadata": {"generation": 2}, "status": {"observedGeneration": observed, "conditions": conditions}});
    let condition = |type_: &str, status: &str| serde_json::json!([{"type": type_, "status": status}]);
    assert_eq!(kstatus(&serde_json::json!({"metadata": {"deletionTimestamp": "now"}})), KStatus::Terminating);
    for (observed, type_, status, expected) in [
        (1, "Stalled", "True", KStatus::InProgress),
        (2, "Stalled", "True", KStatus::Failed),
        (2, "Reconciling", "True", KStatus::InProgress),
        (2, "Ready", "False", KStatus::InProgress),
        (2, "Ready", "Unknown", KStatus::InProgress),
        (2, "Ready", "True", KStatus::Current),
        (2, "Stalled", "False", KStatus::Current),
    ] {
        assert_eq!(kstatus(&object(observed, condition(type_, status))), expected, "{type_}={status}");
    }
}

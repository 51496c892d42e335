use serde_json::{Value, json};

use super::*;

/// For how long the slot of a connection that was changed so has waited, an hour after it was due.
fn overdue(change: impl FnOnce(&mut Value)) -> i64 {
    let mut object = json!({
        "apiVersion": "bitbucket-connector.dev/v1alpha1",
        "kind": "BitbucketConnection",
        "metadata": {"name": "a"},
        "spec": {"url": "https://bitbucket.example.com", "secretRef": {"name": "s"}},
        "status": {"nextScheduleTime": "2026-01-01T00:00:00Z"},
    });
    change(&mut object);
    let mut count = Count::default();
    count.add(&serde_json::from_value(object).unwrap(), "2026-01-01T01:00:00Z".parse().unwrap());
    count.overdue
}

#[test]
fn a_slot_is_overdue_where_a_run_is_still_to_come() {
    assert_eq!(overdue(|_| {}), 3600);
    assert_eq!(overdue(|object| object["spec"]["suspend"] = json!(true)), 0);
    assert_eq!(overdue(|object| object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:30:00Z")), 0);
    let condition = |type_: &str, reason: &str| json!([{"type": type_, "status": "True", "reason": reason, "message": "", "lastTransitionTime": "2026-01-01T00:30:00Z"}]);
    let waits_for_a_person = condition("Stalled", "DestinationInvalid");
    assert_eq!(overdue(|object| object["status"]["conditions"] = waits_for_a_person), 0);
    let is_tried_again = condition("Reconciling", "ProgressingWithRetry");
    assert_eq!(overdue(|object| object["status"]["conditions"] = is_tried_again), 3600);
}

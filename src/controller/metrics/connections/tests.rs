use serde_json::{Value, json};

use super::*;

/// For how long the connection's slot has waited, an hour after it was due.
fn overdue(metadata: &Value, suspend: bool) -> i64 {
    let object = json!({
        "apiVersion": "bitbucket-connector.dev/v1alpha1",
        "kind": "BitbucketConnection",
        "metadata": metadata,
        "spec": {"url": "https://bitbucket.example.com", "secretRef": {"name": "s"}, "suspend": suspend},
        "status": {"nextScheduleTime": "2026-01-01T00:00:00Z"},
    });
    let mut count = Count::default();
    count.add(&serde_json::from_value(object).unwrap(), "2026-01-01T01:00:00Z".parse().unwrap());
    count.overdue
}

#[test]
fn a_slot_is_overdue_where_a_run_is_still_to_come() {
    let deleted = json!({"name": "a", "finalizers": ["b/c"], "deletionTimestamp": "2026-01-01T00:30:00Z"});
    assert_eq!(overdue(&json!({"name": "a"}), false), 3600);
    assert_eq!(overdue(&json!({"name": "a"}), true), 0);
    assert_eq!(overdue(&deleted, false), 0);
}

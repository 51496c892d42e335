//! What every status must be like, whatever has happened: the conventions of the Kubernetes API for conditions, kstatus, and
//! Flux's rules for `Stalled` and `Reconciling`.

use std::collections::HashMap;

use serde_json::Value;

/// Fails where a status that was written breaks a rule.
pub fn assert_conventional(object: &Value) {
    let (name, generation) = (&object["metadata"]["name"], object["metadata"]["generation"].as_i64().unwrap());
    let status = &object["status"];
    let Some(list) = status["conditions"].as_array() else { return };
    let observed = status["observedGeneration"].as_i64().unwrap();
    assert!(observed <= generation, "{name}: generation {observed} was observed, and {generation} is there");
    let mut conditions = HashMap::new();
    for condition in list {
        let text = |field: &str| condition[field].as_str().unwrap_or_default();
        let what = format!("{name}: {condition}");
        assert!(conditions.insert(text("type"), condition).is_none(), "{what} is there twice");
        assert!(matches!(text("status"), "True" | "False" | "Unknown"), "{what}");
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
        assert!(!text("reason").is_empty() && text("reason").chars().all(allowed), "{what}: a reason is one word");
        assert!(text("message").ends_with('.'), "{what}: a message is sentences");
        assert!(!text("lastTransitionTime").is_empty(), "{what}");
        let seen = condition["observedGeneration"].as_i64().unwrap();
        assert!(seen <= generation, "{what} is about a generation that is not there");
    }
    let is = |type_: &str, status: &str| conditions.get(type_).is_some_and(|found| found["status"] == status);
    for type_ in ["Ready", "Verified", "Synced"] {
        assert!(conditions.contains_key(type_), "{name} has no {type_}");
    }
    for type_ in ["Stalled", "Reconciling"] {
        assert!(is(type_, "True") || !conditions.contains_key(type_), "{name}: {type_} stands only while it is True");
    }
    let (stalled, reconciling) = (is("Stalled", "True"), is("Reconciling", "True"));
    assert!(!(stalled && reconciling), "{name}: either somebody must help, or it helps itself");
    assert!(!is("Ready", "True") || !stalled && !reconciling, "{name} is Ready, and is not");
    if stalled {
        assert!(is("Ready", "False"), "{name} is stalled, and may be ready");
        assert_eq!(conditions["Stalled"]["reason"], conditions["Ready"]["reason"], "{name}");
    }
    assert!(!is("Verified", "False") || is("Ready", "False"), "{name}: a bad verdict is Ready's too");
}

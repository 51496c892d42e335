//! What every status must be like, whatever has happened: the conventions of the Kubernetes API for conditions, Flux's rules
//! for `Ready`, `Stalled` and `Reconciling`, and the contract where it says more. By them kstatus says Current exactly where
//! Ready is True, and Failed exactly where Stalled is there and the generation is observed.

mod broken;
mod rules;

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use self::rules::{RULES, STEPS, Seen};

/// Fails where a status that was written breaks a rule. The object must be as it was when its status was written.
pub fn assert_conventional(object: &Value) {
    let violations = violations(std::slice::from_ref(object));
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// Fails where one of the statuses that the audit log shows has broken a rule, or one of those that the objects have in the
/// end: a list of them, as kubectl prints it.
pub fn assert_all_conventional(mut written: Vec<Value>, objects: &str) {
    let key = |object: &Value| format!("{} {}", object["metadata"]["uid"], object["status"]);
    let known: HashSet<String> = written.iter().map(key).collect();
    let objects: Value = serde_json::from_str(objects).unwrap();
    for object in objects["items"].as_array().unwrap() {
        let ready = |condition: &&Value| condition["type"] == "Ready";
        let conditions = object["status"]["conditions"].as_array();
        let Some(ready) = conditions.and_then(|conditions| conditions.iter().find(ready)) else { continue };
        assert!(!known.is_empty(), "the audit log shows no status, and {} has one", object["metadata"]["name"]);
        // The log does not show a write whose caller has hung up. The spec may have changed since.
        if !known.contains(&key(object)) {
            let mut then = object.clone();
            then["metadata"]["generation"] = ready["observedGeneration"].clone();
            written.push(then);
        }
    }
    let violations = violations(&written);
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// What is wrong with these objects, each as it was right after a write of its status, in that order. Those without
/// conditions have no status yet.
pub fn violations(written: &[Value]) -> Vec<String> {
    let mut violations = Vec::new();
    let mut before: HashMap<&str, (&Value, Seen<'_>)> = HashMap::new();
    for object in written.iter().filter(|object| object["status"]["conditions"].is_array()) {
        let seen = Seen::of(object);
        let metadata = &object["metadata"];
        let name = &metadata["name"];
        let mut say = |rule: &str, status: &str| violations.push(format!("{name}: not so: {rule}\n{status}"));
        let shown = || format!("  generation {}: {}", metadata["generation"], object["status"]);
        for (rule, _) in RULES.iter().filter(|(_, holds)| !holds(&seen)) {
            say(rule, &shown());
        }
        let uid = metadata["uid"].as_str().unwrap_or_default();
        if let Some((old, earlier)) = before.get(uid) {
            for (rule, _) in STEPS.iter().filter(|(_, holds)| !holds(earlier, &seen)) {
                say(rule, &format!("  before {}\n{}", old["status"], shown()));
            }
        }
        before.insert(uid, (object, seen));
    }
    violations
}

//! What is remembered of an object, beside what the watch shows.

use serde_json::json;

use super::*;

#[test]
fn what_the_watch_shows_counts_once_it_is_not_behind() {
    let status = |word: &str| BitbucketConnectionStatus {
        last_handled_reconcile_at: Some(word.to_owned()),
        ..BitbucketConnectionStatus::default()
    };
    let shown = |version: &str| {
        let object = json!({
            "apiVersion": "bitbucket-connector.dev/v1alpha1",
            "kind": "BitbucketConnection",
            "metadata": {"name": "a", "resourceVersion": version},
            "spec": {"url": "https://git.example.com", "secretRef": {"name": "s"}},
            "status": {"lastHandledReconcileAt": "shown"},
        });
        serde_json::from_value::<BitbucketConnection>(object).unwrap()
    };
    let mut memory = Memory::default();
    assert_eq!(memory.status(&shown("9")), Some(status("shown")));
    memory.written = Some(status("written"));
    assert_eq!(memory.status(&shown("9")), Some(status("written")), "nobody knows what became of the last write");
    memory.version = Some("10".to_owned());
    assert_eq!(memory.status(&shown("9")), Some(status("written")));
    for version in ["10", "11"] {
        assert_eq!(memory.status(&shown(version)), Some(status("shown")), "another may have written since");
    }
}

//! What Bitbucket says when somebody has pushed. Only what a hint needs is read: dates are written in two ways, and more fields
//! come with each version.

use serde::Deserialize;

use crate::sync::Hint;

/// The event of a push (header `X-Event-Key`).
pub const REFS_CHANGED: &str = "repo:refs_changed";
/// The event of the button "Test connection".
pub const PING: &str = "diagnostics:ping";

#[derive(Deserialize)]
struct RefsChanged {
    repository: Repository,
    #[serde(default)]
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Repository {
    id: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    ref_id: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    id: Option<String>,
}

/// A name of a branch is not longer than a name of a file. Bytes.
const LONGEST_REF: usize = 255;

/// The hint that a body is; None, if it is none.
pub fn hint(body: &[u8]) -> Option<Hint> {
    let RefsChanged { repository, changes } = serde_json::from_slice(body).ok()?;
    let name = |change: Change| change.ref_id.or_else(|| change.reference?.id).filter(|name| name.len() <= LONGEST_REF);
    // Where one of them cannot be read, any may be meant.
    let refs = changes.into_iter().map(name).collect::<Option<Vec<_>>>().filter(|refs| !refs.is_empty());
    // Tags hold no commits that are stored.
    let branches = refs.map(|refs| refs.into_iter().filter(|name| name.starts_with("refs/heads/")).collect());
    Some(Hint { source_id: repository.id, refs: branches })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_push_is_understood_whatever_its_dates_look_like() {
        for date in [
            json!("2025-05-18T16:57:51+0000"),
            json!("2026-05-24T14:11:04.000Z"),
            json!(1_747_587_471_000_i64),
            json!(null),
        ] {
            let body = json!({
                "eventKey": "repo:refs_changed", "date": date, "actor": {"name": "a", "active": true},
                "repository": {"slug": "api", "id": 7, "project": {"key": "PLAT"}},
                "changes": [{"ref": {"id": "refs/heads/main", "displayId": "main", "type": "BRANCH"}, "refId": "refs/heads/main", "type": "UPDATE"},
                    {"ref": {"id": "refs/tags/v1"}}],
                "toCommit": {"authorTimestamp": date}
            });
            let refs = vec!["refs/heads/main".to_owned()];
            assert_eq!(hint(body.to_string().as_bytes()), Some(Hint { source_id: 7, refs: Some(refs) }));
        }
    }

    #[test]
    fn what_cannot_be_read_may_mean_any_branch_or_is_no_hint() {
        let any = Some(Hint { source_id: 7, refs: None });
        for body in [
            json!({"repository": {"id": 7}}),
            json!({"repository": {"id": 7}, "changes": [{}]}),
            json!({"repository": {"id": 7}, "changes": []}),
            json!({"repository": {"id": 7}, "changes": [{"refId": format!("refs/heads/{}", "a".repeat(300))}]}),
        ] {
            assert_eq!(hint(body.to_string().as_bytes()), any);
        }
        for body in ["", "[]", "{\"test\":true}", "{\"repository\":{\"id\":\"x\"}}", "{\"repository\":{}}"] {
            assert_eq!(hint(body.as_bytes()), None, "{body}");
        }
    }
}

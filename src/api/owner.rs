//! Whose an object or a field is: what somebody else writes again and again is not fought over.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

/// As whom the Data Cloud API writes (`metadata.managedFields`).
pub const API_FIELD_MANAGER: &str = "bitbucket-connector-api";
/// As whom the page does.
pub const PAGE_FIELD_MANAGER: &str = "bitbucket-connector-page";

/// By hand: kubectl writes as `kubectl`, `kubectl-create`, `kubectl-edit` and so on.
const BY_HAND: &str = "kubectl";

/// Who looks after the object, or after the field at this path, if it is neither the Data Cloud API, nor the page, nor a person with kubectl: its controller
/// (as an ExternalSecret is that of its Secret), or the field's manager (as Argo CD and Flux are).
/// <https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>
pub fn owner(meta: &ObjectMeta, path: &[&str]) -> Option<String> {
    let controller = meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    if let Some(owner) = controller {
        return Some(format!("{} {}", owner.kind, owner.name));
    }
    let entries = meta.managed_fields.iter().flatten();
    let others = entries.filter(|entry| entry.subresource.as_deref().unwrap_or_default().is_empty());
    let mut holders = others.filter(|entry| entry.fields_v1.as_ref().is_some_and(|fields| holds(&fields.0, path)));
    holders.find_map(|entry| {
        let manager = entry.manager.as_deref().unwrap_or_default();
        let ours = [API_FIELD_MANAGER, PAGE_FIELD_MANAGER].contains(&manager) || manager.starts_with(BY_HAND);
        (!ours).then(|| if manager.is_empty() { "somebody without a name".to_owned() } else { manager.to_owned() })
    })
}

fn holds(fields: &Value, path: &[&str]) -> bool {
    path.iter().try_fold(fields, |fields, name| fields.get(format!("f:{name}"))).is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn meta(entries: &Value, owners: &Value) -> ObjectMeta {
        serde_json::from_value(json!({"managedFields": entries, "ownerReferences": owners})).unwrap()
    }

    fn entry(manager: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    #[test]
    fn whoever_writes_the_field_is_its_owner() {
        let data = json!({"f:data": {"f:password": {}}, "f:type": {}});
        for (manager, theirs) in [
            ("bitbucket-connector-api", None),
            ("bitbucket-connector-page", None),
            ("kubectl-bitbucket", None),
            ("kubectl", None),
            ("kubectl-client-side-apply", None),
            ("argocd-controller", Some("argocd-controller")),
            ("kustomize-controller", Some("kustomize-controller")),
            ("helm", Some("helm")),
            ("", Some("somebody without a name")),
        ] {
            let found = owner(&meta(&json!([entry(manager, &data)]), &json!([])), &["data"]);
            assert_eq!(found.as_deref(), theirs, "{manager}");
        }
    }

    #[test]
    fn whoever_writes_other_fields_is_not() {
        let label = entry("argocd-controller", &json!({"f:metadata": {"f:labels": {"f:team": {}}}}));
        assert_eq!(owner(&meta(&json!([label]), &json!([])), &["data"]), None);
        let schedule = entry("kustomize-controller", &json!({"f:spec": {"f:schedule": {}}}));
        let import = entry("kustomize-controller", &json!({"f:spec": {"f:import": {"f:mode": {}}}}));
        let path = ["spec", "import"];
        assert_eq!(owner(&meta(&json!([schedule]), &json!([])), &path), None);
        assert_eq!(owner(&meta(&json!([import]), &json!([])), &path).as_deref(), Some("kustomize-controller"));
        let mut status = entry("argocd-controller", &json!({"f:data": {}}));
        status["subresource"] = json!("status");
        assert_eq!(owner(&meta(&json!([status]), &json!([])), &["data"]), None);
    }

    #[test]
    fn a_controller_is_the_owner_of_the_whole_object() {
        let of = |controller: bool| {
            json!([{"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": "bitbucket",
                "uid": "1", "controller": controller}])
        };
        assert_eq!(owner(&meta(&json!([]), &of(true)), &["data"]).as_deref(), Some("ExternalSecret bitbucket"));
        assert_eq!(owner(&meta(&json!([]), &of(false)), &["data"]), None);
    }
}

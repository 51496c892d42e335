//! The CustomResourceDefinition, as `bitbucket-connector crd` prints it and `crds/` holds it.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::BitbucketConnection;

/// Why the CRD could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The derived definition is not JSON as Kubernetes wants it.
    #[error("cannot convert the definition: {0}")]
    Json(#[from] serde_json::Error),
    /// The derived definition cannot be written as YAML.
    #[error("cannot write the definition as YAML: {0}")]
    Yaml(#[from] serde_saphyr::ser::Error),
}

/// The definition, with what the derive cannot say: the default of the status and the plain integer formats.
pub fn definition() -> Result<CustomResourceDefinition, Error> {
    let mut crd = serde_json::to_value(BitbucketConnection::crd())?;
    strip_unknown_formats(&mut crd);
    if let Some(status) = crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/status") {
        // A fresh object must not read as current before the operator has seen it.
        status["default"] = json!({"observedGeneration": -1});
        // The derive allows null here, which no client sends and which server-side apply dislikes.
        if let Some(object) = status.as_object_mut() {
            object.remove("nullable");
        }
    }
    Ok(serde_json::from_value(crd)?)
}

/// The definition as YAML, ending with a newline.
pub fn yaml() -> Result<String, Error> {
    Ok(serde_saphyr::to_string(&definition()?)?)
}

/// API servers know `int32` and `int64` only and warn about the others on every apply.
fn strip_unknown_formats(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if map.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
                map.remove("format");
            }
            map.values_mut().for_each(strip_unknown_formats);
        }
        Value::Array(values) => values.iter_mut().for_each(strip_unknown_formats),
        _ => {}
    }
}

/// `metav1.Condition` with the bounds and patterns that its Go type carries and k8s-openapi leaves out.
pub(super) fn conditions_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "`Ready`, `Verified` and `Synced`; `Reconciling` and `Stalled` only while they are True.",
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "description": "What is known about one aspect of the connection.",
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {"description": "Which aspect.", "type": "string", "maxLength": 316},
                "status": {"description": "Whether it holds.", "type": "string", "enum": ["True", "False", "Unknown"]},
                "reason": {
                    "description": "Why, in one word for programs.",
                    "type": "string", "minLength": 1, "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
                },
                "message": {"description": "What was seen and what to do.", "type": "string", "maxLength": 32768},
                "observedGeneration": {
                    "description": "The generation of the spec that this condition speaks of.",
                    "type": "integer", "format": "int64", "minimum": 0
                },
                "lastTransitionTime": {
                    "description": "When `status` last changed.", "type": "string", "format": "date-time"
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Value {
        let crd = serde_json::to_value(definition().unwrap()).unwrap();
        crd.pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap().clone()
    }

    #[test]
    fn crds_holds_what_the_types_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/bitbucketconnections.yaml");
        let stored = std::fs::read_to_string(path).unwrap();
        assert!(stored == yaml().unwrap(), "crds/ is stale: run `make crd`");
    }

    #[test]
    fn no_format_that_an_api_server_warns_of() {
        assert!(!yaml().unwrap().contains("uint"));
    }

    #[test]
    fn every_property_has_a_description() {
        fn walk(path: &str, schema: &Value, missing: &mut Vec<String>) {
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                let path = format!("{path}.{name}");
                if property["description"].as_str().is_none_or(str::is_empty) {
                    missing.push(path.clone());
                }
                walk(&path, property, missing);
                walk(&path, &property["items"], missing);
            }
        }
        let mut missing = Vec::new();
        let schema = schema();
        walk("spec", &schema["properties"]["spec"], &mut missing);
        walk("status", &schema["properties"]["status"], &mut missing);
        assert_eq!(missing, Vec::<String>::new());
    }

    #[test]
    fn the_status_defaults_to_a_generation_that_no_object_has() {
        assert_eq!(schema()["properties"]["status"]["default"], json!({"observedGeneration": -1}));
    }
}

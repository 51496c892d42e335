//! What tests apply.

use serde_json::json;

/// A Secret with a user name and a password.
pub fn secret(name: &str, username: &str, password: &str) -> String {
    let data = json!({"username": username, "password": password});
    format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {data}\n---\n")
}

/// A connection; `more` is further fields of the spec, in YAML's flow style, each with a comma before it.
pub fn connection(name: &str, url: &str, secret: &str, more: &str) -> String {
    format!(
        "apiVersion: bitbucket-connector.dev/v1alpha1\nkind: BitbucketConnection\nmetadata: {{name: {name}}}\n\
         spec: {{url: \"{url}\", secretRef: {{name: {secret}}}{more}}}\n---\n"
    )
}

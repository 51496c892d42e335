//! `credentials.list` and `credentials.info`. What is secret is never in an answer.

use axum::extract::Path;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::{Connection, EXPIRATION_DATE, LABEL, TYPE};
use crate::bitbucket::Credentials;
use crate::datacloud::answer::{Answer, Done};
use crate::datacloud::ids::id;
use crate::datacloud::methods::connections::time;
use crate::secrets::in_use;

/// The credential of the connection, in a list of one or none.
pub async fn list(connection: Connection) -> Answer {
    let secret = connection.secret().await?;
    let credentials: Vec<Value> = secret.iter().map(describe).collect();
    Ok(Done::with(json!({ "credentials": credentials })))
}

/// The credential with this id.
pub async fn info(Path((_, wanted)): Path<(String, String)>, connection: Connection) -> Answer {
    let secret = connection.credential(wanted.parse().ok()).await?;
    let mut credential = describe(&secret);
    // What was deleted is not there any more.
    credential["deleted_at"] = Value::Null;
    Ok(Done::with(json!({ "credential": credential })))
}

fn describe(secret: &Secret) -> Value {
    let mut credential = summary(secret);
    let settings = match in_use(secret) {
        Some(Credentials::Basic { username, .. }) => json!({"bitbucket_data_center_username": username}),
        _ => json!({}),
    };
    credential["settings"] = settings;
    credential["disabled_at"] = Value::Null;
    credential["expiration_date"] = json!(secret.annotations().get(EXPIRATION_DATE));
    credential
}

/// What an answer says of a credential that was written.
pub fn summary(secret: &Secret) -> Value {
    json!({
        "id": id(&secret.uid().unwrap_or_default()),
        "type": TYPE,
        "label": secret.annotations().get(LABEL).cloned().unwrap_or_else(|| secret.name_any()),
        "created_at": secret.creation_timestamp().as_ref().map(time),
    })
}

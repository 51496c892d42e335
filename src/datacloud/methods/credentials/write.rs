//! `credentials.create`, `credentials.update` and `credentials.delete`. First Kubernetes is asked whether the caller may write what would
//! be written, then Bitbucket whether it is any good, and only then it is written: nobody can try passwords who could not store them.

use std::sync::Arc;

use axum::extract::State;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use serde_json::{Value, json};

use super::Connection;
use super::read::summary;
use super::wanted::{Wanted, changes_data, patch};
use crate::api::Reason;
use crate::api::owner::{API_FIELD_MANAGER, owner};
use crate::bitbucket::BaseUrl;
use crate::callers::{Callers, Password, Refusal, check, known_to_be_wrong};
use crate::controller::Context;
use crate::datacloud::answer::{Answer, Done};
use crate::datacloud::arguments::{Arguments, invalid};
use crate::kubernetes::within;
use crate::secrets::{Route, Source, route};

/// Makes the Secret, where there is none.
pub async fn create(State(callers): State<Arc<Callers>>, connection: Connection, mut arguments: Arguments) -> Answer {
    let wanted = Wanted::read(&mut arguments)?;
    arguments.end("")?;
    let context = callers.context()?;
    if connection.secret().await?.is_some() {
        return Err(Refusal::CredentialExists);
    }
    let secret = wanted.create(&connection.object.spec.secret_ref.name, &connection.url()?)?;
    let secrets = connection.caller.secrets(&connection.object);
    let as_api = |dry_run| PostParams { dry_run, field_manager: Some(API_FIELD_MANAGER.to_owned()) };
    within(secrets.create(&as_api(true), &secret)).await?;
    check(&callers, &context, &connection.object, connection.route(&context).await?, &secret, Password::Sent).await?;
    let created = within(secrets.create(&as_api(false), &secret)).await?;
    Ok(Done::created(json!({ "credential": summary(&created) })))
}

/// Changes what is named, and keeps the rest.
pub async fn update(State(callers): State<Arc<Callers>>, connection: Connection, mut arguments: Arguments) -> Answer {
    let id = arguments.integer("id")?.ok_or_else(|| invalid("id", "is missing"))?;
    let wanted = Wanted::read(&mut arguments)?;
    arguments.end("")?;
    let context = callers.context()?;
    let stored = connection.credential(Some(id)).await?;
    let changed = wanted.update(&stored, &connection.url()?, context.trust.require_secret_url)?;
    let patch = patch(&stored, &changed);
    let password = if changes_data(&patch) {
        refuse_if_managed(&stored)?;
        Password::Sent
    } else {
        known_to_be_wrong(&connection.object, &stored)?;
        Password::Stored
    };
    connection.patch(&patch, true).await?;
    check(&callers, &context, &connection.object, connection.route(&context).await?, &changed, password).await?;
    let written = connection.patch(&patch, false).await?;
    Ok(Done::with(json!({ "credential": summary(&written) })))
}

/// Deletes the Secret.
pub async fn delete(connection: Connection, mut arguments: Arguments) -> Answer {
    let id = arguments.integer("id")?.ok_or_else(|| invalid("id", "is missing"))?;
    arguments.end("")?;
    let secret = connection.credential(Some(id)).await?;
    refuse_if_managed(&secret)?;
    let preconditions = Preconditions { uid: secret.uid(), resource_version: secret.resource_version() };
    let same = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    let secrets = connection.caller.secrets(&connection.object);
    within(secrets.delete(&secret.name_any(), &same)).await?;
    Ok(Done::with(json!({})))
}

fn refuse_if_managed(secret: &Secret) -> Result<(), Refusal> {
    // Whoever applies stringData is named as its manager, and not as that of data.
    let owner = ["data", "stringData"].iter().find_map(|field| owner(&secret.metadata, &[field]));
    let Some(owner) = owner else { return Ok(()) };
    Err(Refusal::ManagedElsewhere(format!(
        "The Secret {} is written by {owner}, which would undo the change. Change the credential there.",
        secret.name_any()
    )))
}

impl Connection {
    /// The Secrets that say how to get to Bitbucket are read as the caller.
    async fn route(&self, context: &Context) -> Result<Route, Refusal> {
        let source = Source { client: &self.caller.client, trust: &context.trust };
        let found = route(source, &self.object).await?;
        found.map_err(|(reason, message)| Refusal::Unverified(reason, message))
    }

    fn url(&self) -> Result<BaseUrl, Refusal> {
        BaseUrl::parse(&self.object.spec.url)
            .map_err(|error| Refusal::Unverified(Reason::InvalidUrl, format!("spec.url: {error}.")))
    }

    async fn patch(&self, patch: &Value, dry_run: bool) -> Result<Secret, Refusal> {
        let params =
            PatchParams { dry_run, field_manager: Some(API_FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let secrets = self.caller.secrets(&self.object);
        Ok(within(secrets.patch(&self.object.spec.secret_ref.name, &params, &Patch::Merge(patch))).await?)
    }
}

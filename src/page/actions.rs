//! What a visitor may have done with a connection.

use axum::Form;
use axum::response::Redirect;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;
use super::request::Connection;
use crate::api::owner::{PAGE_FIELD_MANAGER, owner};
use crate::api::{REQUESTED_AT, refused};
use crate::callers::Refusal;
use crate::kubernetes::within;

/// The form of a request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Again {
    again: String,
}

/// Has it verified and synced now.
pub async fn request(connection: Connection, Form(Again { again }): Form<Again>) -> Result<Redirect, Problem> {
    if refused(&connection.object).is_some() && again != "yes" {
        let text = "The password was judged wrong, and locks the account if it is sent again and again. Correct it in the Secret.";
        return Err(Refusal::InvalidArguments(text.to_owned()).into());
    }
    let now = Timestamp::now().to_string();
    let annotation = json!({"metadata": {"annotations": {REQUESTED_AT: now}}});
    connection.patch(annotation).await?;
    Ok(connection.back("requested"))
}

/// Has Bitbucket asked nothing more.
pub async fn suspend(connection: Connection) -> Result<Redirect, Problem> {
    connection.set_suspend(true).await?;
    Ok(connection.back("suspended"))
}

/// Lets it go on.
pub async fn resume(connection: Connection) -> Result<Redirect, Problem> {
    connection.set_suspend(false).await?;
    Ok(connection.back("resumed"))
}

impl Connection {
    async fn set_suspend(&self, suspend: bool) -> Result<(), Problem> {
        if let Some(owner) = owner(&self.object.metadata, &["spec", "suspend"]) {
            let text = format!("spec.suspend is written by {owner}, which would undo the change. Change it there.");
            return Err(Refusal::ManagedElsewhere(text).into());
        }
        self.patch(json!({"spec": {"suspend": suspend}})).await
    }

    async fn patch(&self, patch: Value) -> Result<(), Problem> {
        let params = PatchParams { field_manager: Some(PAGE_FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let objects = self.caller.objects(&self.object.namespace().unwrap_or_default());
        within(objects.patch(&self.object.name_any(), &params, &Patch::Merge(patch))).await?;
        Ok(())
    }

    /// To the connection's page, which says what was done.
    fn back(&self, said: &str) -> Redirect {
        let (namespace, name) = (self.object.namespace().unwrap_or_default(), self.object.name_any());
        Redirect::to(&format!("/connections/{namespace}/{name}?said={said}"))
    }
}

//! `importFilters.*`: `spec.import` of a connection, and what it selects.

mod lists;

use std::sync::Arc;

use axum::extract::State;
use kube::api::{Patch, PatchParams};
use kube::{Api as Objects, ResourceExt};
use serde_json::{Value, json};

use self::lists::Entries;
use super::{Connection, TYPE};
use crate::api::BitbucketConnection;
use crate::api::owner::{API_FIELD_MANAGER, owner};
use crate::api::spec::{ImportFilter, ImportMode};
use crate::callers::Caller;
use crate::callers::Callers;
use crate::callers::Refusal;
use crate::datacloud::answer::{Answer, Done};
use crate::datacloud::arguments::{Arguments, invalid};
use crate::datacloud::ids::{find, id};
use crate::destination::Selected;
use crate::kubernetes::within;

/// Repositories in an answer: as many as DX has.
const USUAL: i64 = 500;
const MOST: i64 = 1000;
/// How often a change is made anew that somebody else was in the way of.
const TRIES: usize = 5;

/// Which repositories are imported, as the last listing of Bitbucket's showed them.
pub async fn list(State(callers): State<Arc<Callers>>, mut connection: Connection) -> Answer {
    let imported = match connection.query.remove("import_enabled").as_deref() {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return Err(invalid("import_enabled", "is neither true nor false")),
    };
    let mut number = |name: &str| {
        let number = connection.query.remove(name).map(|text| text.parse().ok().filter(|number: &i64| *number >= 0));
        number.map(|number| number.ok_or_else(|| invalid(name, "is no whole number"))).transpose()
    };
    let limit = number("limit")?.unwrap_or(USUAL).clamp(1, MOST);
    let after = number("after_id")?.unwrap_or(0);
    let (context, object) = (callers.context()?, &connection.object);
    let not_open = "The operator has not opened the database of this connection: it does once the credentials are verified. Call again then.";
    let database = context.database(object).await.ok_or_else(|| Refusal::Unavailable(not_open.to_owned()))?;
    let unread = |error| Refusal::Unavailable(format!("The database cannot be read: {error}. Call again."));
    let database = database.map_err(unread)?;
    let mut found = database.selection(context.key(object), imported, after, limit + 1).await.map_err(unread)?;
    let has_more = i64::try_from(found.repositories.len()).is_ok_and(|found| found > limit);
    found.repositories.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next_cursor = found.repositories.last().filter(|_| has_more).map(|last| last.id);
    let resources: Vec<Value> = found.repositories.iter().map(describe).collect();
    Ok(Done::with(json!({
        "connection_id": id(&object.uid().unwrap_or_default()),
        "type": TYPE,
        "mode": word(object.spec.import.mode),
        "projects": object.spec.import.projects,
        "repositories": object.spec.import.repositories,
        "counts": {"total": found.total, "imported": found.imported, "excluded": found.total - found.imported},
        "resources": resources,
        "has_more": has_more,
        "next_cursor": next_cursor,
    })))
}

/// Another mode, with the lists that it takes.
pub async fn set_mode(connection: Connection, mut arguments: Arguments) -> Answer {
    let wanted = arguments.text("mode")?.ok_or_else(|| invalid("mode", "is missing"))?;
    let mode = mode(&wanted).ok_or_else(|| invalid("mode", "is none of allow_all, allowlist and denylist"))?;
    let entries = Entries::read(&mut arguments)?;
    arguments.end("")?;
    let (previous, _) = connection.change(|previous| entries.with_mode(mode, previous)).await?;
    Ok(Done::with(json!({"status": "success", "previous_mode": word(previous.mode), "mode": word(mode)})))
}

/// Further entries in the lists.
pub async fn add(connection: Connection, mut arguments: Arguments) -> Answer {
    let entries = Entries::read(&mut arguments)?;
    arguments.end("")?;
    connection.change(|previous| entries.added(previous)).await.map(|(_, changed)| shown(&changed))
}

/// Fewer entries in the lists.
pub async fn remove(connection: Connection, mut arguments: Arguments) -> Answer {
    let entries = Entries::read(&mut arguments)?;
    arguments.end("")?;
    connection.change(|previous| entries.removed(previous)).await.map(|(_, changed)| shown(&changed))
}

fn shown(filter: &ImportFilter) -> Done {
    Done::with(json!({
        "status": "success",
        "mode": word(filter.mode),
        "projects": filter.projects,
        "repositories": filter.repositories,
    }))
}

impl Connection {
    /// Writes `spec.import`, where it differs, for the version that was looked at. Each status that the operator writes makes another
    /// version: then it is looked at anew. Gives the filter before and after.
    async fn change(
        self,
        edit: impl Fn(&ImportFilter) -> Result<ImportFilter, Refusal>,
    ) -> Result<(ImportFilter, ImportFilter), Refusal> {
        let Self { caller, mut object, .. } = self;
        let mut tries = 0;
        loop {
            let changed = edit(&object.spec.import)?;
            tries += 1;
            match set_import(&caller, &object, &changed).await {
                Err(Refusal::Conflict) if tries < TRIES => {
                    let id = id(&object.uid().unwrap_or_default());
                    object = find(&caller, id, object.metadata.namespace.as_deref()).await?;
                }
                written => return written.map(|()| (object.spec.import, changed)),
            }
        }
    }
}

async fn set_import(caller: &Caller, object: &BitbucketConnection, changed: &ImportFilter) -> Result<(), Refusal> {
    if *changed == object.spec.import {
        return Ok(());
    }
    if let Some(owner) = owner(&object.metadata, &["spec", "import"]) {
        return Err(Refusal::ManagedElsewhere(format!(
            "spec.import is written by {owner}, which would undo the change. Change it there."
        )));
    }
    let list = |list: &[String]| if list.is_empty() { Value::Null } else { json!(list) };
    let patch = json!({
        "metadata": {"resourceVersion": object.resource_version()},
        "spec": {"import": {
            "mode": changed.mode,
            "projects": list(&changed.projects),
            "repositories": list(&changed.repositories),
        }},
    });
    let namespace = object.namespace().unwrap_or_default();
    let objects: Objects<BitbucketConnection> = Objects::namespaced(caller.client.clone(), &namespace);
    let params = PatchParams { field_manager: Some(API_FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    within(objects.patch(&object.name_any(), &params, &Patch::Merge(patch))).await?;
    Ok(())
}

fn describe(repository: &Selected) -> Value {
    json!({
        "id": repository.id,
        "name": repository.name,
        "source_url": repository.url,
        "import_enabled": repository.imported,
    })
}

/// DX's word for a mode.
const fn word(mode: ImportMode) -> &'static str {
    match mode {
        ImportMode::AllowAll => "allow_all",
        ImportMode::Allowlist => "allowlist",
        ImportMode::Denylist => "denylist",
    }
}

fn mode(text: &str) -> Option<ImportMode> {
    [ImportMode::AllowAll, ImportMode::Allowlist, ImportMode::Denylist].into_iter().find(|mode| word(*mode) == text)
}

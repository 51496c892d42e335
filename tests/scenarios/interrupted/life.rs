//! The whole life of a connection, as a script that can be played whatever happens to the operator meanwhile.

use std::collections::BTreeSet;

use bitbucket_connector::api::conditions::SYNCED;
use bitbucket_connector::api::{BitbucketConnection, REQUESTED_AT};
use bitbucket_connector::destination::{DatabaseUrl, query};
use bitbucket_simulator::git::GitRepository;
use bitbucket_simulator::{Simulator, histories};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::support::conventions::assert_conventional;
use crate::support::operator::{Stage, condition};
use crate::support::sync::text;
use crate::support::within;

/// Commits before the push, and with it.
const COMMITS: usize = 3;
const PUSHED: usize = 5;
/// With the one of the other repository.
const ALL: i64 = 6;

/// What happens to a connection, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The Secret and the object are applied.
    Apply,
    /// Another import filter.
    Filter,
    /// Commits are pushed, and a person asks for them.
    Push,
    /// The Secret is of another account.
    Secret,
    /// The first account's password is another one, and a person asks for a run: whoever used the old Secret would fail.
    Revoke,
}

impl Step {
    pub const ALL: [Self; 5] = [Self::Apply, Self::Filter, Self::Push, Self::Secret, Self::Revoke];
}

/// A connection and what belongs to it.
pub struct Life {
    pub name: String,
    pub database: DatabaseUrl,
    pub objects: Api<BitbucketConnection>,
    pub simulator: Simulator,
    secrets: Api<Secret>,
    events: Api<Event>,
    git: GitRepository,
    lib: GitRepository,
    /// Whether its rows stay when it is deleted.
    retained: bool,
    /// Fields of its spec, in place of the usual ones.
    more: Value,
}

/// How it stands in the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// Without times, but for the slots.
    pub status: Value,
    /// The reasons of the events.
    pub events: BTreeSet<String>,
}

impl Life {
    /// Of an object with this name, with a database of its own.
    pub async fn new(stage: &mut Stage, name: &str) -> Self {
        let folder = stage.folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let git = histories::linear(folder.join("api.git"), COMMITS).unwrap();
        // Filtered out later: its rows stay.
        let lib = histories::linear(folder.join("lib.git"), 1).unwrap();
        let simulator = Simulator::builder()
            .user("reader", "hunter2")
            .user("other", "hunter2-too")
            .repository("PLAT/api", git.path())
            .repository("PLAT/lib", lib.path());
        let simulator = simulator.start().await.unwrap();
        let database = folder.join("commits.db");
        stage.set_database(database.clone());
        let client = Client::try_from(stage.config.clone()).unwrap();
        let (secrets, events) =
            (Api::namespaced(client.clone(), &stage.namespace), Api::namespaced(client, &stage.namespace));
        let (name, objects, database) = (name.to_owned(), stage.objects.clone(), DatabaseUrl::Sqlite(database));
        let more = json!({});
        Self { name, database, objects, simulator, secrets, events, git, lib, retained: false, more }
    }

    /// The same, with these fields in its spec.
    pub fn with(self, more: Value) -> Self {
        Self { more, ..self }
    }

    /// The same, where nobody waits for its rows when it is deleted, nor deletes it in the end.
    pub fn retained(self) -> Self {
        Self { retained: true, ..self }
    }

    /// Plays it from the beginning, whatever was played before, and gives how it stands before it is deleted. With it go
    /// its rows.
    pub async fn play(&self) -> Ending {
        for step in Step::ALL {
            self.begin(step).await;
            let what = format!("{}: the end of {step:?}", self.name);
            let met = |object: Option<&BitbucketConnection>| object.is_some_and(|object| Self::is_over(step, object));
            within(&what, await_condition(self.objects.clone(), &self.name, met)).await.unwrap();
        }
        let ending = self.ending().await;
        if !self.retained {
            self.delete().await;
            let left = query(&self.database, "SELECT * FROM bitbucket_connections").await.unwrap().rows;
            assert!(left.is_empty(), "{}: its rows are left", self.name);
            assert_eq!(self.reasons().await, ending.events, "{}: nobody had to wait", self.name);
        }
        ending
    }

    /// Does what a person would do.
    pub async fn begin(&self, step: Step) {
        let everything = json!({});
        match step {
            Step::Apply => {
                self.simulator.set_password("reader", "hunter2").unwrap();
                self.apply_secret("reader", "hunter2").await;
                self.apply(&everything, None).await;
            }
            Step::Filter => self.apply(&filter(), None).await,
            Step::Push => {
                self.push();
                self.apply(&filter(), Some("push")).await;
            }
            Step::Secret => self.apply_secret("other", "hunter2-too").await,
            Step::Revoke => {
                self.simulator.set_password("reader", "hunter2-is-over").unwrap();
                self.apply(&filter(), Some("revoke")).await;
            }
        }
    }

    /// Commits that the operator does not hear of.
    pub fn push(&self) {
        let missing = PUSHED - self.git.rev_list(&["main"]).unwrap().len();
        self.git.grow("main", missing).unwrap();
    }

    /// Lets the operator look at it, and nothing else follows.
    pub async fn wake(&self) {
        let label = json!({"metadata": {"labels": {"look": format!("n{}", fastrand::u64(..))}}});
        self.secrets.patch(&self.name, &PatchParams::default(), &Patch::Merge(label)).await.unwrap();
    }

    /// Whether the operator has done all that follows from it.
    fn is_over(step: Step, object: &BitbucketConnection) -> bool {
        let Some(status) = &object.status else { return false };
        let Some(sync) = status.sync.as_ref().filter(|sync| sync.completion_time.is_some()) else { return false };
        let handled = |request: &str| status.last_handled_reconcile_at.as_deref() == Some(request);
        let synced = condition(object, SYNCED).unwrap();
        let of_this = synced.status == "True" && synced.observed_generation == object.metadata.generation;
        of_this
            && match step {
                Step::Apply => true,
                Step::Filter => sync.repositories.is_some_and(|repositories| repositories.total == 1),
                Step::Push => handled("push") && sync.commits == Some(ALL),
                Step::Secret => status.username.as_deref() == Some("other"),
                Step::Revoke => handled("revoke"),
            }
    }

    async fn apply(&self, import: &Value, requested_at: Option<&str>) {
        let annotations: Value = requested_at.map(|request| json!({REQUESTED_AT: request})).into();
        let mut object = json!({
            "apiVersion": "bitbucket-connector.dev/v1alpha1", "kind": "BitbucketConnection",
            "metadata": {"name": self.name, "annotations": annotations},
            "spec": {
                "url": self.simulator.url(), "secretRef": {"name": self.name}, "import": import,
                // No slot and no verification of its own accord comes in between.
                "schedule": "0 0 29 2 *", "verifyInterval": "30m",
                "deletionPolicy": if self.retained { "Retain" } else { "Delete" }
            }
        });
        object["spec"].as_object_mut().unwrap().extend(self.more.as_object().unwrap().clone());
        self.objects.patch(&self.name, &applied(), &Patch::Apply(object)).await.unwrap();
    }

    async fn apply_secret(&self, username: &str, password: &str) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": self.name},
            "stringData": {"username": username, "password": password}
        });
        self.secrets.patch(&self.name, &applied(), &Patch::Apply(secret)).await.unwrap();
    }

    /// Deletes the object, where there is one, and waits until it is gone.
    pub async fn delete(&self) {
        let Some(object) = self.objects.get_opt(&self.name).await.unwrap() else { return };
        let uid = object.uid().unwrap();
        self.objects.delete(&self.name, &DeleteParams::default()).await.unwrap();
        let gone = await_condition(self.objects.clone(), &self.name, conditions::is_deleted(&uid));
        within("the object's end", gone).await.unwrap();
    }

    /// How it stands. The rows must be git's own, and nobody may have tried a wrong password.
    pub async fn ending(&self) -> Ending {
        for user in ["reader", "other"] {
            assert_eq!(self.simulator.failed_logins(user), 0, "{}: failed logins of {user}", self.name);
        }
        let sql = "SELECT r.slug, c.sha FROM bitbucket_server_repository_default_branch_commits c
                   JOIN bitbucket_server_repositories r ON r.id = c.repository_id";
        let rows = query(&self.database, sql).await.unwrap().rows;
        let stored: BTreeSet<_> = rows.iter().map(|row| (text(&row[0]), text(&row[1]))).collect();
        let of = |slug: &str, git: &GitRepository| -> Vec<_> {
            git.rev_list(&["main"]).unwrap().into_iter().map(|sha| (slug.to_owned(), sha)).collect()
        };
        let expected = [of("api", &self.git), of("lib", &self.lib)].concat();
        assert_eq!(rows.len(), expected.len(), "{}: a row is there twice", self.name);
        assert_eq!(stored, expected.into_iter().collect(), "{}: the rows are not git's", self.name);
        let object = serde_json::to_value(self.objects.get(&self.name).await.unwrap()).unwrap();
        assert_conventional(&object);
        let mut status = object["status"].clone();
        forget_times(&mut status);
        Ending { status, events: self.reasons().await }
    }

    /// Those of the events so far.
    async fn reasons(&self) -> BTreeSet<String> {
        let events = self.events.list(&ListParams::default()).await.unwrap();
        let own = |event: &Event| event.regarding.as_ref().is_some_and(|of| of.name.as_ref() == Some(&self.name));
        events.items.into_iter().filter(own).filter_map(|event| event.reason).collect()
    }
}

fn filter() -> Value {
    json!({"mode": "Denylist", "repositories": ["PLAT/lib"]})
}

fn applied() -> PatchParams {
    PatchParams::apply("a-person").force()
}

/// What is another one each time: `lastVerifiedTime`, `startTime` and the like.
fn forget_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !name.ends_with("Time") || name.ends_with("ScheduleTime"));
            fields.values_mut().for_each(forget_times);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_times),
        _ => {}
    }
}

//! A Bitbucket that goes away and comes back: what was learned stays, nothing flaps, and nobody waits longer than the
//! next try. Every status that is written is seen by a watch.

use std::sync::{Arc, Mutex};

use bitbucket_connector::api::BitbucketConnection;
use bitbucket_connector::api::conditions::{READY, RECONCILING, STALLED, VERIFIED};
use bitbucket_simulator::{Access, Action, Fault, NewUser, Simulator, histories};
use futures::StreamExt;
use kube::ResourceExt;
use kube::runtime::{WatchStreamExt, watcher};
use tokio::task::JoinHandle;

use crate::support::manifests::{connection, secret};
use crate::support::operator::{Stage, condition};
use crate::support::until;

/// Verified again each minute, and run by nothing but a change.
const OFTEN: &str = ", verifyInterval: 1m, schedule: \"0 0 29 2 *\"";

async fn bitbucket(stage: &Stage) -> Simulator {
    let path = stage.folder.path().join("api.git");
    histories::linear(&path, 5).unwrap();
    Simulator::builder()
        .user("reader", "hunter2")
        .add_user(NewUser::reader("lister", "hunter2").access(Access::Listing))
        .repository("PLAT/api", path)
        .start()
        .await
        .unwrap()
}

/// What the conditions say: `Ready reason, Verified reason`, and what else there is.
fn shown(object: &BitbucketConnection) -> String {
    let say = |type_| condition(object, type_).map(|found| format!("{} {}", found.status, found.reason));
    let more = [RECONCILING, STALLED].into_iter().filter_map(|type_| Some(format!(", {type_} {}", say(type_)?)));
    format!("{}, {}{}", say(READY).unwrap(), say(VERIFIED).unwrap(), more.collect::<String>())
}

/// All that a watch sees of one object.
struct Diary {
    seen: Arc<Mutex<Vec<BitbucketConnection>>>,
    task: JoinHandle<()>,
}

impl Diary {
    /// From the object as it is now.
    async fn of(stage: &Stage, name: &str) -> Self {
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let objects = stage.objects.clone();
        let seen = Arc::<Mutex<Vec<BitbucketConnection>>>::default();
        let write = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut objects = Box::pin(watcher(objects, config).default_backoff().applied_objects());
            while let Some(object) = objects.next().await {
                write.lock().unwrap().extend(object);
            }
        });
        let diary = Self { seen, task };
        until("the watch to begin", async || !diary.seen.lock().unwrap().is_empty()).await;
        diary
    }

    /// What the conditions said, one after the other, up to this version of the object.
    async fn up_to(&self, object: &BitbucketConnection) -> Vec<String> {
        let version = object.resource_version();
        until("the watch to see it", async || self.versions().contains(&version)).await;
        let seen = self.seen.lock().unwrap();
        let mut said = Vec::new();
        for one in seen.iter() {
            said.push(shown(one));
            if one.resource_version() == version {
                break;
            }
        }
        said.dedup();
        said
    }

    /// The versions of the object.
    fn versions(&self) -> Vec<Option<String>> {
        self.seen.lock().unwrap().iter().map(ResourceExt::resource_version).collect()
    }
}

impl Drop for Diary {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn handled(object: &BitbucketConnection) -> bool {
    object.status.as_ref().is_some_and(|status| status.last_handled_reconcile_at.as_deref() == Some("now"))
}

/// Has the connection verified now.
fn request(stage: &Stage, name: &str) {
    stage.kubectl(&["annotate", "bbc", name, "bitbucket-connector.dev/requestedAt=now"]);
}

/// How often it was asked whether there is a Bitbucket, with which each verification begins.
fn tries(simulator: &Simulator) -> usize {
    simulator.requests_to("/application-properties").len()
}

const WELL: &str = "True Synced, True Verified";
const UNREACHABLE: &str = "Unknown ServerUnreachable, Unknown ServerUnreachable";

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_quiet_then_said_and_over_with_the_first_try() {
    let stage = Stage::start("outage").await;
    let simulator = bitbucket(&stage).await;
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", OFTEN)));
    let good = stage.until_ready("a", "True", "Synced").await;
    let diary = Diary::of(&stage, "a").await;
    simulator.faults().push(Fault::new(Action::Drop));
    // The first fault comes at once, and with it a write that echoes the request and says nothing else.
    request(&stage, "a");
    let quiet = stage.until("a", "the request to be handled", handled).await;
    assert_eq!(quiet.status.as_ref().unwrap().conditions, good.status.as_ref().unwrap().conditions);
    diary.up_to(&quiet).await;
    let written = diary.versions().len();
    let loud = stage.until_ready("a", "False", "ServerUnreachable").await;
    let down = "False ServerUnreachable, True Verified, Reconciling True ProgressingWithRetry";
    assert_eq!(diary.up_to(&loud).await, [WELL, down]);
    assert_eq!(diary.versions().len(), written + 1, "nothing was written in the grace");
    assert!(tries(&simulator) > 5, "it was tried all the while");

    simulator.clear_requests();
    simulator.faults().clear();
    let back = stage.until_ready("a", "True", "Synced").await;
    assert_eq!(diary.up_to(&back).await, [WELL, down, WELL]);
    // The run that was asked for during the outage begins with the same question.
    assert!(tries(&simulator) <= 2, "{} tries", tries(&simulator));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_secret_is_tried_at_once_however_long_the_pause_is() {
    let stage = Stage::start("pause").await;
    let simulator = bitbucket(&stage).await;
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", OFTEN)));
    stage.until_ready("a", "True", "Synced").await;
    let diary = Diary::of(&stage, "a").await;
    let header = ("Retry-After".to_owned(), "3600".to_owned());
    let answer = |status, headers| Fault::new(Action::Status { status, headers, body: String::new() });
    simulator.faults().push(answer(503, vec![header]));
    request(&stage, "a");
    stage.until("a", "the request to be handled", handled).await;
    // From now on nothing is asked for an hour, but with the new password.
    simulator.faults().clear();
    simulator.faults().push(answer(502, Vec::new()).times(3));
    simulator.set_password("reader", "new-hunter2").unwrap();
    stage.apply(&secret("s", "reader", "new-hunter2"));
    stage.until_ready("a", "Unknown", "ServerError").await;
    let back = stage.until_ready("a", "True", "Synced").await;
    // The verdict was of another password.
    let unknown = "Unknown ServerError, Unknown ServerError";
    assert_eq!(diary.up_to(&back).await, [WELL, unknown, WELL]);
    assert_eq!(simulator.failed_logins("reader"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_while_nobody_answers_is_unknown_until_somebody_does() {
    let stage = Stage::start("changed").await;
    let simulator = bitbucket(&stage).await;
    let url = simulator.url();
    stage.apply(&(secret("good", "reader", "hunter2") + &secret("poor", "lister", "hunter2")));
    stage.apply(&(connection("url", &url, "good", OFTEN) + &connection("secret", &url, "poor", OFTEN)));
    stage.until_ready("url", "True", "Synced").await;
    stage.until_ready("secret", "False", "invalid_permissions").await;
    let (of_url, of_secret) = (Diary::of(&stage, "url").await, Diary::of(&stage, "secret").await);
    simulator.faults().push(Fault::new(Action::Drop));
    stage.apply(&connection("url", &url.replace("127.0.0.1", "localhost"), "good", OFTEN));
    stage.apply(&secret("poor", "reader", "hunter2"));
    let awaiting = stage.until_ready("url", "Unknown", "ServerUnreachable").await;
    assert_eq!((awaiting.metadata.generation, awaiting.status.unwrap().observed_generation), (Some(2), Some(1)));
    stage.until_ready("secret", "Unknown", "ServerUnreachable").await;
    simulator.faults().clear();
    let back = stage.until_ready("url", "True", "Synced").await;
    let awaiting = format!("{UNREACHABLE}, Reconciling True ProgressingWithRetry");
    assert_eq!(of_url.up_to(&back).await, [WELL, &awaiting, WELL]);
    assert_eq!(back.status.unwrap().observed_generation, Some(2));
    let back = stage.until_ready("secret", "True", "Synced").await;
    let poor = "False invalid_permissions, False invalid_permissions, Stalled True invalid_permissions";
    assert_eq!(of_secret.up_to(&back).await, [poor, UNREACHABLE, "True Verified, True Verified", WELL]);
}

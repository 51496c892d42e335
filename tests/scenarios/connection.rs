//! From `kubectl apply` to conditions and rows.

use bitbucket_connector::api::BitbucketConnection;
use bitbucket_connector::api::conditions::{READY, RECONCILING, STALLED, SYNCED, VERIFIED};
use bitbucket_connector::api::status::Trigger;
use bitbucket_simulator::git::GitRepository;
use bitbucket_simulator::{
    Access, Action, Fault, Hold, JsonEdit, Matches, NewRepository, NewUser, Simulator, histories,
};
use serde_json::json;

use crate::support::manifests::{connection, secret};
use crate::support::operator::{Stage, condition};
use crate::support::until;

/// A Bitbucket with one repository in a project and an empty one, and users of each kind.
async fn bitbucket(stage: &Stage) -> (Simulator, GitRepository) {
    let path = stage.folder.path().join("api.git");
    let git = histories::odd(&path, 150, 3).unwrap();
    let simulator = Simulator::builder()
        .context("/bitbucket")
        .user("reader", "hunter2")
        .user("careful", "hunter2")
        .add_user(NewUser::reader("lister", "hunter2").access(Access::Listing))
        .add_user(NewUser::reader("stranger", "hunter2").access(Access::Nothing))
        .repository("PLAT/api", path)
        .empty_repository("PLAT/empty")
        .start()
        .await
        .unwrap();
    (simulator, git)
}

fn stalled(object: &BitbucketConnection) -> Option<&str> {
    condition(object, STALLED).map(|stalled| stalled.reason.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_connection_is_verified_and_its_commits_are_stored() {
    let stage = Stage::start("good").await;
    let (simulator, git) = bitbucket(&stage).await;
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    let object = stage.until_ready("a", "True", "Synced").await;
    for condition in ["Ready", "Synced"] {
        stage.kubectl(&["wait", &format!("--for=condition={condition}"), "bbc/a", "--timeout=60s"]);
    }

    let status = object.status.clone().unwrap();
    assert_eq!(condition(&object, VERIFIED).unwrap().reason, "Verified");
    assert_eq!(condition(&object, SYNCED).unwrap().status, "True");
    assert!(condition(&object, STALLED).is_none() && condition(&object, RECONCILING).is_none());
    assert_eq!(status.observed_generation, object.metadata.generation);
    assert_eq!((status.username.as_deref(), status.server_version.as_deref()), (Some("reader"), Some("8.19.4")));
    assert!(status.next_schedule_time.is_some() && status.last_successful_time.is_some() && status.progress.is_none());
    let sync = status.sync.unwrap();
    assert_eq!((sync.trigger, sync.commits_added, sync.commits), (Trigger::Initial, Some(150), Some(150)));
    let counts = sync.repositories.unwrap();
    assert_eq!((counts.total, counts.synced, counts.empty, counts.failed), (2, 1, 1, 0));

    let rows = stage.query("SELECT sha FROM bitbucket_server_repository_default_branch_commits ORDER BY sha").await;
    let mut expected = git.rev_list(&["main"]).unwrap();
    expected.sort();
    assert_eq!(rows.rows.iter().map(|row| row[0].as_str().unwrap()).collect::<Vec<_>>(), expected);
    let rows = stage
        .query(
            "SELECT c.namespace, c.name, i.normalized_instance_url, p.key, r.slug, r.default_branch,
                    r.default_branch_commits_page_start, r.state
             FROM bitbucket_server_repositories r
             JOIN bitbucket_server_projects p ON p.id = r.project_id
             JOIN bitbucket_connections c ON c.id = r.connection_id
             JOIN bitbucket_server_instances i ON i.id = r.instance_id ORDER BY r.slug",
        )
        .await;
    let url = simulator.url();
    assert_eq!(
        json!(rows.rows),
        json!([
            [stage.namespace, "a", url, "PLAT", "api", "main", null, "synced"],
            [stage.namespace, "a", url, "PLAT", "empty", null, null, "empty"]
        ])
    );
    let rows = stage
        .query(
            "SELECT count(*) FROM bitbucket_server_repository_default_branch_commits c
             JOIN bitbucket_server_users u ON u.id = c.author_id",
        )
        .await;
    assert!(rows.rows[0][0].as_i64().unwrap() > 100, "most authors have a name or a mail");
    let events = stage.kubectl(&["get", "events", "-o", "jsonpath={.items[*].reason}"]);
    assert_eq!(events, "Verified Synced");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_error_reason_comes_out_and_only_a_person_can_change_it() {
    let stage = Stage::start("reasons").await;
    let (simulator, _git) = bitbucket(&stage).await;
    for (name, user, password) in
        [("wrong", "careful", "wrong-hunter2"), ("lister", "lister", "hunter2"), ("stranger", "stranger", "hunter2")]
    {
        stage.apply(&(secret(name, user, password) + &connection(name, &simulator.url(), name, "")));
    }
    let filtered = ", import: {mode: Allowlist, projects: [OTHER]}";
    stage.apply(&(secret("good", "reader", "hunter2") + &connection("filtered", &simulator.url(), "good", filtered)));
    stage.apply(&connection("elsewhere", &format!("{}/nowhere", simulator.url()), "good", ""));
    for (name, reason, says) in [
        ("wrong", "invalid_credentials", "Correct the password"),
        ("lister", "invalid_permissions", "Repository read"),
        ("stranger", "no_resources", "Project read"),
        ("filtered", "no_resources", "spec.import selects none"),
        ("elsewhere", "InvalidURL", "context path"),
    ] {
        let object = stage.until_ready(name, "False", reason).await;
        assert_eq!(condition(&object, VERIFIED).unwrap().reason, reason);
        assert_eq!(stalled(&object), Some(reason));
        assert!(condition(&object, READY).unwrap().message.contains(says), "{name}");
        assert_eq!(condition(&object, SYNCED).unwrap().reason, "Pending");
    }
    assert_eq!(simulator.failed_logins("careful"), 1);
    let refused = stage.until("wrong", "a refused Secret", |object| {
        object.status.as_ref().is_some_and(|status| status.refused_secret.is_some())
    });
    refused.await;

    // A restart does not send the wrong password again.
    let mut stage = stage;
    stage.kill_operator();
    stage.start_operator();
    simulator.clear_requests();
    let asked = |requests: &[bitbucket_simulator::Seen]| {
        ["lister", "stranger"].iter().all(|name| requests.iter().any(|seen| seen.user.as_deref() == Some(name)))
    };
    crate::support::within("the others are verified again", simulator.wait_until(asked)).await;
    assert_eq!(simulator.failed_logins("careful"), 1);

    // The right password in the Secret is tried at once.
    stage.apply(&secret("wrong", "careful", "hunter2"));
    let object = stage.until_ready("wrong", "True", "Synced").await;
    assert!(stalled(&object).is_none() && object.status.unwrap().refused_secret.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_a_new_filter_and_a_suspension_are_heeded() {
    let stage = Stage::start("changes").await;
    let (simulator, git) = bitbucket(&stage).await;
    let apply = |more: &str| stage.apply(&connection("a", &simulator.url(), "s", more));
    stage.apply(&secret("s", "reader", "hunter2"));
    apply("");
    stage.until_ready("a", "True", "Synced").await;

    git.grow("main", 2).unwrap();
    stage.kubectl(&["annotate", "bbc", "a", "bitbucket-connector.dev/requestedAt=now"]);
    let ended = |trigger: Trigger| {
        move |object: &BitbucketConnection| {
            let sync = object.status.as_ref().and_then(|status| status.sync.as_ref());
            sync.is_some_and(|sync| sync.trigger == trigger && sync.completion_time.is_some())
        }
    };
    let object = stage.until("a", "a requested run", ended(Trigger::Requested)).await;
    let status = object.status.unwrap();
    assert_eq!(status.last_handled_reconcile_at.as_deref(), Some("now"));
    assert_eq!(status.sync.unwrap().commits_added, Some(2));

    apply(", import: {mode: Denylist, repositories: [plat/empty]}");
    let object = stage.until("a", "a run of the new filter", ended(Trigger::SpecChange)).await;
    assert_eq!(object.status.unwrap().sync.unwrap().repositories.unwrap().total, 1);
    let rows = stage.query("SELECT slug FROM bitbucket_server_repositories WHERE NOT allowlisted").await;
    assert_eq!(json!(rows.rows), json!([["empty"]]));

    apply(", suspend: true, import: {mode: Denylist, repositories: [plat/empty]}");
    let suspended =
        |object: &BitbucketConnection| condition(object, SYNCED).is_some_and(|synced| synced.reason == "Suspended");
    let object = stage.until("a", "Suspended", suspended).await;
    assert_eq!(object.status.as_ref().unwrap().observed_generation, object.metadata.generation);
    assert_eq!(condition(&object, VERIFIED).unwrap().status, "True");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_slot_of_the_schedule_is_a_run() {
    let stage = Stage::start("slots").await;
    let (simulator, git) = bitbucket(&stage).await;
    let every_minute = ", schedule: \"* * * * *\", timeZone: Europe/Berlin";
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", every_minute)));
    // At another Bitbucket, the first run is not over when the slot comes due.
    let path = stage.folder.path().join("api.git");
    let busy = Simulator::builder().user("reader", "hunter2").repository("PLAT/api", path).start().await.unwrap();
    let hold = Hold::new();
    busy.faults().push(Fault::new(Action::Hold(hold.clone())).matches(Matches::QueryContains("until=".to_owned())));
    stage.apply(&connection("b", &busy.url(), "s", &format!("{every_minute}, timeout: 5m")));
    stage.until_ready("a", "True", "Synced").await;
    git.grow("main", 4).unwrap();
    let ran = |object: &BitbucketConnection| {
        let status = object.status.as_ref().unwrap();
        let ended = status.sync.as_ref().is_some_and(|sync| sync.completion_time.is_some());
        status.last_schedule_time.is_some() && ended
    };
    let object = stage.until("a", "a scheduled run", ran).await;
    let status = object.status.unwrap();
    let sync = status.sync.unwrap();
    assert_eq!((sync.trigger, sync.commits), (Trigger::Schedule, Some(154)));
    let slot = status.last_schedule_time.unwrap().0;
    assert_eq!(slot.as_second() % 60, 0);
    assert!(sync.start_time.0 >= slot && sync.start_time.0.duration_since(slot).as_secs() <= 62);

    let skipped = "\nbitbucket_connector_slots_skipped_total 1\n";
    until("the slot of the slow one is skipped", async || stage.page("/metrics").contains(skipped)).await;
    hold.release();
    let skipped = |object: &BitbucketConnection| {
        condition(object, SYNCED)
            .is_some_and(|synced| synced.status == "True" && synced.message.contains("was skipped"))
    };
    stage.until("b", "the skipped slot in the message", skipped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_be_reached_keeps_the_verdict_and_is_found_again() {
    let stage = Stage::start("unreachable").await;
    let (simulator, _git) = bitbucket(&stage).await;
    simulator.set_listening(false).await;
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    let object = stage.until_ready("a", "Unknown", "ServerUnreachable").await;
    assert_eq!(condition(&object, RECONCILING).unwrap().reason, "ProgressingWithRetry");
    assert!(stalled(&object).is_none());
    assert_eq!(object.status.unwrap().observed_generation, Some(-1));
    simulator.set_listening(true).await;
    let object = stage.until_ready("a", "True", "Synced").await;
    assert!(condition(&object, RECONCILING).is_none());

    // From now on a fault is a hiccup: the verdict stays, also through a Secret edit that changes nothing.
    simulator.set_listening(false).await;
    let before = stage.objects.get("a").await.unwrap();
    stage.kubectl(&["annotate", "bbc", "a", "bitbucket-connector.dev/requestedAt=now"]);
    let handled = |object: &BitbucketConnection| {
        object.status.as_ref().is_some_and(|status| status.last_handled_reconcile_at.as_deref() == Some("now"))
    };
    let object = stage.until("a", "the request to be echoed", handled).await;
    assert_eq!(object.status.unwrap().conditions, before.status.unwrap().conditions);
}

/// The status names ten; the log names all, so that nobody has to look for the others in the database.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_every_repository_that_is_left_behind() {
    let stage = Stage::start("failures").await;
    let (simulator, git) = bitbucket(&stage).await;
    let wrong = Action::EditJson(vec![JsonEdit::Set("/latestCommit".to_owned(), json!("HEAD"))]);
    let partial = Action::EditJson(vec![JsonEdit::Remove("/values/7".to_owned())]);
    let mut expected = Vec::new();
    for number in 0..12 {
        let name = format!("PLAT/r{number:02}");
        simulator.add_repository(NewRepository::at(&name, git.path())).unwrap();
        let (path, action, reason) = match number {
            0..6 => ("/branches/default", &wrong, "UnexpectedAnswer"),
            _ => ("/commits", &partial, "IncompleteListing"),
        };
        let of = vec![Matches::Repository(name.clone()), Matches::PathEndsWith(path.to_owned())];
        simulator.faults().push(Fault::new(action.clone()).matches(Matches::All(of)));
        expected.push((name, reason));
    }
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    let object = stage.until_ready("a", "True", "SyncIncomplete").await;
    let sync = object.status.unwrap().sync.unwrap();
    assert_eq!(sync.repositories.unwrap().failed, 12);
    let shown: Vec<_> = sync.failures.iter().map(|one| (one.repository.clone(), one.reason.as_str())).collect();
    assert_eq!(shown, expected[..10]);
    let log = stage.log();
    let mut named: Vec<_> =
        log.lines().filter(|line| line.contains(" WARN ") && line.contains("left behind: ")).collect();
    named.sort_unstable_by_key(|line| line.split_once("repository=").map(|(_, rest)| rest));
    assert_eq!(named.len(), expected.len(), "{named:#?}");
    for (line, (repository, reason)) in named.iter().zip(&expected) {
        let fields = format!("repository=\"{repository}\" reason=\"{reason}\"");
        assert!(line.contains(&fields), "{line}");
        // And what was seen and what to do, in the same words as in the status.
        let message = sync.failures.iter().find(|one| one.repository == *repository).map(|one| one.message.as_str());
        assert!(message.is_none_or(|message| line.contains(message)), "{line}");
    }
}

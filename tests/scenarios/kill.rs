//! kill -9 at any moment of a first sync loses nothing and fetches next to nothing twice.

use std::collections::{BTreeSet, HashMap};

use bitbucket_simulator::git::GitRepository;
use bitbucket_simulator::{Action, Fault, Hold, Simulator, histories};

use crate::support::operator::{Stage, connection, secret};
use crate::support::within;

/// Repositories under way at a time, and so the pages that may be fetched and not yet stored.
const AT_A_TIME: usize = 3;

async fn bitbucket(stage: &Stage) -> (Simulator, Vec<GitRepository>) {
    let mut builder = Simulator::builder().user("reader", "hunter2");
    let mut repositories = Vec::new();
    for (slug, commits) in [("one", 530), ("two", 320), ("three", 90)] {
        let path = stage.folder.path().join(slug);
        repositories.push(histories::odd(&path, commits, commits as u64).unwrap());
        builder = builder.repository(&format!("PLAT/{slug}"), path);
    }
    (builder.start().await.unwrap(), repositories)
}

/// Pages that were answered, and how often each.
fn pages(simulator: &Simulator) -> HashMap<(String, String), usize> {
    let mut pages = HashMap::new();
    for seen in simulator.requests_to("/commits") {
        // One commit is what verification asks for.
        if seen.parameter("limit") != Some("1") && seen.status == Some(200) {
            *pages.entry((seen.path.clone(), seen.query.clone())).or_default() += 1;
        }
    }
    pages
}

async fn killed_at(point: usize, kill_before_the_answer: bool) {
    let mut stage = Stage::start("kill").await;
    let (simulator, repositories) = bitbucket(&stage).await;
    let hold = Hold::new();
    if kill_before_the_answer {
        simulator.faults().push(Fault::new(Action::Hold(hold.clone())).after(u32::try_from(point).unwrap()));
    }
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    if kill_before_the_answer {
        within("the request to kill at", hold.wait_for(1)).await;
    } else {
        let seen = |requests: &[bitbucket_simulator::Seen]| requests.len() > point;
        within("the request to kill after", simulator.wait_until(seen)).await;
    }
    stage.kill_operator();
    simulator.faults().clear();
    stage.start_operator();
    stage.until_ready("a", "True", "Synced").await;

    let rows = stage.query("SELECT sha FROM bitbucket_server_repository_default_branch_commits").await;
    assert_eq!(rows.rows.len(), 530 + 320 + 90);
    let stored: BTreeSet<String> = rows.rows.iter().map(|row| row[0].as_str().unwrap().to_owned()).collect();
    let expected: BTreeSet<String> = repositories.iter().flat_map(|git| git.rev_list(&["main"]).unwrap()).collect();
    assert!(stored == expected, "killed at {point}: the sets differ");
    let twice: usize = pages(&simulator).values().map(|times| times - 1).sum();
    assert!(twice <= AT_A_TIME, "killed at {point}: {twice} pages were fetched twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn between_any_two_requests() {
    // Two requests of verification and its commit, the listing, three heads, the three repositories themselves, eleven
    // pages, two heads again.
    for point in 0..21 {
        killed_at(point, true).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_an_answer_is_read_or_stored() {
    for point in (3..21).step_by(2) {
        killed_at(point, false).await;
    }
}

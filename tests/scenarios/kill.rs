//! kill -9 at any moment of a first sync loses nothing and fetches no page twice that was stored.

use std::collections::{BTreeMap, BTreeSet};

use bitbucket_simulator::git::GitRepository;
use bitbucket_simulator::{Action, Fault, Hold, Matches, Seen, Simulator, histories};

use crate::support::manifests::{connection, secret};
use crate::support::operator::Stage;
use crate::support::sync::{short, text};
use crate::support::{until, within};

/// All are under way at once.
const REPOSITORIES: [(&str, usize); 3] = [("one", 530), ("two", 320), ("three", 90)];
/// What a process asks for before it looks at the first repository: the verification and its commit, then the listing.
const BEFORE: [&str; 5] = ["application-properties", "list", "commit", "application-properties", "list"];
/// Pages of one repository that may be on their way at once, or wait to be stored.
const AHEAD: usize = 8;
/// And then three heads, the three repositories themselves, eleven pages, two heads again.
const REQUESTS: usize = BEFORE.len() + 3 + 3 + 11 + 2;

async fn bitbucket(stage: &Stage) -> (Simulator, Vec<GitRepository>) {
    let mut builder = Simulator::builder().user("reader", "hunter2");
    let mut repositories = Vec::new();
    for (slug, commits) in REPOSITORIES {
        let path = stage.folder.path().join(slug);
        repositories.push(histories::odd(&path, commits, commits as u64).unwrap());
        builder = builder.repository(&format!("PLAT/{slug}"), path);
    }
    (builder.start().await.unwrap(), repositories)
}

/// The requests so far, but for the one for the account's budget, which whoever would wait asks for.
fn requests(simulator: &Simulator) -> Vec<Seen> {
    let mut requests = simulator.requests();
    requests.retain(|seen| !is_budget(seen));
    requests
}

fn is_budget(seen: &Seen) -> bool {
    seen.path.contains("/rate-limit/")
}

/// In short, and the repository that it is of; one commit is what the verification asks for.
fn named(seen: &Seen) -> (Option<&'static str>, String) {
    if seen.parameter("limit") == Some("1") {
        return (None, "commit".to_owned());
    }
    if seen.path.ends_with("/application-properties") {
        return (None, "application-properties".to_owned());
    }
    let of = |slug: &str| format!("{}/", seen.path).contains(&format!("/repos/{slug}/"));
    (REPOSITORIES.into_iter().map(|(slug, _)| slug).find(|slug| of(slug)), short(seen))
}

/// What was asked for of each repository, and what else; sorted, since several pages are asked for at a time.
fn traces(requests: &[Seen]) -> BTreeMap<Option<&'static str>, String> {
    let mut traces = BTreeMap::from([(None, Vec::new())]);
    for (slug, short) in requests.iter().map(named) {
        traces.entry(slug).or_default().push(short);
    }
    traces.into_iter().map(|(slug, trace)| (slug, sorted(trace))).collect()
}

fn sorted(mut trace: Vec<String>) -> String {
    trace.sort_unstable();
    trace.join(" ")
}

/// So many commits of each repository are stored.
async fn stored(stage: &Stage) -> BTreeMap<&'static str, usize> {
    let mut stored = REPOSITORIES.map(|(slug, _)| (slug, 0)).into();
    if !stage.has_tables().await {
        return stored;
    }
    let rows = stage.query(
        "SELECT r.slug, count(c.id) FROM bitbucket_server_repositories r
         LEFT JOIN bitbucket_server_repository_default_branch_commits c ON c.repository_id = r.id GROUP BY r.slug",
    );
    for row in rows.await.rows {
        let (slug, _) = REPOSITORIES.into_iter().find(|(slug, _)| *slug == text(&row[0])).unwrap();
        stored.insert(slug, usize::try_from(row[1].as_u64().unwrap()).unwrap());
    }
    stored
}

/// What a process asks for of a repository with so many commits, of which so many are stored.
fn rest(commits: usize, stored: usize) -> String {
    let pages = (stored..commits).step_by(100).map(|start| format!("page@{start}"));
    let others: &[&str] = match stored {
        0 if commits > 100 => &["head", "who", "head"],
        0 => &["head", "who"],
        _ => &["head"],
    };
    sorted(pages.chain(others.iter().copied().map(str::to_owned)).collect())
}

/// Whether so many requests are answered, and of each repository everything is stored up to the first page that is not.
fn is_at_rest(requests: &[Seen], point: usize, stored: &BTreeMap<&'static str, usize>) -> bool {
    let answered: Vec<_> = requests.iter().filter(|seen| seen.status.is_some()).map(named).collect();
    let whole = |(slug, commits): &(&'static str, usize)| {
        let came = |start: &usize| answered.contains(&(Some(slug), format!("page@{start}")));
        let pages = (0..*commits).step_by(100).take_while(came).count();
        stored[slug] == (pages * 100).min(*commits)
    };
    answered.len() == point && requests.len() > point && REPOSITORIES.iter().all(whole)
}

/// Lets the operator run to its end, and looks at what is stored then.
async fn brought_to_its_end(stage: &mut Stage, repositories: &[GitRepository]) {
    stage.start_operator();
    stage.until_ready("a", "True", "Synced").await;
    let rows = stage.query("SELECT sha FROM bitbucket_server_repository_default_branch_commits").await;
    assert_eq!(rows.rows.len(), 530 + 320 + 90);
    let stored: BTreeSet<String> = rows.rows.iter().map(|row| text(&row[0])).collect();
    let expected: BTreeSet<String> = repositories.iter().flat_map(|git| git.rev_list(&["main"]).unwrap()).collect();
    assert!(stored == expected, "the sets differ");
}

async fn killed_before(point: usize) {
    let mut stage = Stage::start("kill").await;
    let (simulator, repositories) = bitbucket(&stage).await;
    let hold = Hold::new();
    let budget = Matches::PathContains("/rate-limit/".to_owned());
    let fault = Fault::new(Action::Hold(hold.clone())).matches(Matches::Not(Box::new(budget)));
    simulator.faults().push(fault.after(u32::try_from(point).unwrap()));
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    within("the request to kill at", hold.wait_for(1)).await;
    until("rest", async || is_at_rest(&requests(&simulator), point, &stored(&stage).await)).await;
    stage.kill_operator();
    let (before, stored) = (requests(&simulator).len(), stored(&stage).await);
    simulator.faults().clear();
    brought_to_its_end(&mut stage, &repositories).await;
    let mut expected = BTreeMap::from([(None, sorted(BEFORE.map(str::to_owned).to_vec()))]);
    expected.extend(REPOSITORIES.map(|(slug, commits)| (Some(slug), rest(commits, stored[slug]))));
    assert_eq!(traces(&requests(&simulator)[before..]), expected, "killed before {point}");
}

/// When exactly it is killed, nobody knows. Of each repository it may have got some pages that it had not stored yet: they
/// are fetched again if so, and no others.
async fn killed_after(point: usize) {
    let mut stage = Stage::start("kill").await;
    let (simulator, repositories) = bitbucket(&stage).await;
    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    within("the request to kill after", simulator.wait_until(|requests| requests.len() > point)).await;
    stage.kill_operator();
    let stored = stored(&stage).await;
    brought_to_its_end(&mut stage, &repositories).await;
    let mut pages = BTreeMap::new();
    for seen in requests(&simulator).iter().filter(|seen| seen.status == Some(200)) {
        if let (Some(slug), short) = named(seen)
            && short.starts_with("page@")
        {
            *pages.entry((slug, short)).or_insert(0) += 1;
        }
    }
    for (slug, commits) in REPOSITORIES {
        for start in (0..commits).step_by(100) {
            let page = format!("page@{start}");
            let times = pages.remove(&(slug, page.clone()));
            let ahead = (stored[slug]..stored[slug] + AHEAD * 100).contains(&start);
            assert!(times == Some(1) || (ahead && times == Some(2)), "{point}: {slug} {page} {times:?} {stored:?}");
        }
    }
    assert_eq!(pages, BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn between_any_two_requests() {
    for point in 0..REQUESTS {
        killed_before(point).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_an_answer_is_read_or_stored() {
    for point in (3..REQUESTS).step_by(2) {
        killed_after(point).await;
    }
}

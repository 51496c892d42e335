//! Wrong answers: nothing of them stays, and they are read again.

use bitbucket_connector::sync::RunError;
use bitbucket_simulator::git::GitRepository;
use bitbucket_simulator::{Action, Fault, JsonEdit, Matches, NewRepository, Seen};
use serde_json::{Value, json};

use super::{counts, linear};
use crate::support::database::{Kind, on_both};
use crate::support::sync::Bench;

fn set(pointer: &str, value: Value) -> Action {
    Action::EditJson(vec![JsonEdit::Set(pointer.to_owned(), value)])
}

async fn a_wrong_listing_changes_nothing(on: Kind) {
    let (bench, git) = linear(on, 30).await;
    bench.synced().await;
    git.grow("main", 2).unwrap();
    // The page lacks a commit: its child's parent is nowhere.
    let cut = Action::EditJson(vec![JsonEdit::Remove("/values/1".to_owned())]);
    let id = bench.simulator.faults().push(Fault::on_path("/commits", cut));
    bench.requests();
    let summary = bench.run().await.unwrap();
    assert_eq!(summary.failed[0].1, "IncompleteListing");
    assert_eq!(bench.trace(), "list head page@0 who page@0", "it might be a rewrite; then once more");
    bench.simulator.faults().remove(id);
    assert_eq!(counts(&bench.synced().await).2, 32);
    assert_eq!(bench.trace(), "list head page@0");
    bench.assert_equal("PLAT/api", &git, "main").await;
}

async fn a_first_listing_that_lacks_its_oldest_commit_is_not_believed(on: Kind) {
    let (bench, git) = linear(on, 30).await;
    let cut = Action::EditJson(vec![JsonEdit::Remove("/values/29".to_owned())]);
    let id = bench.simulator.faults().push(Fault::on_path("/commits", cut));
    let summary = bench.run().await.unwrap();
    assert_eq!((summary.failed[0].1, summary.commits), ("IncompleteListing", 0));
    bench.simulator.faults().remove(id);
    bench.synced().await;
    bench.assert_equal("PLAT/api", &git, "main").await;
}

async fn another_repository_under_the_same_name_removes_nothing(on: Kind) {
    let (bench, git) = linear(on, 30).await;
    bench.synced().await;
    let before = bench.stored("PLAT/api").await;
    let ids = git.rev_list(&["main"]).unwrap();
    git.set_branch("main", &ids[10]).unwrap();
    // Whoever asks who this is, is told another id than the listing's.
    let other = Action::EditJson(vec![JsonEdit::Set("/id".to_owned(), json!(4711))]);
    let fault = Fault::new(other).matches(Matches::PathEndsWith("/repos/api".to_owned()));
    let id = bench.simulator.faults().push(fault);
    bench.requests();
    assert_eq!(bench.run().await.unwrap().failed[0].1, "Replaced");
    assert_eq!(bench.trace(), "list head page@0 who list head page@0 who", "listed again in the same run");
    assert_eq!(bench.stored("PLAT/api").await, before);
    bench.simulator.faults().remove(id);
    assert_eq!(counts(&bench.synced().await), (0, 10, 20));
    assert_eq!(bench.trace(), "list head page@0 who");
}

async fn a_listing_that_does_not_begin_with_its_end_is_not_believed(on: Kind) {
    let (bench, git) = linear(on, 30).await;
    bench.synced().await;
    git.grow("main", 2).unwrap();
    // As a proxy's cache would answer: the page of another range.
    let cut = Action::EditJson(vec![JsonEdit::Remove("/values/0".to_owned())]);
    let id = bench.simulator.faults().push(Fault::on_path("/commits", cut).times(1));
    bench.requests();
    assert_eq!(counts(&bench.synced().await), (2, 0, 32));
    assert_eq!(bench.trace(), "list head page@0 page@0", "nobody asks who this is");
    assert_eq!(bench.simulator.faults().hits(id), 1, "read again in the same run");
    bench.assert_equal("PLAT/api", &git, "main").await;
}

/// Thirty commits with a complete set, and seven more, in pages of three.
async fn grown(on: Kind) -> (Bench, GitRepository, Vec<String>) {
    let (bench, git) = linear(on, 30).await;
    bench.synced().await;
    git.grow("main", 7).unwrap();
    bench.simulator.configure(|settings| settings.caps.commits = 3);
    bench.requests();
    let ids = git.rev_list(&["main"]).unwrap();
    (bench, git, ids)
}

async fn a_commit_under_another_ones_id_leaves_no_trace(on: Kind) {
    // Were its parents kept, the second reading would find a ring, and take what lies below for unreached.
    let (bench, git, ids) = grown(on).await;
    bench.simulator.faults().push(Fault::on_path("/commits", set("/values/2/id", json!(ids[5]))).times(1));
    assert_eq!(counts(&bench.synced().await), (12, 5, 37));
    let pages = "page@0 page@3 page@6";
    assert_eq!(bench.trace(), format!("list head {pages} who {pages} head"));
    bench.assert_equal("PLAT/api", &git, "main").await;
}

async fn a_commit_without_its_parents_does_not_cut_history_off(on: Kind) {
    let (bench, git) = linear(on, 30).await;
    bench.simulator.faults().push(Fault::on_path("/commits", set("/values/9/parents", json!([]))).times(1));
    assert_eq!(counts(&bench.synced().await), (30, 0, 30));
    assert_eq!(bench.trace(), "list head who page@0 page@0");
    bench.assert_equal("PLAT/api", &git, "main").await;
}

async fn a_next_page_where_no_list_can_be_is_not_asked_for(on: Kind) {
    let (bench, git, _) = grown(on).await;
    bench.simulator.faults().push(Fault::on_path("/commits", set("/nextPageStart", json!(u64::MAX))).times(1));
    assert_eq!(counts(&bench.synced().await), (7, 0, 37));
    assert_eq!(bench.trace(), "list head page@0 page@0 page@3 page@6 head");
    bench.assert_equal("PLAT/api", &git, "main").await;
}

async fn a_head_that_is_no_id_does_not_mean_that_there_are_no_commits(on: Kind) {
    let (bench, git, _) = grown(on).await;
    let id = bench.simulator.faults().push(Fault::on_path("/branches/default", set("/latestCommit", json!("HEAD"))));
    let failed = bench.run().await.unwrap().failed;
    assert_eq!((failed[0].1, failed.len()), ("UnexpectedAnswer", 1));
    assert_eq!(bench.trace(), "list head");
    bench.simulator.faults().remove(id);
    bench.synced().await;
    assert_eq!(bench.trace(), "list head page@0 page@3 page@6 head");
    bench.assert_equal("PLAT/api", &git, "main").await;
}

async fn what_another_repository_has_answered_is_given_up(on: Kind) {
    let (bench, git, _) = grown(on).await;
    let before = bench.stored("PLAT/api").await;
    // An unknown base excludes nothing, so that the other one's pages look like a rewrite until the last of them.
    bench.simulator.configure(|settings| settings.lenient_since = true);
    let path = bench.folder.path().join("other.git");
    bitbucket_simulator::histories::linear(&path, 5).unwrap().grow("main", 1).unwrap();
    bench.simulator.set_path("PLAT/api", &path).unwrap();
    bench
        .simulator
        .faults()
        .push(Fault::new(set("/id", json!(4711))).matches(Matches::PathEndsWith("/api".to_owned())));
    let failed = bench.run().await.unwrap().failed;
    assert_eq!(failed[0].1, "Replaced");
    assert_eq!(bench.trace(), "list head page@0 page@3 who list head page@0 page@3 who");
    assert_eq!(bench.stored("PLAT/api").await, before);
    bench.simulator.faults().clear();
    bench.simulator.set_path("PLAT/api", git.path()).unwrap();
    bench.synced().await;
    assert_eq!(bench.trace(), "list head page@0 page@3 page@6 head", "from the beginning");
    bench.assert_equal("PLAT/api", &git, "main").await;
}

async fn a_next_page_that_is_the_same_again_is_not_asked_for(on: Kind) {
    let (bench, _git) = linear(on, 250).await;
    for next in [100, 50] {
        let edit = Action::EditJson(vec![JsonEdit::Set("/nextPageStart".to_owned(), json!(next))]);
        bench.simulator.faults().clear();
        bench.simulator.faults().push(Fault::new(edit).matches(Matches::QueryContains("start=100".to_owned())));
        assert_eq!(bench.run().await.unwrap().failed[0].1, "IncompleteListing");
        let once = "page@0 page@100";
        assert_eq!(bench.trace(), format!("list head who {once} {once}"), "read again from its first page, once");
    }
}

async fn a_page_that_is_too_large_is_asked_for_in_parts(on: Kind) {
    let (bench, git) = linear(on, 120).await;
    let too_large = |limit: &str| {
        let matches = ["until=", limit].map(|part| Matches::QueryContains(part.to_owned())).to_vec();
        Fault::new(Action::Flood(65 << 20)).matches(Matches::All(matches))
    };
    bench.simulator.faults().push(too_large("limit=1000"));
    bench.simulator.faults().push(too_large("limit=50").times(1));
    bench.synced().await;
    bench.assert_equal("PLAT/api", &git, "main").await;
    let commits = bench.requests().into_iter().filter(|seen| seen.path.ends_with("/commits"));
    let range = |seen: &Seen| format!("{}@{}", seen.parameter("limit").unwrap(), seen.parameter("start").unwrap());
    let asked: Vec<_> = commits.map(|seen| range(&seen)).collect();
    assert_eq!(asked, ["1000@0", "50@0", "2@0", "8@2", "32@10", "128@42"]);
}

async fn a_listing_without_an_end_ends_the_run(on: Kind) {
    let (bench, _git) = linear(on, 3).await;
    let endless = Action::EditJson(vec![JsonEdit::Set("/isLastPage".to_owned(), json!(false))]);
    bench.simulator.faults().push(Fault::on_path("/1.0/repos", endless));
    assert!(matches!(bench.run().await, Err(RunError::Listing(_))));
    assert_eq!(bench.trace(), "list");
}

async fn pages_grow_again_after_one_that_was_too_large(on: Kind) {
    let (bench, git) = linear(on, 1000).await;
    let large = [("limit=1000", 300), ("limit=50", 300)].map(|(limit, start)| {
        let matches = ["until=", limit, &format!("start={start}")].map(|part| Matches::QueryContains(part.to_owned()));
        Fault::new(Action::Flood(65 << 20)).matches(Matches::All(matches.to_vec()))
    });
    for fault in large {
        bench.simulator.faults().push(fault);
    }
    assert_eq!(counts(&bench.synced().await), (1000, 0, 1000));
    bench.assert_equal("PLAT/api", &git, "main").await;
    // The page at 300 is tried with 1000, 50 and 2 at a time; then four times as many each time.
    let pages = "page@300 page@300 page@302 page@310 page@342";
    let rest = "page@442 page@542 page@642 page@742 page@842 page@942";
    let trace = bench.trace();
    assert!(trace.ends_with(&format!("{pages} {rest} head")), "{trace}");
}

/// Git can make such repositories. The ids of the tables are those that DX and whoever else reads them know.
async fn a_repository_of_longer_ids_is_left_behind_and_stops_no_other(on: Kind) {
    let (bench, git) = linear(on, 3).await;
    let path = bench.folder.path().join("long.git");
    let path = path.to_str().unwrap();
    text(&git, &["init", "--quiet", "--bare", "--object-format=sha256", "--initial-branch=main", path]);
    let long = GitRepository::open(path).unwrap();
    let tree = text(&long, &["hash-object", "-t", "tree", "-w", "/dev/null"]);
    let head = text(&long, &["-c", "user.name=a", "-c", "user.email=a@example.com", "commit-tree", "-m", "one", &tree]);
    long.set_branch("main", &head).unwrap();
    assert_eq!(head.len(), 64);
    bench.simulator.add_repository(NewRepository::at("PLAT/long", path)).unwrap();
    for (added, trace) in [(3, "head head list page@0 who"), (0, "head head list")] {
        let summary = bench.run().await.unwrap();
        assert_eq!((summary.synced, summary.added, summary.commits), (1, added, 3));
        let (repository, reason, message) = &summary.failed[0];
        assert_eq!((summary.failed.len(), repository.as_str(), *reason), (1, "PLAT/long", "UnexpectedAnswer"));
        assert!(message.contains("a commit id that is not 40 hexadecimal digits"), "{message}");
        assert_eq!(bench.sorted(), trace, "two at a time, in any order");
    }
    bench.assert_equal("PLAT/api", &git, "main").await;
}

/// What git prints, without the newline.
fn text(git: &GitRepository, arguments: &[&str]) -> String {
    String::from_utf8(git.git(arguments).unwrap()).unwrap().trim_end().to_owned()
}

on_both! {
    a_repository_of_longer_ids_is_left_behind_and_stops_no_other,
    a_wrong_listing_changes_nothing,
    a_first_listing_that_lacks_its_oldest_commit_is_not_believed,
    another_repository_under_the_same_name_removes_nothing,
    a_listing_that_does_not_begin_with_its_end_is_not_believed,
    a_commit_under_another_ones_id_leaves_no_trace,
    a_commit_without_its_parents_does_not_cut_history_off,
    a_next_page_where_no_list_can_be_is_not_asked_for,
    a_head_that_is_no_id_does_not_mean_that_there_are_no_commits,
    what_another_repository_has_answered_is_given_up,
    a_next_page_that_is_the_same_again_is_not_asked_for,
    a_page_that_is_too_large_is_asked_for_in_parts,
    a_listing_without_an_end_ends_the_run,
    pages_grow_again_after_one_that_was_too_large,
}

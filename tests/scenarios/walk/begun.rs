//! Walks that an earlier run has begun.

use bitbucket_simulator::{Action, Fault, Hold, Matches, Refusal};
use serde_json::json;

use super::{counts, linear};
use crate::support::database::{Kind, on_both};
use crate::support::sync::Bench;

fn broken() -> Action {
    Action::Refuse(Refusal::Internal { message: "no".to_owned() })
}

/// Bitbucket gives the first page of the commit's history, and this for the others.
fn beyond(bench: &Bench, target: &str, action: Action) {
    let pages = [format!("until={target}"), "start=100".to_owned()].map(Matches::QueryContains).to_vec();
    bench.simulator.faults().push(Fault::new(action).matches(Matches::All(pages)));
}

async fn a_walk_that_was_stopped_goes_on_at_its_checkpoint(on: Kind) {
    let (bench, git) = linear(on, 450).await;
    let fault = Fault::on_path("/commits", broken()).after(2);
    let id = bench.simulator.faults().push(fault);
    let summary = bench.run().await.unwrap();
    assert_eq!(summary.failed[0].1, "ServerError");
    assert_eq!(bench.stored("PLAT/api").await.len(), 200);
    bench.simulator.faults().remove(id);
    // A push meanwhile changes nothing: the walk goes to its own target first, and then on.
    git.grow("main", 3).unwrap();
    bench.requests();
    assert_eq!(counts(&bench.synced().await), (253, 0, 453));
    bench.assert_equal("PLAT/api", &git, "main").await;
    assert_eq!(bench.trace(), "list page@200 page@300 page@400 head page@0");
}

async fn a_walk_whose_target_and_branch_have_gone_is_given_up(on: Kind) {
    let (bench, git) = linear(on, 5).await;
    bench.simulator.configure(|settings| settings.caps.commits = 2);
    // The head moves during the first walk, and during the second one branch and target go.
    let hold = Hold::new();
    bench.simulator.faults().push(Fault::on_path("/commits", Action::Hold(hold.clone())).after(2));
    let ids = git.rev_list(&["main"]).unwrap();
    let meanwhile = async {
        hold.wait_for(1).await;
        git.grow("main", 5).unwrap();
        hold.release_one();
        hold.wait_for(2).await;
        hold.release_one();
        hold.wait_for(3).await;
        git.set_branch("kept", &ids[0]).unwrap();
        git.delete_branch("main").unwrap();
        git.prune().unwrap();
        hold.release();
    };
    let (summary, ()) = tokio::join!(bench.synced(), meanwhile);
    assert_eq!((summary.synced, summary.empty), (0, 1));
    assert_eq!(bench.trace(), "list head who page@0 page@2 page@4 head page@0 page@2 head");
    // The walk is given up with its rows, and the complete set stays.
    assert_eq!(bench.stored("PLAT/api").await.len(), 5);
    assert_eq!(bench.synced().await.empty, 1);
    assert_eq!(bench.trace(), "list head");
    git.set_branch("main", &ids[2]).unwrap();
    assert_eq!(counts(&bench.synced().await), (0, 2, 3));
    assert_eq!(bench.trace(), "list head page@0 who");
    bench.assert_equal("PLAT/api", &git, "main").await;
}

/// Bitbucket cannot list one commit's history beyond its first page, whenever it is asked.
async fn a_target_that_is_never_listed_to_its_end_holds_up_no_newer_one(on: Kind) {
    let (bench, git) = linear(on, 250).await;
    beyond(&bench, &git.rev_list(&["main"]).unwrap()[0], broken());
    let failed =
        async || bench.run().await.unwrap().failed.into_iter().map(|(_, reason, _)| reason).collect::<Vec<_>>();
    assert_eq!(failed().await, ["ServerError"]);
    bench.requests();
    // What is stored of it is kept for the next run, and its head is looked at only when that has brought nothing.
    assert_eq!(failed().await, ["ServerError"]);
    assert_eq!(
        bench.trace(),
        "list page@100 page@100 page@100 page@100 page@100 head page@100 page@100 page@100 page@100 page@100 head"
    );
    assert_eq!(bench.stored("PLAT/api").await.len(), 100);
    git.grow("main", 3).unwrap();
    let summary = bench.synced().await;
    assert_eq!((summary.added, summary.commits), (253, 253));
    bench.assert_equal("PLAT/api", &git, "main").await;
    assert_eq!(
        bench.trace(),
        "list page@100 page@100 page@100 page@100 page@100 head who page@0 page@100 page@200 head"
    );
}

/// Nor is a walk given up that something on the way holds up: for a newer head it would begin anew, and meet the same.
async fn what_is_stored_of_a_walk_outlasts_a_proxy_that_has_no_answer(on: Kind) {
    let unavailable = |status| Action::Status { status, headers: vec![], body: "<html>".to_owned() };
    for lost in [unavailable(502), unavailable(503), unavailable(504), Action::Drop] {
        let (bench, git) = linear(on, 250).await;
        beyond(&bench, &git.rev_list(&["main"]).unwrap()[0], lost);
        for _ in 0..3 {
            assert_eq!(bench.run().await.unwrap().failed.len(), 1);
            assert_eq!(bench.stored("PLAT/api").await.len(), 100);
            git.grow("main", 1).unwrap();
        }
        bench.simulator.faults().clear();
        bench.requests();
        bench.synced().await;
        assert_eq!(bench.trace(), "list page@100 page@200 head page@0");
        bench.assert_equal("PLAT/api", &git, "main").await;
    }
}

/// A slow Bitbucket gives a page or two a run: none of them is lost, however often the head moves.
async fn a_walk_that_goes_on_page_by_page_is_not_given_up_for_a_newer_head(on: Kind) {
    let (bench, git) = linear(on, 450).await;
    for (run, trace) in
        ["list head who page@0 page@100", "list page@100 page@200", "list page@200 page@300"].into_iter().enumerate()
    {
        bench.simulator.faults().clear();
        bench.simulator.faults().push(Fault::on_path("/commits", broken()).after(1));
        let summary = bench.run().await.unwrap();
        assert_eq!((summary.failed[0].1, summary.commits), ("ServerError", 100 * (run as u64 + 1)));
        let again = trace.rsplit(' ').next().unwrap();
        let asked = bench.trace();
        assert!(asked.starts_with(trace), "{asked}");
        // Each of the two visits asks once for the count or ahead, and then four times.
        let times = asked.split(' ').filter(|one| *one == again).count();
        assert_eq!(times, 10, "{asked}");
        git.grow("main", 1).unwrap();
    }
    bench.simulator.faults().clear();
    bench.synced().await;
    assert_eq!(bench.trace(), "list page@300 page@400 head page@0");
    bench.assert_equal("PLAT/api", &git, "main").await;
}

/// Somebody pushes what Bitbucket cannot list, and takes it back.
async fn a_head_that_goes_back_to_the_stored_one_leaves_nothing_of_the_walk_between(on: Kind) {
    let (bench, git) = linear(on, 30).await;
    bench.synced().await;
    let old = git.rev_list(&["main"]).unwrap()[0].clone();
    git.grow("main", 250).unwrap();
    beyond(&bench, &git.rev_list(&["main"]).unwrap()[0], broken());
    for _ in 0..2 {
        assert_eq!(bench.run().await.unwrap().failed[0].1, "ServerError");
    }
    git.set_branch("main", &old).unwrap();
    bench.requests();
    // Every repository is synced, says the run.
    assert_eq!(bench.synced().await.synced, 1);
    assert_eq!(bench.trace(), "list page@100 page@100 page@100 page@100 page@100 head");
    let rows = bench.query("SELECT complete FROM bitbucket_repository_freshness").await;
    assert_eq!((json!(rows.rows), bench.stored("PLAT/api").await.len()), (json!([[1]]), 30));
    bench.assert_equal("PLAT/api", &git, "main").await;
}

/// As a firewall that dislikes a message, or a page that is too large: no error that is tried again.
async fn a_target_whose_next_page_is_refused_for_good_holds_up_no_newer_one(on: Kind) {
    // First with a count, and then without it. What is too large is asked for in ever smaller parts.
    for (action, tries) in [(Action::Html200, 2), (Action::Flood(65 << 20), 5)] {
        let (bench, git) = linear(on, 250).await;
        let ids = git.rev_list(&["main"]).unwrap();
        beyond(&bench, &ids[0], action);
        for _ in 0..2 {
            assert_eq!(bench.run().await.unwrap().failed[0].1, "UnexpectedAnswer");
        }
        // What it was about is taken out of history.
        git.set_branch("main", &ids[240]).unwrap();
        git.grow("main", 3).unwrap();
        bench.requests();
        bench.synced().await;
        assert_eq!(bench.trace(), format!("list{} head who page@0", " page@100".repeat(tries)));
        bench.assert_equal("PLAT/api", &git, "main").await;
    }
}

on_both! {
    a_walk_that_was_stopped_goes_on_at_its_checkpoint,
    a_walk_whose_target_and_branch_have_gone_is_given_up,
    a_target_that_is_never_listed_to_its_end_holds_up_no_newer_one,
    what_is_stored_of_a_walk_outlasts_a_proxy_that_has_no_answer,
    a_walk_that_goes_on_page_by_page_is_not_given_up_for_a_newer_head,
    a_head_that_goes_back_to_the_stored_one_leaves_nothing_of_the_walk_between,
    a_target_whose_next_page_is_refused_for_good_holds_up_no_newer_one,
}

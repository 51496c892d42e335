//! Odd turns that once went wrong.

use bitbucket_connector::sync::RunError;
use bitbucket_simulator::git::{NewCommit, Person};
use bitbucket_simulator::{Action, Fault, Hold, JsonEdit, Matches, Moved, Refusal, histories};
use serde_json::json;

use super::broken::many;
use super::{counts, linear};
use crate::support::database::{Kind, on_both};
use crate::support::sync::Bench;

/// Bitbucket gives the first page of the commit's history, and this for the others.
fn beyond(bench: &Bench, target: &str, action: Action) {
    let pages = [format!("until={target}"), "start=100".to_owned()].map(Matches::QueryContains).to_vec();
    bench.simulator.faults().push(Fault::new(action).matches(Matches::All(pages)));
}

fn internal() -> Action {
    Action::Refuse(Refusal::Internal { message: "no".to_owned() })
}

/// Somebody pushes what Bitbucket cannot list, and takes it back.
async fn a_head_that_goes_back_to_the_stored_one_leaves_nothing_of_the_walk_between(on: Kind) {
    let (bench, git) = linear(on, 30).await;
    bench.synced().await;
    let old = git.rev_list(&["main"]).unwrap()[0].clone();
    git.grow("main", 250).unwrap();
    beyond(&bench, &git.rev_list(&["main"]).unwrap()[0], internal());
    for _ in 0..2 {
        assert_eq!(bench.run().await.unwrap().failed[0].1, "ServerError");
    }
    git.set_branch("main", &old).unwrap();
    // Every repository is synced, says the run.
    assert_eq!(bench.synced().await.synced, 1);
    let rows = bench.query("SELECT complete FROM bitbucket_repository_freshness").await;
    assert_eq!((json!(rows.rows), bench.stored("PLAT/api").await.len()), (json!([[1]]), 30));
    bench.assert_equal("PLAT/api", &git, "main").await;
}

/// As a firewall that dislikes a message, or a page that is too large: no error that is tried again.
async fn a_target_whose_next_page_is_refused_for_good_holds_up_no_newer_one(on: Kind) {
    for action in [Action::Html200, Action::Flood(65 << 20)] {
        let (bench, git) = linear(on, 250).await;
        let ids = git.rev_list(&["main"]).unwrap();
        beyond(&bench, &ids[0], action.clone());
        for _ in 0..2 {
            assert_eq!(bench.run().await.unwrap().failed[0].1, "UnexpectedAnswer");
        }
        // What it was about is taken out of history.
        git.set_branch("main", &ids[240]).unwrap();
        git.grow("main", 3).unwrap();
        for _ in 0..3 {
            bench.requests();
            bench.run().await.unwrap();
        }
        assert!(bench.trace().contains("head"), "{action:?}: the new head is looked at some time");
        bench.assert_equal("PLAT/api", &git, "main").await;
    }
}

async fn a_name_that_is_too_long_for_an_index_stops_no_other_repository(on: Kind) {
    let mut git = None;
    let bench = Bench::start(on, |builder, folder| {
        git = Some(histories::linear(folder.git("bad"), 300).unwrap());
        histories::linear(folder.git("good"), 3).unwrap();
        builder.repository("PLAT/bad", folder.git("bad")).repository("PLAT/good", folder.git("good"))
    })
    .await;
    let git = git.unwrap();
    let ids = git.rev_list(&["main"]).unwrap();
    // Nothing that repeats, which PostgreSQL would store shorter.
    let author = Person::new("Ada", format!("{}@example.com", ids.concat()), 1_704_067_200);
    let head = git.commit(NewCommit::new("odd", author).parent(&ids[0])).unwrap();
    git.set_branch("main", &head).unwrap();
    let summary = bench.prepare(1).await.run().await.unwrap();
    assert_eq!((summary.synced, summary.failed), (2, vec![]));
    bench.assert_equal("PLAT/bad", &git, "main").await;
}

async fn a_bitbucket_that_goes_down_while_missing_ones_are_asked_for_ends_the_run_early(on: Kind) {
    let bench = many(on, 40, 0).await;
    bench.synced().await;
    let nothing =
        vec![JsonEdit::Set("/values".to_owned(), json!([])), JsonEdit::Set("/isLastPage".to_owned(), json!(true))];
    let list = Matches::PathEndsWith("/1.0/repos".to_owned());
    bench.simulator.faults().push(Fault::new(Action::EditJson(nothing)).matches(list));
    bench.simulator.faults().push(Fault::on_path("/projects/", Action::Refuse(Refusal::NotRunning)));
    bench
        .simulator
        .faults()
        .push(Fault::on_path("/application-properties", Action::Refuse(Refusal::NotRunning)).after(1));
    bench.requests();
    let ended = bench.prepare(1).await.run().await;
    let asked = bench.requests().len();
    assert!(asked < 40, "{asked} requests to a Bitbucket that is down");
    assert!(matches!(ended, Err(RunError::Outage(_))), "{ended:?}");
}

/// One that is still listed, and is not there when it is asked for: each run lists twice for its sake.
async fn one_that_is_listed_and_never_there_costs_one_request_a_run(on: Kind) {
    let (bench, _git) = linear(on, 3).await;
    bench.synced().await;
    let gone = Refusal::NoSuchRepository { key: "PLAT".to_owned(), slug: "api".to_owned() };
    bench.simulator.faults().push(Fault::on_path("/branches/default", Action::Refuse(gone)));
    for _ in 0..2 {
        assert_eq!(bench.run().await.unwrap().inaccessible, ["PLAT/api"]);
        bench.requests();
    }
    bench.run().await.unwrap();
    assert_eq!(bench.trace(), "list head");
}

/// Whoever is listed last tells the project's latest key.
async fn a_project_that_is_renamed_between_two_pages_has_its_new_key(on: Kind) {
    let bench = many(on, 2, 0).await;
    bench.simulator.configure(|settings| (settings.caps.repositories, settings.moved) = (1, Moved::Alias));
    bench.synced().await;
    let hold = Hold::new();
    bench.simulator.faults().push(Fault::on_path("/1.0/repos", Action::Hold(hold.clone())));
    let meanwhile = async {
        hold.wait_for(1).await;
        hold.release_one();
        hold.wait_for(2).await;
        bench.simulator.rename_project("PLAT", "NEW").unwrap();
        hold.release();
    };
    bench.requests();
    let (summary, ()) = tokio::join!(bench.synced(), meanwhile);
    assert_eq!((summary.synced, bench.trace().as_str()), (2, "list list head head"));
    let rows = bench.query("SELECT key FROM bitbucket_server_projects").await;
    assert_eq!(json!(rows.rows), json!([["NEW"]]));
}

/// One page that is too large makes the others small for the rest of the walk.
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
    let asked = bench.requests().len();
    assert!(asked < 60, "{asked} requests for a thousand commits");
}

on_both! {
    a_head_that_goes_back_to_the_stored_one_leaves_nothing_of_the_walk_between,
    a_target_whose_next_page_is_refused_for_good_holds_up_no_newer_one,
    a_name_that_is_too_long_for_an_index_stops_no_other_repository,
    a_bitbucket_that_goes_down_while_missing_ones_are_asked_for_ends_the_run_early,
    one_that_is_listed_and_never_there_costs_one_request_a_run,
    a_project_that_is_renamed_between_two_pages_has_its_new_key,
    pages_grow_again_after_one_that_was_too_large,
}

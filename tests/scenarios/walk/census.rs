//! Which repositories there are: what a listing leaves out, what has gone, moved, or come again under its old name.

use bitbucket_connector::sync::RunError;
use bitbucket_simulator::{Access, Action, Fault, Hold, JsonEdit, Matches, Moved, NewRepository, Refusal, histories};
use serde_json::json;

use super::linear;
use crate::support::database::{Kind, on_both};
use crate::support::sync::{Bench, text};

/// Hides the first repository of the listing.
fn hide() -> Fault {
    let hidden = Action::EditJson(vec![JsonEdit::Remove("/values/0".to_owned())]);
    Fault::new(hidden).matches(Matches::PathEndsWith("/1.0/repos".to_owned()))
}

/// Paths of the requests since the last call, from `/repos` or `/projects` on.
fn asked(bench: &Bench) -> Vec<String> {
    let short = |path: String| path.trim_start_matches("/rest/api/1.0").to_owned();
    bench.requests().into_iter().map(|seen| short(seen.path)).collect()
}

async fn flags(bench: &Bench) -> serde_json::Value {
    let sql = "SELECT listed, api_accessible, allowlisted FROM bitbucket_server_repositories ORDER BY id";
    json!(bench.query(sql).await.rows)
}

async fn a_listing_that_leaves_one_out_is_asked_about_it(on: Kind) {
    let (bench, git) = linear(on, 3).await;
    bench.synced().await;
    git.grow("main", 2).unwrap();
    bench.simulator.faults().push(hide());
    bench.requests();
    bench.synced().await;
    let repository = "/projects/PLAT/repos/api";
    let expected = ["/repos", repository, &format!("{repository}/branches/default"), &format!("{repository}/commits")];
    assert_eq!(asked(&bench), expected);
    bench.assert_equal("PLAT/api", &git, "main").await;
    assert_eq!(flags(&bench).await, json!([[1, 1, 1]]));
}

async fn one_that_nobody_can_tell_of_is_left_behind_with_its_rows(on: Kind) {
    let (bench, git) = linear(on, 3).await;
    bench.synced().await;
    bench.simulator.faults().push(hide());
    let broken = Fault::new(Action::Refuse(Refusal::Internal { message: "no".to_owned() }));
    bench.simulator.faults().push(broken.matches(Matches::PathEndsWith("/repos/api".to_owned())));
    let summary = bench.run().await.unwrap();
    assert_eq!((summary.failed.len(), summary.failed[0].1, summary.commits), (1, "ServerError", 3));
    assert_eq!(flags(&bench).await, json!([[0, 1, 1]]));
    bench.simulator.faults().clear();
    bench.synced().await;
    bench.assert_equal("PLAT/api", &git, "main").await;
    assert_eq!(flags(&bench).await, json!([[1, 1, 1]]));
}

async fn what_is_gone_is_asked_for_once_and_keeps_its_rows(on: Kind) {
    let (bench, git) = linear(on, 3).await;
    bench.synced().await;
    bench.simulator.remove_repository("PLAT/api").unwrap();
    bench.requests();
    let summary = bench.run().await.unwrap();
    assert_eq!(
        (summary.inaccessible.as_slice(), summary.total(), summary.commits),
        (&["PLAT/api".to_owned()][..], 1, 3)
    );
    assert_eq!(asked(&bench), ["/repos", "/projects/PLAT/repos/api"]);
    assert_eq!(flags(&bench).await, json!([[0, 0, 1]]));
    assert_eq!(bench.run().await.unwrap().total(), 0);
    assert_eq!(asked(&bench), ["/repos"], "not again");
    bench.assert_equal("PLAT/api", &git, "main").await;
}

async fn a_permission_that_is_withdrawn_and_given_back_loses_nothing(on: Kind) {
    let (bench, git) = linear(on, 3).await;
    bench.synced().await;
    bench.simulator.set_access_to("reader", "PLAT", Access::Nothing).unwrap();
    assert_eq!(bench.run().await.unwrap().inaccessible, ["PLAT/api"]);
    assert_eq!(bench.run().await.unwrap().total(), 0);
    git.grow("main", 2).unwrap();
    bench.simulator.set_access_to("reader", "PLAT", Access::Read).unwrap();
    assert_eq!(bench.synced().await.added, 2, "what was stored is still there");
    bench.assert_equal("PLAT/api", &git, "main").await;
    assert_eq!(flags(&bench).await, json!([[1, 1, 1]]));
}

async fn one_that_is_made_again_under_its_old_name_is_another_one(on: Kind) {
    let (bench, git) = linear(on, 3).await;
    bench.synced().await;
    bench.simulator.remove_repository("PLAT/api").unwrap();
    let path = bench.folder.path().join("again.git");
    let again = histories::odd(&path, 20, 7).unwrap();
    bench.simulator.add_repository(NewRepository::at("PLAT/api", &path)).unwrap();
    bench.requests();
    let summary = bench.run().await.unwrap();
    assert_eq!((summary.inaccessible.len(), summary.synced), (1, 1));
    assert!(!asked(&bench).contains(&"/projects/PLAT/repos/api".to_owned()), "its name is taken: nothing to ask");
    assert_eq!(flags(&bench).await, json!([[0, 0, 1], [1, 1, 1]]));
    let counts = "SELECT count(*) FROM bitbucket_server_repository_default_branch_commits
                  GROUP BY repository_id ORDER BY repository_id";
    let rows = bench.query(counts).await.rows;
    let commits = |git: &bitbucket_simulator::git::GitRepository| git.rev_list(&["main"]).unwrap().len();
    assert_eq!(json!(rows), json!([[commits(&git)], [commits(&again)]]));
}

async fn one_that_moves_during_the_run_is_found_again_in_the_same_run(on: Kind) {
    for moved in [Moved::Redirect { status: 307 }, Moved::Gone] {
        let (bench, git) = linear(on, 3).await;
        bench.synced().await;
        bench.simulator.configure(|settings| settings.moved = moved);
        git.grow("main", 2).unwrap();
        let hold = Hold::new();
        bench.simulator.faults().push(Fault::on_path("/branches/default", Action::Hold(hold.clone())).times(1));
        let meanwhile = async {
            hold.wait_for(1).await;
            bench.simulator.move_repository("PLAT/api", "NEW/interface").unwrap();
            hold.release();
        };
        let (summary, ()) = tokio::join!(bench.synced(), meanwhile);
        assert_eq!((summary.synced, summary.total(), summary.added), (1, 1, 2), "{moved:?}");
        bench.assert_equal("NEW/interface", &git, "main").await;
        let rows = bench.query("SELECT source_url FROM bitbucket_server_repositories").await.rows;
        assert!(text(&rows[0][0]).ends_with("/projects/NEW/repos/interface/browse"));
    }
}

async fn what_the_filter_leaves_out_keeps_its_rows_and_is_not_asked_for(on: Kind) {
    let (mut bench, git) = linear(on, 3).await;
    bench.synced().await;
    bench.filter.mode = bitbucket_connector::api::spec::ImportMode::Denylist;
    bench.filter.projects = vec!["plat".to_owned()];
    bench.requests();
    assert_eq!(bench.synced().await.total(), 0);
    bench.simulator.faults().push(hide());
    assert_eq!(bench.synced().await.total(), 0);
    assert_eq!(asked(&bench), ["/repos", "/repos"]);
    assert_eq!(flags(&bench).await, json!([[0, 1, 0]]));
    bench.assert_equal("PLAT/api", &git, "main").await;
}

/// A run over `count` repositories of one commit each, `broken` of which always answer with an error.
async fn many(on: Kind, count: usize, broken: usize) -> Bench {
    let bench = Bench::start(on, |builder, folder| {
        histories::linear(folder.git("api"), 1).unwrap();
        (0..count).fold(builder, |builder, number| builder.repository(&format!("PLAT/r{number:02}"), folder.git("api")))
    })
    .await;
    for number in 0..broken {
        let fault = Action::Refuse(Refusal::Internal { message: "no".to_owned() });
        bench.simulator.faults().push(Fault::on_path(&format!("/repos/r{number:02}/"), fault));
    }
    bench
}

async fn broken_repositories_never_stop_the_others(on: Kind) {
    let bench = many(on, 24, 12).await;
    let summary = bench.run().await.unwrap();
    assert_eq!((summary.synced, summary.failed.len()), (12, 12));
    assert!(summary.failed.iter().all(|(_, reason, _)| *reason == "ServerError"));
    assert_eq!(
        bench.query("SELECT * FROM bitbucket_server_repositories WHERE failure IS NOT NULL").await.rows.len(),
        12
    );
    bench.simulator.faults().clear();
    assert_eq!(bench.synced().await.synced, 24);
    assert_eq!(
        bench.query("SELECT * FROM bitbucket_server_repositories WHERE failure IS NOT NULL").await.rows.len(),
        0
    );
}

async fn one_that_recovers_is_tried_again_before_the_run_ends(on: Kind) {
    let bench = many(on, 3, 0).await;
    let fault = Action::Refuse(Refusal::Internal { message: "no".to_owned() });
    bench.simulator.faults().push(Fault::on_path("/repos/r01/", fault).times(4));
    assert_eq!(bench.synced().await.synced, 3);
}

async fn a_bitbucket_that_goes_down_ends_the_run_early(on: Kind) {
    let bench = many(on, 60, 0).await;
    let down = Action::Refuse(Refusal::NotRunning);
    let id = bench.simulator.faults().push(Fault::new(down).after(12));
    assert!(matches!(bench.run().await, Err(RunError::Outage(_))));
    let asked = bench.requests().len();
    assert!(asked < 100, "{asked} requests: the rest is not asked for in vain");
    bench.simulator.faults().remove(id);
    assert_eq!(bench.synced().await.synced, 60);
}

on_both! {
    a_listing_that_leaves_one_out_is_asked_about_it,
    one_that_nobody_can_tell_of_is_left_behind_with_its_rows,
    what_is_gone_is_asked_for_once_and_keeps_its_rows,
    a_permission_that_is_withdrawn_and_given_back_loses_nothing,
    one_that_is_made_again_under_its_old_name_is_another_one,
    one_that_moves_during_the_run_is_found_again_in_the_same_run,
    what_the_filter_leaves_out_keeps_its_rows_and_is_not_asked_for,
    broken_repositories_never_stop_the_others,
    one_that_recovers_is_tried_again_before_the_run_ends,
    a_bitbucket_that_goes_down_ends_the_run_early,
}

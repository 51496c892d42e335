//! Which repositories there are: what a listing leaves out, what has gone, moved, or come again under its old name.

use bitbucket_simulator::{Access, Action, Fault, Hold, JsonEdit, Matches, Moved, NewRepository, Refusal, histories};
use serde_json::json;

use super::broken::many;
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
    bench.requests();
    let summary = bench.run().await.unwrap();
    assert_eq!((summary.failed.len(), summary.failed[0].1, summary.commits), (1, "ServerError", 3));
    assert_eq!(bench.trace(), "list who who who who list who who who who", "listed again in the same run");
    assert_eq!(flags(&bench).await, json!([[0, 1, 1]]));
    bench.simulator.faults().clear();
    bench.synced().await;
    assert_eq!(bench.trace(), "list head");
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
    bench.requests();
    assert_eq!(bench.run().await.unwrap().inaccessible, ["PLAT/api"]);
    assert_eq!(bench.trace(), "list who");
    assert_eq!(bench.run().await.unwrap().total(), 0);
    assert_eq!(bench.trace(), "list");
    git.grow("main", 2).unwrap();
    bench.simulator.set_access_to("reader", "PLAT", Access::Read).unwrap();
    assert_eq!(bench.synced().await.added, 2, "what was stored is still there");
    assert_eq!(bench.trace(), "list head page@0");
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
    assert_eq!(bench.trace(), "list head who page@0", "the name is taken: about the old one there is nothing to ask");
    assert_eq!(flags(&bench).await, json!([[0, 0, 1], [1, 1, 1]]));
    let counts = "SELECT count(*) FROM bitbucket_server_repository_default_branch_commits
                  GROUP BY repository_id ORDER BY repository_id";
    let rows = bench.query(counts).await.rows;
    let commits = |git: &bitbucket_simulator::git::GitRepository| git.rev_list(&["main"]).unwrap().len();
    assert_eq!(json!(rows), json!([[commits(&git)], [commits(&again)]]));
}

async fn a_project_that_is_made_again_under_its_old_key_is_another_one(on: Kind) {
    let (bench, git) = linear(on, 3).await;
    bench.synced().await;
    bench.simulator.remove_project("PLAT").unwrap();
    bench.requests();
    assert_eq!(bench.run().await.unwrap().inaccessible, ["PLAT/api"]);
    assert_eq!(asked(&bench), ["/repos", "/projects/PLAT/repos/api"]);
    bench.simulator.add_repository(NewRepository::at("PLAT/web", git.path())).unwrap();
    assert_eq!(bench.synced().await.total(), 1);
    let projects = "SELECT source_id, key FROM bitbucket_server_projects ORDER BY source_id";
    assert_eq!(json!(bench.query(projects).await.rows), json!([[1, "PLAT"], [2, "PLAT"]]));
    let repositories = "SELECT slug, p.source_id, r.api_accessible FROM bitbucket_server_repositories AS r
                        JOIN bitbucket_server_projects AS p ON p.id = r.project_id ORDER BY r.source_id";
    assert_eq!(json!(bench.query(repositories).await.rows), json!([["api", 1, 0], ["web", 2, 1]]));
    bench.assert_equal("PLAT/web", &git, "main").await;
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
        bench.requests();
        let (summary, ()) = tokio::join!(bench.synced(), meanwhile);
        assert_eq!((summary.synced, summary.total(), summary.added), (1, 1, 2), "{moved:?}");
        assert_eq!(bench.trace(), "list head list head page@0");
        bench.assert_equal("NEW/interface", &git, "main").await;
        let rows = bench.query("SELECT source_url FROM bitbucket_server_repositories").await.rows;
        assert!(text(&rows[0][0]).ends_with("/projects/NEW/repos/interface/browse"));
    }
}

async fn one_that_is_replaced_between_listing_and_first_walk_stores_nothing(on: Kind) {
    let (bench, _git) = linear(on, 3).await;
    let path = bench.folder.path().join("again.git");
    let again = histories::odd(&path, 20, 7).unwrap();
    let hold = Hold::new();
    bench.simulator.faults().push(Fault::on_path("/branches/default", Action::Hold(hold.clone())).times(1));
    let meanwhile = async {
        hold.wait_for(1).await;
        bench.simulator.remove_repository("PLAT/api").unwrap();
        bench.simulator.add_repository(NewRepository::at("PLAT/api", &path)).unwrap();
        hold.release();
    };
    let (summary, ()) = tokio::join!(bench.run(), meanwhile);
    let summary = summary.unwrap();
    assert_eq!((summary.inaccessible.len(), summary.synced, summary.added), (1, 1, 20));
    assert_eq!(bench.trace(), "list head who list head who page@0");
    let rows = bench.query("SELECT r.source_id, count(c.id) FROM bitbucket_server_repositories r LEFT JOIN          bitbucket_server_repository_default_branch_commits c ON c.repository_id = r.id GROUP BY r.id ORDER BY 1").await;
    assert_eq!(json!(rows.rows), json!([[1, 0], [2, again.rev_list(&["main"]).unwrap().len()]]));
}

async fn what_was_stored_of_one_that_goes_meanwhile_is_counted(on: Kind) {
    let (bench, _git) = linear(on, 150).await;
    let hold = Hold::new();
    bench.simulator.faults().push(Fault::on_path("/commits", Action::Hold(hold.clone())).after(1).times(1));
    let meanwhile = async {
        hold.wait_for(1).await;
        bench.simulator.remove_repository("PLAT/api").unwrap();
        hold.release();
    };
    let (summary, ()) = tokio::join!(bench.run(), meanwhile);
    let summary = summary.unwrap();
    assert_eq!((summary.inaccessible.len(), summary.added, summary.commits), (1, 100, 100));
    assert_eq!(bench.trace(), "list head who page@0 page@100 list who");
}

async fn what_comes_or_goes_before_the_run_lists_again_is_counted_once(on: Kind) {
    let bench = many(on, 3, 0).await;
    bench.synced().await;
    bench.simulator.set_access_to("reader", "PLAT/r02", Access::Nothing).unwrap();
    // The second one moves, so that the run lists again; by then the first one is gone, and the third one given back.
    let hold = Hold::new();
    bench.simulator.faults().push(Fault::on_path("/repos/r01/", Action::Hold(hold.clone())).times(1));
    let meanwhile = async {
        hold.wait_for(1).await;
        bench
            .simulator
            .wait_until(|seen| seen.iter().any(|one| one.path.contains("/r00/") && one.status.is_some()))
            .await;
        bench.simulator.move_repository("PLAT/r01", "PLAT/moved").unwrap();
        bench.simulator.remove_repository("PLAT/r00").unwrap();
        bench.simulator.set_access_to("reader", "PLAT/r02", Access::Read).unwrap();
        hold.release();
    };
    bench.requests();
    let (summary, ()) = tokio::join!(bench.run(), meanwhile);
    let summary = summary.unwrap();
    assert_eq!((summary.synced, summary.inaccessible.as_slice()), (2, &["PLAT/r00".to_owned()][..]));
    assert_eq!(bench.trace(), "list who head head list who head head");
    assert_eq!(flags(&bench).await, json!([[0, 0, 1], [1, 1, 1], [1, 1, 1]]));
}

async fn a_name_that_leads_to_another_repository_again_is_gone(on: Kind) {
    let (bench, git) = linear(on, 3).await;
    bench.synced().await;
    bench.simulator.move_repository("PLAT/api", "PLAT/interface").unwrap();
    bench.simulator.add_repository(NewRepository::at("PLAT/api", git.path())).unwrap();
    assert_eq!(bench.synced().await.synced, 2);
    bench.simulator.remove_repository("PLAT/api").unwrap();
    bench.requests();
    let summary = bench.run().await.unwrap();
    assert_eq!((summary.inaccessible.as_slice(), summary.synced), (&["PLAT/api".to_owned()][..], 1));
    let (old, new) = ("/projects/PLAT/repos/api", "/projects/PLAT/repos/interface");
    let head = format!("{new}/branches/default");
    assert_eq!(asked(&bench), ["/repos", old, new, &head, "/repos", old, new], "listed again before it is believed");
    assert_eq!(bench.synced().await.total(), 1, "asked for once");
    assert_eq!(bench.trace(), "list head");
}

async fn one_that_has_moved_and_is_not_listed_is_found_where_it_is(on: Kind) {
    let (bench, git) = linear(on, 3).await;
    bench.synced().await;
    bench.simulator.move_repository("PLAT/api", "NEW/interface").unwrap();
    git.grow("main", 2).unwrap();
    bench.simulator.faults().push(hide());
    bench.requests();
    assert_eq!(bench.synced().await.added, 2);
    assert_eq!(bench.trace(), "list who who head page@0");
    bench.assert_equal("NEW/interface", &git, "main").await;
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

on_both! {
    a_listing_that_leaves_one_out_is_asked_about_it,
    one_that_nobody_can_tell_of_is_left_behind_with_its_rows,
    what_is_gone_is_asked_for_once_and_keeps_its_rows,
    a_permission_that_is_withdrawn_and_given_back_loses_nothing,
    one_that_is_made_again_under_its_old_name_is_another_one,
    a_project_that_is_made_again_under_its_old_key_is_another_one,
    one_that_moves_during_the_run_is_found_again_in_the_same_run,
    one_that_is_replaced_between_listing_and_first_walk_stores_nothing,
    what_was_stored_of_one_that_goes_meanwhile_is_counted,
    what_comes_or_goes_before_the_run_lists_again_is_counted_once,
    a_name_that_leads_to_another_repository_again_is_gone,
    one_that_has_moved_and_is_not_listed_is_found_where_it_is,
    what_the_filter_leaves_out_keeps_its_rows_and_is_not_asked_for,
}

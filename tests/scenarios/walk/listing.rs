//! What the listing says of repositories, and what their own answers say.

use bitbucket_connector::sync::Summary;
use bitbucket_simulator::{Access, Action, Command, Fault, Hold, JsonEdit, Moved, NewRepository, Refusal, Simulator};
use serde_json::json;

use super::broken::many;
use super::{empty, linear};
use crate::support::database::{Kind, on_both};
use crate::support::sync::Bench;

/// A run in whose first listing this happens between the first page and the second.
async fn synced_with(bench: &Bench, happens: impl FnOnce(&Simulator)) -> Summary {
    let hold = Hold::new();
    bench.simulator.faults().push(Fault::on_path("/1.0/repos", Action::Hold(hold.clone())));
    let meanwhile = async {
        hold.wait_for(1).await;
        hold.release_one();
        hold.wait_for(2).await;
        happens(&bench.simulator);
        hold.release();
    };
    bench.requests();
    tokio::join!(bench.synced(), meanwhile).0
}

async fn archived_repositories_are_listed_and_personal_ones_left_out(on: Kind) {
    let (bench, git) = linear(on, 3).await;
    bench.simulator.archive("PLAT/api", true).unwrap();
    bench.simulator.apply(Command::AddRepository(empty("~jdoe/notes"))).unwrap();
    let summary = bench.synced().await;
    assert_eq!((summary.synced, summary.empty), (1, 0));
    assert_eq!(bench.trace(), "list head who page@0");
    bench.assert_equal("PLAT/api", &git, "main").await;
    let rows = bench.query("SELECT slug, archived, allowlisted FROM bitbucket_server_repositories ORDER BY slug").await;
    assert_eq!(json!(rows.rows), json!([["api", 1, 1], ["notes", 0, 0]]));
}

async fn a_repository_that_is_refused_keeps_its_rows(on: Kind) {
    let (bench, git) = linear(on, 3).await;
    bench.synced().await;
    bench.simulator.set_access_to("reader", "PLAT/api", Access::Listing).unwrap();
    bench.requests();
    let summary = bench.run().await.unwrap();
    assert_eq!((summary.inaccessible, summary.commits), (vec!["PLAT/api".to_owned()], 3));
    assert_eq!(bench.trace(), "list head");
    bench.assert_equal("PLAT/api", &git, "main").await;
    bench.simulator.set_access_to("reader", "PLAT/api", Access::Read).unwrap();
    bench.synced().await;
    assert_eq!(bench.trace(), "list head");
    let rows = bench.query("SELECT api_accessible FROM bitbucket_server_repositories").await;
    assert_eq!(rows.rows[0][0], 1);
}

async fn a_repository_that_is_never_where_it_is_listed_is_left_behind(on: Kind) {
    let (bench, _git) = linear(on, 3).await;
    bench.synced().await;
    let location = "/rest/api/1.0/projects/PLAT/repos/new/branches/default".to_owned();
    let elsewhere = Action::Redirect { status: 307, location };
    bench.simulator.faults().push(Fault::on_path("/branches/default", elsewhere));
    bench.requests();
    assert_eq!(bench.run().await.unwrap().failed[0].1, "Moved");
    assert_eq!(bench.trace(), "list head list head");
}

async fn a_refused_repository_is_written_once(on: Kind) {
    let (bench, _git) = linear(on, 3).await;
    bench.synced().await;
    bench.simulator.set_access_to("reader", "PLAT/api", Access::Listing).unwrap();
    bench.run().await.unwrap();
    bench.database.watch_writes().await;
    bench.requests();
    assert_eq!(bench.run().await.unwrap().inaccessible, ["PLAT/api"]);
    assert_eq!(bench.trace(), "list head");
    assert_eq!(bench.database.written().await, ["UPDATE bitbucket_sync_runs"]);
}

async fn one_that_was_refused_and_of_which_nobody_can_tell_any_more_is_told_of(on: Kind) {
    let (bench, _git) = linear(on, 3).await;
    bench.simulator.set_access_to("reader", "PLAT/api", Access::Listing).unwrap();
    assert_eq!(bench.run().await.unwrap().inaccessible, ["PLAT/api"]);
    let hidden = Action::EditJson(vec![JsonEdit::Remove("/values/0".to_owned())]);
    bench.simulator.faults().push(Fault::on_path("/1.0/repos", hidden));
    bench.simulator.faults().push(Fault::on_path("/repos/api", Action::Refuse(Refusal::ResourceBusy)));
    bench.requests();
    let summary = bench.run().await.unwrap();
    assert_eq!((summary.inaccessible.len(), summary.failed[0].1), (0, "ServerError"));
    let asked = " who".repeat(4);
    assert_eq!(bench.trace(), format!("list{asked} list{asked}"));
}

/// Its old name has a new owner, and between the pages its own place was passed by.
async fn one_that_changes_names_between_two_pages_is_found_by_the_second_listing(on: Kind) {
    let bench = many(on, 3, 0).await;
    bench.simulator.configure(|settings| settings.caps.repositories = 1);
    bench.synced().await;
    let happens = |simulator: &Simulator| {
        simulator.move_repository("PLAT/r01", "PLAT/a").unwrap();
        simulator.move_repository("PLAT/r02", "PLAT/r01").unwrap();
    };
    let summary = synced_with(&bench, happens).await;
    assert_eq!((summary.synced, summary.inaccessible.len()), (3, 0));
    assert_eq!(
        bench.trace(),
        "list list list head head list list list head",
        "the third one is not even asked for by its old name"
    );
}

/// A second listing looks for it once, and then it is known.
async fn one_that_is_listed_and_never_there_costs_one_request_a_run(on: Kind) {
    let (bench, _git) = linear(on, 3).await;
    bench.synced().await;
    let gone = Refusal::NoSuchRepository { key: "PLAT".to_owned(), slug: "api".to_owned() };
    bench.simulator.faults().push(Fault::on_path("/branches/default", Action::Refuse(gone)));
    bench.requests();
    for trace in ["list head list head", "list head", "list head"] {
        assert_eq!(bench.run().await.unwrap().inaccessible, ["PLAT/api"]);
        assert_eq!(bench.trace(), trace);
    }
}

/// Whoever is listed last tells the project's latest key.
async fn a_project_that_is_renamed_between_two_pages_has_its_new_key(on: Kind) {
    let bench = many(on, 2, 0).await;
    bench.simulator.configure(|settings| (settings.caps.repositories, settings.moved) = (1, Moved::Alias));
    bench.synced().await;
    let summary = synced_with(&bench, |simulator| simulator.rename_project("PLAT", "NEW").unwrap()).await;
    assert_eq!((summary.synced, bench.trace().as_str()), (2, "list list head head"));
    let rows = bench.query("SELECT key FROM bitbucket_server_projects").await;
    assert_eq!(json!(rows.rows), json!([["NEW"]]));
}

/// The rows of the repositories: the id at Bitbucket, slug, and commits.
async fn rows(bench: &Bench) -> serde_json::Value {
    json!(bench.query("SELECT source_id, slug, commits FROM bitbucket_server_repositories ORDER BY 1").await.rows)
}

/// Another one is made, and pushes it to the next page, where it is listed again.
async fn one_that_two_pages_list_is_walked_once(on: Kind) {
    let (bench, git) = linear(on, 3).await;
    bench.simulator.add_repository(NewRepository::at("PLAT/web", git.path())).unwrap();
    bench.simulator.configure(|settings| settings.caps.repositories = 1);
    let happens = |simulator: &Simulator| simulator.add_repository(NewRepository::at("PLAT/a", git.path())).unwrap();
    let summary = synced_with(&bench, happens).await;
    assert_eq!(summary, Summary { synced: 2, added: 6, commits: 6, ..Summary::default() });
    assert_eq!(bench.sorted(), "head head list list list page@0 page@0 who who", "two at a time, in any order");
    assert_eq!(rows(&bench).await, json!([[1, "api", 3], [2, "web", 3]]));
    assert_eq!(bench.synced().await.synced, 3);
    assert_eq!(bench.sorted(), "head head head list list list page@0 who", "the new one is the next run's");
}

/// It is renamed from the first page to the last, and the one behind it is passed over.
async fn one_that_two_pages_list_has_its_latest_name(on: Kind) {
    let bench = many(on, 3, 0).await;
    bench.simulator.configure(|settings| settings.caps.repositories = 1);
    bench.synced().await;
    let summary = synced_with(&bench, |simulator| simulator.move_repository("PLAT/r00", "PLAT/z").unwrap()).await;
    assert_eq!(summary, Summary { synced: 3, commits: 3, ..Summary::default() });
    assert_eq!(bench.trace(), "list list list who head head head");
    assert_eq!(rows(&bench).await, json!([[1, "z", 1], [2, "r01", 1], [3, "r02", 1]]));
}

async fn one_that_a_page_lists_twice_is_walked_once(on: Kind) {
    let (bench, git) = linear(on, 3).await;
    bench.simulator.add_repository(NewRepository::at("PLAT/web", git.path())).unwrap();
    let project = json!({"id": 1, "key": "PLAT"});
    let listed = [(1, "api"), (2, "web"), (1, "api")];
    let listed = listed.map(|(id, slug)| json!({"id": id, "slug": slug, "project": project}));
    let twice = Action::EditJson(vec![JsonEdit::Set("/values".to_owned(), json!(listed))]);
    bench.simulator.faults().push(Fault::on_path("/1.0/repos", twice));
    for (added, trace) in [(6, "head head list page@0 page@0 who who"), (0, "head head list")] {
        assert_eq!(bench.synced().await, Summary { synced: 2, added, commits: 6, ..Summary::default() });
        assert_eq!(bench.sorted(), trace, "two at a time, in any order");
        assert_eq!(rows(&bench).await, json!([[1, "api", 3], [2, "web", 3]]));
    }
}

/// The index behind the listing is built anew, and the repositories are there.
async fn a_listing_that_is_suddenly_empty_loses_nothing(on: Kind) {
    let bench = many(on, 3, 0).await;
    bench.synced().await;
    let nothing = Action::EditJson(vec![JsonEdit::Set("/values".to_owned(), json!([]))]);
    bench.simulator.faults().push(Fault::on_path("/1.0/repos", nothing));
    let before = rows(&bench).await;
    bench.requests();
    let known = Summary { synced: 3, commits: 3, ..Summary::default() };
    assert_eq!(bench.synced().await, known);
    assert_eq!(bench.sorted(), "head head head list who who who", "each is asked for by its name");
    bench.simulator.faults().clear();
    assert_eq!(bench.synced().await, known);
    assert_eq!(bench.trace(), "list head head head");
    assert_eq!(rows(&bench).await, before);
}

/// Bitbucket shows the account nothing any more, and says so of each.
async fn an_account_that_sees_nothing_any_more_keeps_all_rows(on: Kind) {
    let bench = many(on, 3, 0).await;
    bench.synced().await;
    bench.simulator.set_access("reader", Access::Nothing).unwrap();
    let before = rows(&bench).await;
    bench.requests();
    let inaccessible: Vec<_> = (0..3).map(|number| format!("PLAT/r{number:02}")).collect();
    let gone = Summary { inaccessible, commits: 3, ..Summary::default() };
    assert_eq!(bench.run().await.unwrap(), gone);
    assert_eq!(bench.trace(), "list who who who");
    // Each was told of once. The rows are there.
    let nothing = Summary { commits: 3, ..Summary::default() };
    assert_eq!(bench.run().await.unwrap(), nothing);
    assert_eq!(bench.trace(), "list");
    assert_eq!(rows(&bench).await, before);
    bench.simulator.set_access("reader", Access::Read).unwrap();
    assert_eq!(bench.synced().await, Summary { synced: 3, commits: 3, ..Summary::default() });
    assert_eq!(bench.trace(), "list head head head");
    assert_eq!(rows(&bench).await, before);
}

/// As after a migration: the same repository, only in other letters. To Bitbucket's addresses case does not matter.
async fn names_that_are_written_in_another_case_are_the_same_repository(on: Kind) {
    let (bench, git) = linear(on, 3).await;
    bench.synced().await;
    git.grow("main", 2).unwrap();
    let edits = [("/values/0/slug", "API"), ("/values/0/project/key", "Plat")];
    let edits = edits.map(|(pointer, name)| JsonEdit::Set(pointer.to_owned(), json!(name)));
    let id = bench.simulator.faults().push(Fault::on_path("/1.0/repos", Action::EditJson(edits.to_vec())));
    bench.requests();
    assert_eq!(bench.synced().await, Summary { synced: 1, added: 2, commits: 5, ..Summary::default() });
    assert_eq!(bench.trace(), "list head page@0");
    assert_eq!(rows(&bench).await, json!([[1, "API", 5]]));
    bench.assert_equal("Plat/API", &git, "main").await;
    bench.simulator.faults().remove(id);
    assert_eq!(bench.synced().await, Summary { synced: 1, commits: 5, ..Summary::default() });
    assert_eq!(bench.trace(), "list head");
    assert_eq!(rows(&bench).await, json!([[1, "api", 5]]));
    bench.assert_equal("PLAT/api", &git, "main").await;
}

on_both! {
    one_that_two_pages_list_is_walked_once,
    one_that_two_pages_list_has_its_latest_name,
    one_that_a_page_lists_twice_is_walked_once,
    a_listing_that_is_suddenly_empty_loses_nothing,
    an_account_that_sees_nothing_any_more_keeps_all_rows,
    names_that_are_written_in_another_case_are_the_same_repository,
    one_that_was_refused_and_of_which_nobody_can_tell_any_more_is_told_of,
    one_that_changes_names_between_two_pages_is_found_by_the_second_listing,
    archived_repositories_are_listed_and_personal_ones_left_out,
    a_repository_that_is_refused_keeps_its_rows,
    a_repository_that_is_never_where_it_is_listed_is_left_behind,
    a_refused_repository_is_written_once,
    one_that_is_listed_and_never_there_costs_one_request_a_run,
    a_project_that_is_renamed_between_two_pages_has_its_new_key,
}

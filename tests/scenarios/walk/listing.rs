//! What the listing says of repositories, and what their own answers say.

use bitbucket_connector::sync::Summary;
use bitbucket_simulator::{Access, Action, Command, Fault, Hold, JsonEdit, Moved, Refusal, Simulator};
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
    let summary = synced_with(&bench, |simulator| simulator.rename_project("PLAT", "NEW").unwrap()).await;
    assert_eq!((summary.synced, bench.trace().as_str()), (2, "list list head head"));
    let rows = bench.query("SELECT key FROM bitbucket_server_projects").await;
    assert_eq!(json!(rows.rows), json!([["NEW"]]));
}

on_both! {
    one_that_was_refused_and_of_which_nobody_can_tell_any_more_is_told_of,
    one_that_changes_names_between_two_pages_is_found_by_the_second_listing,
    archived_repositories_are_listed_and_personal_ones_left_out,
    a_repository_that_is_refused_keeps_its_rows,
    a_repository_that_is_never_where_it_is_listed_is_left_behind,
    a_refused_repository_is_written_once,
    one_that_is_listed_and_never_there_costs_one_request_a_run,
    a_project_that_is_renamed_between_two_pages_has_its_new_key,
}

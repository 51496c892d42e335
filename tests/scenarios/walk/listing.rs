//! What the listing says of repositories, and what their own answers say.

use bitbucket_simulator::{Access, Action, Command, Fault, Hold, JsonEdit, Refusal};

use super::broken::many;
use super::{empty, linear};
use crate::support::database::{Kind, on_both};

async fn archived_repositories_are_listed_and_personal_ones_left_out(on: Kind) {
    let (bench, git) = linear(on, 3).await;
    bench.simulator.archive("PLAT/api", true).unwrap();
    bench.simulator.apply(Command::AddRepository(empty("~jdoe/notes"))).unwrap();
    let summary = bench.synced().await;
    assert_eq!((summary.synced, summary.empty), (1, 0));
    assert_eq!(bench.trace(), "list head who page@0");
    bench.assert_equal("PLAT/api", &git, "main").await;
    let rows = bench.query("SELECT slug, archived, allowlisted FROM bitbucket_server_repositories ORDER BY slug").await;
    assert_eq!(serde_json::json!(rows.rows), serde_json::json!([["api", 1, 1], ["notes", 0, 0]]));
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
    let hold = Hold::new();
    bench.simulator.faults().push(Fault::on_path("/1.0/repos", Action::Hold(hold.clone())));
    let meanwhile = async {
        hold.wait_for(1).await;
        hold.release_one();
        hold.wait_for(2).await;
        bench.simulator.move_repository("PLAT/r01", "PLAT/a").unwrap();
        bench.simulator.move_repository("PLAT/r02", "PLAT/r01").unwrap();
        hold.release();
    };
    bench.requests();
    let (summary, ()) = tokio::join!(bench.synced(), meanwhile);
    assert_eq!((summary.synced, summary.inaccessible.len()), (3, 0));
    assert_eq!(
        bench.trace(),
        "list list list head head list list list head",
        "the third one is not even asked for by its old name"
    );
}

on_both! {
    one_that_was_refused_and_of_which_nobody_can_tell_any_more_is_told_of,
    one_that_changes_names_between_two_pages_is_found_by_the_second_listing,
    archived_repositories_are_listed_and_personal_ones_left_out,
    a_repository_that_is_refused_keeps_its_rows,
    a_repository_that_is_never_where_it_is_listed_is_left_behind,
    a_refused_repository_is_written_once,
}

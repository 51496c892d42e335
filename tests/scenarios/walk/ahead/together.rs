//! Pages that have come while one was waited for are stored together.

use bitbucket_simulator::{Action, Fault, Hold, JsonEdit, Seen};
use serde_json::json;

use super::{at, pages, pages_at};
use crate::support::database::{Kind, on_both};
use crate::support::sync::Bench;
use crate::support::within;
use crate::walk::{counts, linear};

/// Releases a page when so many others have come.
async fn release_behind(bench: &Bench, others: usize, hold: &Hold) {
    let come =
        |seen: &[Seen]| seen.iter().filter(|seen| seen.path.ends_with("/commits") && seen.status.is_some()).count();
    within("all others", bench.simulator.wait_until(|seen| come(seen) == others)).await;
    hold.release();
}

fn checkpoints(written: &[String]) -> usize {
    written.iter().filter(|what| what.contains("UPDATE bitbucket_server_repositories")).count()
}

/// Those that have come while one was waited for are one transaction, and one that is no answer of Bitbucket's undoes none of them.
async fn pages_that_have_come_are_stored_together(on: Kind) {
    let (bench, git) = linear(on, 100).await;
    bench.synced().await;
    git.grow("main", 1200).unwrap();
    bench.database.watch_writes().await;
    let hold = Hold::new();
    bench.simulator.faults().push(Fault::new(Action::Hold(hold.clone())).matches(at(200)).times(1));
    let bad = JsonEdit::Set("/values/3/id".to_owned(), json!("HEAD"));
    let bad = bench.simulator.faults().push(Fault::new(Action::EditJson(vec![bad])).matches(at(800)));
    bench.requests();
    let (summary, ()) = tokio::join!(bench.run(), release_behind(&bench, 9, &hold));
    let summary = summary.unwrap();
    assert_eq!((summary.failed[0].1, summary.added), ("UnexpectedAnswer", 800));
    let written = bench.database.written().await;
    let checkpoints = checkpoints(&written);
    assert!(checkpoints <= 6, "{checkpoints} transactions for eight pages, and what became of the ninth: {written:?}");
    bench.simulator.faults().remove(bad);
    bench.synced().await;
    bench.assert_equal("PLAT/api", &git, "main").await;
}

/// No more commits at a time than a page may have: what did not fit is stored next, and not asked for again.
async fn more_than_a_page_may_have_is_not_stored_together(on: Kind) {
    let (bench, git) = linear(on, 100).await;
    bench.synced().await;
    git.grow("main", 3000).unwrap();
    bench.simulator.configure(|settings| settings.caps.commits = 300);
    bench.database.watch_writes().await;
    bench.requests();
    let hold = Hold::new();
    bench.simulator.faults().push(Fault::new(Action::Hold(hold.clone())).matches(at(600)).times(1));
    let (summary, ()) = tokio::join!(bench.synced(), release_behind(&bench, 8, &hold));
    assert_eq!(counts(&summary), (3000, 0, 3100));
    assert_eq!(pages(&bench.requests()), pages_at((0..3000).step_by(300)), "each of them once");
    let written = bench.database.written().await;
    let checkpoints = checkpoints(&written);
    assert!(checkpoints >= 5, "{checkpoints} transactions for ten pages of 300: {written:?}");
    bench.assert_equal("PLAT/api", &git, "main").await;
}

on_both! {
    pages_that_have_come_are_stored_together,
    more_than_a_page_may_have_is_not_stored_together,
}

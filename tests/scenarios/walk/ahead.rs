//! Pages of one repository are on their way at the same time, each of them once.

mod large;
mod together;

use std::time::Duration;

use bitbucket_connector::bitbucket::{Credentials, Way};
use bitbucket_connector::sync::RunError;
use bitbucket_simulator::{Action, Fault, Hold, JsonEdit, Matches, Refusal, Seen, histories};
use serde_json::{Value, json};

use super::{counts, linear};
use crate::support::database::{Kind, on_both};
use crate::support::sync::{Bench, short};
use crate::support::within;

/// A request that must not come would have come by then.
const SOON: Duration = Duration::from_millis(400);

fn pages_at(starts: impl Iterator<Item = usize>) -> Vec<String> {
    let mut pages: Vec<_> = starts.map(|start| format!("page@{start}")).collect();
    pages.sort_unstable();
    pages
}

/// The pages that were asked for so far.
fn pages(seen: &[Seen]) -> Vec<String> {
    let mut pages: Vec<_> = seen.iter().filter(|seen| seen.path.ends_with("/commits")).map(short).collect();
    pages.sort_unstable();
    pages
}

fn at(start: usize) -> Matches {
    Matches::All(["until=".to_owned(), format!("start={start}&")].map(Matches::QueryContains).to_vec())
}

fn edit(field: &str, value: Value) -> Action {
    Action::EditJson(vec![JsonEdit::Set(format!("/{field}"), value)])
}

/// One that hangs holds up the checkpoint, and only so many are asked for behind it.
async fn pages_behind_one_that_hangs_come_and_wait(on: Kind) {
    let (bench, git) = linear(on, 1450).await;
    let hold = Hold::new();
    bench.simulator.faults().push(Fault::new(Action::Hold(hold.clone())).matches(at(300)).times(1));
    let meanwhile = async {
        let expected = pages_at((0..=900).step_by(100));
        within("the pages behind it", bench.simulator.wait_until(|seen| pages(seen) == expected)).await;
        let another = bench.simulator.wait_until(|seen| pages(seen).len() > expected.len());
        assert!(tokio::time::timeout(SOON, another).await.is_err(), "{:?}", pages(&bench.simulator.requests()));
        assert_eq!(
            bench.stored("PLAT/api").await.len(),
            300,
            "the checkpoint is the end of what has come without a gap"
        );
        hold.release();
    };
    let (summary, ()) = tokio::join!(bench.synced(), meanwhile);
    assert_eq!(counts(&summary), (1450, 0, 1450));
    let seen = bench.requests();
    assert_eq!(pages(&seen), pages_at((0..1450).step_by(100)), "each of them once");
    let counted = seen.iter().filter(|seen| seen.parameter("withCounts").is_some()).map(short);
    assert_eq!(counted.collect::<Vec<_>>(), ["page@100"], "as soon as it is known that one page is not enough");
    bench.assert_equal("PLAT/api", &git, "main").await;
}

/// However many an account may have under way.
async fn four_of_one_repository_are_under_way_at_a_time(on: Kind) {
    let (mut bench, git) = linear(on, 1450).await;
    bench.simulator.add_token("reader", "tok-hunter2").unwrap();
    bench.credentials = Credentials::Token("tok-hunter2".into());
    let hold = Hold::new();
    for start in (200..1450).step_by(100) {
        bench.simulator.faults().push(Fault::new(Action::Hold(hold.clone())).matches(at(start)).times(1));
    }
    let run = bench.prepare(16).await;
    let meanwhile = async {
        within("four pages", hold.wait_for(4)).await;
        assert!(tokio::time::timeout(SOON, hold.wait_for(5)).await.is_err());
        hold.release();
    };
    let (summary, ()) = tokio::join!(within("the run", run.run()), meanwhile);
    assert_eq!(counts(&summary.unwrap()), (1450, 0, 1450));
    bench.assert_equal("PLAT/api", &git, "main").await;
}

/// Nor is one more when a page that failed is asked for again.
async fn a_page_that_failed_waits_for_its_turn(on: Kind) {
    let (mut bench, git) = linear(on, 1450).await;
    bench.simulator.add_token("reader", "tok-hunter2").unwrap();
    bench.credentials = Credentials::Token("tok-hunter2".into());
    let hold = Hold::new();
    let broken = Action::Refuse(Refusal::Internal { message: "no".to_owned() });
    bench.simulator.faults().push(Fault::new(broken).matches(at(200)).times(1));
    for start in (300..1450).step_by(100) {
        bench.simulator.faults().push(Fault::new(Action::Hold(hold.clone())).matches(at(start)).times(1));
    }
    let run = bench.prepare(16).await;
    let meanwhile = async {
        within("four pages", hold.wait_for(4)).await;
        let again =
            bench.simulator.wait_until(|seen| pages(seen).iter().filter(|page| *page == "page@200").count() > 1);
        assert!(tokio::time::timeout(SOON, again).await.is_err());
        hold.release();
    };
    let (summary, ()) = tokio::join!(within("the run", run.run()), meanwhile);
    assert_eq!(counts(&summary.unwrap()), (1450, 0, 1450));
    bench.assert_equal("PLAT/api", &git, "main").await;
}

/// Beside the one that each of them waits for, they have room for as many of the largest pages as there are requests at a time.
async fn repositories_share_the_room_for_pages(on: Kind) {
    let mut gits = Vec::new();
    let bench = Bench::start(on, |mut builder, folder| {
        for name in ["a", "b", "c"] {
            gits.push((name, histories::linear(folder.git(name), 4500).unwrap()));
            builder = builder.repository(&format!("PLAT/{name}"), folder.git(name));
        }
        builder.configure(|settings| settings.caps.commits = 1000)
    })
    .await;
    let hold = Hold::new();
    bench.simulator.faults().push(Fault::new(Action::Hold(hold.clone())).matches(at(2000)).times(3));
    let meanwhile = async {
        within("all to hang", hold.wait_for(3)).await;
        let not_stored =
            |seen: &[Seen]| pages(seen).iter().filter(|page| !["page@0", "page@1000"].contains(&page.as_str())).count();
        let another = bench.simulator.wait_until(|seen| not_stored(seen) > 7);
        assert!(tokio::time::timeout(SOON, another).await.is_err(), "{:?}", pages(&bench.simulator.requests()));
        hold.release();
    };
    let (summary, ()) = tokio::join!(bench.synced(), meanwhile);
    assert_eq!(counts(&summary), (13_500, 0, 13_500));
    for (name, git) in gits {
        bench.assert_equal(&format!("PLAT/{name}"), &git, "main").await;
    }
}

/// Nothing depends on the count but how many are asked for.
async fn a_count_that_is_wrong_costs_a_few_requests_at_the_most(on: Kind) {
    for (count, most) in [
        (json!(0), 0),
        (json!(101), 0),
        (json!(700), 0),
        (json!(null), 0),
        (json!("many"), 0),
        (json!(-1), 0),
        (json!(1_000_000), 7),
        (json!(u64::MAX), 7),
    ] {
        let (bench, git) = linear(on, 850).await;
        let wrong = edit("totalCount", count.clone());
        bench.simulator.faults().push(Fault::new(wrong).matches(Matches::QueryContains("withCounts".to_owned())));
        assert_eq!(counts(&bench.synced().await), (850, 0, 850), "{count}");
        bench.assert_equal("PLAT/api", &git, "main").await;
        let (asked, needed) = (pages(&bench.requests()), pages_at((0..850).step_by(100)));
        assert!(
            needed.iter().all(|page| asked.contains(page)) && asked.len() <= needed.len() + most,
            "{count}: {asked:?}"
        );
    }
}

/// Whatever is not as it was expected: from there on one page is asked for after another.
async fn surprised(on: Kind, surprise: Fault) -> Vec<String> {
    let (bench, git) = linear(on, 1450).await;
    bench.simulator.faults().push(surprise);
    assert_eq!(counts(&bench.synced().await), (1450, 0, 1450));
    bench.assert_equal("PLAT/api", &git, "main").await;
    pages(&bench.requests())
}

fn assert_twice(asked: &[String], page: &str) {
    assert_eq!(asked.iter().filter(|one| *one == page).count(), 2, "{asked:?}");
}

async fn an_answer_for_another_start_is_not_believed(on: Kind) {
    for other in [json!(0), json!(null)] {
        let fault = Fault::new(edit("start", other)).matches(at(400)).times(1);
        assert_twice(&surprised(on, fault).await, "page@400");
    }
}

async fn a_page_that_leads_elsewhere_makes_those_behind_it_worthless(on: Kind) {
    // As if it held only half of what it says.
    let half = (50..100).map(|_| JsonEdit::Remove("/values/50".to_owned()));
    let edits = half.chain([JsonEdit::Set("/nextPageStart".to_owned(), json!(450))]).collect();
    let fault = Fault::new(Action::EditJson(edits)).matches(at(400)).times(1);
    let asked = surprised(on, fault).await;
    let rest = pages_at((450..1450).step_by(100));
    assert!(rest.iter().all(|page| asked.contains(page)), "{asked:?}");
}

/// What failed is asked for again when it is needed; the others that are on their way stay good.
async fn a_page_that_fails_on_its_way_is_asked_for_when_it_is_needed(on: Kind) {
    let maintenance = Action::Refuse(Refusal::Internal { message: "no".to_owned() });
    let asked = surprised(on, Fault::new(maintenance).matches(at(400)).times(1)).await;
    assert_twice(&asked, "page@400");
    assert_eq!(asked.len(), 16, "{asked:?}");
}

/// A refusal is one, whenever it was asked for.
async fn a_page_that_is_refused_on_its_way_is_refused(on: Kind) {
    for (refusal, reason) in [
        (Refusal::NoSuchRepository { key: "PLAT".to_owned(), slug: "api".to_owned() }, "inaccessible"),
        (Refusal::Forbidden, "inaccessible"),
    ] {
        let (bench, git) = linear(on, 1450).await;
        let fault = bench.simulator.faults().push(Fault::new(Action::Refuse(refusal)).matches(at(600)));
        let summary = bench.run().await.unwrap();
        assert_eq!((&summary.inaccessible[..], summary.added), (&["PLAT/api".to_owned()][..], 600), "{reason}");
        bench.simulator.faults().remove(fault);
        bench.synced().await;
        bench.assert_equal("PLAT/api", &git, "main").await;
    }
}

/// No more failed logins than lock an account, although several pages are under way when it happens.
async fn a_password_that_changes_meanwhile_locks_nobody(on: Kind) {
    let (bench, _git) = linear(on, 1450).await;
    let hold = Hold::new();
    let late = Matches::All(vec![Matches::QueryContains("until=".to_owned()), Matches::Not(Box::new(at(0)))]);
    bench.simulator.faults().push(Fault::new(Action::Hold(hold.clone())).matches(late).after(2));
    let meanwhile = async {
        within("several pages", hold.wait_for(4)).await;
        bench.simulator.set_password("reader", "hunter2-is-over").unwrap();
        hold.release();
    };
    let (result, ()) = tokio::join!(bench.result(), meanwhile);
    assert!(matches!(result, Err(RunError::Identity(_))), "{result:?}");
    let failed = bench.simulator.failed_logins("reader");
    assert!((1..=4).contains(&failed), "{failed}");
}

/// The count makes Bitbucket look at every commit, which may take longer than anybody waits.
async fn a_count_that_takes_too_long_is_done_without(on: Kind) {
    let (bench, git) = linear(on, 350).await;
    let never = Action::Hold(Hold::new());
    bench.simulator.faults().push(Fault::new(never).matches(Matches::QueryContains("withCounts".to_owned())));
    let run = bench.prepare_by(4, &Way::new(Duration::from_millis(500))).await;
    let summary = within("the run", run.run()).await.unwrap();
    assert_eq!(counts(&summary), (350, 0, 350));
    let seen = bench.requests();
    let limits: Vec<_> = seen.iter().filter_map(|seen| seen.parameter("limit")).collect();
    assert!(limits.iter().all(|limit| *limit == "1000"), "it was not the page that was too large: {limits:?}");
    bench.assert_equal("PLAT/api", &git, "main").await;
}

/// By somebody who does not know the word.
async fn a_count_that_is_refused_is_done_without(on: Kind) {
    for answer in [
        Action::Refuse(Refusal::InvalidArgument { context: "withCounts".to_owned(), message: "no".to_owned() }),
        Action::Html200,
    ] {
        let (bench, git) = linear(on, 350).await;
        bench.simulator.faults().push(Fault::new(answer).matches(Matches::QueryContains("withCounts".to_owned())));
        assert_eq!(counts(&bench.synced().await), (350, 0, 350));
        assert_eq!(bench.trace(), "list head who page@0 page@100 page@100 page@200 page@300 head");
        bench.assert_equal("PLAT/api", &git, "main").await;
    }
}

on_both! {
    pages_behind_one_that_hangs_come_and_wait,
    four_of_one_repository_are_under_way_at_a_time,
    a_page_that_failed_waits_for_its_turn,
    repositories_share_the_room_for_pages,
    a_count_that_is_wrong_costs_a_few_requests_at_the_most,
    an_answer_for_another_start_is_not_believed,
    a_page_that_leads_elsewhere_makes_those_behind_it_worthless,
    a_page_that_fails_on_its_way_is_asked_for_when_it_is_needed,
    a_page_that_is_refused_on_its_way_is_refused,
    a_password_that_changes_meanwhile_locks_nobody,
    a_count_that_takes_too_long_is_done_without,
    a_count_that_is_refused_is_done_without,
}

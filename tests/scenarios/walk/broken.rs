//! Broken repositories, and a Bitbucket that breaks as a whole.

use bitbucket_connector::bitbucket::Error;
use bitbucket_connector::sync::RunError;
use bitbucket_simulator::{Action, Fault, JsonEdit, Matches, Refusal, histories};
use serde_json::json;

use crate::support::database::{Kind, on_both};
use crate::support::sync::Bench;

/// A run over `count` repositories of one commit each, `broken` of which always answer with an error.
pub async fn many(on: Kind, count: usize, broken: usize) -> Bench {
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

/// A trace in which each of these stands so many times.
fn many_times(requests: &[(&str, usize)]) -> String {
    requests.iter().flat_map(|(request, times)| vec![*request; *times]).collect::<Vec<_>>().join(" ")
}

async fn broken_repositories_never_stop_the_others(on: Kind) {
    let bench = many(on, 24, 12).await;
    let summary = bench.run().await.unwrap();
    assert_eq!((summary.synced, summary.failed.len()), (12, 12));
    assert!(summary.failed.iter().all(|(_, reason, _)| *reason == "ServerError"));
    // Three for each good one, and two times four tries for each of the others.
    assert_eq!(bench.sorted(), many_times(&[("head", 12 + 12 * 8), ("list", 1), ("page@0", 12), ("who", 12)]));
    assert_eq!(
        bench.query("SELECT * FROM bitbucket_server_repositories WHERE failure IS NOT NULL").await.rows.len(),
        12
    );
    bench.simulator.faults().clear();
    assert_eq!(bench.synced().await.synced, 24);
    assert_eq!(bench.sorted(), many_times(&[("head", 24), ("list", 1), ("page@0", 12), ("who", 12)]));
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
    assert_eq!(bench.sorted(), many_times(&[("head", 3 + 4), ("list", 1), ("page@0", 3), ("who", 3)]));
}

async fn a_bitbucket_that_goes_down_ends_the_run_early(on: Kind) {
    let bench = many(on, 60, 0).await;
    let down = Action::Refuse(Refusal::NotRunning);
    let id = bench.simulator.faults().push(Fault::new(down).after(11));
    assert!(matches!(bench.prepare(1).await.run().await, Err(RunError::Outage(_))));
    // Two repositories in a row, four tries for each; the rest is not asked for in vain.
    assert_eq!(bench.trace(), format!("list{}{}", " head who page@0".repeat(3), " head".repeat(8)));
    bench.simulator.faults().remove(id);
    assert_eq!(bench.synced().await.synced, 60);
    assert_eq!(bench.sorted(), many_times(&[("head", 60), ("list", 1), ("page@0", 57), ("who", 57)]));
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
    assert!(matches!(ended, Err(RunError::Outage(_))), "{ended:?}");
    assert_eq!(bench.trace(), format!("list{}", " who".repeat(8)), "four tries for each of two");
}

async fn few_repositories_tell_of_an_outage_too(on: Kind) {
    let bench = many(on, 3, 0).await;
    bench.synced().await;
    bench.requests();
    let down = || Action::Refuse(Refusal::NotRunning);
    bench.simulator.faults().push(Fault::on_path("/branches/default", down()));
    let summary = bench.prepare(4).await.run().await.unwrap();
    assert_eq!(summary.failed.len(), 3, "Bitbucket as a whole answers");
    assert_eq!(bench.sorted(), many_times(&[("head", 24), ("list", 1)]));
    // The first one is asked before anything is sent.
    bench.simulator.faults().push(Fault::on_path("/application-properties", down()).after(1));
    let ended = bench.prepare(4).await.run().await;
    assert!(matches!(ended, Err(RunError::Outage(_))), "{ended:?}");
    bench.simulator.faults().clear();
    assert_eq!(bench.synced().await.synced, 3);
}

async fn a_401_that_is_not_bitbuckets_ends_the_run_and_blames_no_repository(on: Kind) {
    let bench = many(on, 12, 0).await;
    bench.synced().await;
    bench.requests();
    let login = Action::Status { status: 401, headers: vec![], body: "<html>Log in</html>".to_owned() };
    bench.simulator.faults().push(Fault::on_path("/repos/r03/", login).times(1));
    let ended = bench.prepare(1).await.run().await;
    assert_eq!(ended, Err(RunError::Identity(Error::GateResting)));
    assert_eq!(bench.trace(), "list head head head head");
    let failed = "SELECT slug FROM bitbucket_server_repositories WHERE failure IS NOT NULL";
    assert_eq!(bench.query(failed).await.rows, Vec::<Vec<serde_json::Value>>::new());
    // The next process knows nothing of it.
    assert_eq!(bench.synced().await.synced, 12);
}

on_both! {
    broken_repositories_never_stop_the_others,
    one_that_recovers_is_tried_again_before_the_run_ends,
    a_bitbucket_that_goes_down_ends_the_run_early,
    a_bitbucket_that_goes_down_while_missing_ones_are_asked_for_ends_the_run_early,
    few_repositories_tell_of_an_outage_too,
    a_401_that_is_not_bitbuckets_ends_the_run_and_blames_no_repository,
}

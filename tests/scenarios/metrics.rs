//! What `/metrics` says is what has happened.

use bitbucket_simulator::{Seen, Simulator, histories};

use crate::support::manifests::{connection, secret};
use crate::support::operator::Stage;
use crate::support::until;

/// The value of a line.
fn value(page: &str, series: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_is_counted_once() {
    let stage = Stage::start("metrics").await;
    let path = stage.folder.path().join("api.git");
    let git = histories::odd(&path, 150, 3).unwrap();
    let bitbucket = Simulator::builder().user("reader", "hunter2").user("careful", "hunter2");
    let simulator = bitbucket.repository("PLAT/api", path).empty_repository("PLAT/empty").start().await.unwrap();
    let metric = |series: &str| value(&stage.page("/metrics"), &format!("bitbucket_connector_{series}"));
    until("the first page", async || stage.log().contains("bitbucket-connector started")).await;
    // From the first page on, whatever there will be: an alert cannot tell what is not there from what has not happened.
    for series in [
        "commits_added_total",
        "slots_skipped_total",
        "sync_run_duration_seconds_count{result=\"incomplete\"}",
        "verifications_total{reason=\"invalid_credentials\"}",
        "status_writes_total{result=\"conflict\"}",
        "bitbucket_requests_total{resource=\"commits\",code=\"200\"}",
        "sync_overdue_seconds",
    ] {
        assert_eq!(metric(series), Some(0.0), "{series}");
    }
    let version = format!("build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(metric(&version), Some(1.0));

    stage.apply(&(secret("s", "reader", "hunter2") + &connection("a", &simulator.url(), "s", "")));
    stage.apply(&(secret("w", "careful", "wrong-hunter2") + &connection("wrong", &simulator.url(), "w", "")));
    stage.until_ready("a", "True", "Synced").await;
    stage.until_ready("wrong", "False", "invalid_credentials").await;
    let known = r#"connection_conditions{type="Ready",status="False",reason="invalid_credentials"}"#;
    until("the watch knows", async || metric(known) == Some(1.0)).await;
    for (series, expected) in [
        ("leader", 1),
        ("commits_added_total", 150),
        ("commits_removed_total", 0),
        ("commits_stored", 150),
        ("sync_repositories_total{result=\"synced\"}", 1),
        ("sync_repositories_total{result=\"empty\"}", 1),
        ("sync_run_duration_seconds_count{result=\"synced\"}", 1),
        ("sync_runs_under_way", 0),
        ("sync_runs_waiting", 0),
        ("bitbucket_requests_in_flight", 0),
        ("verifications_total{reason=\"Verified\"}", 1),
        ("verifications_total{reason=\"invalid_credentials\"}", 1),
        ("connection_conditions{type=\"Verified\",status=\"True\",reason=\"Verified\"}", 1),
        ("connection_conditions{type=\"Synced\",status=\"Unknown\",reason=\"Pending\"}", 1),
        ("status_writes_total{result=\"failed\"}", 0),
        ("connections_unreadable", 0),
        ("sync_overdue_seconds", 0),
    ] {
        assert_eq!(metric(series), Some(f64::from(expected)), "{series}");
    }
    // Bitbucket has seen as many.
    let page = stage.page("/metrics");
    let seen = simulator.requests();
    let counted = page.lines().filter_map(|line| {
        let (_, count) = line.strip_prefix("bitbucket_connector_bitbucket_requests_total{")?.rsplit_once(' ')?;
        count.parse::<usize>().ok()
    });
    assert_eq!(counted.sum::<usize>(), seen.len());
    let count =
        |of: fn(&Seen) -> bool| Some(f64::from(u32::try_from(seen.iter().filter(|seen| of(seen)).count()).unwrap()));
    let pages = count(|seen| seen.path.ends_with("/commits"));
    assert_eq!(metric("bitbucket_requests_total{resource=\"commits\",code=\"200\"}"), pages);
    assert_eq!(metric("bitbucket_request_duration_seconds_count{resource=\"commits\"}"), pages);
    // What an account may send is asked by the pass of another request.
    let waited = count(|seen| !seen.path.contains("/admin/rate-limit/"));
    assert_eq!(metric("bitbucket_request_wait_seconds_count"), waited);

    // A branch that is made anew takes commits away.
    let older = git.rev_list(&["main~5"]).unwrap();
    git.set_branch("main", &older[0]).unwrap();
    let removed = u32::try_from(150 - older.len()).unwrap();
    stage.kubectl(&["annotate", "bbc", "a", "bitbucket-connector.dev/requestedAt=now"]);
    until("the status says so", async || metric("commits_stored") == Some(f64::from(150 - removed))).await;
    assert_eq!(metric("commits_removed_total"), Some(f64::from(removed)));
}

//! How long a failover takes.

use super::*;

/// For docs/high-availability.md, with the duration that holds where nothing is said. Nothing is held against a bound.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes of waiting: make figures"]
async fn of_failover() {
    let mut scene = scene("figures").await;
    scene.stage.variables.retain(|(name, _)| !name.ends_with("LEASE_DURATION"));
    scene.stage.start_operator();
    scene.says(0, LEADS, 1).await;
    for (how, signal) in [("died", "-KILL"), ("stopped", "-TERM")].into_iter().flat_map(|way| [way; 5]) {
        let next = scene.stage.start_operator();
        scene.says(next, "standing by", 1).await;
        // It has looked at the lease for a while.
        tokio::time::sleep(Duration::from_secs(15)).await;
        let began = Instant::now();
        scene.stage.signal_operator(signal);
        scene.says(next, LEADS, 1).await;
        println!("| {how} | {:.1} s |", began.elapsed().as_secs_f64());
        scene.stage.terminate_operator().await;
    }
}

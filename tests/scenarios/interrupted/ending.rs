//! SIGTERM at any moment: a good end in time, and another operator goes on as if nothing had been.

use std::time::Duration;

use super::*;

/// Kubernetes waits for 30 s, where nobody says otherwise; drains of nodes may be shorter.
const LONGEST: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn ended_at_any_call_while_the_api_server_is_silent() {
    let mut house = House::new("ending").await;
    let points = house.points();
    house.play(points, async |stage, point| ended(stage, &point).await).await;
}

async fn ended(stage: &mut Stage, point: &Point) -> (Ending, Lost) {
    let life = Life::new(stage, &point.name()).await;
    let front = Front::new(&stage.config).await;
    let hold = silence(&front, point, Moment::Before);
    stage.start_operator_through(&front);
    let ending = played(&life, &hold, async || {
        terminated(stage).await;
        front.pass();
        stage.start_operator_through(&front);
    })
    .await;
    point.assert_reached(&hold);
    over(stage, &life).await;
    (ending, if point.kind.starts_with("POST") { Lost::Event } else { Lost::Nothing })
}

/// SIGTERM, and the exit code is 0 in time.
async fn terminated(stage: &mut Stage) {
    let ended = tokio::time::timeout(LONGEST, stage.terminate_operators()).await;
    assert!(ended.is_ok(), "it has not ended within {LONGEST:?}\n{}", stage.log());
}

//! SIGTERM at any moment: a good end in time, and another operator goes on as if nothing had been.

use std::time::Duration;

use bitbucket_simulator::{Action, Fault};

use super::*;

/// Kubernetes waits for 30 s, where nobody says otherwise; drains of nodes may be shorter.
const LONGEST: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn ended_at_any_call_while_the_api_server_is_silent() {
    let mut house = House::new("ending").await;
    let points = house.points();
    house.play(points, async |stage, point| Box::pin(ended(stage, &point)).await).await;
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
    point.assert_reached(hold.arrived() > 0);
    over(stage, &life).await;
    (ending, point.loses(Moment::Before))
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_while_bitbucket_is_silent() {
    let mut house = House::new("silent").await;
    // The verification, the listing of the first run, and its pages.
    let asked = [("/application-properties", 1), ("/repos", 2), ("/branches/default", 1), ("/commits", 2)];
    house.play(asked, async |stage, asked| Box::pin(ended_while_asking(stage, asked)).await).await;
}

async fn ended_while_asking(stage: &mut Stage, (path, nth): (&str, u32)) -> (Ending, Lost) {
    let life = Life::new(stage, &path.replace('/', "of-")).await;
    let (front, hold) = (Front::new(&stage.config).await, Hold::new());
    life.simulator.faults().push(Fault::on_path(path, Action::Hold(hold.clone())).after(nth - 1).times(1));
    stage.start_operator_through(&front);
    let ending = played(&life, &hold, async || {
        terminated(stage).await;
        stage.start_operator_through(&front);
    })
    .await;
    assert_eq!(hold.arrived(), 1, "{path}");
    over(stage, &life).await;
    (ending, Lost::Nothing)
}

/// SIGTERM, and the exit code is 0 in time.
async fn terminated(stage: &mut Stage) {
    let ended = tokio::time::timeout(LONGEST, stage.terminate_operators()).await;
    assert!(ended.is_ok(), "it has not ended within {LONGEST:?}\n{}", stage.log());
}

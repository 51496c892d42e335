//! kill -9 between any two calls to the API server.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_any_two_calls() {
    let mut house = House::new("crash").await;
    // A read has done nothing: whether it has come to its end makes no difference until the next call.
    let moments =
        |point: &Point| if point.is_read() { &[Moment::Before][..] } else { &[Moment::Before, Moment::After] };
    let points = house.points();
    let points = points.iter().flat_map(|point| moments(point).iter().map(|moment| (point.clone(), *moment)));
    house.play(points, async |stage, (point, moment)| Box::pin(killed(stage, &point, moment)).await).await;
}

/// A life whose operator is killed at a call.
async fn killed(stage: &mut Stage, point: &Point, moment: Moment) -> (Ending, Lost) {
    let life = Life::new(stage, &format!("{moment:?}-{}", point.name()).to_lowercase()).await;
    let front = Front::new(&stage.config).await;
    let hold = silence(&front, point, moment);
    stage.start_operator_through(&front);
    let ending = played(&life, &hold, async || {
        stage.kill_operator();
        front.pass();
        stage.start_operator_through(&front);
    })
    .await;
    point.assert_reached(hold.arrived() > 0);
    over(stage, &life).await;
    (ending, point.loses(moment))
}

//! The connection breaks in the middle of a call. Of a write nobody knows then whether it was done.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_before_or_after_any_write() {
    let mut house = House::new("answers").await;
    let points = house.points();
    // The others read the same again.
    let points = points.iter().filter(|point| !point.is_read() || point.nth == 1);
    let points = points.flat_map(|point| [(point.clone(), Moment::Before), (point.clone(), Moment::After)]);
    house.play(points, async |stage, (point, moment)| Box::pin(broken(stage, &point, moment)).await).await;
}

async fn broken(stage: &mut Stage, point: &Point, moment: Moment) -> (Ending, Lost) {
    let life = Life::new(stage, &format!("{moment:?}-{}", point.name()).to_lowercase()).await;
    let front = Front::new(&stage.config).await;
    let at = point.clone();
    front.on(move |call| match moment {
        _ if !at.is(call) => Act::Pass,
        Moment::Before => Act::Cut,
        Moment::After => Act::Deafen,
    });
    stage.start_operator_through(&front);
    let ending = life.play().await;
    point.assert_reached(front.calls().iter().any(|call| point.is(call)));
    over(stage, &life).await;
    (ending, point.loses(moment))
}

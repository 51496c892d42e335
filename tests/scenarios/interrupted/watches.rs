//! What an operator sees of the cluster comes late, or not at all.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};

use super::*;
use crate::support::front::{End, gone, gone_event};

/// What is wrong with the watches, from a call on.
#[derive(Clone, Copy, Debug)]
enum Flaw {
    /// They lag, until the operator has made so many calls more or has nothing more to do.
    Late(usize),
    /// They end, and have missed too much to go on: a list tells what is there.
    Missed(Form),
    /// The same, and meanwhile the object has been deleted, and another one of the same name is there.
    Replaced(Form),
}

/// How it is said that too much was missed.
#[derive(Clone, Copy, Debug)]
enum Form {
    Status,
    Event,
}

impl Form {
    const BOTH: [Self; 2] = [Self::Status, Self::Event];
}

/// An event that is held back so long is late enough.
const LATE: Duration = Duration::from_millis(400);

#[tokio::test(flavor = "multi_thread")]
async fn late_and_missed_events_at_any_call() {
    let mut house = House::new("watches").await;
    let mut points = Vec::new();
    for (at, point) in house.points().into_iter().enumerate() {
        let (calls, [one, other]) =
            ([1, 4][at % 2], if at % 2 == 0 { Form::BOTH } else { [Form::Event, Form::Status] });
        points.extend([(point.clone(), Flaw::Late(calls)), (point.clone(), Flaw::Missed(one))]);
        // What a new object finds of the old one changes with the writes. Nobody takes the place of one that is held.
        if (!point.is_read() || point.nth == 1) && point.kind != "PATCH bitbucketconnections/NAME" {
            points.push((point, Flaw::Replaced(other)));
        }
    }
    house.play(points, async |stage, (point, flaw)| Box::pin(flawed(stage, &point, flaw)).await).await;
}

async fn flawed(stage: &mut Stage, point: &Point, flaw: Flaw) -> (Ending, Lost) {
    let name = format!("{flaw:?}-{}", point.name()).to_lowercase().replace(['(', ')'], "-");
    let life = Life::new(stage, &name).await;
    let life = if matches!(flaw, Flaw::Replaced(_)) { life.retained() } else { life };
    let (front, reached) = (Front::new(&stage.config).await, Hold::new());
    let (at, held) = (point.clone(), reached.clone());
    front.on(move |call| if at.is(call) { Act::Before(held.clone()) } else { Act::Pass });
    stage.start_operator_through(&front);
    let disturb = async {
        reached.wait_for(1).await;
        front.hold_watches();
        reached.release();
        match flaw {
            Flaw::Late(calls) => {
                let before = front.calls().len();
                let _ = tokio::time::timeout(LATE, front.until(|all| all.len() >= before + calls)).await;
                front.release_watches();
            }
            Flaw::Missed(form) => missed(&front, form),
            Flaw::Replaced(_) => {}
        }
    };
    // What is begun anew is not played to its end.
    let ending = match (select(pin!(life.play()), pin!(disturb)).await, flaw) {
        (Either::Right(_), Flaw::Replaced(form)) => {
            life.delete().await;
            life.begin(Step::Apply).await;
            missed(&front, form);
            life.play().await
        }
        (Either::Right(((), play)), _) => play.await,
        (Either::Left((ending, _)), _) => ending,
    };
    point.assert_reached(reached.arrived() > 0);
    over(stage, &life).await;
    (ending, Lost::Nothing)
}

/// The watches end, and whoever goes on with one is told to begin with a list.
fn missed(front: &Front, form: Form) {
    let mut listed = BTreeSet::new();
    front.on(move |call| {
        if call.is_watch() && !listed.contains(&call.kind) {
            return match form {
                Form::Status => Act::body(StatusCode::GONE, &gone()),
                Form::Event => Act::Answer(StatusCode::OK, HeaderMap::new(), gone_event()),
            };
        }
        listed.insert(call.kind.clone());
        Act::Pass
    });
    front.end_watches(match form {
        Form::Status => End::Quiet,
        Form::Event => End::Gone,
    });
    front.release_watches();
}

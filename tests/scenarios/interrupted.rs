//! Whatever happens to the operator and to what it sees of the cluster, between any two calls to the API server of a whole
//! life: in the end all is as in a life that nothing has disturbed.

mod answers;
mod crash;
mod ending;
mod life;
mod slot;
mod watches;

use std::cell::RefCell;
use std::pin::pin;

use bitbucket_simulator::Hold;
use futures::future::{Either, join_all, select};

use self::life::{Ending, Life, Step};
use crate::support::front::{Act, Call, Front};
use crate::support::operator::Stage;

/// Lives that are played at a time, each on a stage of its own.
const AT_A_TIME: usize = 6;

/// Stages on which lives are played, and a life that nothing disturbs.
struct House {
    stages: Vec<Stage>,
    ending: Ending,
    calls: Vec<Call>,
}

/// Stages without an operator.
async fn stages(theme: &str) -> Vec<Stage> {
    join_all((0..AT_A_TIME).map(|_| Stage::without_operator(theme))).await
}

/// Plays something for each of these, on all stages at a time.
async fn play_all<S, P>(stages: &mut [S], points: impl IntoIterator<Item = P>, play: impl AsyncFn(&mut S, P)) {
    let points = RefCell::new(points.into_iter());
    join_all(stages.iter_mut().map(async |stage| {
        loop {
            let Some(point) = points.borrow_mut().next() else { return };
            play(stage, point).await;
        }
    }))
    .await;
}

impl House {
    async fn new(theme: &str) -> Self {
        let mut stages = Box::pin(stages(theme)).await;
        let stage = &mut stages[0];
        let front = Front::new(&stage.config).await;
        let life = Life::new(stage, "undisturbed").await;
        stage.start_operator_through(&front);
        // Boxed: it is large.
        let ending = Box::pin(life.play()).await;
        let calls = front.calls();
        assert_eq!(ending.events, ["Synced", "Verified"].map(str::to_owned).into());
        Box::pin(over(stage, &life)).await;
        Self { stages, ending, calls }
    }

    /// Its calls, without the watches.
    fn points(&self) -> Vec<Point> {
        self.calls.iter().filter(|call| !call.is_watch()).map(Point::from).collect()
    }

    /// Plays a life for each of these. In the end all is as without a disturbance, whose events come back.
    async fn play<P: std::fmt::Debug>(
        &mut self,
        points: impl IntoIterator<Item = P>,
        play: impl AsyncFn(&mut Stage, P) -> (Ending, Lost),
    ) {
        let expected = &self.ending;
        play_all(&mut self.stages, points, async |stage, point| {
            let what = format!("{point:?}");
            let (ending, lost) = play(stage, point).await;
            assert_eq!(ending.made_up(lost, expected), *expected, "{what}, of events:\n{}", told(stage));
        })
        .await;
    }
}

/// The events of a stage.
fn told(stage: &Stage) -> String {
    let told = "custom-columns=REASON:.reason,OF:.regarding.name,NOTE:.note";
    stage.kubectl(&["get", "events.events.k8s.io", "-o", told])
}

impl Ending {
    /// With the events of an undisturbed one, where one of them may be missing.
    fn made_up(mut self, lost: Lost, whole: &Self) -> Self {
        if lost == Lost::Event && self.events.len() + 1 == whole.events.len() {
            self.events.extend(whole.events.iter().cloned());
        }
        self
    }
}

/// A call of a life. Calls of one kind come in the same order each time, and a few reads more or less between them.
#[derive(Clone, Debug)]
struct Point {
    kind: String,
    nth: usize,
}

impl From<&Call> for Point {
    fn from(call: &Call) -> Self {
        Self { kind: call.kind.clone(), nth: call.nth }
    }
}

impl Point {
    fn is(&self, call: &Call) -> bool {
        !call.is_watch() && (&call.kind, call.nth) == (&self.kind, self.nth)
    }

    /// A few reads more or less come in each life. Each step has two writes, of which the last one ends the life, before it is
    /// known here that it was met.
    fn assert_reached(&self, reached: bool) {
        let certain = if self.is_read() { 1 } else { 2 * Step::ALL.len() - 1 };
        assert!(reached || self.nth > certain, "{self:?} was not reached");
    }

    /// What may be lost there. An event follows the status that it tells of: what happens between the two loses that event, and
    /// no other, and never the status.
    fn loses(&self, moment: Moment) -> Lost {
        match (self.kind.as_str(), moment) {
            ("PATCH bitbucketconnections/NAME/status", Moment::After) => Lost::Event,
            (kind, Moment::Before) if kind.starts_with("POST ") => Lost::Event,
            _ => Lost::Nothing,
        }
    }

    fn is_read(&self) -> bool {
        self.kind.starts_with("GET ")
    }

    /// As the name of an object.
    fn name(&self) -> String {
        format!("{}-{}", self.kind.to_lowercase().replace([' ', '/'], "-"), self.nth)
    }
}

/// What may be missing in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    Nothing,
    Event,
}

/// When an operator is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// The API server has not heard of the call.
    Before,
    /// It has done what it was asked for, and the operator does not know.
    After,
}

/// From this call on the API server is silent. Gives the hold that the call arrives at.
fn silence(front: &Front, point: &Point, moment: Moment) -> Hold {
    let (hold, rule) = silent_from(point, moment);
    front.on(rule);
    hold
}

/// The same, as a rule for a front.
fn silent_from(point: &Point, moment: Moment) -> (Hold, impl FnMut(&Call) -> Act + Send + use<>) {
    let (hold, others, at) = (Hold::new(), Hold::new(), point.clone());
    let first = hold.clone();
    let mut silent = false;
    let rule = move |call: &Call| {
        if silent {
            return Act::Before(others.clone());
        }
        // A read may have come once more before this was listened for.
        silent = at.is(call) || (at.is_read() && call.kind == at.kind && call.nth > at.nth);
        match moment {
            _ if !silent => Act::Pass,
            Moment::Before => Act::Before(first.clone()),
            Moment::After => Act::After(first.clone()),
        }
    };
    (hold, rule)
}

/// Plays a life to its end, with an operator that was started through the front, and `disturb` when the hold is arrived at,
/// which may never be.
async fn played(life: &Life, hold: &Hold, disturb: impl AsyncFnOnce()) -> Ending {
    // Boxed: it is large.
    let (play, arrival) = (Box::pin(life.play()), pin!(hold.wait_for(1)));
    match select(play, arrival).await {
        Either::Right(((), play)) => futures::join!(play, disturb()).0,
        Either::Left((ending, _)) => {
            // The last call may be the one.
            if hold.arrived() > 0 {
                disturb().await;
            }
            ending
        }
    }
}

/// Leaves the stage to the next life.
async fn over(stage: &mut Stage, life: &Life) {
    stage.terminate_operators().await;
    life.delete().await;
}

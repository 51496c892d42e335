//! The ways in which runs go, and end.

use std::pin::pin;
use std::task::Poll;

use bitbucket_connector::bitbucket::Credentials;
use bitbucket_connector::sync::{RunError, Summary};
use bitbucket_simulator::{Action, Fault, Hold};
use tokio_util::sync::CancellationToken;

use super::dice::Dice;
use super::log::Log;
use super::report::{Moments, Report};
use super::rows::Rows;
use super::troubles::Trouble;
use super::world::{Head, World};
use crate::support::within;

/// What is done to a run, beside what the server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Nothing.
    Alone,
    /// Changes between its requests, one in so many.
    Meddled(usize),
    /// Stopped at a request, as by Ctrl-C.
    Stopped(usize),
    /// Given up after so many polls, wherever it is.
    Dropped(usize),
    /// Another one at the same time, on the same rows.
    Twice(usize),
    /// The database refuses some commit.
    Refused,
    /// The server takes the account for nobody, and shows what is public.
    Nobody,
}

impl Way {
    pub fn random(dice: &mut Dice) -> Self {
        match dice.below(25) {
            0..=7 => Self::Alone,
            8..=13 => Self::Meddled(dice.one_of(&[1, 2, 4])),
            14 | 15 => Self::Stopped(dice.between(1, 15)),
            16..=19 => Self::Dropped(dice.between(1, 100)),
            20 | 21 => Self::Twice(dice.one_of(&[3, 1000])),
            22 | 23 => Self::Refused,
            _ => Self::Nobody,
        }
    }
}

/// One run, or two.
pub async fn play(world: &mut World, dice: &mut Dice, way: Way, troubles: Vec<Trouble>, log: &Log) -> Report {
    let before = Rows::read(&world.bench.database).await;
    let mut seen = Moments::new(&troubles);
    seen.look(world);
    // Held requests meet the faults that follow.
    let hold = Hold::new();
    let faults = world.bench.simulator.faults();
    if matches!(way, Way::Meddled(_) | Way::Stopped(_) | Way::Twice(_)) {
        faults.push(Fault::new(Action::Hold(hold.clone())));
    }
    for trouble in &troubles {
        faults.push(trouble.fault.clone());
    }
    let concurrency = dice.one_of(&[1, 1, 4]);
    let (mut results, mut meddled, mut cut) = (Vec::new(), false, false);
    match way {
        Way::Alone => results.push(within("the run", world.run(concurrency).await.run()).await),
        Way::Meddled(rate) => {
            let run = world.run(concurrency).await;
            let (result, changes) = meddle(world, dice, rate, run.run(), &hold, &mut seen, log).await;
            results.push(result);
            meddled = changes > 0;
        }
        Way::Twice(rate) => {
            let (one, two) = (world.run(concurrency).await, world.run(concurrency).await);
            let both = async { tokio::join!(one.run(), two.run()) };
            let ((one, two), changes) = meddle(world, dice, rate, both, &hold, &mut seen, log).await;
            results.extend([one, two]);
            meddled = changes > 0;
        }
        Way::Stopped(at) => {
            let run = world.run(concurrency).await;
            let stop = run.client.stop().clone();
            let stopping = async {
                for passed in 1..at {
                    hold.wait_for(passed).await;
                    hold.release_one();
                }
                hold.wait_for(at).await;
                stop.cancel();
                std::future::pending().await
            };
            results.push(
                within("the run's end", async {
                    tokio::select! { result = run.run() => result, never = stopping => never }
                })
                .await,
            );
            cut = true;
        }
        Way::Dropped(polls) => {
            let run = world.run(concurrency).await;
            results.extend(polled(polls, run.run()).await);
            cut = true;
        }
        Way::Nobody => results.push(as_nobody(world, dice, concurrency).await),
        Way::Refused => {
            if let Some(id) = some_commit(world, dice) {
                world.bench.database.refuse_commit(Some(&id)).await;
            }
            results.push(within("the run", world.run(concurrency).await.run()).await);
            world.settle().await;
            world.bench.database.refuse_commit(None).await;
            cut = true;
        }
    }
    hold.release();
    let faults = world.bench.simulator.faults();
    faults.clear();
    world.bench.stop = CancellationToken::new();
    world.settle().await;
    let after = Rows::read(&world.bench.database).await;
    let rival = matches!(way, Way::Twice(_));
    let nobody = way == Way::Nobody;
    if nobody {
        // Of whatever it showed, nothing was this account's.
        seen.readable.clear();
    }
    Report { before, after, results, seen, troubles, meddled, cut, rival, nobody }
}

/// Lets the requests pass one by one, and changes something before some of them. Gives how often.
async fn meddle<T>(
    world: &mut World,
    dice: &mut Dice,
    rate: usize,
    run: impl Future<Output = T>,
    hold: &Hold,
    seen: &mut Moments,
    log: &Log,
) -> (T, usize) {
    let (mut run, mut passed, mut changes) = (pin!(run), 0, 0);
    loop {
        let next = async {
            tokio::select! {
                biased;
                () = hold.wait_for(passed + 1) => None,
                result = &mut run => Some(result),
            }
        };
        if let Some(result) = within("the run or its next request", next).await {
            return (result, changes);
        }
        passed += 1;
        if dice.one_in(rate) && changes < 12 {
            log.add(format!("  before request {passed}: {}", world.operate(dice)));
            seen.look(world);
            changes += 1;
        }
        hold.release_one();
    }
}

/// Polls a future so many times at most.
async fn polled<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, mut left) = (pin!(future), polls);
    let limited = std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    });
    within("the run or its last poll", limited).await
}

/// A token that was revoked is served as an anonymous caller, where public access is on.
async fn as_nobody(world: &mut World, dice: &mut Dice, concurrency: usize) -> Result<Summary, RunError> {
    let open = world.read(dice).map(|place| world.path(&world.repositories[place]));
    let show = |shown: bool| {
        world.bench.simulator.configure(|settings| settings.public_access = shown);
        if let Some(path) = &open {
            world.bench.simulator.set_public(path, shown).unwrap();
        }
    };
    show(true);
    let account = std::mem::replace(&mut world.bench.credentials, Credentials::Token("revoked-hunter2".into()));
    let result = within("the run", world.run(concurrency).await.run()).await;
    world.bench.credentials = account;
    show(false);
    result
}

fn some_commit(world: &World, dice: &mut Dice) -> Option<String> {
    let place = world.read(dice)?;
    let repository = &world.repositories[place];
    if let (Head::At(id), true) = (repository.head(), dice.one_in(2)) {
        return Some(id);
    }
    let node = dice.pick(repository.history.nodes())?;
    repository.history.id(node).map(str::to_owned)
}

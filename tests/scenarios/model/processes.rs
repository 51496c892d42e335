//! Runs in a process of their own, which is killed: between any two requests, or inside a transaction.

use std::process::Stdio;

use bitbucket_simulator::{Action, Fault, Hold};
use tokio::process::{Child, Command};

use super::dice::Dice;
use super::filter::Filter;
use super::log::Log;
use super::report::{Moments, Report};
use super::rows::Rows;
use super::world::World;
use crate::support::database::Injury;
use crate::support::within;

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// kill -9, while it waits for this answer.
    AtRequest(usize),
    /// In the middle of what it writes to the database.
    AtWrite(Injury),
}

impl End {
    pub fn random(dice: &mut Dice) -> Self {
        // The first run makes the tables; later ones write little.
        let most = dice.one_of(&[15, 60, 200]);
        match dice.below(8) {
            0..=2 => Self::AtRequest(dice.between(1, 12)),
            3 => Self::AtWrite(Injury::Refused(dice.between(1, most))),
            _ => Self::AtWrite(Injury::Killed(dice.between(1, most))),
        }
    }
}

/// One process. Says also whether it was really killed.
pub async fn play(world: &mut World, dice: &mut Dice, end: End, log: &Log) -> (Report, bool) {
    let flags = world.filter.flags().unwrap_or_else(|| {
        // The command has no flags that leave out.
        world.set_filter(Filter::All);
        Vec::new()
    });
    let before = Rows::read(&world.bench.database).await;
    let mut seen = Moments::default();
    seen.look(world);
    let hold = Hold::new();
    if matches!(end, End::AtRequest(_)) {
        world.bench.simulator.faults().push(Fault::new(Action::Hold(hold.clone())));
    }
    let rival = matches!(end, End::AtWrite(_)) && dice.one_in(4);
    let mut child = spawn(world, dice, end, &flags);
    let (mut meddled, mut results) = (false, Vec::new());
    if rival {
        results.push(within("the run beside it", world.run(1).await.run()).await);
    }
    if let End::AtRequest(at) = end {
        for passed in 1..=at {
            let arrived = async {
                tokio::select! {
                    biased;
                    () = hold.wait_for(passed) => true,
                    _ = child.wait() => false,
                }
            };
            if !within("the process's next request", arrived).await {
                break;
            }
            if passed == at {
                child.start_kill().unwrap();
            } else if dice.one_in(4) {
                log.add(format!("  before request {passed}: {}", world.operate(dice)));
                seen.look(world);
                meddled = true;
            }
            hold.release_one();
        }
    }
    hold.release();
    let status = within("the process's end", child.wait()).await.unwrap();
    world.bench.simulator.faults().clear();
    world.settle().await;
    let after = Rows::read(&world.bench.database).await;
    // A process that ran to its end has judged what it did; 6 is a database that could not be written to.
    assert!(matches!(status.code(), None | Some(0 | 4..=7)), "{status}");
    let (troubles, cut, nobody) = (Vec::new(), true, false);
    let report = Report { before, after, results, seen, troubles, meddled, cut, rival, nobody };
    (report, status.code().is_none())
}

fn spawn(world: &World, dice: &mut Dice, end: End, flags: &[String]) -> Child {
    let program = env!("CARGO_BIN_EXE_bitbucket-connector").to_owned();
    let mut words = match end {
        End::AtRequest(_) => Vec::new(),
        End::AtWrite(injury) => world.bench.database.injured(injury),
    };
    words.extend([program, "sync".to_owned(), "--concurrency".to_owned(), dice.one_of(&["1", "4"]).to_owned()]);
    words.extend_from_slice(flags);
    Command::new(&words[0])
        .args(&words[1..])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("BITBUCKET_URL", world.bench.simulator.url())
        .env("BITBUCKET_CONNECTOR_DATABASE", world.bench.database.text())
        .env("BITBUCKET_USERNAME", "reader")
        .env("BITBUCKET_PASSWORD", "hunter2")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

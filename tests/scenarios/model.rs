//! After every run the stored commits are git's own list, whatever happened before, meanwhile and to the run itself.
//!
//! Random histories and random events, against a model that knows only what was done and what git says. A failure prints
//! its seed: `MODEL_SEED=… cargo test --test scenarios model::` plays that sequence again. The same seeds are played each
//! time, so that a change is not blamed for what is older; `make model` plays new ones, as many as it is told.

mod administration;
mod check;
mod dice;
mod expect;
mod fields;
mod filter;
mod growth;
mod history;
mod lies;
mod log;
mod processes;
mod pushes;
mod report;
mod rows;
mod runs;
mod troubles;
mod world;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use futures::{FutureExt, StreamExt};

use self::check::Checker;
use self::dice::Dice;
use self::log::{Log, asked};
use self::processes::End;
use self::report::Report;
use self::runs::Way;
use self::troubles::Trouble;
use self::world::World;
use crate::support::database::Kind;

/// Changes and runs of a test without MODEL_STEPS.
const STEPS: usize = 3000;
/// The first seed without MODEL_STEPS.
const FIRST_SEED: u64 = 1;
/// Lines of a log that a failure shows.
const LAST_LINES: usize = 60;
/// Of so many of them one is a process that is killed.
const STEPS_A_KILL: usize = 60;
/// Sequences at a time: one reads while another waits for git.
const AT_A_TIME: usize = 3;

type Count = Arc<AtomicUsize>;
type Played = Result<(), Failure>;

/// Where a sequence failed. The test ends with it, so that the seed is the last that is printed.
struct Failure(String);

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a sequence is made of, and what is counted in it.
#[derive(Clone, Copy)]
enum Play {
    /// Changes and runs; each of them.
    Runs,
    /// Changes and processes; those that were killed.
    Kills,
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

fn steps() -> usize {
    usize::try_from(number("MODEL_STEPS").unwrap_or(STEPS as u64)).unwrap()
}

/// Seeds that nobody has played, where another number of steps is asked for than each test plays.
fn first_seed() -> u64 {
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    number("MODEL_STEPS").map_or(FIRST_SEED, |_| u64::try_from(clock()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_the_sets_in_sqlite_are_git_s() -> Played {
    sequences(Kind::Sqlite, Play::Runs, steps()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_the_sets_in_postgresql_are_git_s() -> Played {
    sequences(Kind::Postgres, Play::Runs, steps() / 2).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_inside_any_transaction_leaves_whole_sets_in_sqlite() -> Played {
    sequences(Kind::Sqlite, Play::Kills, steps() / STEPS_A_KILL).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_inside_any_transaction_leaves_whole_sets_in_postgresql() -> Played {
    sequences(Kind::Postgres, Play::Kills, steps() / STEPS_A_KILL).await
}

/// Plays sequences, or the one that MODEL_SEED names, until they have counted far enough.
async fn sequences(on: Kind, play: Play, enough: usize) -> Played {
    let count = Count::default();
    if let Some(seed) = number("MODEL_SEED") {
        return Box::pin(sequence(on, play, seed, count)).await;
    }
    let first = first_seed();
    println!("seeds from {first} on");
    let going = (first..).take_while(|_| count.load(Ordering::Relaxed) < enough);
    let playing = |seed| tokio::spawn(sequence(on, play, seed, Arc::clone(&count)));
    let mut done = futures::stream::iter(going).map(playing).buffer_unordered(AT_A_TIME);
    let mut played = 0;
    while let Some(sequence) = done.next().await {
        sequence.expect("it catches its panics")?;
        played += 1;
    }
    println!("{} steps in {played} sequences", count.load(Ordering::Relaxed));
    Ok(())
}

async fn sequence(on: Kind, play: Play, seed: u64, count: Count) -> Played {
    let log = Log::default();
    let playing = async {
        match play {
            Play::Runs => Box::pin(Life::begin(on, seed, log.clone(), Arc::clone(&count)).await.runs()).await,
            Play::Kills => Box::pin(Life::begin(on, seed, log.clone(), Count::default()).await.kills(&count)).await,
        }
    };
    AssertUnwindSafe(playing).catch_unwind().await.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text");
        let count = count.load(Ordering::Relaxed);
        Failure(format!("{}\n{text}\nMODEL_SEED={seed} on {on:?}, {count} steps into the test", log.tail(LAST_LINES)))
    })
}

/// A server's life, and that of the rows about it.
struct Life {
    log: Log,
    dice: Dice,
    world: World,
    checker: Checker,
    steps: Count,
}

impl Life {
    async fn begin(on: Kind, seed: u64, log: Log, steps: Count) -> Self {
        let mut dice = Dice::new(seed);
        let mut world = World::start(on, &mut dice).await;
        for _ in 0..dice.between(2, 5) {
            log.add(world.add(&mut dice));
        }
        Self { log, dice, world, checker: Checker::default(), steps }
    }

    fn step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// Some changes, which no run sees happen.
    fn change(&mut self) {
        for _ in 0..self.dice.below(6) {
            let (world, dice) = (&mut self.world, &mut self.dice);
            let what = if dice.one_in(40) { world.filter(dice) } else { world.operate(dice) };
            self.log.add(what);
            self.checker.changed(&self.world);
            self.step();
        }
    }

    async fn run(&mut self, way: Way, troubles: Vec<Trouble>) -> Report {
        let log = self.log.clone();
        log.add(format!("a run {way:?}"));
        for trouble in &troubles {
            log.add(format!("  with {trouble:?}"));
        }
        // Boxed: it is large.
        let report = Box::pin(runs::play(&mut self.world, &mut self.dice, way, troubles, &log)).await;
        self.look(&report).await;
        self.step();
        report
    }

    async fn look(&mut self, report: &Report) {
        self.log.add(format!("  asked: {}", asked(&self.world)));
        for result in &report.results {
            self.log.add(format!("  {result:?}"));
        }
        self.checker.check(&self.world, report);
        // A process that was killed early has made no tables.
        if !report.after.repositories.is_empty() {
            self.world.bench.database.assert_counted().await;
        }
        if report.is_quiet(&self.world) {
            expect::assert_true(&self.world, report);
        }
    }

    async fn runs(mut self) {
        let mut troubles: Vec<Trouble> = Vec::new();
        for _ in 0..self.dice.between(5, 20) {
            self.change();
            let way = Way::random(&mut self.dice);
            // What is broken stays so for some runs.
            troubles.retain(|_| self.dice.one_in(2));
            if self.dice.one_in(2) {
                for _ in 0..self.dice.between(1, 3) {
                    troubles.push(Trouble::random(&mut self.dice, &mut self.world));
                }
            }
            if way == Way::Nobody {
                // Nobody who is called by a name in each answer is somebody.
                troubles.retain(|trouble| !trouble.ends.contains(&"Identity"));
            }
            self.run(way, troubles.clone()).await;
        }
        Box::pin(self.leave_behind()).await;
        Box::pin(self.end()).await;
    }

    async fn kills(mut self, count: &Count) {
        for _ in 0..self.dice.between(3, 10) {
            self.change();
            if self.dice.one_in(4) {
                self.run(Way::Alone, Vec::new()).await;
            }
            let end = End::random(&mut self.dice);
            self.log.add(format!("a process {end:?}"));
            let (report, killed) = processes::play(&mut self.world, &mut self.dice, end, &self.log).await;
            self.look(&report).await;
            count.fetch_add(usize::from(killed), Ordering::Relaxed);
        }
        Box::pin(self.end()).await;
    }

    /// Whatever is wrong with a commit that is no head any more: one run finds out that no page comes any more, and the next
    /// does without.
    async fn leave_behind(&mut self) {
        let trouble = troubles::target(&mut self.dice, &self.world);
        self.run(Way::Alone, vec![trouble.clone()]).await;
        for _ in 0..self.dice.below(20) {
            let what = self.world.operate(&mut self.dice);
            self.log.add(what);
        }
        if !trouble.is_behind(&self.world) {
            return;
        }
        let mut moves = true;
        loop {
            let report = self.run(Way::Alone, vec![trouble.clone()]).await;
            if !moves {
                return expect::assert_true(&self.world, &report);
            }
            // A page that comes now and then is a reason to go on.
            moves = report.results[0].as_ref().unwrap().added > 0;
        }
    }

    /// One run brings everything to its heads, and the next one costs the listing and one request for each repository,
    /// and writes one row.
    async fn end(mut self) {
        let report = self.run(Way::Alone, Vec::new()).await;
        if report.before.keys() != report.after.keys() {
            // What is not listed may be selected under its project's new key, and is asked for then.
            self.run(Way::Alone, Vec::new()).await;
        }
        fields::assert_shown(&self.world, &mut self.dice).await;
        let world = &self.world;
        world.bench.requests();
        world.bench.database.watch_writes().await;
        world.run(1).await.run().await.unwrap();
        let trace = world.bench.trace();
        let (listing, others): (Vec<&str>, Vec<&str>) = trace.split(' ').partition(|request| *request == "list");
        assert_eq!(
            (listing.len(), others.len()),
            expect::idle_requests(world),
            "nothing is new, but asked was {trace}"
        );
        assert_eq!(world.bench.database.written().await, ["UPDATE bitbucket_sync_runs"], "rows written by it");
    }
}

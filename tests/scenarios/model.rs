//! After every run the stored commits are git's own list, whatever happened before, meanwhile and to the run itself.
//!
//! Random histories and random events, against a model that knows only what was done and what git says. A failure prints
//! its seed: `MODEL_SEED=… cargo test --test scenarios model::` plays that sequence again; `MODEL_STEPS` makes more of them.

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

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bitbucket_simulator::Seen;
use futures::StreamExt;

use self::check::Checker;
use self::dice::Dice;
use self::log::Log;
use self::processes::End;
use self::report::Report;
use self::runs::Way;
use self::troubles::Trouble;
use self::world::World;
use crate::support::database::Kind;

/// Changes and runs of a test without MODEL_STEPS.
const STEPS: usize = 3000;
/// Of so many of them one is a process that is killed.
const STEPS_A_KILL: usize = 60;
/// Sequences at a time: one reads while another waits for git.
const AT_A_TIME: usize = 3;

type Count = Arc<AtomicUsize>;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

fn steps() -> usize {
    usize::try_from(number("MODEL_STEPS").unwrap_or(STEPS as u64)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_the_sets_in_sqlite_are_git_s() {
    Box::pin(sequences(|seed, count| sequence(Kind::Sqlite, seed, count), steps())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_the_sets_in_postgresql_are_git_s() {
    Box::pin(sequences(|seed, count| sequence(Kind::Postgres, seed, count), steps() / 2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_inside_any_transaction_leaves_whole_sets_in_sqlite() {
    Box::pin(sequences(|seed, count| killed(Kind::Sqlite, seed, count), steps() / STEPS_A_KILL)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_inside_any_transaction_leaves_whole_sets_in_postgresql() {
    Box::pin(sequences(|seed, count| killed(Kind::Postgres, seed, count), steps() / STEPS_A_KILL)).await;
}

/// Plays sequences, or the one that MODEL_SEED names, until they have counted far enough.
async fn sequences<S: Future<Output = ()> + Send + 'static>(play: impl Fn(u64, Count) -> S, enough: usize) {
    let count = Count::default();
    if let Some(seed) = number("MODEL_SEED") {
        return play(seed, count).await;
    }
    let first = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap();
    println!("seeds from {first} on");
    let going = (first..).take_while(|_| count.load(Ordering::Relaxed) < enough);
    let playing = |seed| tokio::spawn(play(seed, Arc::clone(&count)));
    let mut done = futures::stream::iter(going).map(playing).buffer_unordered(AT_A_TIME);
    let mut played = 0;
    while let Some(sequence) = done.next().await {
        sequence.expect("the sequence told of above");
        played += 1;
    }
    println!("{} steps in {played} sequences", count.load(Ordering::Relaxed));
}

/// Prints what led to a failure.
struct Witness {
    seed: u64,
    log: Log,
    count: Count,
}

impl Drop for Witness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let count = self.count.load(Ordering::Relaxed);
            eprintln!("MODEL_SEED={}, {count} steps into the test, after\n{}", self.seed, self.log.tail(60));
        }
    }
}

/// A server's life, and that of the rows about it.
struct Life {
    witness: Witness,
    dice: Dice,
    world: World,
    checker: Checker,
    count: Count,
}

impl Life {
    async fn begin(on: Kind, seed: u64, count: Count) -> Self {
        let witness = Witness { seed, log: Log::default(), count: Arc::clone(&count) };
        let mut dice = Dice::new(seed);
        let mut world = World::start(on, &mut dice).await;
        for _ in 0..dice.between(2, 5) {
            witness.log.add(world.add(&mut dice));
        }
        Self { witness, dice, world, checker: Checker::default(), count }
    }

    fn step(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Some changes, which no run sees happen.
    fn change(&mut self) {
        for _ in 0..self.dice.below(6) {
            let (world, dice) = (&mut self.world, &mut self.dice);
            let what = if dice.one_in(40) { world.filter(dice) } else { world.operate(dice) };
            self.witness.log.add(what);
            self.checker.changed(&self.world);
            self.step();
        }
    }

    async fn run(&mut self, way: Way, troubles: Vec<Trouble>) {
        let log = self.witness.log.clone();
        log.add(format!("a run {way:?}"));
        for trouble in &troubles {
            log.add(format!("  with {trouble:?}"));
        }
        let report = runs::play(&mut self.world, &mut self.dice, way, troubles, &log).await;
        self.look(&report).await;
        self.step();
    }

    async fn look(&mut self, report: &Report) {
        self.witness.log.add(format!("  asked: {}", asked(&self.world)));
        for result in &report.results {
            self.witness.log.add(format!("  {result:?}"));
        }
        self.checker.check(&self.world, report);
        // A process that was killed early has made no tables.
        if !report.after.repositories.is_empty() {
            self.world.bench.database.assert_counted().await;
        }
        if report.is_quiet() {
            expect::assert_true(&self.world, report);
        }
    }

    /// One run brings everything to its heads, and the next one costs the listing and one request for each repository,
    /// and writes one row.
    async fn end(mut self) {
        self.run(Way::Alone, Vec::new()).await;
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

/// The requests since the last look, in short: kind, repository and answer.
fn asked(world: &World) -> String {
    let short = |seen: Seen| {
        let path = seen.path.trim_start_matches("/rest/api/1.0/").replace("projects/", "").replace("/repos/", "/");
        let names = ["start", "since", "until"].into_iter();
        let values = names.filter_map(|name| seen.parameter(name)).map(|value| &value[..value.len().min(8)]);
        let values: Vec<&str> = values.collect();
        format!("{path} {}={}", values.join(" "), seen.status.unwrap_or(0))
    };
    world.bench.requests().into_iter().map(short).collect::<Vec<_>>().join(", ")
}

async fn sequence(on: Kind, seed: u64, count: Count) {
    let mut life = Life::begin(on, seed, count).await;
    for _ in 0..life.dice.between(5, 20) {
        life.change();
        let way = Way::random(&mut life.dice);
        let mut troubles = Vec::new();
        if life.dice.one_in(2) {
            for _ in 0..life.dice.between(1, 3) {
                troubles.push(Trouble::random(&mut life.dice, &mut life.world));
            }
        }
        life.run(way, troubles).await;
    }
    Box::pin(life.end()).await;
}

/// Counts the kills.
async fn killed(on: Kind, seed: u64, count: Count) {
    let mut life = Life::begin(on, seed, Count::default()).await;
    for _ in 0..life.dice.between(3, 10) {
        life.change();
        if life.dice.one_in(4) {
            life.run(Way::Alone, Vec::new()).await;
        }
        let end = End::random(&mut life.dice);
        let log = life.witness.log.clone();
        log.add(format!("a process {end:?}"));
        let (report, killed) = processes::play(&mut life.world, &mut life.dice, end, &log).await;
        life.look(&report).await;
        count.fetch_add(usize::from(killed), Ordering::Relaxed);
    }
    Box::pin(life.end()).await;
}

//! What the operator takes with many connections, for docs/scale.md. Of all figures one is held against a bound: that an
//! idle operator writes nothing.

mod calls;
mod load;

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use bitbucket_connector::api::{BitbucketConnection, conditions};
use bitbucket_simulator::{Seen, Simulator};
use futures::{StreamExt, TryStreamExt};
use kube::ResourceExt;
use kube::runtime::{WatchStreamExt, watcher};

use self::calls::Calls;
use self::load::Size;
use crate::support::operator::{Stage, condition};
use crate::support::program::{peak, processor, resident};
use crate::support::until;

/// Without a change for so long, something hangs.
const PATIENCE: Duration = Duration::from_mins(5);
/// How often it is said how far it is.
const PROGRESS: Duration = Duration::from_secs(15);

/// A variable's number.
fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

fn ratio(all: u64, of: usize) -> f64 {
    f64::from(u32::try_from(all).unwrap()) / f64::from(u32::try_from(of).unwrap())
}

/// KiB as MiB.
fn mib(kib: Option<u64>) -> u64 {
    kib.unwrap() >> 10
}

/// The processors' seconds of all that takes part, by name.
struct Processors(BTreeMap<String, (u32, f64)>);

impl Processors {
    fn now(stage: &Stage) -> Self {
        let own = [("operator", stage.operator()), ("simulator and test", std::process::id())];
        let own = own.map(|(name, id)| (name.to_owned(), id));
        let all = own.into_iter().chain(stage.cluster.line.pids.clone());
        Self(all.map(|(name, id)| (name, (id, processor(id).unwrap()))).collect())
    }

    /// Of each, since then.
    fn since(&self) -> BTreeMap<&str, f64> {
        self.0.iter().map(|(name, (id, then))| (name.as_str(), processor(*id).unwrap() - then)).collect()
    }
}

/// What there is to see in the requests that are remembered.
async fn look<T: Default>(simulator: &Simulator, of: impl Fn(&[Seen]) -> T) -> T {
    let mut found = T::default();
    simulator
        .wait_until(|seen| {
            found = of(seen);
            true
        })
        .await;
    found
}

/// All requests so far, remembered or not.
async fn requests(simulator: &Simulator) -> u64 {
    look(simulator, |seen| seen.last().map_or(0, |seen| seen.sequence)).await
}

fn is(object: &BitbucketConnection, type_: &str, reason: &str) -> bool {
    condition(object, type_).is_some_and(|found| found.status == "True" && found.reason == reason)
}

/// Waits for all connections, and says after how many seconds they were Verified, and Ready because they are Synced.
async fn until_synced(stage: &Stage, connections: usize, began: Instant) -> [f64; 2] {
    let watched = watcher(stage.objects.clone(), watcher::Config::default());
    let mut objects = watched.default_backoff().applied_objects().boxed();
    let (mut verified, mut synced) = (HashSet::new(), HashSet::new());
    let (mut all_verified, mut changed) = (None, Instant::now());
    let mut progress = tokio::time::interval(PROGRESS);
    while synced.len() < connections {
        tokio::select! {
            // What fails is tried again.
            object = objects.try_next() => if let Ok(object) = object {
                let object = object.unwrap();
                let news = [
                    is(&object, conditions::VERIFIED, "Verified") && verified.insert(object.name_any()),
                    is(&object, conditions::READY, "Synced") && synced.insert(object.name_any()),
                ];
                if news.contains(&true) {
                    changed = Instant::now();
                }
                if verified.len() == connections {
                    all_verified.get_or_insert_with(|| began.elapsed());
                }
            },
            _ = progress.tick() => {
                let memory = mib(resident(stage.operator()));
                let [verified, synced] = [verified.len(), synced.len()];
                println!("{:.0} s: {verified} verified, {synced} synced, {memory} MiB", began.elapsed().as_secs_f64());
                assert!(changed.elapsed() < PATIENCE, "nothing changes any more");
            }
        }
    }
    [all_verified.unwrap(), began.elapsed()].map(|time| time.as_secs_f64())
}

/// From the start of the operator until all is Synced.
async fn start(stage: &mut Stage, simulator: &Simulator, connections: usize) -> Calls {
    let mut calls = Calls::of(stage);
    let began = Instant::now();
    stage.start_operator();
    let processors = Processors::now(stage);
    let [verified, synced] = until_synced(stage, connections, began).await;
    let taken = processors.since();
    calls.until_quiet().await;
    let (peak, now) = (mib(peak(stage.operator())), mib(resident(stage.operator())));
    let bitbucket = ratio(requests(simulator).await, connections);
    let (writes, reads) = (ratio(calls.writes(), connections), ratio(calls.reads(), connections));
    let cpu = taken["operator"];
    println!("/metrics has {} bytes", stage.page("/metrics").len());
    println!("the API server was asked for: {}", calls.show());
    println!("seconds of a processor: {taken:.1?}; requests to Bitbucket at a time: {}", simulator.most_at_once());
    println!(
        "| connections | all Verified | all Synced | memory at most | after | CPU | of each: API writes | API reads | requests to Bitbucket |"
    );
    println!(
        "| {connections} | {verified:.1} s | {synced:.1} s | {peak} MiB | {now} MiB | {cpu:.1} s | {writes:.1} | {reads:.1} | {bitbucket:.1} |"
    );
    calls
}

/// A time in which nothing is to be done but to verify.
async fn idle(stage: &Stage, simulator: &Simulator, connections: usize, calls: &mut Calls, window: Duration) {
    calls.restart();
    let (processors, began, before) = (Processors::now(stage), Instant::now(), requests(simulator).await);
    while began.elapsed() < window {
        tokio::time::sleep(PROGRESS.min(window.saturating_sub(began.elapsed()))).await;
        calls.read();
        println!("idle for {:.0} s: {}", began.elapsed().as_secs_f64(), calls.show());
    }
    let (taken, minutes) = (processors.since(), began.elapsed().as_secs_f64() / 60.0);
    calls.read();
    let a_minute = |count: u64| ratio(count, 1) / minutes;
    let bitbucket = a_minute(requests(simulator).await - before);
    let (writes, reads, watches) = (calls.writes(), a_minute(calls.reads()), a_minute(calls.watches()));
    let (cpu, memory) = (100.0 * taken["operator"] / (60.0 * minutes), mib(resident(stage.operator())));
    println!("seconds of a processor: {taken:.1?}; {} Secrets were read", calls.secrets());
    println!(
        "| connections | window | API writes | API reads a minute | watches a minute | CPU | memory | requests to Bitbucket a minute |"
    );
    println!(
        "| {connections} | {minutes:.1} min | {writes} | {reads:.0} | {watches:.1} | {cpu:.1} % | {memory} MiB | {bitbucket:.0} |"
    );
    assert_eq!(writes, 0, "{}", calls.show());
}

/// Another operator on the same database, as after an upgrade: it knows nothing of the credentials, and asks at once.
async fn again(stage: &mut Stage, simulator: &Simulator, connections: usize, calls: &mut Calls) {
    stage.terminate_operator().await;
    calls.restart();
    simulator.clear_requests();
    let began = Instant::now();
    stage.start_operator();
    let processors = Processors::now(stage);
    // The last request of each verification.
    let verified =
        |seen: &[Seen]| seen.iter().filter(|one| one.path.ends_with("/commits") && one.status.is_some()).count();
    until("all are verified again", async || look(simulator, verified).await >= connections).await;
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), processors.since()["operator"]);
    calls.until_quiet().await;
    let (peak, now, writes) = (mib(peak(stage.operator())), mib(resident(stage.operator())), calls.writes());
    println!("the API server was asked for: {}", calls.show());
    println!("| connections | all verified after a restart | memory at most | after | CPU | API writes |");
    println!("| {connections} | {seconds:.1} s | {peak} MiB | {now} MiB | {cpu:.1} s | {writes} |");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a quarter of an hour of measuring: make scale"]
async fn scale() {
    let size = Size {
        connections: number("CONNECTIONS", 1000),
        accounts: number("ACCOUNTS", 20),
        repositories: number("REPOSITORIES", 1),
        commits: number("COMMITS", 20),
    };
    let (connections, window) = (size.connections, number("IDLE_SECONDS", 720));
    let mut stage = Stage::without_operator("scale").await;
    // As it is by default: the other tests' is louder.
    stage.variables.push(("BITBUCKET_CONNECTOR_LOG_LEVEL", "info".to_owned()));
    let simulator = load::bitbucket(&stage, size).await;
    let began = Instant::now();
    load::create(&stage, &simulator.url(), size).await;
    println!("{connections} connections created in {:.0} s", began.elapsed().as_secs_f64());
    let mut calls = start(&mut stage, &simulator, connections).await;
    idle(&stage, &simulator, connections, &mut calls, Duration::from_secs(window.try_into().unwrap())).await;
    again(&mut stage, &simulator, connections, &mut calls).await;
}

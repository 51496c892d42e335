//! The account's request budget: nobody sends more than it allows, and all who use the account share it. A time is only
//! ever looked at from below: never sooner, however slow the machine is.

mod refusals;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bitbucket_connector::api::BitbucketConnection;
use bitbucket_connector::api::spec::ImportFilter;
use bitbucket_connector::bitbucket::{
    BaseUrl, Client, Clients, Credentials, Error, Options, Patience, RETRY_WAITS, Rate, Way,
};
use bitbucket_connector::destination::{ConnectionKey, DatabaseUrl, Destination};
use bitbucket_connector::runtime::tls;
use bitbucket_connector::sync::{Filter, Hints, Run, Summary};
use bitbucket_connector::trust::Addresses;
use bitbucket_connector::verification::{Outcome, Past, Verdict, verify};
use bitbucket_simulator::{Action, Command, Fault, RateLimit, Refusal, Seen, Simulator, histories};
use tempfile::TempDir;

use crate::support::manifests::{connection, secret};
use crate::support::operator::Stage;
use crate::support::within;

/// A Bitbucket, and a process that knows nothing of it yet.
struct House {
    simulator: Simulator,
    folder: TempDir,
    clients: Arc<Clients>,
}

impl House {
    /// With so many repositories of one commit each, and this bucket for everybody.
    async fn start(repositories: usize, rate_limit: impl Into<Option<RateLimit>>) -> Self {
        tls::install();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.git");
        histories::linear(&path, 1).unwrap();
        let builder = Simulator::builder().user("reader", "hunter2").token("reader", "tok-hunter2");
        let builder = builder.configure(|settings| settings.rate_limit = rate_limit.into());
        let builder = (0..repositories)
            .fold(builder, |builder, number| builder.repository(&format!("PLAT/r{number:03}"), path.clone()));
        let simulator = builder.start().await.unwrap();
        Self { simulator, folder, clients: Clients::new(16, Addresses::all()) }
    }

    fn client(&self, rate: Option<u32>) -> Client {
        let patience = Patience { waits: RETRY_WAITS, ..Patience::default() };
        self.with(Options { concurrency: 4, patience, reopen: None }).paced(Rate::new(rate))
    }

    /// One that gives up at once.
    fn impatient(&self) -> Client {
        self.with(Options { concurrency: 4, patience: Patience::default(), reopen: None })
    }

    fn with_rate(&self, rate: u32) -> Client {
        self.impatient().paced(Rate::new(Some(rate)))
    }

    fn with(&self, options: Options) -> Client {
        let base = BaseUrl::parse(&self.simulator.url()).unwrap();
        let credentials = Credentials::Token("tok-hunter2".into());
        self.clients.client(base, credentials, &Way::new(Duration::from_mins(1)), options).unwrap()
    }

    /// One run of the connection with this name.
    async fn run(&self, client: Client, name: &str) -> Summary {
        let database = DatabaseUrl::Sqlite(self.folder.path().join(format!("{name}.db")));
        let run = Run {
            client,
            destination: Destination::open(&database).await.unwrap(),
            key: ConnectionKey {
                cluster: String::new(),
                namespace: String::new(),
                name: name.to_owned(),
                uid: String::new(),
            },
            filter: Filter::from(&ImportFilter::default()),
            concurrency: 4,
            progress: Arc::default(),
            hints: Hints::default(),
        };
        let summary = within("the run", run.run()).await.unwrap();
        assert_eq!((&summary.failed, &summary.inaccessible), (&vec![], &vec![]));
        summary
    }

    /// Requests of the account, without those that nobody in particular has sent.
    fn seen(&self) -> Vec<Seen> {
        self.simulator.requests().into_iter().filter(|seen| seen.scheme.is_some()).collect()
    }

    /// The requests for the budget, from `settings` on.
    fn asked(&self) -> Vec<String> {
        let budget = |seen: Seen| Some(seen.path.split_once("/rate-limit/")?.1.to_owned());
        self.seen().into_iter().filter_map(budget).collect()
    }

    /// How many requests were too many, after the budget was first asked for.
    fn refused(&self) -> usize {
        let unaware = self.seen().into_iter().skip_while(|seen| !seen.path.contains("/rate-limit/"));
        unaware.filter(|seen| seen.status == Some(429)).count()
    }
}

const fn bucket(capacity: u32, fill_rate: u32) -> RateLimit {
    RateLimit { capacity, fill_rate }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_keeps_to_the_budget() {
    let house = House::start(100, bucket(60, 20)).await;
    let began = Instant::now();
    let client = house.client(None);
    assert_eq!(house.run(client.clone(), "a").await.synced, 100);
    let (elapsed, sent) = (began.elapsed().as_secs_f64(), house.seen().len());
    println!("{sent} requests in {elapsed:.1} s; the bucket allows {:.0} in that time", 60.0 + 20.0 * elapsed);
    assert_eq!(house.refused(), 0);
    // The listing, a head and a page of each, and the two that tell the budget: this account has none of its own.
    assert_eq!((sent, house.asked()), (303, vec!["settings".to_owned(), "settings/users/reader".to_owned()]));
    // The next run knows it.
    house.simulator.clear_requests();
    house.run(client, "a").await;
    assert_eq!((house.seen().len(), house.asked().len()), (101, 0));
    assert!(house.seen().iter().all(|seen| seen.status != Some(429)));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_and_verifications_share_the_budget() {
    let house = House::start(30, bucket(60, 20)).await;
    let verifications = async {
        for _ in 0..10 {
            let filter = Filter::from(&ImportFilter::default());
            let outcome = within("a verdict", verify(&house.impatient(), &filter, Past::Unknown)).await;
            assert!(matches!(outcome, Outcome::Verdict(Verdict::Verified { .. })), "{outcome:?}");
        }
    };
    let (one, other) = (house.run(house.client(None), "a"), house.run(house.client(None), "b"));
    let (one, other, ()) = tokio::join!(one, other, verifications);
    assert_eq!((one.synced, other.synced, house.refused()), (30, 30, 0));
    assert_eq!(house.asked().len(), 2, "asked for once for all of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_smallest_rate_holds_for_the_account() {
    // Whoever sends more than this is refused.
    let house = House::start(10, bucket(6, 6)).await;
    let (slow, fast) = (house.client(Some(4)), house.client(Some(1000)));
    house.run(fast, "a").await;
    slow.prove_identity().await.unwrap();
    assert!(house.seen().iter().all(|seen| seen.status == Some(200)));
    assert_eq!((house.seen().len(), house.asked().len()), (32, 0), "a rate that is named needs no budget");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_with_a_bucket_of_its_own_keeps_to_that() {
    let house = House::start(40, bucket(1000, 1000)).await;
    let settings = Some(bucket(30, 10));
    house.simulator.apply(Command::UserRateLimit { user: "reader".to_owned(), settings }).unwrap();
    house.run(house.client(None), "a").await;
    assert_eq!((house.seen().len(), house.refused()), (123, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_limit_is_not_paced() {
    // Paced, the run would not end within five minutes.
    let house = House::start(200, bucket(60, 1)).await;
    house.simulator.apply(Command::ExemptFromRateLimit { user: "reader".to_owned(), exempt: true }).unwrap();
    house.run(house.client(None), "a").await;
    assert_eq!((house.seen().len(), house.asked().len()), (603, 2));

    // Limiting is off, or the server has no such endpoint: one request for both runs. What is set for the account while
    // limiting is off does not count.
    for version in ["8.19.4", "6.5.1"] {
        let house = House::start(200, None).await;
        house.simulator.configure(|settings| settings.version = version.to_owned());
        let settings = Some(bucket(60, 1));
        house.simulator.apply(Command::UserRateLimit { user: "reader".to_owned(), settings }).unwrap();
        let client = house.client(None);
        house.run(client.clone(), "a").await;
        house.run(client, "a").await;
        assert_eq!(
            (house.seen().len(), house.asked()),
            (1 + 600 + 1 + 200 + 1, vec!["settings".to_owned()]),
            "{version}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_cannot_be_learned_holds_up_nobody() {
    let lost = Action::Refuse(Refusal::Internal { message: "no".to_owned() });
    for answer in [Action::Html200, Action::Garbage, Action::Drop, Action::Refuse(Refusal::NotPermitted), lost] {
        let house = House::start(20, None).await;
        house.simulator.faults().push(Fault::on_path("/rate-limit/", answer.clone()));
        house.run(house.client(None), "a").await;
        assert_eq!((house.seen().len(), house.asked().len()), (62, 1), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_turn_can_be_stopped() {
    let house = House::start(1, None).await;
    let client = house.with_rate(1);
    client.prove_identity().await.unwrap();
    let mut waits = Box::pin(client.prove_identity());
    assert!(futures::poll!(&mut waits).is_pending());
    client.stop().cancel();
    assert!(matches!(futures::poll!(&mut waits), std::task::Poll::Ready(Err(Error::Stopped))));
    assert_eq!(house.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_a_few_requests_asks_for_no_budget() {
    let house = House::start(2, bucket(60, 5)).await;
    house.run(house.client(None), "a").await;
    assert_eq!((house.seen().len(), house.asked().len()), (7, 0));
}

fn observed(generation: i64) -> impl Fn(&BitbucketConnection) -> bool {
    move |object| object.status.as_ref().is_some_and(|status| status.observed_generation == Some(generation))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_limits_holds_at_once_and_starts_nothing() {
    let stage = Stage::start("limits").await;
    // At one request a second the first run would not end within five minutes.
    let House { simulator, .. } = &House::start(200, None).await;
    let limits =
        |rate: u32| connection("a", &simulator.url(), "s", &format!(", limits: {{requestsPerSecond: {rate}}}"));
    stage.apply(&(secret("s", "reader", "hunter2") + &limits(1)));
    let heads = |seen: &[Seen]| seen.iter().any(|seen| seen.path.ends_with("/branches/default"));
    within("the run's first head", simulator.wait_until(heads)).await;
    stage.apply(&limits(1000));
    let before = stage.until_ready("a", "True", "Synced").await.status.unwrap();
    let sent = simulator.requests().len();
    assert!(simulator.requests().iter().all(|seen| !seen.path.contains("rate-limit")), "a rate is named");

    stage.apply(&limits(5));
    let after = stage.until("a", "the generation to be observed", observed(3)).await.status.unwrap();
    assert_eq!(after.sync, before.sync);
    let conditions = |status: &bitbucket_connector::api::status::BitbucketConnectionStatus| {
        let shown = status.conditions.iter().map(|condition| (condition.type_.clone(), condition.reason.clone()));
        shown.collect::<Vec<_>>()
    };
    assert_eq!(conditions(&after), conditions(&before));
    assert_eq!(simulator.requests().len(), sent, "nothing is asked for it");
}

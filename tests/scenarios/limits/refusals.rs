//! What a refusal means for all who use the account.

use std::time::{Duration, Instant};

use bitbucket_connector::bitbucket::{Clients, Error, Fault as Broken};
use bitbucket_connector::trust::Addresses;
use bitbucket_simulator::{Action, Fault, Hold, Refusal};

use super::{House, bucket};
use crate::support::within;

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_after_a_burst_is_refused_once_at_most() {
    let house = House::start(20, bucket(60, 5)).await;
    // Somebody has emptied the bucket.
    let other = house.with_rate(1000);
    while within("an answer", other.prove_identity()).await.is_ok() {}
    house.simulator.clear_requests();
    let anew = House { clients: Clients::new(16, Addresses::all()), ..house };
    assert_eq!(anew.run(anew.client(None), "a").await.synced, 20);
    let refused = anew.seen().into_iter().filter(|seen| seen.status == Some(429)).count();
    // At most what is under way at the same time.
    assert!(refused <= 4, "{refused} refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_holds_up_everybody_who_uses_the_account() {
    let house = House::start(1, None).await;
    let (one, other) = (house.impatient(), house.impatient());
    other.application_properties().await.unwrap();
    for refusal in [
        Action::Refuse(Refusal::RateLimited { retry_after: 2 }),
        Action::Status {
            status: 503,
            headers: vec![("Retry-After".to_owned(), "2".to_owned())],
            body: "<h1>Service Unavailable</h1>".to_owned(),
        },
    ] {
        house.simulator.faults().push(Fault::on_path("/users", refusal).times(1));
        let began = Instant::now();
        one.prove_identity().await.unwrap_err();
        within("the other's answer", other.prove_identity()).await.unwrap();
        assert!(began.elapsed() >= Duration::from_secs(2), "after {:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_holds_for_those_who_wait_for_the_host_already() {
    let house = House { clients: Clients::new(1, Addresses::all()), ..House::start(1, None).await };
    let (one, other) = (house.impatient(), house.impatient());
    let hold = Hold::new();
    house.simulator.faults().push(Fault::on_path("/users", Action::Hold(hold.clone())));
    house
        .simulator
        .faults()
        .push(Fault::on_path("/users", Action::Refuse(Refusal::RateLimited { retry_after: 2 })).times(1));
    one.application_properties().await.unwrap();
    other.application_properties().await.unwrap();
    let mut first = Box::pin(one.prove_identity());
    assert!(futures::poll!(&mut first).is_pending());
    let mut second = Box::pin(other.prove_identity());
    assert!(futures::poll!(&mut second).is_pending());
    hold.release();
    let began = Instant::now();
    let (first, second) = within("the answers", async { tokio::join!(first, second) }).await;
    assert!(first.is_err() && second.is_ok());
    assert!(began.elapsed() >= Duration::from_secs(2), "after {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_without_one_makes_everybody_slower() {
    let house = House::start(1, None).await;
    let (one, other) = (house.impatient(), house.impatient());
    let proxy = Action::Status { status: 429, headers: vec![], body: String::new() };
    house.simulator.faults().push(Fault::on_path("/users", proxy).times(1));
    let refused = one.prove_identity().await.unwrap_err();
    assert!(matches!(refused, Error::Transport { fault: Broken::RateLimited { retry_after: None }, .. }));
    let began = Instant::now();
    for _ in 0..8 {
        within("an answer", other.prove_identity()).await.unwrap();
    }
    // Five a second, and a little more with each second.
    assert!(began.elapsed() >= Duration::from_secs(1), "in {:?}", began.elapsed());
}

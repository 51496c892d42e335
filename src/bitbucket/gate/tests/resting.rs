//! A password that something in front of Bitbucket may have judged is left alone.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_password_that_something_else_answers_is_left_alone_after_four_at_the_most() {
    let gate = gate(&Gates::new(16), "a");
    gate.prove(&gate.enter().await.unwrap());
    let mut sent = Vec::new();
    for _ in 0..4 {
        sent.push(gate.enter().await.unwrap());
    }
    gate.doubt();
    drop(sent);
    assert_eq!(gate.enter().await.unwrap_err(), Error::GateResting, "the others come back first");
    (0..3).for_each(|_| gate.doubt());
    tokio::time::advance(Duration::from_hours(1000)).await;
    assert_eq!(gate.enter().await.unwrap_err(), Error::GateResting);
    gate.reopen("now");
    gate.prove(&gate.enter().await.unwrap());
    gate.doubt();
    tokio::time::advance(Duration::from_mins(1)).await;
    gate.enter().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_third_unclear_answer_in_a_row_is_the_last_until_a_person_asks() {
    let gate = gate(&Gates::new(16), "a");
    for pause in [Duration::from_mins(1), Duration::from_hours(1)] {
        gate.doubt();
        tokio::time::advance(pause.mul_f64(0.9)).await;
        assert_eq!(gate.tried().await, Err(Error::GateResting));
        tokio::time::advance(pause.mul_f64(0.1)).await;
        assert_eq!(gate.tried().await, Ok(()));
    }
    gate.doubt();
    tokio::time::advance(Duration::from_hours(1000)).await;
    assert_eq!(gate.tried().await, Err(Error::GateResting));
    gate.reopen("now");
    assert_eq!(gate.tried().await, Ok(()));
    gate.doubt();
    tokio::time::advance(Duration::from_hours(1000)).await;
    assert_eq!(gate.tried().await, Err(Error::GateResting), "the count goes on");
}

#[tokio::test(start_paused = true)]
async fn what_was_doubted_in_an_earlier_process_is_left_alone_until_a_person_asks() {
    let gates = Gates::new(16);
    let (fresh, asked_for, proven, doubted) =
        (gate(&gates, "a"), gate(&gates, "b"), gate(&gates, "c"), gate(&gates, "d"));
    fresh.remember_rest();
    assert!(fresh.is_doubted());
    tokio::time::advance(Duration::from_hours(1000)).await;
    assert_eq!(fresh.tried().await, Err(Error::GateResting));
    fresh.reopen("now");
    asked_for.reopen("now");
    proven.prove(&proven.enter().await.unwrap());
    doubted.doubt();
    for gate in [&fresh, &asked_for, &proven] {
        gate.remember_rest();
        assert!(!gate.is_doubted());
        assert_eq!(gate.tried().await, Ok(()), "the status is older than what is known");
    }
    doubted.remember_rest();
    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(doubted.tried().await, Ok(()), "its own count goes on");
}

#[tokio::test]
async fn who_waited_for_the_server_while_a_doubt_came_up_goes_home() {
    let gate = gate(&Gates::new(16), "a");
    let server = Arc::new(Semaphore::new(1));
    let sent = gate.enter_at(&server).await.unwrap();
    gate.prove(&sent);
    let mut waiting = Box::pin(gate.enter_at(&server));
    assert!(futures::poll!(&mut waiting).is_pending());
    gate.doubt();
    drop(sent);
    assert_eq!(waiting.await.map(drop), Err(Error::GateResting));
}

#[tokio::test(start_paused = true)]
async fn a_good_answer_ends_the_rest_also_where_it_is_one_to_something_older() {
    let gate = gate(&Gates::new(16), "a");
    let sent = gate.enter().await.unwrap();
    (0..3).for_each(|_| gate.doubt());
    gate.prove(&sent);
    assert_eq!(gate.tried().await, Ok(()));
    // The doubts are gone too.
    gate.doubt();
    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(gate.tried().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn doubts_from_before_a_closing_do_not_count() {
    let gate = gate(&Gates::new(16), "a");
    (0..2).for_each(|_| gate.doubt());
    gate.close();
    gate.reopen("now");
    gate.doubt();
    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(gate.tried().await, Ok(()));
}

#[tokio::test]
async fn a_rest_is_not_forgotten_with_the_connection_nor_for_what_statuses_say() {
    let gates = Gates::new(16);
    (0..3).for_each(|_| gate(&gates, "a").doubt());
    let gate = gate(&gates, "a");
    assert_eq!(gate.tried().await, Err(Error::GateResting));
    gate.remember();
    assert_eq!(gate.tried().await, Err(Error::GateClosed));
    gate.vouch();
    assert_eq!(gate.tried().await, Err(Error::GateResting));
}

//! What the pace is where nothing is refused.

mod refusals;

use std::time::Duration;

use tokio::time::Instant;

use super::super::limit::Budget;
use super::{Pace, Step, Told, Wishes};

const ANY: Wishes = Wishes { smallest: None, unnamed: true };
const SECOND: Duration = Duration::from_secs(1);

fn named(rate: u32) -> Wishes {
    Wishes { smallest: Some(rate), unnamed: false }
}

fn told(capacity: u32, fill_rate: u32) -> Told {
    Told { budget: Some(Budget { capacity: capacity.into(), fill_rate: fill_rate.into() }), again: None }
}

const UNLIMITED: Told = Told { budget: None, again: None };

/// An account at a server that answers, and the clock.
struct Bench {
    pace: Pace,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        pace.answered();
        Self { pace, now }
    }

    fn knowing(told: Told) -> Self {
        let mut bench = Self::new();
        bench.pace.learn(told, bench.now);
        bench
    }

    /// One that has learned by a refusal how full the bucket is.
    fn certain(told: Told) -> Self {
        let mut bench = Self::knowing(told);
        assert_eq!(bench.refuse(ANY), told.budget.map(|budget| budget.fill_rate));
        bench.pace.answered();
        bench.now += Duration::from_mins(1);
        bench.pace.learn(told, bench.now);
        bench
    }

    /// How many go at once, and what the next one does.
    fn burst(&mut self, wishes: Wishes) -> (u32, Step) {
        for number in 0..1000 {
            match self.pace.take(wishes, self.now) {
                Step::Go => {}
                step => return (number, step),
            }
        }
        (1000, Step::Go)
    }

    /// How many go in this time, one after the other, the clock going on by as much as each has to wait.
    fn sent_in(&mut self, time: Duration, wishes: Wishes) -> u32 {
        let end = self.now + time;
        let mut sent = 0;
        while self.now <= end {
            match self.pace.take(wishes, self.now) {
                Step::Go => {
                    self.pace.answered();
                    sent += 1;
                }
                Step::Wait(wait) => self.now += wait.max(Duration::from_micros(1)),
                Step::Ask => panic!("nobody answers here"),
            }
        }
        self.now = end;
        sent
    }

    fn refuse(&mut self, wishes: Wishes) -> Option<f64> {
        self.pace.slow_down(wishes, self.now, self.now)
    }
}

#[test]
fn whoever_sends_little_never_asks() {
    let mut bench = Bench::new();
    for _ in 0..100 {
        for _ in 0..10 {
            assert_eq!(bench.pace.take(ANY, bench.now), Step::Go);
        }
        bench.now += 2 * SECOND;
    }
    assert_eq!(bench.burst(ANY), (10, Step::Ask));
}

#[test]
fn nobody_is_asked_who_has_not_answered_yet() {
    let now = Instant::now();
    let mut bench = Bench { pace: Pace::new(now), now };
    assert_eq!(bench.burst(ANY).0, 1000);
}

#[test]
fn half_of_a_bucket_is_there_at_first_and_what_was_sent_is_taken_from_it() {
    let mut bench = Bench::new();
    assert_eq!(bench.burst(ANY), (10, Step::Ask));
    bench.pace.charge();
    bench.pace.learn(told(60, 5), bench.now);
    assert_eq!(bench.burst(ANY), (19, Step::Wait(SECOND / 5)));
    // However long nothing is sent, not all of it is taken at once.
    bench.now += Duration::from_mins(10);
    assert_eq!(bench.burst(ANY).0, 39);
    // What is added while little is sent counts too.
    let mut bench = Bench::new();
    bench.now += 2 * SECOND;
    bench.pace.learn(told(600, 5), bench.now);
    assert_eq!(bench.burst(ANY).0, 310);
}

#[test]
fn a_backfill_gets_what_the_bucket_allows() {
    for (capacity, fill_rate, requests) in
        [(60, 5, 400), (60, 5, 5000), (10, 1, 200), (60, 50, 2000), (1000, 100, 20_000)]
    {
        let mut bench = Bench::knowing(told(capacity, fill_rate));
        let allowed = f64::from(requests - capacity) / f64::from(fill_rate);
        let mut sent = 0;
        let mut passed = Duration::ZERO;
        while sent < requests {
            sent += bench.sent_in(SECOND / 10, ANY);
            passed += SECOND / 10;
        }
        let ratio = passed.as_secs_f64() / allowed;
        assert!((1.0..1.1).contains(&ratio), "{requests} of {capacity}/{fill_rate}: {ratio}");
    }
}

#[test]
fn no_limit_is_no_wait_and_is_believed_for_an_hour() {
    let mut bench = Bench::knowing(UNLIMITED);
    assert_eq!(bench.burst(ANY), (1000, Step::Go));
    bench.now += Duration::from_mins(59);
    assert_eq!(bench.burst(ANY), (1000, Step::Go));
    bench.now += Duration::from_mins(1);
    assert_eq!(bench.burst(ANY), (10, Step::Ask));
}

#[test]
fn a_known_budget_is_asked_for_again_only_when_it_would_be_waited_for() {
    let mut bench = Bench::knowing(told(60, 5));
    bench.now += Duration::from_mins(61);
    assert_eq!(bench.burst(ANY), (39, Step::Ask));
    bench.pace.learn(told(60, 10), bench.now);
    assert_eq!(bench.burst(ANY), (0, Step::Wait(SECOND / 10)));
    // What comes of a broken way is no reason to send without limit.
    bench.now += Duration::from_mins(61);
    bench.pace.learn(Told { budget: None, again: Some(10 * SECOND) }, bench.now);
    assert_eq!(bench.burst(ANY).0, 34);
    bench.now += 11 * SECOND;
    assert_eq!(bench.burst(ANY), (34, Step::Ask));
}

#[test]
fn a_rate_that_is_named_holds_evenly_and_nobody_is_asked() {
    let mut bench = Bench::new();
    assert_eq!(bench.burst(named(4)), (1, Step::Wait(SECOND / 4)));
    assert_eq!(bench.sent_in(60 * SECOND, named(4)), 240);
    assert_eq!(Bench::new().sent_in(10 * SECOND, named(1000)), 10_010);
    // So it is although the budget is a smaller one: whoever names a rate knows better.
    assert_eq!(Bench::knowing(told(60, 5)).sent_in(10 * SECOND, named(8)), 81);
    // Somebody else names none: the slower of it and the budget.
    for (rate, expected) in [(4, 4), (6, 5)] {
        let mut bench = Bench::knowing(told(60, 5));
        let both = Wishes { smallest: Some(rate), unnamed: true };
        bench.sent_in(60 * SECOND, both);
        assert_eq!(bench.sent_in(60 * SECOND, both), 60 * expected);
    }
    // And it may change at any time.
    let mut bench = Bench::new();
    assert_eq!(bench.sent_in(10 * SECOND, named(1)), 11);
    assert_eq!(bench.sent_in(10 * SECOND, named(10)), 100);
}

/// Holds the pace against a server's bucket, of which other users of the account take nothing.
#[test]
fn the_servers_bucket_never_runs_out() {
    for (capacity, fill_rate) in [(60, 5), (20, 1), (100, 50), (1000, 5), (60, 50)] {
        for in_one_go in [false, true] {
            let mut bench = Bench::knowing(told(capacity, fill_rate));
            let (full, rate) = (f64::from(capacity), f64::from(fill_rate));
            let mut tokens = full;
            let mut on_the_way = std::collections::VecDeque::new();
            let began = bench.now;
            for tick in 0..6000_u32 {
                // Busy, idle for a while, and busy again, every tenth of a second.
                bench.now = began + SECOND * tick / 10;
                let added = if !in_one_go {
                    rate / 10.0
                } else if tick % 10 == 9 {
                    rate
                } else {
                    0.0
                };
                tokens = (tokens + added).min(full);
                while tick % 1000 < 700 && on_the_way.len() < 16 && bench.pace.take(ANY, bench.now) == Step::Go {
                    on_the_way.push_back(tick);
                }
                // Each arrives up to two seconds later, and often all of them at the same time.
                if tick % 20 == 19 || on_the_way.len() < 16 {
                    for _ in on_the_way.drain(..) {
                        tokens -= 1.0;
                        assert!(tokens >= 0.0, "{capacity}/{fill_rate}, {in_one_go}, after {tick} ticks");
                    }
                }
            }
        }
    }
}

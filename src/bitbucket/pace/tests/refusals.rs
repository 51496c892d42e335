//! What refusals change.

use super::*;

#[test]
fn a_refusal_halves_the_rate_and_it_is_whole_again_after_a_minute() {
    for (mut bench, wishes) in [(Bench::certain(told(60, 8)), ANY), (Bench::new(), named(8))] {
        bench.sent_in(30 * SECOND, wishes);
        assert_eq!(bench.refuse(wishes), Some(4.0));
        assert_eq!(bench.burst(wishes).0, 0, "the bucket was empty");
        let minutes = [(); 4].map(|()| bench.sent_in(15 * SECOND, wishes));
        assert!(minutes.is_sorted() && (66..=68).contains(&minutes[0]), "{minutes:?}");
        bench.sent_in(60 * SECOND, wishes);
        assert_eq!(bench.sent_in(60 * SECOND, wishes), 480);
    }
}

#[test]
fn the_first_refusal_only_tells_how_full_the_bucket_is() {
    let mut bench = Bench::knowing(told(60, 5));
    let sent = bench.now;
    assert_eq!(bench.burst(ANY).0, 30);
    assert!([(); 2].iter().all(|()| bench.pace.depart(bench.now)));
    bench.now += SECOND;
    assert_eq!(bench.refuse(ANY), Some(5.0));
    assert_eq!(bench.pace.slow_down(ANY, sent, bench.now), None, "sent before that");
    assert_eq!(bench.burst(ANY), (0, Step::Wait(SECOND / 5)));
    assert_eq!(bench.sent_in(60 * SECOND, ANY), 300);
    assert_eq!(bench.refuse(ANY), Some(2.5));
}

#[test]
fn one_burst_of_refusals_is_one_reason() {
    let mut bench = Bench::certain(told(60, 8));
    let sent = bench.now;
    bench.now += SECOND;
    assert_eq!(bench.pace.slow_down(ANY, sent, bench.now), Some(4.0));
    bench.now += SECOND;
    assert_eq!(bench.refuse(ANY), None, "nothing is answered at all: it is not the rate");
    bench.pace.answered();
    assert_eq!(bench.pace.slow_down(ANY, sent, bench.now), None, "sent before the rate was lowered");
    let slower = bench.refuse(ANY).unwrap();
    assert!((2.0..2.1).contains(&slower), "{slower}");
    for _ in 0..10 {
        bench.pace.answered();
        bench.now += SECOND;
        bench.refuse(ANY);
    }
    bench.pace.answered();
    assert_eq!(bench.refuse(ANY), Some(0.5), "no slower than that");
}

#[test]
fn where_nothing_is_known_a_refusal_begins_with_five_a_second_and_ends_with_any() {
    let mut bench = Bench::knowing(UNLIMITED);
    bench.burst(ANY);
    assert_eq!(bench.refuse(ANY), Some(5.0));
    let sent = bench.sent_in(10 * SECOND, ANY);
    assert!((53..=56).contains(&sent), "{sent}");
    bench.now += Duration::from_mins(1);
    assert_eq!(bench.burst(ANY).0, 1000);
}

#[test]
fn a_refusal_that_contradicts_what_was_stated_a_while_ago_has_it_asked_again() {
    for (known, rate, wait) in [(told(60, 8), 8.0, SECOND / 4), (UNLIMITED, 5.0, SECOND * 2 / 5)] {
        let mut bench = Bench::knowing(known);
        bench.now += 59 * SECOND;
        assert_eq!(bench.refuse(ANY), Some(rate));
        assert!(matches!(bench.burst(ANY), (0, Step::Wait(_))), "just read");
        let mut bench = Bench::knowing(known);
        bench.now += 60 * SECOND;
        assert_eq!(bench.refuse(ANY), Some(rate));
        assert_eq!(bench.burst(ANY), (0, Step::Wait(wait)), "there must be something left for the question");
        bench.now += wait;
        assert_eq!(bench.burst(ANY), (0, Step::Ask));
    }
    // What was guessed before the first answer is forgotten with it; that the bucket was empty is not.
    let mut bench = Bench::new();
    assert_eq!(bench.refuse(ANY), Some(5.0));
    assert_eq!(bench.burst(ANY), (0, Step::Wait(SECOND * 2 / 5)));
    bench.now += SECOND * 2 / 5;
    assert_eq!(bench.burst(ANY), (0, Step::Ask));
    bench.pace.charge();
    bench.pace.charge();
    bench.pace.learn(told(60, 8), bench.now);
    assert_eq!(bench.burst(ANY), (0, Step::Wait(SECOND / 8)));
}

#[test]
fn a_pause_holds_for_all_and_not_longer_than_a_minute() {
    for wishes in [ANY, named(100)] {
        let mut bench = Bench::knowing(UNLIMITED);
        bench.pace.pause(5 * SECOND, bench.now);
        bench.pace.pause(2 * SECOND, bench.now);
        assert_eq!(bench.pace.take(wishes, bench.now), Step::Wait(5 * SECOND));
        assert!(!bench.pace.depart(bench.now));
        bench.now += 5 * SECOND;
        assert!(bench.pace.depart(bench.now));
        assert_eq!(bench.pace.take(wishes, bench.now), Step::Go);
        bench.pace.pause(Duration::from_hours(1), bench.now);
        assert_eq!(bench.pace.take(wishes, bench.now), Step::Wait(Duration::from_mins(1)));
    }
}

#[test]
fn what_is_under_way_when_one_is_refused_takes_what_comes_in_after_that() {
    for refused in 0..=3 {
        let mut bench = Bench::new();
        bench.burst(ANY);
        let sent = bench.now;
        assert!([(); 4].iter().all(|()| bench.pace.depart(bench.now)));
        bench.now += SECOND;
        assert_eq!(bench.refuse(ANY), Some(5.0));
        bench.pace.arrive();
        bench.pace.learn(told(60, 5), bench.now);
        for number in 0..3 {
            if number < refused {
                assert_eq!(bench.pace.slow_down(ANY, sent, bench.now), None, "sent before that");
            } else {
                bench.pace.answered();
            }
            bench.pace.arrive();
        }
        bench.now += 2 * SECOND;
        assert_eq!(bench.burst(ANY).0, 2 * 5 - (3 - refused), "{refused} refused");
    }
}

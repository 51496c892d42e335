//! Slots by hand: the grammar, the spread, what is missed, and the days on which clocks change.

use std::time::Duration;

use jiff::Timestamp;

use super::Schedule;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const OFFSET: Duration = Duration::from_secs(20);

fn schedule(cron: &str, zone: &str) -> Schedule {
    Schedule::parse(cron, zone, "uid").unwrap().at(OFFSET)
}

#[test]
fn the_grammar_is_a_cronjobs() {
    for good in [
        "0 * * * *",
        "*/5 0-6 1,15 jan-mar mon",
        "@hourly",
        "@midnight",
        "0 0 * JUL *",
        "0 0 * * 7",
        "5/15 * ? * mon-sun",
    ] {
        assert!(Schedule::parse(good, "Etc/UTC", "uid").is_ok(), "{good}");
    }
    for bad in [
        "",
        "* * * *",
        "0 0 * * * *",
        "TZ=UTC 0 * * * *",
        "CRON_TZ=UTC 0 * * * *",
        "0 0 L * *",
        "0 0 * * 5#2",
        "0 0 31 2 *",
        "0 0 * * 5L",
        "0 0 15W * *",
        "60 * * * *",
        "@every 5m",
        "hourly",
        "0\t0\tL\t*\t*",
        "0 0 1 * +mon",
        "0 0 * * 1mon",
        "sun 0 * * *",
        "0 0 1,* * mon",
    ] {
        assert!(Schedule::parse(bad, "Etc/UTC", "uid").is_err(), "{bad}");
    }
    assert!(Schedule::parse("0 * * * *", "Mars/Olympus", "uid").unwrap_err().contains("spec.timeZone"));
}

#[test]
fn a_star_for_the_days_leaves_them_to_the_other_field() {
    let thursday = at("2026-01-01T12:00:00Z");
    for (cron, next) in [
        ("0 0 * * mon", "2026-01-05T00:00:00Z"),
        ("0 0 */1 * mon", "2026-01-05T00:00:00Z"),
        ("0 0 3/1 * mon", "2026-01-03T00:00:00Z"),
    ] {
        assert_eq!(schedule(cron, "Etc/UTC").next_after(thursday), Some(at(next)), "{cron}");
    }
}

#[test]
fn a_slot_starts_at_its_place_in_the_spread() {
    let hourly = schedule("0 * * * *", "Etc/UTC");
    let before = at("2026-01-01T12:00:19Z");
    assert_eq!(hourly.due(before, &[at("2026-01-01T11:00:00Z")], None), None);
    assert_eq!(hourly.upcoming(before), Some(at("2026-01-01T12:00:00Z")));
    assert_eq!(hourly.wait(before), Some(Duration::from_secs(1)));
    let now = at("2026-01-01T12:00:20Z");
    assert_eq!(hourly.due(now, &[at("2026-01-01T11:00:00Z")], None), Some(at("2026-01-01T12:00:00Z")));
    assert_eq!(hourly.upcoming(now), Some(at("2026-01-01T13:00:00Z")));
}

#[test]
fn only_the_latest_missed_slot_counts_and_only_within_the_deadline() {
    let hourly = schedule("0 * * * *", "Etc/UTC");
    let now = at("2026-01-01T15:30:20Z");
    let done = [at("2026-01-01T11:00:00Z")];
    let slot = Some(at("2026-01-01T15:00:00Z"));
    assert_eq!(hourly.due(now, &done, None), slot);
    assert_eq!(hourly.due(now, &done, Some(Duration::from_mins(30))), slot);
    assert_eq!(hourly.due(now, &done, Some(Duration::from_secs(30 * 60 - 1))), None);
    assert_eq!(hourly.due(now, &[done[0], at("2026-01-01T15:10:00Z")], None), None, "a run went over it");
}

#[test]
fn the_zone_decides_what_the_hour_is() {
    let nightly = schedule("30 2 * * *", "Europe/Berlin");
    assert_eq!(nightly.next_after(at("2026-01-01T00:00:00Z")), Some(at("2026-01-01T01:30:00Z")));
    // 02:30 does not exist on the day the clocks go forward, and is not lost.
    assert_eq!(nightly.next_after(at("2026-03-28T12:00:00Z")), Some(at("2026-03-29T01:00:00Z")));
}

/// All slots of a day and a little more.
fn slots(cron: &str, zone: &str, from: &str, until: &str) -> Vec<String> {
    let (schedule, until) = (schedule(cron, zone), at(until));
    let next = |time: &Timestamp| schedule.next_after(*time).filter(|next| *next <= until);
    let slots: Vec<Timestamp> = std::iter::successors(next(&at(from)), next).collect();
    // What has come due by each moment is the slot that was announced before.
    for pair in slots.windows(2) {
        let [slot, next] = pair else { continue };
        for moment in [*slot + OFFSET, *next + OFFSET - Duration::from_secs(1)] {
            assert_eq!((schedule.due(moment, &[], None), schedule.upcoming(moment)), (Some(*slot), Some(*next)));
        }
    }
    slots.iter().map(|slot| slot.strftime("%d %H:%M").to_string()).collect()
}

#[test]
fn on_the_day_that_lacks_an_hour_nothing_is_lost() {
    // In UTC: at one o'clock there, two becomes three in Berlin; at seven in New York.
    let berlin = |cron| slots(cron, "Europe/Berlin", "2027-03-27T22:00:00Z", "2027-03-28T03:59:00Z");
    assert_eq!(berlin("30 * * * *"), ["27 22:30", "27 23:30", "28 00:30", "28 01:30", "28 02:30", "28 03:30"]);
    assert_eq!(berlin("30 2 * * *"), ["28 01:00"], "as soon as it is later than half past two");
    assert_eq!(berlin("0 3 * * *"), ["28 01:00"]);
    let new_york = |cron| slots(cron, "America/New_York", "2027-03-14T05:00:00Z", "2027-03-14T08:59:00Z");
    assert_eq!(new_york("30 * * * *"), ["14 05:30", "14 06:30", "14 07:30", "14 08:30"]);
    assert_eq!(new_york("30 2 * * *"), ["14 07:00"]);
    assert_eq!(new_york("15,45 1-3 * * *"), ["14 06:15", "14 06:45", "14 07:15", "14 07:45"]);
}

#[test]
fn on_the_day_that_has_an_hour_twice_every_hour_counts_and_a_time_of_day_comes_once() {
    let berlin = |cron| slots(cron, "Europe/Berlin", "2027-10-30T22:00:00Z", "2027-10-31T03:59:00Z");
    assert_eq!(berlin("30 * * * *"), ["30 22:30", "30 23:30", "31 00:30", "31 01:30", "31 02:30", "31 03:30"]);
    assert_eq!(berlin("30 2 * * *"), ["31 00:30"]);
    let new_york = |cron| slots(cron, "America/New_York", "2027-11-07T04:00:00Z", "2027-11-07T08:59:00Z");
    assert_eq!(new_york("30 * * * *"), ["07 04:30", "07 05:30", "07 06:30", "07 07:30", "07 08:30"]);
    assert_eq!(new_york("30 1 * * *"), ["07 05:30"]);
}

//! Any text is a schedule or refused; and a schedule says what a CronJob's does, by a second reading.

use std::time::Duration;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::schedule::Schedule;

const CRONTABS: &[&str] = &[
    "0 * * * *",
    "*/5 0-6 1,15 jan-mar mon",
    "@hourly",
    "@midnight",
    "0 0 * JUL *",
    "30 2 29 2 *",
    "59 23 31 12 sun",
    "0 0 1-7 * mon-fri/2",
    "5/15 ? * * ?",
    "0 0 31 2 *",
];
const PIECES: &[&str] = &[
    "*",
    "/",
    "-",
    ",",
    " ",
    "\t",
    "0",
    "7",
    "31",
    "60",
    "99999999999999999999",
    "L",
    "W",
    "#",
    "?",
    "+",
    "@",
    "=",
    "TZ=UTC ",
    "mon",
    "SUN",
    "feb",
    "ﬁ",
    "ß",
    "\u{a0}",
    "\u{3000}",
    "\n",
    "٣",
    "*/0",
    "*/99",
];
const ZONES: &[&str] = &[
    "Etc/UTC",
    "Europe/Berlin",
    "america/new_york",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "America/Sao_Paulo",
    "Antarctica/Troll",
    "Europe/Dublin",
];

fn written() -> impl Strategy<Value = String> {
    let insert = prop_oneof![3 => select(PIECES).prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)];
    let edits = vec((any::<Index>(), 0..3_usize, insert), 0..4);
    let mutated = (select(CRONTABS), edits).prop_map(|(good, edits)| {
        let mut letters: Vec<char> = good.chars().collect();
        for (at, remove, insert) in edits {
            let at = at.index(letters.len() + 1);
            let end = letters.len().min(at + remove);
            letters.splice(at..end, insert.chars());
        }
        letters.into_iter().collect()
    });
    prop_oneof![6 => mutated, 2 => vec(select(PIECES), 0..12).prop_map(|pieces| pieces.concat()), 1 => any::<String>()]
}

fn moments() -> impl Strategy<Value = Timestamp> {
    // From 2020 to 2100, and often near the days on which clocks change.
    let changes = select(vec![1_774_746_000_i64, 1_792_890_000, 1_775_314_800, 1_743_296_400]);
    let seconds = prop_oneof![
        1_577_836_800..4_102_444_800_i64,
        (changes, -90_000..90_000_i64).prop_map(|(change, by)| change + by)
    ];
    seconds.prop_map(|second| Timestamp::from_second(second).unwrap())
}

/// One field by CronJob's rules: the values it holds, and whether it says nothing about days. A list with a star in it,
/// which nobody needs, is refused although a CronJob takes it.
fn field(text: &str, low: u32, high: u32, names: &[&str]) -> Option<(u64, bool)> {
    let value = |text: &str| {
        let name = names.iter().position(|name| *name == text).and_then(|place| u32::try_from(place).ok());
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        name.map(|place| place + low).or_else(|| text.parse().ok().filter(|_| digits))
    };
    let (mut values, mut star) = (0, false);
    for part in text.split(',') {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let step =
            step.map_or(Some(1), |step| step.parse().ok().filter(|_| step.bytes().all(|byte| byte.is_ascii_digit())));
        let step: usize = step.filter(|step| *step > 0)?;
        let (first, last) = match (range, range.split_once('-')) {
            ("*" | "?", _) => {
                star |= step == 1;
                if star && text.contains(',') {
                    return None;
                }
                (low, high)
            }
            (_, Some((first, last))) => (value(first)?, value(last)?),
            (_, None) if part.contains('/') => (value(range)?, high),
            (_, None) => (value(range)?, value(range)?),
        };
        // Sunday may be 7 too, and end a range as such: more than a CronJob takes.
        let last = if high == 6 && last == 0 && first > 0 && range.ends_with("SUN") { 7 } else { last };
        if first < low || last > if high == 6 { 7 } else { high } || first > last {
            return None;
        }
        (first..=last).step_by(step).for_each(|value| values |= 1_u64 << if high == 6 { value % 7 } else { value });
    }
    Some((values, star))
}

/// A crontab by CronJob's rules: its fields, and whether the two of days are free.
fn read(text: &str) -> Option<([u64; 5], bool)> {
    const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
    const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    let upper = text.to_uppercase();
    let [minute, hour, day, month, weekday] = upper.split_whitespace().collect::<Vec<_>>().try_into().ok()?;
    let (days, any_day) = field(day, 1, 31, &[])?;
    let (weekdays, any_weekday) = field(weekday, 0, 6, &DAYS)?;
    let fields =
        [field(minute, 0, 59, &[])?.0, field(hour, 0, 23, &[])?.0, days, field(month, 1, 12, &MONTHS)?.0, weekdays];
    Some((fields, any_day || any_weekday))
}

/// The first moment after `time` in UTC, looked for day by day. None, if there is none within nine years.
fn next(([minutes, hours, days, months, weekdays], both): ([u64; 5], bool), time: Timestamp) -> Option<Timestamp> {
    let holds = |values: u64, value: i8| values >> value & 1 == 1;
    let matches = |date: Date| {
        let weekday = date.weekday();
        let (day, weekday) = (holds(days, date.day()), holds(weekdays, weekday.since(Weekday::Sunday)));
        holds(months, date.month()) && if both { day && weekday } else { day || weekday }
    };
    let begin = time.to_zoned(TimeZone::UTC).date();
    begin.series(1.day()).take(366 * 9).filter(|date| matches(*date)).find_map(|date| {
        let times = (0..24).filter(|hour| holds(hours, *hour));
        let mut all = times.flat_map(|hour| {
            (0..60).filter(|minute| holds(minutes, *minute)).map(move |minute| date.at(hour, minute, 0, 0))
        });
        all.find_map(|at| at.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp()).filter(|at| *at > time))
    })
}

/// Crontabs of all that the grammar has, and a little beyond its bounds.
fn crontab() -> impl Strategy<Value = String> {
    let field = |low: u32, high: u32, names: Vec<&'static str>| {
        let number = prop_oneof![15 => low..=high, 1 => 0..=high + 2].prop_map(|number| number.to_string());
        let value = if names.is_empty() {
            number.boxed()
        } else {
            prop_oneof![4 => number, 1 => select(names).prop_map(str::to_owned)].boxed()
        };
        let range = prop_oneof![
            4 => Just("*".to_owned()),
            1 => Just("?".to_owned()),
            3 => value.clone(),
            2 => (value.clone(), value).prop_map(|(first, last)| format!("{first}-{last}")),
        ];
        let step = prop_oneof![4 => Just(String::new()), 1 => (0..=high).prop_map(|step| format!("/{step}"))];
        let part = (range, step).prop_map(|(range, step)| range + &step);
        prop_oneof![5 => part.clone().prop_map(|part| vec![part]), 1 => vec(part, 2..4)]
            .prop_map(|parts| parts.join(","))
    };
    let gap = || select(vec![" ", " ", " ", "  ", "\t"]);
    let fields = (
        (field(0, 59, vec![]), gap()),
        (field(0, 23, vec![]), gap()),
        (field(1, 31, vec![]), gap()),
        (field(1, 12, vec!["jan", "JUL", "Dec"]), gap()),
        field(0, 6, vec!["sun", "Mon", "SAT"]),
    );
    fields.prop_map(|((minute, a), (hour, b), (day, c), (month, d), weekday)| {
        format!("{minute}{a}{hour}{b}{day}{c}{month}{d}{weekday}")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn any_text_is_a_schedule_or_refused_and_time_goes_on(
        text in written(),
        zone in prop_oneof![8 => select(ZONES).prop_map(str::to_owned), 1 => any::<String>()],
        now in moments(),
    ) {
        match Schedule::parse(&text, &zone, "uid") {
            Ok(schedule) => {
                let (mut last, offset) = (now, Duration::from_mins(1));
                for _ in 0..4 {
                    let next = schedule.next_after(last).unwrap();
                    prop_assert!(next > last, "{} after {}", next, last);
                    last = next;
                }
                let due = schedule.due(now, &[], None).unwrap();
                prop_assert!(due <= now && schedule.upcoming(now).unwrap() > now - offset);
                prop_assert!(schedule.next_after(due).unwrap() > now - offset, "a slot between {} and {}", due, now);
            }
            Err(message) => prop_assert!(message.len() < 250 && message.starts_with("spec."), "{}", message),
        }
    }

    #[test]
    fn a_schedule_is_what_a_cronjobs_is(text in crontab(), now in moments()) {
        let expected = read(&text).filter(|fields| next(*fields, Timestamp::UNIX_EPOCH).is_some());
        let found = Schedule::parse(&text, "Etc/UTC", "uid");
        prop_assert_eq!(found.is_ok(), expected.is_some(), "{}", text);
        if let (Ok(schedule), Some(fields)) = (found, expected) {
            prop_assert_eq!(schedule.next_after(now), next(fields, now), "{}", text);
        }
    }
}

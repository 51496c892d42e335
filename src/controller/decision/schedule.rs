//! When a connection is due: the cron grammar of a CronJob, in a time zone. Pure.

#[cfg(test)]
mod tests;

use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

/// A thousand connections with the same schedule start within this time and not all at once.
const SPREAD: Duration = Duration::from_mins(1);

/// The first value of each field, its last, and the names that stand for them.
const FIELDS: [(u16, u16, &[&str]); 5] = [
    (0, 59, &[]),
    (0, 23, &[]),
    (1, 31, &[]),
    (1, 12, &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]),
    (0, 6, &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]),
];

/// A schedule that has at least one moment.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
    offset: Duration,
}

impl Schedule {
    /// Understands the five fields and the zone. `uid` says where in the spread the connection lies. The error
    /// is the sentence for the user.
    pub fn parse(schedule: &str, zone: &str, uid: &str) -> Result<Self, String> {
        let invalid = |what: &str| {
            format!(
                "spec.schedule {what}. Write five fields as a CronJob has them: minute, hour, day of month, month, day of week, such as \"0 * * * *\"."
            )
        };
        let upper = schedule.trim().to_uppercase();
        if upper.contains('=') {
            return Err(invalid("names a time zone, which belongs into spec.timeZone"));
        }
        let odd = "cannot be understood, or uses what a CronJob's grammar does not have, such as L, W and #";
        let fields = cronjob(&upper).ok_or_else(|| invalid(odd))?;
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(&fields).map_err(|_| invalid(odd))?;
        let zone = TimeZone::get(zone).map_err(|_| {
            "spec.timeZone is not a time zone of the IANA database. Write a name such as Europe/Berlin or Etc/UTC."
                .to_owned()
        })?;
        let schedule = Self { cron, zone, offset: offset(uid) };
        if schedule.next_after(Timestamp::UNIX_EPOCH).is_none() {
            return Err(invalid("names a date that never comes"));
        }
        Ok(schedule)
    }

    /// The first moment after `time`.
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        let next = self.cron.find_next_occurrence(&time.to_zoned(self.zone.clone()), false).ok()?;
        Some(next.timestamp())
    }

    /// The last moment at or before `time`.
    fn last_before(&self, time: Timestamp) -> Option<Timestamp> {
        let last = self.cron.find_previous_occurrence(&time.to_zoned(self.zone.clone()), true).ok()?;
        Some(last.timestamp())
    }

    /// The next moment that has not started yet at `now`, counting this connection's place in the spread.
    pub fn upcoming(&self, now: Timestamp) -> Option<Timestamp> {
        self.next_after(now - self.offset)
    }

    /// How long from `now` until the next moment starts.
    pub fn wait(&self, now: Timestamp) -> Option<Duration> {
        let start = self.upcoming(now)? + self.offset;
        Some(Duration::try_from(start.duration_since(now)).unwrap_or_default())
    }

    /// The latest moment that has come and is after all of `done`, if it is not too late for it. Earlier ones
    /// are never made up for.
    pub fn due(&self, now: Timestamp, done: &[Timestamp], deadline: Option<Duration>) -> Option<Timestamp> {
        let slot = self.last_before(now - self.offset)?;
        let late = Duration::try_from(now.duration_since(slot + self.offset)).unwrap_or_default();
        let fresh = done.iter().all(|done| slot > *done);
        (fresh && deadline.is_none_or(|deadline| late <= deadline)).then_some(slot)
    }
}

/// A CronJob's schedule in the parser's words; None, if a CronJob has no such schedule. The parser knows letters and
/// signs that no CronJob has, refuses some that it has, and takes a star with a step of one for days named one by one.
fn cronjob(text: &str) -> Option<String> {
    if text.starts_with('@') {
        return Some(if text == "@MIDNIGHT" { "@DAILY" } else { text }.to_owned());
    }
    let written: Vec<&str> = text.split_whitespace().collect();
    if written.len() != FIELDS.len() {
        return None;
    }
    let mut fields = Vec::new();
    for (text, (low, high, names)) in written.into_iter().zip(FIELDS) {
        let parts = text.split(',').map(|part| range(part, low, high, names)).collect::<Option<Vec<_>>>()?;
        // Nobody needs a star in a list, and in a list of days the parser takes it for something else.
        if parts.len() > 1 && parts.iter().any(|part| part == "*") {
            return None;
        }
        fields.push(parts.join(","));
    }
    Some(fields.join(" "))
}

/// One part of a field, of which `low`, `high` and `names` are the values.
fn range(text: &str, low: u16, high: u16, names: &[&str]) -> Option<String> {
    let number = |text: &str| text.parse::<u16>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let value = |text: &str| match names.iter().zip(low..).find(|(name, _)| **name == text) {
        Some((_, value)) => Some(value),
        None => number(text),
    };
    let (range, step) = text.split_once('/').map_or((text, None), |(range, step)| (range, Some(step)));
    let range = match range.split_once('-') {
        _ if matches!(range, "*" | "?") => "*".to_owned(),
        // A week may end with its Sunday.
        Some((first, "SUN")) if value(first)? > 0 => format!("{}-7", value(first)?),
        Some((first, last)) => format!("{}-{}", value(first)?, value(last)?),
        None if step.is_some() => format!("{}-{high}", value(range)?),
        None => value(range)?.to_string(),
    };
    match step.map(number) {
        None | Some(Some(1)) => Some(range),
        Some(step) => Some(format!("{range}/{}", step?)),
    }
}

/// A number that is the same for the same text in every process.
pub fn stable_hash(text: &str) -> u64 {
    let digest = Sha256::digest(text);
    digest.iter().take(8).fold(0, |hash, byte| (hash << 8) | u64::from(*byte))
}

fn offset(uid: &str) -> Duration {
    Duration::from_secs(stable_hash(uid) % SPREAD.as_secs())
}

#[cfg(test)]
impl Schedule {
    /// The same, at this place in the spread.
    pub(super) fn at(self, offset: Duration) -> Self {
        Self { offset, ..self }
    }
}

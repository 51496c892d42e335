//! Times as people read them: how long ago, and in how long. Pure.

use std::fmt::Write;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// When a slot comes, or since when it is due: nobody may be there to start it.
pub fn due(slot: &Time, now: Timestamp) -> String {
    if slot.0 < now { format!("due for {}", span(slot, now)) } else { format!("in {}", span(slot, now)) }
}

/// The time between two moments, in its two largest units.
pub fn span(one: &Time, other: Timestamp) -> String {
    let seconds = other.duration_since(one.0).unsigned_abs().as_secs();
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')];
    let first = units.iter().position(|(unit, _)| seconds >= *unit).unwrap_or(units.len() - 1);
    let mut text = String::new();
    let mut rest = seconds;
    for (unit, letter) in &units[first..units.len().min(first + 2)] {
        if rest >= *unit || text.is_empty() {
            let _ = write!(text, "{}{letter}", rest / unit);
            rest %= unit;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_two_units() {
        let now = "2026-01-02T00:00:00Z".parse::<Timestamp>().unwrap();
        for (seconds, text) in
            [(0, "0s"), (59, "59s"), (60, "1m"), (61, "1m1s"), (3_600, "1h"), (3_661, "1h1m"), (90_000, "1d1h")]
        {
            let then = Time(now - std::time::Duration::from_secs(seconds));
            assert_eq!(span(&then, now), text);
        }
    }
}

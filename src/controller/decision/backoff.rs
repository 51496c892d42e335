//! How long to wait before the next try, and how far apart verifications lie. Pure.

use std::time::Duration;

use super::schedule::stable_hash;

const LONGEST: Duration = Duration::from_mins(15);

/// 1 s, 2 s, 4 s and so on to 15 min, each less up to a half: many connections of one server must not come
/// back at once.
pub fn wait(failures: u32, uid: &str) -> Duration {
    let longest = Duration::from_secs(1 << failures.saturating_sub(1).min(10)).min(LONGEST);
    longest.mul_f64(1.0 - fraction(&format!("{uid}/{failures}")) / 2.0)
}

/// The interval, less up to a tenth.
pub fn jittered(interval: Duration, uid: &str) -> Duration {
    interval.mul_f64(1.0 - fraction(uid) / 10.0)
}

/// What the server wants, and up to a tenth more: never less.
pub fn at_least(wanted: Duration, uid: &str) -> Duration {
    wanted.mul_f64(1.0 + fraction(uid) / 10.0)
}

/// A number from 0 to 1 that is the same for the same text.
#[expect(clippy::cast_precision_loss, reason = "a fraction needs no 64 bits")]
fn fraction(text: &str) -> f64 {
    (stable_hash(text) >> 32) as f64 / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_quarter_of_an_hour_and_differ() {
        let seconds = |failures| wait(failures, "uid").as_secs_f64();
        assert!((0.5..=1.0).contains(&seconds(1)));
        assert!((4.0..=8.0).contains(&seconds(4)));
        assert!((450.0..=900.0).contains(&seconds(u32::MAX)));
        assert!((0..50).all(|uid| wait(u32::MAX, &uid.to_string()) <= LONGEST));
        assert_ne!(wait(4, "a"), wait(4, "b"));
        assert!(jittered(Duration::from_mins(10), "a") >= Duration::from_mins(9));
        assert!(at_least(Duration::from_mins(10), "a") >= Duration::from_mins(10));
        assert!(at_least(Duration::from_mins(10), "a") <= Duration::from_mins(11));
    }
}

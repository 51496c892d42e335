//! Commits per week as bars. Pure.

use std::collections::HashMap;

use jiff::civil::{Date, Weekday};
use jiff::{Span, Zoned};

/// Weeks on the chart, this one among them.
const WEEKS: i32 = 26;
/// Width of a bar with the gap behind it, and height of the highest one, in units of the picture.
const STEP: i32 = 10;
const HEIGHT: i32 = 100;

/// The picture.
#[derive(Debug, PartialEq, Eq)]
pub struct Chart {
    /// Its size.
    pub width: i32,
    /// Its size.
    pub height: i32,
    /// From the oldest week to this one.
    pub bars: Vec<Bar>,
    /// What it shows, in a sentence.
    pub summary: String,
}

/// One week.
#[derive(Debug, PartialEq, Eq)]
pub struct Bar {
    /// Its Monday.
    pub week: Date,
    /// Its commits.
    pub commits: i64,
    /// Where the bar is.
    pub x: i32,
    /// Where the bar begins.
    pub y: i32,
    /// How wide it is.
    pub width: i32,
    /// How high it is.
    pub height: i32,
}

/// The Monday of the oldest week.
pub fn begin(now: &Zoned) -> Date {
    let today = now.date();
    let monday = today.saturating_sub(Span::new().days(today.weekday().since(Weekday::Monday)));
    monday.saturating_sub(Span::new().weeks(WEEKS - 1))
}

impl Chart {
    /// Of weeks that have commits, by their Mondays.
    pub fn of(weeks: &[(Date, i64)], begin: Date) -> Self {
        // Clocks are wrong, and anybody may date a commit: what is behind this week is none of the picture.
        let end = begin.saturating_add(Span::new().weeks(WEEKS));
        let found: HashMap<Date, i64> = weeks.iter().copied().filter(|(week, _)| (begin..end).contains(week)).collect();
        let most = found.values().copied().max().unwrap_or_default().max(1);
        let bars: Vec<Bar> = (0..WEEKS)
            .map(|number| {
                let week = begin.saturating_add(Span::new().weeks(number));
                let commits = found.get(&week).copied().unwrap_or_default();
                let part = commits * i64::from(HEIGHT) / most;
                // One commit can be seen too.
                let height = i32::try_from(part).unwrap_or(HEIGHT).max(i32::from(commits > 0));
                Bar { week, commits, x: number * STEP, y: HEIGHT - height, width: STEP - 2, height }
            })
            .collect();
        let all: i64 = bars.iter().map(|bar| bar.commits).sum();
        let summary = if all == 0 {
            format!("No commit in the {WEEKS} weeks from {begin} on.")
        } else {
            format!("{all} commits in the {WEEKS} weeks from {begin} on, at the most {most} in one.")
        };
        Self { width: WEEKS * STEP, height: HEIGHT, bars, summary }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_week_has_its_bar_and_the_highest_fills_the_picture() {
        let begin = begin(&"2026-11-29T23:30:00[UTC]".parse().unwrap());
        assert_eq!(begin.to_string(), "2026-06-01", "that Sunday's week is the 26th");
        let day = |text: &str| text.parse::<Date>().unwrap();
        let chart = Chart::of(
            &[(day("2026-06-01"), 300), (day("2026-11-23"), 1), (day("2020-01-06"), 5), (day("2099-01-05"), 1000)],
            begin,
        );
        assert_eq!(chart.bars.len(), 26);
        assert_eq!((chart.bars[0].height, chart.bars[1].height, chart.bars[25].height), (100, 0, 1));
        assert_eq!((chart.bars[25].y, chart.bars[25].commits), (99, 1));
        assert_eq!(chart.summary, "301 commits in the 26 weeks from 2026-06-01 on, at the most 300 in one.");
        assert!(Chart::of(&[], begin).summary.starts_with("No commit"));
    }
}

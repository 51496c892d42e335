//! How far a run is, while it goes on: a bar on a terminal, else a line now and then.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::sync::Progress;

/// How often the bar is drawn.
const FRAME: Duration = Duration::from_millis(100);
/// How often a line is written where there is no terminal.
const LINE: Duration = Duration::from_secs(10);

/// Does the work, and shows on standard error how far it is.
pub(super) async fn shown<T>(progress: &Progress, work: impl Future<Output = T>) -> T {
    let bar = std::io::stderr().is_terminal().then(bar);
    let began = Instant::now();
    let period = if bar.is_some() { FRAME } else { LINE };
    let mut ticks = interval_at(began + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    tokio::pin!(work);
    loop {
        tokio::select! {
            result = &mut work => {
                if let Some(bar) = &bar {
                    bar.finish_and_clear();
                }
                return result;
            }
            _ = ticks.tick() => {
                let (done, total, commits) = progress.read();
                match &bar {
                    Some(bar) => {
                        bar.set_length(total);
                        bar.set_position(done);
                        bar.set_message(so_far(commits, began.elapsed()));
                    }
                    None => eprintln!("{}", line((done, total, commits), began.elapsed())),
                }
            }
        }
    }
}

fn bar() -> ProgressBar {
    let template = "{bar:30} {pos}/{len} repositories, {msg}, {eta} left";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(0).with_style(style);
    bar.enable_steady_tick(FRAME);
    bar
}

/// What is told where there is no terminal: repositories done and in all, and commits.
fn line((done, total, commits): (u64, u64, u64), elapsed: Duration) -> String {
    match total {
        0 => "listing the repositories".to_owned(),
        _ => format!("{} of {} repositories, {}", HumanCount(done), HumanCount(total), so_far(commits, elapsed)),
    }
}

/// Commits stored so far, and how many a second.
fn so_far(commits: u64, elapsed: Duration) -> String {
    let rate = u128::from(commits) * 1000 / elapsed.as_millis().max(1);
    format!("{} commits ({}/s)", HumanCount(commits), HumanCount(u64::try_from(rate).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_counted_by_the_second() {
        assert_eq!(so_far(12_345, Duration::from_millis(1500)), "12,345 commits (8,230/s)");
        assert_eq!(so_far(0, Duration::ZERO), "0 commits (0/s)");
    }

    #[test]
    fn a_line_tells_what_a_bar_would_show() {
        assert_eq!(line((0, 0, 0), Duration::from_secs(10)), "listing the repositories");
        let minute = Duration::from_mins(1);
        assert_eq!(line((1_007, 2_000, 600), minute), "1,007 of 2,000 repositories, 600 commits (10/s)");
    }
}

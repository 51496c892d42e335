//! Commits per week, as they were counted last: a page is read again every few seconds, and a count may look at a million rows.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::civil::Date;
use tokio::time::Instant;

use crate::destination::{ConnectionKey, Destination, Error};

/// How long a count is shown.
const SHOWN: Duration = Duration::from_mins(1);

/// Counts by the uid of the connection.
#[derive(Default)]
pub struct Weeks(Mutex<HashMap<String, Counted>>);

struct Counted {
    at: Instant,
    begin: Date,
    weeks: Vec<(Date, i64)>,
}

impl Weeks {
    /// Those since a Monday, counted now or within the last minute.
    pub async fn since(
        &self,
        begin: Date,
        database: &Destination,
        key: ConnectionKey,
    ) -> Result<Vec<(Date, i64)>, Error> {
        if let Some(weeks) = self.kept(&key.uid, begin) {
            return Ok(weeks);
        }
        let uid = key.uid.clone();
        let weeks = database.weeks(key, begin).await?;
        self.keep(uid, begin, weeks.clone());
        Ok(weeks)
    }

    fn kept(&self, uid: &str, begin: Date) -> Option<Vec<(Date, i64)>> {
        let kept = self.lock();
        let counted = kept.get(uid).filter(|counted| counted.begin == begin && counted.at.elapsed() < SHOWN)?;
        Some(counted.weeks.clone())
    }

    fn keep(&self, uid: String, begin: Date, weeks: Vec<(Date, i64)>) {
        let mut kept = self.lock();
        kept.retain(|_, counted| counted.at.elapsed() < SHOWN);
        kept.insert(uid, Counted { at: Instant::now(), begin, weeks });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Counted>> {
        // Whole between any two statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_count_is_shown_for_a_minute_and_to_its_own_connection() {
        let (weeks, monday) = (Weeks::default(), "2026-06-01".parse::<Date>().unwrap());
        weeks.keep("a".to_owned(), monday, vec![(monday, 3)]);
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(weeks.kept("a", monday), Some(vec![(monday, 3)]));
        assert_eq!(weeks.kept("b", monday), None);
        assert_eq!(weeks.kept("a", monday.tomorrow().unwrap()), None, "another week has begun");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(weeks.kept("a", monday), None);
        weeks.keep("b".to_owned(), monday, Vec::new());
        assert_eq!(weeks.lock().len(), 1, "what is old takes no room");
    }
}

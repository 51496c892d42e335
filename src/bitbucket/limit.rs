//! How many requests an account may send, as the server states it and as it is kept here. Pure.

/// Requests that have taken their token here and not yet there, at the most.
const ON_THE_WAY: f64 = 16.0;

/// A token bucket, as the server states it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Budget {
    /// Requests that may come at once.
    pub capacity: f64,
    /// Requests a second after that.
    pub fill_rate: f64,
}

/// A token bucket, as it is kept here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    /// Requests that may come at once.
    pub capacity: f64,
    /// Requests a second after that.
    pub rate: f64,
}

impl From<Budget> for Limit {
    /// Smaller than the server's by what may be on the way, and by what a server adds in one go where this adds it bit by
    /// bit; but for no more than half.
    fn from(Budget { capacity, fill_rate }: Budget) -> Self {
        let reserve = (capacity / 10.0).max(ON_THE_WAY + fill_rate).min(capacity / 2.0);
        Self { capacity: (capacity - reserve).max(1.0), rate: fill_rate }
    }
}

impl Limit {
    /// One request after the other. A tenth of a second's worth may come at once, so that a high rate is not lost between
    /// the ticks of the clock.
    pub fn even(rate: f64) -> Self {
        Self { capacity: (rate / 10.0).max(1.0), rate }
    }

    /// The slower one of those that there are.
    pub fn slower(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(if one.rate <= other.rate { one } else { other }),
            (one, other) => one.or(other),
        }
    }
}

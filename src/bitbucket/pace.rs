//! How fast the requests of one account may follow each other: the server's token bucket, kept a second time here, and
//! what its refusals say about it. Pure: the clock is told.

#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::Instant;

use super::limit::{Budget, Limit};
use super::patience::LONGEST_WAIT;
use super::state::PaceState;

/// So many requests are sent before the budget is asked for: whoever sends a few now and then never asks.
const UNASKED: Limit = Limit { capacity: 10.0, rate: DEFAULT_RATE };
/// Requests that asking for the budget takes, at the most.
const QUESTION: f64 = 2.0;
/// Bitbucket's own default, for a server that refuses and states nothing.
const DEFAULT_RATE: f64 = 5.0;
/// Slower than this nobody becomes, so that a server that refuses for other reasons is soon heard to work again.
const SLOWEST: f64 = 0.5;
/// From half the rate to the whole one.
const RECOVERY: Duration = Duration::from_mins(1);
/// How long it is believed what the server states.
const BELIEVED: Duration = Duration::from_hours(1);
/// How long it is believed although a refusal says otherwise.
const DEFENDED: Duration = Duration::from_mins(1);
/// What came of asking for the budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Told {
    /// The budget. None: limiting is off, the account is exempt, or the server does not say.
    pub budget: Option<Budget>,
    /// When to ask again, where the answer was no good.
    pub again: Option<Duration>,
}

/// What those who use an account allow for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wishes {
    /// The smallest rate that is named.
    pub smallest: Option<u32>,
    /// Whether somebody names none: for them the account's budget holds.
    pub unnamed: bool,
}

/// What a request does next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    /// It is sent.
    Go,
    /// It waits, and asks again.
    Wait(Duration),
    /// It would have to wait for a budget that is not known any more, or not yet: that is asked for first.
    Ask,
}

/// The pace of one account.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// Whether the server has answered the account at all.
    answered: bool,
    known: Option<Known>,
    /// Whether it is only assumed how full the server's bucket is.
    assumed: bool,
    cut: Option<Cut>,
    paused: Option<Instant>,
    /// Requests that may be sent now; how many that was at `filled`.
    tokens: f64,
    filled: Instant,
    /// Since when all requests are counted.
    since: Instant,
    /// Requests that were sent and not yet answered.
    under_way: u32,
    /// When a refusal has last told that nothing was left.
    emptied: Option<Instant>,
}

/// What the server states.
#[derive(Clone, Copy, Debug)]
struct Known {
    budget: Option<Budget>,
    at: Instant,
    until: Instant,
}

/// A rate that was lowered and rises again.
#[derive(Clone, Copy, Debug)]
struct Cut {
    from: f64,
    to: f64,
    at: Instant,
    /// Whether anything was answered since.
    works: bool,
}

impl Cut {
    fn rate(&self, now: Instant) -> f64 {
        let risen = now.duration_since(self.at).as_secs_f64() / RECOVERY.as_secs_f64();
        self.from + (self.to - self.from) * risen
    }
}

impl Pace {
    /// Nothing is known of the account.
    pub fn new(now: Instant) -> Self {
        Self {
            answered: false,
            known: None,
            assumed: false,
            cut: None,
            paused: None,
            tokens: UNASKED.capacity,
            filled: now,
            since: now,
            under_way: 0,
            emptied: None,
        }
    }

    /// A request wants to be sent.
    pub fn take(&mut self, wishes: Wishes, now: Instant) -> Step {
        if let Some(until) = self.paused.filter(|until| *until > now) {
            return Step::Wait(until - now);
        }
        self.forget(now);
        // Whether anybody is there at all must show before budgets are asked for.
        let asks = wishes.unnamed && self.answered;
        let unasked = (asks && self.known.is_none()).then_some(UNASKED);
        let Some(limit) = Limit::slower(unasked, self.usual(wishes, now)) else { return Step::Go };
        let gained = now.duration_since(self.filled).as_secs_f64() * limit.rate;
        self.tokens = (self.tokens + gained).min(limit.capacity);
        self.filled = now;
        let asks = asks && self.known.is_none_or(|known| known.until <= now);
        if asks && self.cut.is_none() && self.tokens < 1.0 {
            return Step::Ask;
        }
        // A refusal has told that nothing is left, not even for the question: that goes first, once there is enough for it.
        let question = asks && self.cut.is_some();
        let needed = if question { QUESTION.min(limit.capacity) } else { 1.0 };
        if self.tokens < needed {
            return Step::Wait(Duration::from_secs_f64((needed - self.tokens) / limit.rate));
        }
        if question {
            return Step::Ask;
        }
        self.tokens -= 1.0;
        Step::Go
    }

    /// Whether nothing is sent now, whatever it has taken.
    fn is_paused(&self, now: Instant) -> bool {
        self.paused.is_some_and(|until| until > now)
    }

    /// How it is now.
    pub fn look(&self, wishes: Wishes, now: Instant) -> PaceState {
        PaceState {
            requests_per_second: self.usual(wishes, now).map(|limit| limit.rate),
            budget: self.known.and_then(|known| known.budget).map(|budget| (budget.capacity, budget.fill_rate)),
            paused_seconds: self.paused.filter(|until| *until > now).map(|until| (until - now).as_secs()),
        }
    }

    /// A request is sent without having waited.
    pub fn charge(&mut self) {
        self.tokens -= 1.0;
        self.under_way += 1;
    }

    /// A request that has had its turn is sent, unless there is a pause now.
    pub fn depart(&mut self, now: Instant) -> bool {
        let goes = !self.is_paused(now);
        self.under_way += u32::from(goes);
        goes
    }

    /// One that was sent is under way no more.
    pub fn arrive(&mut self) {
        self.under_way -= 1;
    }

    /// The budget was asked for.
    pub fn learn(&mut self, told: Told, now: Instant) {
        let before = self.known.and_then(|known| known.budget);
        let budget = if told.again.is_some() { told.budget.or(before) } else { told.budget };
        let until = now + told.again.unwrap_or(BELIEVED);
        self.known = Some(Known { budget, at: now, until });
        match budget {
            Some(budget) if before.is_none() => {
                // What another process has sent just before is not known: half of the bucket is there, it is assumed,
                // and what was added since.
                let filled = budget.capacity / 2.0 + budget.fill_rate * now.duration_since(self.since).as_secs_f64();
                let limit = Limit::from(budget);
                // A refusal has told that nothing was there, and with it began the count.
                if self.cut.take().is_none() {
                    self.assumed = true;
                    self.tokens += filled.min(limit.capacity) - UNASKED.capacity;
                    self.filled = now;
                }
            }
            Some(budget) => {
                if let Some(cut) = &mut self.cut {
                    cut.to = budget.fill_rate.max(cut.from);
                }
            }
            None => {}
        }
    }

    /// The server has answered.
    pub fn answered(&mut self) {
        self.answered = true;
        if let Some(cut) = &mut self.cut {
            cut.works = true;
        }
    }

    /// The server wants to be left alone.
    pub fn pause(&mut self, wanted: Duration, now: Instant) {
        let until = now + wanted.min(LONGEST_WAIT);
        self.paused = Some(self.paused.map_or(until, |paused| paused.max(until)));
    }

    /// A request that was sent then, and is still counted as under way, was one too many. The new rate, if this changes it.
    pub fn slow_down(&mut self, wishes: Wishes, sent: Instant, now: Instant) -> Option<f64> {
        self.forget(now);
        // What was under way when the rate was lowered says nothing about the lower one.
        if self.emptied.is_some_and(|emptied| sent < emptied) {
            // It was counted then as one that takes what comes in after that, and has taken nothing.
            self.tokens += 1.0;
            return None;
        }
        // Where nothing at all is answered, it is not the rate.
        if self.cut.is_some_and(|cut| !cut.works) {
            return None;
        }
        // The others that are under way may still be answered, from what comes in from now on.
        let others = self.under_way.saturating_sub(1);
        (self.tokens, self.filled, self.emptied) = (-f64::from(others), now, Some(now));
        if let Some(known) = self.known.as_mut().filter(|known| known.at + DEFENDED <= now) {
            known.until = now;
        }
        let from = match self.usual(wishes, now) {
            None => DEFAULT_RATE,
            // There was less in the bucket than was assumed, and now it is known: the rate itself is not wrong.
            Some(usual) if std::mem::take(&mut self.assumed) => usual.rate,
            Some(usual) => (usual.rate / 2.0).max(SLOWEST),
        };
        let to = self.stated(wishes).map_or(from * 2.0, |stated| stated.rate).max(from);
        self.cut = Some(Cut { from, to, at: now, works: false });
        Some(from)
    }

    /// What is over is forgotten.
    fn forget(&mut self, now: Instant) {
        self.cut = self.cut.filter(|cut| cut.at + RECOVERY > now);
        // Nothing was counted while there was no budget.
        if self.known.is_some_and(|known| known.budget.is_none() && known.until <= now) {
            self.known = None;
            if self.cut.is_none() {
                (self.tokens, self.filled, self.since) = (UNASKED.capacity, now, now);
            }
        }
    }

    /// What holds now, as far as anything is known.
    fn usual(&self, wishes: Wishes, now: Instant) -> Option<Limit> {
        Limit::slower(self.stated(wishes), self.cut.map(|cut| Limit::even(cut.rate(now))))
    }

    /// What holds where nothing is refused.
    fn stated(&self, wishes: Wishes) -> Option<Limit> {
        let budget = self.known.filter(|_| wishes.unnamed).and_then(|known| known.budget);
        Limit::slower(budget.map(Limit::from), wishes.smallest.map(|rate| Limit::even(rate.into())))
    }
}

//! Lets the requests of one account go, one after the other, at the account's pace.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;
use tracing::{debug, info};

use super::error::{Error, Fault};
use super::pace::{Pace, Step, Told, Wishes};
use super::rate::Rate;
use super::state::PaceState;

/// A wait of this length is looked at again: what it is for may have changed.
const LOOK: Duration = Duration::from_secs(1);
/// A wait from this length on is told.
const LONG: Duration = Duration::from_secs(3);

/// The pace of an account, for all who use it.
#[derive(Debug)]
pub(super) struct Pacer {
    /// Who comes first goes first: the lock is a fair one.
    queue: Arc<tokio::sync::Mutex<()>>,
    state: Arc<Mutex<State>>,
}

/// A request that was sent; dropped when its answer has come and was noted, or will not come.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Mutex<State>>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        lock(&self.0).pace.arrive();
    }
}

#[derive(Debug)]
struct State {
    pace: Pace,
    users: Vec<Weak<Rate>>,
}

/// What whoever has waited may do.
pub(super) enum Turn {
    /// Send the request.
    Go,
    /// Ask for the budget. All others wait for the answer.
    Ask(Question),
}

/// The right to ask for the budget, and the place at the head of the queue. Dropped without an answer, the next one
/// asks.
pub(super) struct Question {
    _place: OwnedMutexGuard<()>,
}

impl Pacer {
    pub fn new() -> Self {
        let state = State { pace: Pace::new(Instant::now()), users: Vec::new() };
        Self { queue: Arc::default(), state: Arc::new(Mutex::new(state)) }
    }

    /// What this user allows for counts as long as the handle lives.
    pub fn join(&self, user: &Arc<Rate>) {
        let mut state = self.state();
        state.users.retain(|user| user.strong_count() > 0);
        state.users.push(Arc::downgrade(user));
    }

    /// Waits until a request may be sent.
    pub async fn turn(&self) -> Turn {
        let place = Arc::clone(&self.queue).lock_owned().await;
        let mut told = false;
        loop {
            let step = {
                let mut state = self.state();
                let wishes = state.wishes();
                state.pace.take(wishes, Instant::now())
            };
            match step {
                Step::Go => return Turn::Go,
                Step::Ask => return Turn::Ask(Question { _place: place }),
                Step::Wait(wait) => {
                    if wait > LONG && !std::mem::replace(&mut told, true) {
                        debug!(seconds = wait.as_secs(), "the account's next request waits");
                    }
                    tokio::time::sleep(wait.min(LOOK)).await;
                }
            }
        }
    }

    /// Who has had a turn sends the request; None, where nothing is sent now.
    pub fn depart(&self) -> Option<UnderWay> {
        self.state().pace.depart(Instant::now()).then(|| UnderWay(Arc::clone(&self.state)))
    }

    /// How it is now.
    pub fn look(&self) -> PaceState {
        let mut state = self.state();
        let wishes = state.wishes();
        state.pace.look(wishes, Instant::now())
    }

    /// A request is sent out of turn.
    pub fn charge(&self) -> UnderWay {
        self.state().pace.charge();
        UnderWay(Arc::clone(&self.state))
    }

    /// The answer to the question.
    pub fn learn(&self, question: Question, told: Told) {
        let before = self.look().budget;
        if let Some(budget) = told.budget.filter(|budget| before != Some((budget.capacity, budget.fill_rate))) {
            info!(capacity = budget.capacity, fill_rate = budget.fill_rate, "the account's request budget");
        }
        self.state().pace.learn(told, Instant::now());
        drop(question);
    }

    /// A request that was sent then, and is still under way here, was answered, by this account's name or well, or not.
    pub fn note(&self, sent: Instant, recognised: bool, error: Option<&Error>) {
        let now = Instant::now();
        let mut state = self.state();
        let wishes = state.wishes();
        let (wanted, too_many) = match error {
            Some(Error::Transport { fault: Fault::RateLimited { retry_after }, .. }) => (*retry_after, true),
            // Also what a server says that is down for a while: it says so by naming the time.
            Some(Error::Transport { fault: Fault::Server { status: 503, retry_after }, .. }) => {
                (*retry_after, retry_after.is_none())
            }
            _ if recognised || error.is_none() => return state.pace.answered(),
            _ => return,
        };
        if let Some(wanted) = wanted {
            state.pace.pause(wanted, now);
            debug!(seconds = wanted.as_secs(), "the server asks for a pause");
        }
        if too_many && let Some(rate) = state.pace.slow_down(wishes, sent, now) {
            info!(rate, "the server refuses requests: fewer a second for a while");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Whole between any two statements.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn wishes(&mut self) -> Wishes {
        let rates: Vec<_> = self.users.iter().filter_map(Weak::upgrade).map(|rate| rate.get()).collect();
        Wishes { smallest: rates.iter().flatten().min().copied(), unnamed: rates.iter().any(Option::is_none) }
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use futures::stream::FuturesUnordered;

    use super::*;
    use crate::bitbucket::limit::Budget;

    fn pacer(per_second: Option<u32>) -> (Arc<Pacer>, Arc<Rate>) {
        let (pacer, rate) = (Arc::new(Pacer::new()), Arc::new(Rate::new(per_second)));
        pacer.join(&rate);
        (pacer, rate)
    }

    fn fault(fault: Fault) -> Error {
        Error::Transport { request: "GET /x".to_owned(), fault }
    }

    async fn go(pacer: &Pacer) {
        assert!(matches!(pacer.turn().await, Turn::Go));
    }

    /// How long the next turn takes.
    async fn waited(pacer: &Pacer) -> Duration {
        let began = Instant::now();
        go(pacer).await;
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_first_goes_first_and_who_goes_away_holds_up_nobody() {
        let (pacer, _rate) = pacer(Some(1));
        go(&pacer).await;
        let mut waiting: Vec<_> = (0..5).map(|_| Box::pin(pacer.turn())).collect();
        for turn in &mut waiting {
            assert!(futures::poll!(turn).is_pending());
        }
        // The one at the head, and one behind.
        drop(waiting.remove(3));
        drop(waiting.remove(0));
        let numbered = waiting.into_iter().enumerate().map(async |(number, turn)| {
            assert!(matches!(turn.await, Turn::Go));
            number
        });
        let order: Vec<_> = numbered.collect::<FuturesUnordered<_>>().collect().await;
        assert_eq!(order, [0, 1, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_smallest_rate_of_all_users_holds_as_long_as_there_are_those_who_name_it() {
        let (pacer, fast) = pacer(Some(4));
        let slow = Arc::new(Rate::new(Some(1)));
        pacer.join(&slow);
        go(&pacer).await;
        assert_eq!(waited(&pacer).await.as_millis(), 1000);
        slow.set(Some(2));
        assert_eq!(waited(&pacer).await.as_millis(), 500);
        drop(slow);
        assert_eq!(waited(&pacer).await.as_millis(), 250);
        fast.set(Some(10));
        assert_eq!(waited(&pacer).await.as_millis(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn one_asks_for_the_budget_and_the_others_wait_for_the_answer() {
        let (pacer, _rate) = pacer(None);
        pacer.note(Instant::now(), true, None);
        for _ in 0..10 {
            go(&pacer).await;
        }
        let Turn::Ask(question) = pacer.turn().await else { panic!("it goes without asking") };
        let mut next = Box::pin(pacer.turn());
        assert!(futures::poll!(&mut next).is_pending());
        // Whoever gives up leaves the question to the next.
        drop(question);
        let Turn::Ask(question) = next.await else { panic!("it goes without asking") };
        let mut next = Box::pin(pacer.turn());
        assert!(futures::poll!(&mut next).is_pending());
        pacer.learn(question, Told { budget: Some(Budget { capacity: 60.0, fill_rate: 5.0 }), again: None });
        assert!(matches!(next.await, Turn::Go));
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_after_holds_up_everybody() {
        for (answer, slower) in [
            (Fault::RateLimited { retry_after: Some(Duration::from_secs(7)) }, true),
            (Fault::Server { status: 503, retry_after: Some(Duration::from_secs(7)) }, false),
        ] {
            let (pacer, _rate) = pacer(None);
            pacer.note(Instant::now(), false, Some(&fault(answer)));
            assert!(pacer.depart().is_none());
            assert_eq!(waited(&pacer).await.as_secs(), 7);
            assert!(pacer.depart().is_some());
            // Too many requests are fewer from then on; a server that was down is asked as before.
            go(&pacer).await;
            assert_eq!(waited(&pacer).await > Duration::from_millis(100), slower);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_one_there_are_fewer_requests() {
        for (answer, slower) in [
            (Fault::RateLimited { retry_after: None }, true),
            (Fault::Server { status: 503, retry_after: None }, true),
            (Fault::Server { status: 500, retry_after: None }, false),
            (Fault::Timeout(Duration::from_secs(30)), false),
        ] {
            let (pacer, _rate) = pacer(None);
            pacer.note(Instant::now(), false, Some(&fault(answer.clone())));
            assert!(pacer.depart().is_some());
            assert_eq!(waited(&pacer).await > Duration::from_millis(100), slower, "{answer}");
        }
    }
}

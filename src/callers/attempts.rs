//! How many passwords may be tried: Bitbucket locks an account after five that are wrong, whoever sends them, and counts until there is
//! a good login.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Passwords that are sent for one account and are not known to be right. Two remain for the people who use it.
const MOST: usize = 3;
/// For at least so long: where the operator logs in all the time, Bitbucket's own count never comes to five, and whoever guesses would be
/// stopped by nothing else.
const COUNTED: Duration = Duration::from_hours(1);
/// Accounts that are told apart, and those of one namespace among them: names that somebody has made up keep nobody else out.
const ACCOUNTS: usize = 2_000;
const PER_NAMESPACE: usize = 100;

/// A server and a user name.
pub type Account = (String, String);

/// Passwords that were tried and are not known to be right.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<Account, Tries>>);

#[derive(Debug)]
struct Tries {
    /// Where the first of them came from.
    namespace: String,
    passwords: Vec<Tried>,
}

#[derive(Debug)]
struct Tried {
    fingerprint: [u8; 32],
    /// How often it may have been sent.
    sent: usize,
    /// It is known to be wrong, and not sent again.
    wrong: bool,
    last: Instant,
}

/// One try, which counts unless something else is found.
#[derive(Debug)]
pub struct Attempt {
    attempts: Arc<Attempts>,
    account: Account,
    fingerprint: [u8; 32],
}

/// Why a password is not tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum No {
    /// It is known to be wrong.
    Wrong,
    /// One more of this account could be one too many.
    TooMany,
    /// Too many accounts were tried.
    TooManyAccounts,
}

impl Attempts {
    /// Begins to try a password for a connection of this namespace. `logged_in` is when the account was logged in last: what was
    /// tried before that, and more than an hour ago, counts no more.
    pub fn begin(
        self: &Arc<Self>,
        namespace: &str,
        account: Account,
        fingerprint: [u8; 32],
        logged_in: Option<Instant>,
    ) -> Result<Attempt, No> {
        let mut all = self.lock();
        let of_theirs = || all.values().filter(|tries| tries.namespace == namespace).count();
        if !all.contains_key(&account) && (all.len() >= ACCOUNTS || of_theirs() >= PER_NAMESPACE) {
            return Err(No::TooManyAccounts);
        }
        let entry = all.entry(account.clone());
        let Tries { passwords: tried, .. } =
            entry.or_insert_with(|| Tries { namespace: namespace.to_owned(), passwords: Vec::new() });
        let counts = |last: Instant| last.elapsed() < COUNTED || logged_in.is_none_or(|time| time < last);
        tried.retain(|one| counts(one.last));
        let sent: usize = tried.iter().map(|one| one.sent).sum();
        match tried.iter_mut().find(|one| one.fingerprint == fingerprint) {
            // Whatever the gate knows: another term has another one.
            Some(one) if one.wrong => return Err(No::Wrong),
            _ if sent >= MOST => return Err(No::TooMany),
            Some(one) => (one.sent, one.last) = (one.sent + 1, Instant::now()),
            None => tried.push(Tried { fingerprint, sent: 1, wrong: false, last: Instant::now() }),
        }
        drop(all);
        Ok(Attempt { attempts: Arc::clone(self), account, fingerprint })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Account, Tries>> {
        // The map is whole between any two statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    /// The password was not sent.
    pub fn not_sent(self) {
        let mut all = self.attempts.lock();
        let Some(Tries { passwords: tried, .. }) = all.get_mut(&self.account) else { return };
        if let Some(one) = tried.iter_mut().find(|one| one.fingerprint == self.fingerprint && !one.wrong) {
            one.sent = one.sent.saturating_sub(1);
        }
        tried.retain(|one| one.sent > 0);
        if tried.is_empty() {
            all.remove(&self.account);
        }
    }

    /// The password is wrong.
    pub fn wrong(self) {
        let mut all = self.attempts.lock();
        let tried = all.get_mut(&self.account).into_iter().flat_map(|tries| &mut tries.passwords);
        tried.filter(|one| one.fingerprint == self.fingerprint).for_each(|one| one.wrong = true);
    }

    /// The password is the account's: Bitbucket counts anew from here on. What is not known to be wrong may still be under way, and
    /// be judged after that.
    pub fn right(self) {
        let mut all = self.attempts.lock();
        let Some(Tries { passwords: tried, .. }) = all.get_mut(&self.account) else { return };
        tried.retain(|one| !one.wrong && one.fingerprint != self.fingerprint);
        if tried.is_empty() {
            all.remove(&self.account);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn account(name: &str) -> Account {
        ("bitbucket.example.com".to_owned(), name.to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn three_wrong_passwords_are_enough_for_an_hour_and_until_there_is_a_good_login() {
        let attempts = Arc::<Attempts>::default();
        let begin = |password, logged_in| attempts.begin("a", account("svc"), [password; 32], logged_in);
        let before = Instant::now();
        advance(Duration::from_secs(1)).await;
        for password in 1..=3 {
            begin(password, None).unwrap().wrong();
        }
        let no = |attempt: Result<Attempt, No>| attempt.unwrap_err();
        assert_eq!(no(begin(4, None)), No::TooMany);
        assert_eq!(no(begin(3, None)), No::Wrong);
        assert_eq!(no(attempts.begin("b", account("svc"), [4; 32], None)), No::TooMany, "the same account");
        attempts.begin("a", account("other"), [4; 32], None).expect("another account");
        advance(Duration::from_secs(1)).await;
        let since = Instant::now();
        begin(4, Some(since)).expect_err("an hour has not passed");
        advance(COUNTED).await;
        begin(4, None).expect_err("nobody has logged in");
        begin(4, Some(before)).expect_err("that login was before");
        begin(4, Some(since)).expect("the account has logged in since").wrong();
        let under_way = begin(5, Some(since)).unwrap();
        begin(6, Some(since)).unwrap().right();
        under_way.wrong();
        for password in 7..=8 {
            drop(begin(password, None).unwrap());
        }
        assert_eq!(no(begin(9, None)), No::TooMany, "one was judged after the good login");
    }

    #[test]
    fn what_nobody_knows_the_end_of_counts_each_time_and_what_was_not_sent_does_not() {
        let attempts = Arc::<Attempts>::default();
        let begin = |password| attempts.begin("a", account("svc"), [password; 32], None);
        for _ in 0..10 {
            begin(1).unwrap().not_sent();
        }
        assert!(attempts.lock().is_empty());
        for _ in 0..3 {
            drop(begin(1).unwrap());
        }
        begin(1).expect_err("each may have been a failed login");
    }

    #[test]
    fn a_flood_of_accounts_takes_bounded_room_and_none_of_others() {
        let attempts = Arc::<Attempts>::default();
        let begin = |namespace: &str, name: &str| attempts.begin(namespace, account(name), [0; 32], None);
        for number in 0..PER_NAMESPACE {
            drop(begin("a", &number.to_string()).unwrap());
        }
        assert_eq!(begin("a", "one more").unwrap_err(), No::TooManyAccounts);
        begin("a", "7").unwrap();
        for number in PER_NAMESPACE..ACCOUNTS {
            drop(begin(&format!("b{}", number / PER_NAMESPACE), &number.to_string()).unwrap());
        }
        assert_eq!(begin("c", "one more").unwrap_err(), No::TooManyAccounts);
        begin("c", "7").unwrap();
    }
}

//! How many passwords may be tried: Bitbucket locks an account after five that are wrong, whoever sends them, and counts until there is
//! a good login.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

/// Passwords that are sent for one account and are not known to be right. Two remain for the people who use it.
const MOST: usize = 3;
/// Accounts that are told apart.
const ACCOUNTS: usize = 10_000;

/// A server and a user name.
pub type Account = (String, String);

/// Passwords that were tried and are not known to be right.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<Account, Vec<Tried>>>);

#[derive(Debug)]
struct Tried {
    fingerprint: [u8; 32],
    /// How often it may have been sent.
    sent: usize,
    /// It is known to be wrong, and not sent again.
    wrong: bool,
    last: Timestamp,
}

/// One try, which counts unless something else is found.
#[derive(Debug)]
pub struct Attempt {
    attempts: Arc<Attempts>,
    account: Account,
    fingerprint: [u8; 32],
}

/// One more could be one too many.
#[derive(Debug)]
pub struct TooMany;

impl Attempts {
    /// Begins to try a password. `proven` is when the account is known to have logged in last: what was tried before counts no more.
    pub fn begin(
        self: &Arc<Self>,
        account: Account,
        fingerprint: [u8; 32],
        proven: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Attempt, TooMany> {
        let mut all = self.lock();
        if all.len() >= ACCOUNTS && !all.contains_key(&account) {
            return Err(TooMany);
        }
        let tried = all.entry(account.clone()).or_default();
        tried.retain(|one| proven.is_none_or(|proven| one.last > proven));
        let sent: usize = tried.iter().map(|one| one.sent).sum();
        match tried.iter_mut().find(|one| one.fingerprint == fingerprint) {
            // The gate knows it too.
            Some(one) if one.wrong => {}
            _ if sent >= MOST => return Err(TooMany),
            Some(one) => (one.sent, one.last) = (one.sent + 1, now),
            None => tried.push(Tried { fingerprint, sent: 1, wrong: false, last: now }),
        }
        drop(all);
        Ok(Attempt { attempts: Arc::clone(self), account, fingerprint })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Account, Vec<Tried>>> {
        // The map is whole between any two statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    /// The password was not sent.
    pub fn not_sent(self) {
        let mut all = self.attempts.lock();
        let Some(tried) = all.get_mut(&self.account) else { return };
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
        let tried = all.get_mut(&self.account).into_iter().flatten();
        tried.filter(|one| one.fingerprint == self.fingerprint).for_each(|one| one.wrong = true);
    }

    /// The password is the account's: Bitbucket counts anew from here on.
    pub fn right(self) {
        self.attempts.lock().remove(&self.account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str) -> Account {
        ("bitbucket.example.com".to_owned(), name.to_owned())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn three_wrong_passwords_are_enough_until_there_is_a_good_login() {
        let attempts = Arc::<Attempts>::default();
        let begin = |password, proven| attempts.begin(account("svc"), [password; 32], proven, at(100));
        for password in 1..=3 {
            begin(password, None).unwrap().wrong();
        }
        begin(4, None).unwrap_err();
        begin(3, None).expect("it is known to be wrong, and not sent").wrong();
        begin(4, Some(at(99))).expect_err("the login was before");
        attempts.begin(account("other"), [4; 32], None, at(100)).expect("another account");
        begin(4, Some(at(101))).expect("the account has logged in since").wrong();
        begin(5, None).unwrap().right();
        for password in 6..=8 {
            drop(begin(password, None).unwrap());
        }
        begin(9, None).unwrap_err();
    }

    #[test]
    fn what_nobody_knows_the_end_of_counts_each_time_and_what_was_not_sent_does_not() {
        let attempts = Arc::<Attempts>::default();
        let begin = |password| attempts.begin(account("svc"), [password; 32], None, at(100));
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
    fn a_flood_of_accounts_takes_bounded_room() {
        let attempts = Arc::<Attempts>::default();
        for number in 0..ACCOUNTS {
            drop(attempts.begin(account(&number.to_string()), [0; 32], None, at(0)).unwrap());
        }
        attempts.begin(account("one more"), [0; 32], None, at(0)).unwrap_err();
        attempts.begin(account("7"), [0; 32], None, at(0)).unwrap();
    }
}

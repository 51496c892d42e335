//! What is known of one password at one host, and so whether it may be sent, and how often at a time. All that keeps a
//! wrong password from locking the account is here.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Bitbucket's CAPTCHA locks an account at the fifth wrong password in a row.
const AT_A_TIME: usize = 4;

/// So many answers in a row may have been judgements before the password is left alone.
const UNCLEAR_ANSWERS: u32 = 3;

/// So many, those that never came included: as often as one request is tried.
const LOST_ANSWERS: u32 = 4;

/// The pauses after the first answers that may have been a judgement: what is under way at that moment comes back first, and what was
/// wrong with whoever answers may have passed. After the last of them there is no end by itself: one more could lock the account.
const PAUSES: [Duration; UNCLEAR_ANSWERS as usize - 1] = [Duration::from_mins(1), Duration::from_hours(1)];

/// What is known of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing yet: it goes out once at a time.
    Unknown,
    /// The server has recognised the account by it.
    Proven,
    /// It was judged wrong by another process, as a status says.
    Remembered,
    /// It was judged wrong.
    Wrong,
}

/// Why a password is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shut {
    /// It was judged wrong.
    Wrong,
    /// The last tries may each count as a failed login, and nobody can tell.
    Resting,
}

/// For how long the password is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    No,
    Until(Instant),
    /// Until a person says otherwise.
    ForGood,
}

impl Rest {
    fn is_over(self, now: Instant) -> bool {
        match self {
            Self::No => true,
            Self::Until(until) => now >= until,
            Self::ForGood => false,
        }
    }
}

/// The door that a password goes out by.
#[derive(Debug)]
pub(super) struct Door {
    standing: Standing,
    /// When the server has recognised the account by it last.
    proven_at: Option<Instant>,
    /// Whether a connection was verified with it before: what another status remembers counts less than that.
    vouched: bool,
    /// Another one after each closing: a request that has waited since before that may not go out any more.
    slots: Arc<Semaphore>,
    unclear: u32,
    rest: Rest,
    /// The requests for another try that were made since the password was last proven.
    requests: HashSet<[u8; 32]>,
}

impl Door {
    pub fn new() -> Self {
        Self {
            standing: Standing::Unknown,
            proven_at: None,
            vouched: false,
            slots: Arc::new(Semaphore::new(1)),
            unclear: 0,
            rest: Rest::No,
            requests: HashSet::new(),
        }
    }

    /// Where to wait for a place.
    pub fn slots(&self, now: Instant) -> Result<Arc<Semaphore>, Shut> {
        self.open(now)?;
        Ok(Arc::clone(&self.slots))
    }

    /// Whether who has this place may still send: while it waited, others may have learned something.
    pub fn admits(&self, permit: &OwnedSemaphorePermit, now: Instant) -> Result<(), Shut> {
        self.open(now)?;
        if self.is_stale(permit) { Err(Shut::Wrong) } else { Ok(()) }
    }

    fn open(&self, now: Instant) -> Result<(), Shut> {
        match self.standing {
            Standing::Remembered | Standing::Wrong => Err(Shut::Wrong),
            Standing::Unknown | Standing::Proven if self.rest.is_over(now) => Ok(()),
            Standing::Unknown | Standing::Proven => Err(Shut::Resting),
        }
    }

    /// Whether this is a permit of before the last closing.
    fn is_stale(&self, permit: &OwnedSemaphorePermit) -> bool {
        !Arc::ptr_eq(&self.slots, permit.semaphore())
    }

    /// Whether nothing may go out: worth remembering also when nobody uses the password any more.
    pub fn is_shut(&self, now: Instant) -> bool {
        self.open(now).is_err()
    }

    /// How the password stands, for whoever looks at the operator's state.
    pub fn word(&self, now: Instant) -> &'static str {
        match (self.open(now), self.standing) {
            (Err(Shut::Resting), _) => "resting",
            (_, Standing::Remembered) => "judged wrong before",
            (_, Standing::Wrong) => "judged wrong",
            (_, Standing::Proven) => "proven",
            (_, Standing::Unknown) => "not proven yet",
        }
    }

    /// Whether the server has recognised the account by this password, and has not judged it wrong since.
    pub fn is_proven(&self) -> bool {
        self.standing == Standing::Proven
    }

    /// When the server has recognised the account by it last, whatever was thought of it since.
    pub const fn proven_at(&self) -> Option<Instant> {
        self.proven_at
    }

    /// The server recognised the account in the answer to a request that had this place.
    pub fn prove(&mut self, permit: &OwnedSemaphorePermit, now: Instant) {
        // An answer from before the closing proves nothing about the password now.
        if self.is_stale(permit) {
            return;
        }
        self.requests.clear();
        self.proven_at = Some(now);
        (self.unclear, self.rest) = (0, Rest::No);
        if self.standing != Standing::Proven {
            self.standing = Standing::Proven;
            self.slots.add_permits(AT_A_TIME - 1);
        }
    }

    /// The password was judged wrong: nothing goes out, nor do those who wait already, before somebody asks for
    /// another try. That one goes out alone again.
    pub fn close(&mut self) {
        self.slots.close();
        self.slots = Arc::new(Semaphore::new(1));
        self.standing = Standing::Wrong;
        self.vouched = false;
        self.unclear = 0;
    }

    /// A status says that the password was judged wrong. That may be older than what others know, and than what is
    /// under way.
    pub fn remember(&mut self) {
        if self.standing == Standing::Unknown && !self.vouched {
            self.standing = Standing::Remembered;
        }
    }

    /// A status says that the password was good the last time: whatever another one remembers, it may go out.
    pub fn vouch(&mut self) {
        self.vouched = true;
        if self.standing == Standing::Remembered {
            self.standing = Standing::Unknown;
        }
    }

    /// An answer that may have been a judgement, in the words of something in front of Bitbucket.
    pub fn doubt(&mut self, now: Instant) {
        let pause = PAUSES.get(self.unclear as usize);
        self.rest = pause.map_or(Rest::ForGood, |pause| Rest::Until(now + *pause));
        self.unclear += 1;
    }

    /// An answer that never came, or that says nothing of the account. A password that nobody has seen work is not sent for ever
    /// after it: where logins are slow, or their ends are hidden, each try may be a failed one.
    pub fn lose(&mut self) {
        if self.standing == Standing::Unknown && !self.vouched {
            self.unclear += 1;
            if self.unclear >= LOST_ANSWERS {
                self.rest = Rest::ForGood;
            }
        }
    }

    /// Whether it is left alone, or was, and nothing has been learned of it since.
    pub fn is_doubted(&self) -> bool {
        self.rest != Rest::No
    }

    /// A status says that it was doubted in an earlier process, which counts where nothing is known by now. How often it was sent is
    /// not known.
    pub fn remember_rest(&mut self) {
        if self.standing == Standing::Unknown && self.unclear == 0 && self.requests.is_empty() {
            (self.unclear, self.rest) = (UNCLEAR_ANSWERS, Rest::ForGood);
        }
    }

    /// Lets the password be tried once more, because a person asked for it. `request` names what the person
    /// did: of all connections that share the password and are told the same, only the first one opens.
    pub fn reopen(&mut self, request: &str) {
        if self.requests.insert(Sha256::digest(request).into()) {
            self.rest = Rest::No;
            if matches!(self.standing, Standing::Wrong | Standing::Remembered) {
                self.standing = Standing::Unknown;
            }
        }
    }
}

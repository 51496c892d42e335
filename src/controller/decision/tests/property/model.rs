//! What has been observed so far, and what DESIGN says follows from it. It reads neither conditions nor the
//! knowledge that it is held against.

use std::time::Duration;

use tokio::time::Instant;

use super::cluster::{Access, Place};
use super::events::Answer;
use crate::api::Reason;

pub const INTERVAL: Duration = Duration::from_mins(10);
const HOUR: Duration = Duration::from_hours(1);
const LONGEST_BACKOFF: Duration = Duration::from_mins(15);

/// What a look finds, in the model's words.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Sight {
    pub found: Result<Access, Reason>,
    pub place: Place,
    pub filter: u8,
    /// The Secret's version; empty, if it cannot be used.
    pub version: String,
    pub suspended: bool,
    pub valid_schedule: bool,
    /// Whether the status speaks of this generation.
    pub observed: bool,
    /// Whether a run of what is there now is under way.
    pub run_of_this: bool,
    pub requested: bool,
    pub now: Instant,
}

#[derive(Clone, Debug, Default)]
pub struct Model {
    /// The last verdict, as long as it stands.
    verdict: Option<Verdict>,
    /// The faults since the last verdict.
    fault: Option<Fault>,
    /// The password that was judged wrong.
    refused: Option<Refused>,
    /// What the last answer was to.
    asked: Option<Asked>,
    /// Whether this process has seen what the spec refers to, and whether it has told anything.
    met: bool,
    told: bool,
    /// Whether something was missing at first: such a process cannot tell later what the verdict was of.
    missed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Verdict {
    /// None: nothing that can be used, or nobody knows.
    of: Option<Access>,
    /// Whether it is an answer.
    answered: bool,
    place: Place,
    reason: Reason,
}

#[derive(Clone, Copy, Debug)]
pub struct Fault {
    since: Instant,
    pub reason: Reason,
}

#[derive(Clone, Debug)]
struct Refused {
    of: Access,
    version: String,
    /// Whether this process knows that it is this one.
    known: bool,
    /// Whether another one was sent since, and a fault came of it: this process goes on trying.
    lifted: bool,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    of: (Access, u8),
    earliest: Instant,
    latest: Instant,
}

impl Model {
    /// The process begins anew.
    pub fn restart(&mut self) {
        (self.met, self.told, self.missed, self.fault, self.asked) = (false, false, false, None, None);
        self.refused.iter_mut().for_each(|refused| (refused.known, refused.lifted) = (false, false));
    }

    /// There is no verdict, and no fault to wait out.
    fn forget(&mut self) {
        (self.fault, self.asked) = (None, None);
        // What is left of a refusal that was lifted is what the status says of it.
        if let Some(refused) = self.refused.as_mut().filter(|refused| refused.lifted) {
            (refused.known, refused.lifted) = (false, false);
        }
    }

    /// A look at the object, whatever comes of it.
    pub fn see(&mut self, sight: &Sight) {
        let Ok(access) = sight.found else {
            if !self.met {
                self.missed = true;
                self.verdict.iter_mut().for_each(|verdict| verdict.of = None);
            }
            return;
        };
        if !self.met && !self.told && !self.missed {
            // Nothing tells a new process what the verdict was of, but that the generation is still the same.
            let answered = self.verdict.filter(|verdict| verdict.answered && sight.observed);
            self.verdict = answered.map(|old| Verdict { of: Some(access), ..old });
        }
        self.met = true;
        if let Some(refused) = &mut self.refused
            && !refused.known
            && refused.of.same_password(access)
        {
            refused.known = refused.version == sight.version;
            if !refused.known {
                // To a new process, a version that it has not seen is new data.
                self.refused = None;
            }
        }
    }

    /// Whether the password that is there now was judged wrong.
    pub fn refuses(&self, sight: &Sight) -> bool {
        let refused = self.refused.as_ref().filter(|refused| refused.known && !refused.lifted);
        sight.found.is_ok_and(|access| refused.is_some_and(|refused| refused.of.same_password(access)))
    }

    /// The reason of the verdict that stands for what is there now.
    pub fn visible(&self, sight: &Sight) -> Option<Reason> {
        match sight.found {
            Ok(_) if self.refuses(sight) && !sight.suspended => Some(Reason::InvalidCredentials),
            Ok(access) => self.verdict.filter(|verdict| verdict.of == Some(access)).map(|verdict| verdict.reason),
            Err(_) if sight.suspended => {
                let same = |verdict: &Verdict| if self.told { verdict.place == sight.place } else { sight.observed };
                self.verdict.filter(same).map(|verdict| verdict.reason)
            }
            Err(reason) => Some(reason),
        }
    }

    /// The fault that lasts, and whether it lasts longer than the grace.
    pub fn fault(&self, sight: &Sight) -> Option<(Reason, bool)> {
        let fault = self.fault.filter(|_| !sight.suspended)?;
        Some((fault.reason, sight.now.duration_since(fault.since) > INTERVAL * 2))
    }

    /// Bitbucket is asked: was it time to?
    pub fn asks(&self, sight: &Sight) {
        let access = sight.found.expect("nothing is asked with what cannot be used");
        assert!(!sight.suspended, "nothing is asked while suspended");
        assert!(sight.requested || !self.refuses(sight), "a wrong password is asked for again");
        if let Some(asked) = self.asked.filter(|asked| asked.of == (access, sight.filter)) {
            let due = sight.requested || sight.now >= asked.earliest;
            assert!(due, "asked {:?} too early", asked.earliest.duration_since(sight.now));
        }
    }

    /// A status was written. `heard` is the answer that was there, `proven` whether a run of what is there has ended well.
    pub fn learns(&mut self, sight: &Sight, heard: Option<Answer>, proven: bool) {
        let visible = self.visible(sight);
        match (sight.found, heard) {
            _ if sight.suspended => {
                if visible.is_none() {
                    self.verdict = None;
                    self.forget();
                }
            }
            (Err(reason), _) => {
                self.verdict = Some(Verdict { of: None, answered: false, place: sight.place, reason });
                self.forget();
            }
            (Ok(access), Some(answer)) => self.hears(sight, access, answer, visible),
            (Ok(access), None) if self.refuses(sight) => {
                let reason = Reason::InvalidCredentials;
                self.verdict = Some(Verdict { of: Some(access), answered: true, place: sight.place, reason });
                self.fault = None;
            }
            (Ok(access), None) => {
                let asked = self.asked.filter(|asked| asked.of == (access, sight.filter));
                assert!(asked.is_some() || sight.run_of_this, "nobody asks about what was not asked about yet");
                let overdue = asked.is_some_and(|asked| sight.now > asked.latest) && !sight.run_of_this && !proven;
                assert!(!overdue, "asked too late");
            }
        }
        self.told = true;
        if self.visible(sight).is_some() {
            self.verdict.iter_mut().for_each(|verdict| verdict.place = sight.place);
        }
        if self.refuses(sight) {
            self.refused.iter_mut().for_each(|refused| refused.version.clone_from(&sight.version));
        }
        if let Some(asked) = self.asked.as_mut().filter(|_| proven) {
            (asked.earliest, asked.latest) = (sight.now + INTERVAL * 9 / 10, sight.now + INTERVAL);
        }
    }

    fn hears(&mut self, sight: &Sight, access: Access, answer: Answer, visible: Option<Reason>) {
        let reason = match answer {
            Answer::Fault(..) if self.refuses(sight) => {
                let reason = Reason::InvalidCredentials;
                self.verdict = Some(Verdict { of: Some(access), answered: true, place: sight.place, reason });
                return;
            }
            Answer::Fault(reason, after) => {
                self.refused.iter_mut().for_each(|refused| refused.lifted = true);
                let same = self.asked.is_some_and(|asked| asked.of.0 == access);
                let before = self.fault.filter(|_| same);
                self.fault = Some(Fault { since: before.map_or(sight.now, |fault| fault.since), reason });
                // The pauses begin anew with other credentials, and on another way.
                let longest = if before.is_some() { LONGEST_BACKOFF } else { Duration::from_secs(1) };
                if visible.is_none() {
                    self.verdict = None;
                }
                let after = Duration::from_secs(after.unwrap_or(0).into());
                let latest = sight.now + longest.max(after * 11 / 10);
                self.asked = Some(Asked { of: (access, sight.filter), earliest: sight.now + after, latest });
                return;
            }
            Answer::Verified => Reason::Verified,
            Answer::WrongPassword | Answer::GateClosed | Answer::Captcha => Reason::InvalidCredentials,
            Answer::Forbidden => Reason::InvalidPermissions,
            Answer::Nothing => Reason::NoResources,
            Answer::NoBitbucket => Reason::InvalidUrl,
        };
        let wrong = matches!(answer, Answer::WrongPassword | Answer::GateClosed);
        let version = sight.version.clone();
        self.refused = wrong.then_some(Refused { of: access, version, known: true, lifted: false });
        let wait = if reason == Reason::InvalidCredentials { HOUR } else { INTERVAL };
        self.asked =
            Some(Asked { of: (access, sight.filter), earliest: sight.now + wait * 9 / 10, latest: sight.now + wait });
        self.verdict = Some(Verdict { of: Some(access), answered: true, place: sight.place, reason });
        self.fault = None;
    }

    /// Whether a status must name the Secret as refused: Some of whether it must, None where either may be.
    pub fn names_refused(&self, sight: &Sight) -> Option<bool> {
        if self.refused.as_ref().is_some_and(|refused| refused.known) {
            return Some(true);
        }
        let answered = self.verdict.is_some_and(|verdict| verdict.answered) && self.fault.is_none();
        (answered && self.visible(sight).is_some_and(|reason| reason != Reason::InvalidCredentials)).then_some(false)
    }
}

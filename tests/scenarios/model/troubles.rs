//! What goes wrong on the server or on the way to it, and what that explains.

use bitbucket_simulator::{Action, Fault, JsonEdit, Matches, Refusal};
use serde_json::json;

use super::dice::Dice;
use super::lies;
use super::report::Report;
use super::world::{Head, Repository, World};

/// One fault, and what it may lead to.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Trouble {
    pub fault: Fault,
    /// So few and so harmless that, alone, no run may show it.
    pub passes: bool,
    /// The only repository that it is about.
    pub only: Option<String>,
    /// Why repositories may be left behind.
    pub reasons: &'static [&'static str],
    /// Whether Bitbucket itself says that a repository is not for this account, or not there.
    pub denies: bool,
    /// Whether the list of repositories may lack some.
    pub unlists: bool,
    /// What may end the run.
    pub ends: &'static [&'static str],
    /// Whether the pages of commits are not what git says.
    pub lies: bool,
    /// Whether there are commits in them that git does not know there.
    pub invents: bool,
    /// A head that was made up: repository and id.
    pub head: Option<(i64, String)>,
    /// The only commit that it is about, where a walk goes to it.
    pub target: Option<String>,
}

impl Trouble {
    pub fn new(fault: Fault) -> Self {
        let (passes, denies, unlists, lies, invents) = (false, false, false, false, false);
        let (only, head, target) = (None, None, None);
        Self { fault, passes, only, reasons: &[], denies, unlists, ends: &[], lies, invents, head, target }
    }

    pub fn explains(&self, path: &str, reason: &str, message: &str) -> bool {
        // It may have been asked for under another name.
        let asked = |only: &String| message.contains(&format!("/projects/{}", only.replace('/', "/repos/")));
        self.reasons.contains(&reason) && self.only.as_ref().is_none_or(|only| only == path || asked(only))
    }

    /// Whether the repository that has this path in its row may seem inaccessible.
    pub fn hides(&self, world: &World, report: &Report, path: &str) -> bool {
        let now = report.after.repositories.iter().filter(|row| row.path == path);
        let mut now = now.filter_map(|row| world.by_id(row.source)).map(|repository| world.path(repository));
        // Where it is, only the list could tell, if another one has its name.
        (self.unlists && now.clone().any(|now| now != path))
            || (self.denies && (self.only.as_deref() == Some(path) || now.any(|now| self.only.as_ref() == Some(&now))))
    }

    /// Whether answers break off.
    pub const fn cuts(&self) -> bool {
        matches!(self.fault.action, Action::CloseAfterBytes(_) | Action::CutBody(_))
    }

    /// Whether no run may show any of them: a request is tried four times, and a list is read twice.
    pub fn all_pass(troubles: &[Self]) -> bool {
        let hits: u32 = troubles.iter().map(|trouble| trouble.fault.times.unwrap_or(u32::MAX / 8)).sum();
        let lies = troubles.iter().filter(|trouble| trouble.lies).count();
        troubles.iter().all(|trouble| trouble.passes) && (troubles.len() < 2 || hits < 4) && lies < 2
    }

    /// Whether it is about a commit to which nobody needs to walk any more.
    pub fn is_behind(&self, world: &World) -> bool {
        let heads = || world.repositories.iter().filter(|repository| repository.exists).map(Repository::head);
        self.target.as_ref().is_some_and(|target| heads().all(|head| head != Head::At(target.clone())))
    }

    pub fn random(dice: &mut Dice, world: &mut World) -> Self {
        match dice.below(20) {
            0..=2 => passing(dice),
            3 | 4 => lasting(dice, world),
            5 => down(dice),
            6..=12 => lies::pages(dice, world),
            13 => lies::head(dice, world),
            14 => lies::listing(dice),
            15 | 16 => denied(dice, world),
            17 | 18 => target(dice, world),
            _ => somebody_else(dice),
        }
    }
}

fn action(dice: &mut Dice) -> Action {
    match dice.below(9) {
        0 => Action::Refuse(Refusal::Internal { message: "no".to_owned() }),
        1 => Action::Refuse(Refusal::ResourceBusy),
        2 => Action::Refuse(Refusal::RateLimited { retry_after: 0 }),
        3 => Action::Status { status: 502, headers: vec![], body: "bad gateway".to_owned() },
        4 => Action::Drop,
        5 => Action::CloseAfterBytes(dice.below(400)),
        // Shorter than any answer, or nothing would be cut.
        6 => Action::CutBody(dice.below(50)),
        7 => Action::Garbage,
        _ => Action::Raw("no HTTP".to_owned()),
    }
}

/// One of the kinds of requests.
pub fn kind(dice: &mut Dice) -> Matches {
    match dice.below(5) {
        0 => Matches::PathEndsWith("/1.0/repos".to_owned()),
        1 => Matches::PathEndsWith("/branches/default".to_owned()),
        2 | 3 => Matches::PathEndsWith("/commits".to_owned()),
        _ => Matches::Any,
    }
}

/// Some repository's path, and the requests to it.
pub fn one(dice: &mut Dice, world: &World) -> (String, Matches) {
    let place = world.read(dice);
    let path = place.map_or("PLAT/api".to_owned(), |place| world.path(&world.repositories[place]));
    (path.clone(), Matches::Repository(path))
}

const ON_THE_WAY: &[&str] = &["ServerError", "ServerUnreachable", "RateLimited", "UnexpectedAnswer"];

/// Gone before patience is.
fn passing(dice: &mut Dice) -> Trouble {
    let times = u32::try_from(dice.between(1, 3)).unwrap();
    let after = u32::try_from(dice.below(8)).unwrap();
    let fault = Fault::new(action(dice)).matches(kind(dice)).after(after).times(times);
    Trouble { passes: true, reasons: ON_THE_WAY, ends: &["Listing", "Outage"], ..Trouble::new(fault) }
}

/// One repository is broken.
fn lasting(dice: &mut Dice, world: &World) -> Trouble {
    let (path, matches) = one(dice, world);
    let status = |status| Action::Status { status, headers: vec![], body: "<html>".to_owned() };
    let (action, reasons) = match dice.below(6) {
        0 => (Action::Html200, &["UnexpectedAnswer"][..]),
        1 => (status(403), &["ProxyRefused"][..]),
        2 => (status(407), &["ProxyRefused"][..]),
        3 => (Action::Redirect { status: 307, location: "/rest/api/1.0/x".to_owned() }, &["Moved"][..]),
        4 => (Action::Refuse(Refusal::NoSuchRoute), &["Refused"][..]),
        _ => (action(dice), ON_THE_WAY),
    };
    let fault = Fault::new(action).matches(matches).after(u32::try_from(dice.below(4)).unwrap());
    Trouble { only: Some(path), reasons, ..Trouble::new(fault) }
}

/// Whatever there is, on the way to one commit there is nothing to be had, from some page on.
pub fn target(dice: &mut Dice, world: &World) -> Trouble {
    let place = world.read(dice);
    let head = place.map(|place| world.repositories[place].head());
    let Some(Head::At(id)) = head else { return lasting(dice, world) };
    let slug = world.repositories[place.unwrap()].slug.clone();
    let (action, reasons, lies) = match dice.below(5) {
        0 => (
            Action::Refuse(Refusal::NoSuchCommit { id: id.clone(), slug }),
            &["IncompleteListing", "Refused"][..],
            false,
        ),
        1 => (Action::Refuse(Refusal::NoSuchRoute), &["Refused"][..], false),
        2 => {
            let edits = vec![JsonEdit::Set("/values".to_owned(), json!([]))];
            (Action::EditJson(edits), &["IncompleteListing"][..], true)
        }
        // What is only put off, or comes from nobody who should know, is waited for.
        3 => (Action::Garbage, ON_THE_WAY, false),
        _ => (Action::Refuse(Refusal::Internal { message: "no".to_owned() }), ON_THE_WAY, false),
    };
    let matches = Matches::QueryContains(format!("until={id}"));
    let fault = Fault::new(action).matches(matches).after(u32::try_from(dice.below(3)).unwrap());
    Trouble { reasons, lies, target: Some(id), ..Trouble::new(fault) }
}

/// From some request on the whole server is.
fn down(dice: &mut Dice) -> Trouble {
    let fault = Fault::new(Action::Refuse(Refusal::NotRunning)).after(u32::try_from(dice.below(15)).unwrap());
    Trouble { reasons: &["ServerError"], ends: &["Listing", "Outage"], ..Trouble::new(fault) }
}

/// Bitbucket's own word that a repository is not for this account, or not there.
fn denied(dice: &mut Dice, world: &World) -> Trouble {
    let (path, matches) = one(dice, world);
    let (key, slug) = path.split_once('/').unwrap();
    let (key, slug) = (key.to_owned(), slug.to_owned());
    let (action, reasons) = match dice.below(5) {
        0 => (Action::Refuse(Refusal::NotPermitted), &[][..]),
        1 => (Action::Refuse(Refusal::NoSuchRepository { key, slug }), &[][..]),
        2 => (Action::Refuse(Refusal::NoSuchProject { key }), &[][..]),
        3 => {
            let id = "0".repeat(40);
            (Action::Refuse(Refusal::NoSuchCommit { id, slug }), &["IncompleteListing", "Refused"][..])
        }
        _ => (Action::EditJson(vec![JsonEdit::Set("/id".to_owned(), json!(4711))]), &["Replaced"][..]),
    };
    let fault = Fault::new(action).matches(matches).after(u32::try_from(dice.below(4)).unwrap());
    let times = dice.one_in(2).then(|| u32::try_from(dice.between(1, 3)).unwrap());
    Trouble { only: Some(path), reasons, denies: true, ..Trouble::new(Fault { times, ..fault }) }
}

/// The account is another one, or none, for the server.
fn somebody_else(dice: &mut Dice) -> Trouble {
    let name = |name: &str| Action::AddHeader("X-AUSERNAME".to_owned(), name.to_owned());
    let action = match dice.below(7) {
        0 => Action::Refuse(Refusal::WrongPassword),
        1 => Action::Refuse(Refusal::NotAuthenticated),
        2 => Action::Refuse(Refusal::Captcha),
        3 => Action::Refuse(Refusal::BasicDisabled),
        4 => Action::Refuse(Refusal::NotLicensed),
        5 => name("somebody-else"),
        // A proxy drops the name: that alone is asked about, and found to be well.
        _ => {
            let fault = Fault::new(name("")).matches(Matches::PathEndsWith("/1.0/repos".to_owned()));
            return Trouble { passes: true, ..Trouble::new(fault.times(1)) };
        }
    };
    let matches = kind(dice);
    // Who is refused what anybody may ask has not met a Bitbucket: that is no word of the account.
    let ends: &[&str] =
        if matches!(matches, Matches::Any) { &["Identity", "Listing", "Outage"] } else { &["Identity"] };
    let fault = Fault::new(action).matches(matches).after(u32::try_from(dice.below(8)).unwrap());
    Trouble { ends, ..Trouble::new(fault) }
}

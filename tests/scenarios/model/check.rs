//! What must hold of the rows after anything at all, and what must hold of a run that came to its end.

use std::collections::{BTreeSet, HashMap};

use bitbucket_connector::sync::Summary;
use bitbucket_simulator::Settings;

use super::expect;
use super::history::History;
use super::report::{Report, word};
use super::rows::{Row, Walk};
use super::troubles::Trouble;
use super::world::World;

/// What is remembered from look to look.
#[derive(Default)]
pub struct Checker {
    /// Walks under way, by row.
    walks: HashMap<i64, Known>,
    settings: Option<Settings>,
}

/// A walk, as long as its ends are the same.
struct Known {
    walk: Walk,
    /// The server's list has been the same since it began.
    steady: bool,
    /// No commit was invented since then.
    honest: bool,
}

impl Checker {
    /// To be told of each change: the server's lists may be others from then on.
    pub fn changed(&mut self, world: &World) {
        let settings = Some(world.bench.simulator.settings());
        let relevant = |settings: &Option<Settings>| settings.as_ref().map(|known| (known.order, known.lenient_since));
        if relevant(&settings) != relevant(&self.settings) {
            self.walks.values_mut().for_each(|known| known.steady = false);
        }
        self.settings = settings;
    }

    pub fn check(&mut self, world: &World, report: &Report) {
        self.changed(world);
        for row in &report.after.repositories {
            a_complete_set_is_git_s_own(world, row);
            parents_are_git_s(world, row);
            if let Some(known) = self.follow(row, report) {
                a_walk_takes_nothing_away(world, row, known);
                the_checkpoint_is_behind_the_rows(world, row, known);
            }
        }
        for row in &report.before.repositories {
            let after = report.after.of(row.source).expect("a repository's row is never removed");
            if !report.seen.could_be_read(world, after) {
                untouched(row, after);
            }
        }
        for result in &report.results {
            assert!(!report.nobody || result.is_err(), "nobody's answers were believed");
            match result {
                Ok(summary) => ended(world, report, summary),
                Err(error) => {
                    let end = word(error);
                    let stopped = report.cut && matches!(end, "Stopped" | "Destination");
                    let stopped = stopped || (report.nobody && end == "Identity");
                    // A new process has not seen its password work: where answers are lost it is not sent for ever.
                    let lost = |trouble: &Trouble| end == "Resting" && trouble.reasons.contains(&"ServerUnreachable");
                    let explains = |trouble: &Trouble| trouble.ends.contains(&end) || lost(trouble);
                    let explained = report.troubles.iter().any(explains);
                    assert!(stopped || explained, "nothing explains {error:?}");
                }
            }
        }
        if report.results.len() > 1 && report.results.iter().all(Result::is_ok) {
            refused_or_equal(report);
        }
    }

    fn follow(&mut self, row: &Row, report: &Report) -> Option<&Known> {
        let Some(walk) = &row.walk else {
            self.walks.remove(&row.id);
            return None;
        };
        let same = |known: &Known| (&known.walk.target, &known.walk.since) == (&walk.target, &walk.since);
        let before = self.walks.remove(&row.id).filter(same);
        let (steady, honest) = before.map_or((true, true), |known| (known.steady, known.honest));
        let disturbed = report.meddled || report.troubles.iter().any(|trouble| trouble.lies);
        let honest = honest && !report.troubles.iter().any(|trouble| trouble.invents);
        // A walk that was set back to its first page begins anew.
        let steady = walk.next == 0 || (steady && !disturbed);
        Some(self.walks.entry(row.id).or_insert(Known { walk: walk.clone(), steady, honest }))
    }
}

fn list<'a>(world: &'a World, row: &Row, head: &str) -> &'a BTreeSet<String> {
    let found = family(world, row).find_map(|history| history.list(head));
    found.unwrap_or_else(|| panic!("{}: {head} was never its head", row.path))
}

/// The repository's history. Where a fork takes its name between two requests, only the next listing tells them apart.
fn family<'a>(world: &'a World, row: &Row) -> impl Iterator<Item = &'a History> {
    let own = world.by_id(row.source).unwrap_or_else(|| panic!("{}: a row of no repository", row.path));
    let histories = world.repositories.iter().map(|repository| &repository.history);
    let forks = histories.filter(|history| history.origin == own.history.origin);
    std::iter::once(&own.history).chain(forks)
}

fn a_complete_set_is_git_s_own(world: &World, row: &Row) {
    if row.walk.is_some() {
        return;
    }
    let nothing = BTreeSet::new();
    let expected = row.head.as_ref().map_or(&nothing, |head| list(world, row, head));
    assert_same(row, expected);
}

fn assert_same(row: &Row, expected: &BTreeSet<String>) {
    let missing: Vec<_> = expected.difference(&row.commits).collect();
    let ghosts: Vec<_> = row.commits.difference(expected).collect();
    assert!(missing.is_empty() && ghosts.is_empty(), "{}: missing {missing:?}, ghosts {ghosts:?}", row.path);
}

/// During a walk the complete set is still there, and nothing that belongs to neither end.
fn a_walk_takes_nothing_away(world: &World, row: &Row, Known { walk, honest, .. }: &Known) {
    let head = row.head.as_ref().map(|head| list(world, row, head).clone()).unwrap_or_default();
    let lost: Vec<_> = head.difference(&row.commits).collect();
    assert!(lost.is_empty(), "{}: {lost:?} of the complete set are gone during {walk:?}", row.path);
    if !honest {
        return;
    }
    let Some(target) = family(world, row).find_map(|history| history.list(&walk.target)) else {
        // Begun under a name that led to another repository, which only the end of a walk finds out.
        return;
    };
    let both = &head | target;
    let ghosts: Vec<_> = row.commits.difference(&both).collect();
    assert!(ghosts.is_empty(), "{}: {ghosts:?} belong to neither end of {walk:?}", row.path);
}

/// What the server lists before the checkpoint is stored.
fn the_checkpoint_is_behind_the_rows(world: &World, row: &Row, Known { walk, steady, .. }: &Known) {
    let history = &world.by_id(row.source).unwrap().history;
    let there = |id: &String| history.has(id);
    if !steady || !there(&walk.target) || !walk.since.as_ref().is_none_or(there) {
        return;
    }
    let order = world.bench.simulator.settings().order;
    let listed = history.order(&walk.target, walk.since.as_deref(), order);
    assert!(walk.next <= listed.len(), "{}: {walk:?} is past the list's end, {}", row.path, listed.len());
    let lost: Vec<_> = listed[..walk.next].iter().filter(|id| !row.commits.contains(*id)).collect();
    assert!(lost.is_empty(), "{}: {walk:?} is ahead of the rows: {lost:?} are not stored", row.path);
}

fn parents_are_git_s(world: &World, row: &Row) {
    if row.walk.is_some() {
        return;
    }
    for (id, parents) in &row.parents {
        let expected = family(world, row).find_map(|history| history.parents(id));
        assert_eq!(Some(parents), expected, "{}: parents of {id}", row.path);
    }
}

fn untouched(before: &Row, after: &Row) {
    let position = |row: &Row| (row.head.clone(), row.walk.clone(), row.commits.clone());
    assert_eq!(position(before), position(after), "{}: could not be read, and was changed", before.path);
}

/// A run that came to its end says what is so.
fn ended(world: &World, report: &Report, summary: &Summary) {
    for (path, reason, message) in &summary.failed {
        let trouble = report.troubles.iter().any(|trouble| trouble.explains(path, reason, message));
        let change = report.meddled && ["IncompleteListing", "Moved", "Replaced", "ServerError"].contains(reason);
        let other = report.rival && *reason == "Superseded";
        assert!(trouble || change || other, "{path}: nothing explains {reason}: {message}");
    }
    if !report.meddled && !report.rival {
        let so = expect::inaccessible(world, &report.before);
        let explained = |path: &String| {
            so.contains(path) || report.troubles.iter().any(|trouble| trouble.hides(world, report, path))
        };
        // A listing may have named its project anew meanwhile.
        let gone = |row: &&Row| !row.listed && expect::is_hidden(world, row.source);
        let gone = |path: &String| report.after.repositories.iter().filter(gone).any(|row| row.path == *path);
        let odd: Vec<_> = summary.inaccessible.iter().filter(|path| !explained(path) && !gone(path)).collect();
        assert!(odd.is_empty(), "nothing explains that {odd:?} are inaccessible");
    }
    let failed = |row: &&Row| summary.failed.iter().any(|(path, ..)| report.had_path(row, path));
    let good = report.after.repositories.iter().filter(|row| row.listed && row.allowlisted && row.accessible);
    for row in good.filter(|row| row.failure.is_none() && row.state == "synced" && !failed(row)) {
        let tips = report.seen.tips_at(world, row);
        let head = row.head.as_ref().unwrap_or_else(|| panic!("{}: synced, and there is no head", row.path));
        assert_eq!(row.walk, None, "{}: synced, and a walk is under way", row.path);
        assert!(tips.contains(head), "{}: {head} was not its head in this run", row.path);
    }
    let lost = report.after.repositories.iter().filter(|row| row.allowlisted && row.accessible && !row.listed);
    // A second listing of the run may lack one that was brought to its head before.
    let twice = report.meddled || report.troubles.iter().any(|trouble| trouble.unlists);
    let visited = |row: &Row| row.head.as_ref().is_some_and(|head| report.seen.tips_at(world, row).contains(head));
    for row in lost.filter(|_| !report.rival) {
        let settled = twice && row.failure.is_none() && (visited(row) || row.state != "synced");
        assert!(settled || failed(&row), "{}: neither listed nor gone, and the run is silent about it", row.path);
    }
    if !report.rival {
        assert_eq!(summary.commits, report.after.commits(), "the summary's commits");
        let grown = report.before.commits() + summary.added - summary.removed;
        assert_eq!(grown, report.after.commits(), "before, plus added, less removed: {summary:?}");
    }
}

/// Of two runs at once each either has brought a repository to its head, or says that it was left behind.
fn refused_or_equal(report: &Report) {
    let left = |row: &&Row| {
        let of = |summary: &Summary| {
            let named = summary.failed.iter().map(|(path, ..)| path).chain(&summary.inaccessible);
            named.into_iter().any(|path| report.had_path(row, path))
        };
        report.results.iter().any(|result| result.as_ref().is_ok_and(of))
    };
    let synced = report.after.repositories.iter().filter(|row| row.state == "synced");
    for row in synced.filter(|row| row.listed && !left(row)) {
        let before = report.before.of(row.source).and_then(|row| row.walk.as_ref());
        let same = row.walk.as_ref() == before;
        assert!(row.walk.is_none() || same, "{}: both are done, and a walk is under way", row.path);
    }
}

//! What happened during a run, as far as it explains what came of it.

use std::collections::{BTreeSet, HashMap, HashSet};

use bitbucket_connector::bitbucket::Error;
use bitbucket_connector::sync::{RunError, Summary};
use bitbucket_simulator::Access;

use super::rows::{Row, Rows};
use super::troubles::Trouble;
use super::world::{Head, World};

/// A run, or two at once.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Report {
    pub before: Rows,
    pub after: Rows,
    pub results: Vec<Result<Summary, RunError>>,
    pub seen: Moments,
    pub troubles: Vec<Trouble>,
    /// Things changed between the requests.
    pub meddled: bool,
    /// Somebody ended a run before its time.
    pub cut: bool,
    /// Another process worked on the same rows.
    pub rival: bool,
    /// The server took the account for nobody.
    pub nobody: bool,
}

/// What was true at some moment of a run.
#[derive(Default)]
pub struct Moments {
    /// Tips of each repository's default branch.
    pub tips: HashMap<i64, BTreeSet<String>>,
    /// Repositories that the account could read, and the filter selected.
    pub readable: HashSet<i64>,
    /// The repositories that had a path.
    pub holders: HashMap<String, BTreeSet<i64>>,
    /// Heads that are made up, by the path at which they are shown.
    shown: Vec<(String, String)>,
}

impl Moments {
    pub fn new(troubles: &[Trouble]) -> Self {
        let shown =
            troubles.iter().filter_map(|trouble| Some((trouble.only.clone()?, trouble.head.as_ref()?.1.clone())));
        let mut seen = Self { shown: shown.collect(), ..Self::default() };
        for (id, head) in troubles.iter().filter_map(|trouble| trouble.head.as_ref()) {
            seen.tips.entry(*id).or_default().insert(head.clone());
        }
        seen
    }

    pub fn look(&mut self, world: &World) {
        for repository in world.repositories.iter().filter(|repository| repository.exists) {
            if let Head::At(id) = repository.head() {
                self.tips.entry(repository.id).or_default().insert(id);
            }
            let path = world.path(repository);
            let shown = self.shown.iter().filter(|(at, _)| *at == path).map(|(_, head)| head.clone());
            self.tips.entry(repository.id).or_default().extend(shown);
            if world.access(repository) == Access::Read && world.is_selected(repository) {
                self.readable.insert(repository.id);
            }
            self.holders.entry(path).or_default().insert(repository.id);
        }
    }
}

impl Moments {
    /// Whether it could, or a fork of it under its name.
    pub fn could_be_read(&self, world: &World, row: &Row) -> bool {
        self.relatives(world, row).any(|id| self.readable.contains(&id))
    }

    /// Tips of the row's repository, and of its forks that had its name.
    pub fn tips_at(&self, world: &World, row: &Row) -> BTreeSet<String> {
        self.relatives(world, row).filter_map(|id| self.tips.get(&id)).flatten().cloned().collect()
    }

    /// The row's repository, and its forks that had one of its names. Only a listing tells them apart.
    fn relatives(&self, world: &World, row: &Row) -> impl Iterator<Item = i64> {
        let origin = |id: i64| world.by_id(id).map(|repository| repository.history.origin);
        let names = self.holders.iter().filter(|(path, ids)| **path == row.path || ids.contains(&row.source));
        let holders = names.flat_map(|(_, ids)| ids).copied();
        holders.filter(move |id| origin(*id) == origin(row.source)).chain([row.source])
    }
}

impl Report {
    /// Whether this is the row's path after the run, or was it before: its project may have been listed under another key.
    pub fn had_path(&self, row: &Row, path: &str) -> bool {
        [&self.before, &self.after].iter().any(|rows| rows.of(row.source).is_some_and(|row| row.path == path))
    }

    /// Nothing happened but the run, or nothing that it must show.
    pub fn is_quiet(&self, world: &World) -> bool {
        // What was begun under another list is read again already, and not a third time.
        let begun = self.before.repositories.iter().any(|row| row.walk.is_some());
        let lies = self.troubles.iter().any(|trouble| trouble.lies);
        let alone = !self.meddled && !self.cut && !self.rival && !self.nobody;
        // A refusal that breaks off may have been that of the password, which then rests for longer than is waited here.
        let refused = world.repositories.iter().any(|repository| world.access(repository) != Access::Read);
        let resting = matches!(self.results[..], [Err(RunError::Identity(Error::GateResting))]);
        let rests = resting && refused && self.troubles.iter().any(Trouble::cuts);
        alone && Trouble::all_pass(&self.troubles) && !(begun && lies) && !rests
    }
}

/// One word for what ended a run.
pub fn word(error: &RunError) -> &'static str {
    match error {
        RunError::Listing(_) => "Listing",
        RunError::Outage(_) => "Outage",
        RunError::Identity(Error::GateResting) => "Resting",
        RunError::Identity(_) => "Identity",
        RunError::Destination(_) => "Destination",
        RunError::Broken => "Broken",
        RunError::Stopped => "Stopped",
    }
}

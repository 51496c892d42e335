//! What administrators do: to repositories, projects, permissions and settings.

use bitbucket_simulator::{Access, Filling, MissingDefault, Moved, Order};

use super::dice::Dice;
use super::filter::Filter;
use super::history::History;
use super::world::{KEYS, READER, SLUGS, World};

impl World {
    /// Does something, and tells what.
    pub fn operate(&mut self, dice: &mut Dice) -> String {
        loop {
            let what = match dice.below(40) {
                0 | 1 => Some(self.add(dice)),
                2 => self.relocate(dice),
                3 => self.swap(dice),
                4 => self.delete(dice),
                5 => self.replace(dice),
                6 => self.archive(dice),
                7 => self.rename_project(dice),
                8 | 9 => self.permit(dice),
                10 | 11 => Some(self.configure(dice)),
                _ => self.push(dice),
            };
            if let Some(what) = what {
                return what;
            }
        }
    }

    /// Another filter, from the next run on.
    pub fn filter(&mut self, dice: &mut Dice) -> String {
        self.set_filter(Filter::random(dice));
        format!("filter {:?}", self.filter)
    }

    pub fn set_filter(&mut self, filter: Filter) {
        self.bench.filter = filter.spec();
        self.filter = filter;
    }

    pub fn add(&mut self, dice: &mut Dice) -> String {
        let (key, slug) = (dice.one_of(&KEYS), dice.one_of(&SLUGS));
        if self.living().len() > 6 || self.is_taken(&format!("{key}/{slug}")) {
            return "nothing".to_owned();
        }
        let mut history = self.history(dice);
        let served = !dice.one_in(4);
        if served && !dice.one_in(5) {
            let tip = match dice.pick(history.nodes()) {
                Some(node) => history.grow(dice, Some(node)),
                None => history.line(dice, &[], 20),
            };
            history.point("main", tip);
        }
        let place = self.create(key, slug, history, served);
        format!("{key}/{slug} is made: {}", self.repositories[place].id)
    }

    /// Of a new repository: nothing, or what another one has.
    fn history(&mut self, dice: &mut Dice) -> History {
        let folder = self.folder();
        let all = 0..self.repositories.len();
        match dice.pick(all).filter(|_| dice.one_in(4)) {
            Some(place) => self.repositories[place].history.fork(&folder),
            None => History::create(&folder, self.repositories.len()),
        }
    }

    /// Renames a repository, or moves it to another project.
    fn relocate(&mut self, dice: &mut Dice) -> Option<String> {
        let place = dice.pick(self.living())?;
        let to = format!("{}/{}", dice.one_of(&KEYS), dice.one_of(&SLUGS));
        (!self.is_taken(&to)).then(|| self.relocate_to(place, &to))
    }

    fn relocate_to(&mut self, place: usize, to: &str) -> String {
        let from = self.path(&self.repositories[place]);
        self.bench.simulator.move_repository(&from, to).unwrap();
        let (key, slug) = to.split_once('/').unwrap();
        self.repositories[place].project = self.project(key);
        slug.clone_into(&mut self.repositories[place].slug);
        format!("{from} moves to {to}")
    }

    /// Two repositories change names.
    fn swap(&mut self, dice: &mut Dice) -> Option<String> {
        let (one, other) = (dice.pick(self.living())?, dice.pick(self.living())?);
        if one == other {
            return None;
        }
        let names = [one, other].map(|place| self.path(&self.repositories[place]));
        self.relocate_to(one, "PLAT/between");
        self.relocate_to(other, &names[0]);
        self.relocate_to(one, &names[1]);
        Some(format!("{} and {} change names", names[0], names[1]))
    }

    fn delete(&mut self, dice: &mut Dice) -> Option<String> {
        let place = dice.pick(self.living())?;
        let path = self.path(&self.repositories[place]);
        self.bench.simulator.remove_repository(&path).unwrap();
        self.repositories[place].exists = false;
        Some(format!("{path} is deleted"))
    }

    /// Deletes a repository and makes another one under its name, perhaps a fork of it.
    fn replace(&mut self, dice: &mut Dice) -> Option<String> {
        let place = dice.pick(self.living())?;
        let path = self.path(&self.repositories[place]);
        self.bench.simulator.remove_repository(&path).unwrap();
        self.repositories[place].exists = false;
        let (key, slug) = path.split_once('/')?;
        let folder = self.folder();
        let old = &self.repositories[place];
        let mut history =
            if dice.one_in(3) { old.history.fork(&folder) } else { History::create(&folder, self.repositories.len()) };
        let old_tip = old.history.tip(&old.default).filter(|tip| history.nodes().contains(tip));
        let tip = history.grow(dice, old_tip);
        history.point("main", tip);
        let new = self.create(key, slug, history, true);
        Some(format!("{path} is deleted and made again: {}", self.repositories[new].id))
    }

    fn archive(&mut self, dice: &mut Dice) -> Option<String> {
        let place = dice.pick(self.living())?;
        let archived = !self.repositories[place].archived;
        let path = self.path(&self.repositories[place]);
        self.bench.simulator.archive(&path, archived).unwrap();
        self.repositories[place].archived = archived;
        Some(format!("{path}: archived is {archived}"))
    }

    fn rename_project(&mut self, dice: &mut Dice) -> Option<String> {
        let place = dice.pick(0..self.projects.len())?;
        let (from, to) = (self.projects[place].key.clone(), dice.one_of(&KEYS));
        if from.starts_with('~') || to.starts_with('~') || self.projects.iter().any(|project| project.key == to) {
            return None;
        }
        self.bench.simulator.rename_project(&from, to).unwrap();
        to.clone_into(&mut self.projects[place].key);
        Some(format!("project {from} is {to}"))
    }

    /// Gives or takes the right to see, or to read.
    fn permit(&mut self, dice: &mut Dice) -> Option<String> {
        let place = dice.pick(self.living())?;
        // Mostly what was taken is given back.
        let access = match self.access(&self.repositories[place]) {
            Access::Read => dice.one_of(&[Access::Nothing, Access::Listing]),
            _ => Access::Read,
        };
        let target = if dice.one_in(5) {
            self.repositories[place].rule?;
            let project = &mut self.projects[self.repositories[place].project];
            project.rule = Some(access);
            project.key.clone()
        } else {
            self.repositories[place].rule = Some(access);
            self.path(&self.repositories[place])
        };
        self.bench.simulator.set_access_to(READER, &target, access).unwrap();
        Some(format!("{target}: {access:?}"))
    }

    fn configure(&mut self, dice: &mut Dice) -> String {
        let (mut what, kind) = (String::new(), dice.below(8));
        self.bench.simulator.configure(|settings| {
            match kind {
                0 | 1 => settings.caps.commits = dice.between(2, 25),
                2 => settings.caps.repositories = dice.one_of(&[1, 2, 3, 1000]),
                3 => settings.filling = dice.one_of(&[Filling::Full, Filling::Short]),
                4 => settings.order = dice.one_of(&[Order::Date, Order::Topological]),
                5 => settings.moved = dice.one_of(&[Moved::Redirect { status: 307 }, Moved::Alias, Moved::Gone]),
                6 => settings.lenient_since = dice.one_in(2),
                _ => {
                    settings.missing_default =
                        dice.one_of(&[MissingDefault::NotDefined, MissingDefault::NamedButMissing]);
                }
            }
            what = format!(
                "caps {}/{} {:?} {:?} {:?}, lenient since {}",
                settings.caps.commits,
                settings.caps.repositories,
                settings.filling,
                settings.order,
                settings.moved,
                settings.lenient_since
            );
        });
        what
    }
}

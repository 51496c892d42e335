//! What people do with git: to branches, and to what they lead to.

use bitbucket_simulator::RepositoryChange;

use super::dice::Dice;
use super::world::World;

const BRANCHES: [&str; 4] = ["main", "trunk", "release/1", "master"];

impl World {
    /// Does something to a repository's branches, and tells what.
    pub fn push(&mut self, dice: &mut Dice) -> Option<String> {
        let place = if dice.one_in(6) { dice.pick(self.living())? } else { self.read(dice)? };
        let path = self.path(&self.repositories[place]);
        let what = match dice.below(20) {
            0 => self.switch(dice, place),
            1 => self.rename_branch(dice, place),
            2 => {
                let repository = &mut self.repositories[place];
                let default = repository.default.clone();
                repository.history.tip(&default)?;
                if dice.one_in(2) {
                    // Something stays, or the repository would be empty.
                    repository.history.point("kept", repository.history.tip(&default)?);
                }
                repository.history.remove(&default);
                "its default branch is deleted".to_owned()
            }
            3 | 4 => {
                self.repositories[place].history.prune();
                "gc --prune=now".to_owned()
            }
            _ => self.move_tip(dice, place)?,
        };
        Some(format!("{path}: {what}"))
    }

    /// A push, a forced push or a reset of the default branch.
    fn move_tip(&mut self, dice: &mut Dice, place: usize) -> Option<String> {
        if !self.repositories[place].served {
            let path = Some(self.repositories[place].history.git.path().to_owned());
            self.change(place, RepositoryChange { path, ..RepositoryChange::default() });
            self.repositories[place].served = true;
        }
        let repository = &mut self.repositories[place];
        let (history, branch) = (&mut repository.history, &repository.default);
        let tip = history.tip(branch);
        let (what, to) = match (tip, dice.below(10)) {
            (Some(tip), 0 | 1) => ("rebase", history.rebase(dice, tip)),
            (Some(tip), 2) => ("reset", dice.pick(history.reach(tip))?),
            (_, 3) => ("forced push of what was there once", dice.pick(history.nodes())?),
            (_, 4) => ("forced push of another history", history.line(dice, &[], 6)),
            (tip, _) => ("push", history.grow(dice, tip)),
        };
        history.point(branch, to);
        Some(format!("{what}: {branch} is {}", &history.id(to)?[..8]))
    }

    /// Another branch becomes the default one.
    fn switch(&mut self, dice: &mut Dice, place: usize) -> String {
        let name = dice.one_of(&BRANCHES).to_owned();
        let repository = &mut self.repositories[place];
        if repository.history.tip(&name).is_none() && !dice.one_in(4) {
            let node = dice.pick(repository.history.nodes());
            let node = node.unwrap_or_else(|| repository.history.line(dice, &[], 6));
            repository.history.point(&name, node);
        }
        self.name_default(place, name)
    }

    /// The default branch is called differently.
    fn rename_branch(&mut self, dice: &mut Dice, place: usize) -> String {
        let name = dice.one_of(&BRANCHES).to_owned();
        let repository = &mut self.repositories[place];
        let default = repository.default.clone();
        if let Some(tip) = repository.history.tip(&default)
            && name != default
        {
            repository.history.point(&name, tip);
            repository.history.remove(&default);
        }
        self.name_default(place, name)
    }

    fn name_default(&mut self, place: usize, name: String) -> String {
        self.change(place, RepositoryChange { default_branch: Some(name.clone()), ..RepositoryChange::default() });
        let what = format!("its default branch is {name}");
        self.repositories[place].default = name;
        what
    }
}

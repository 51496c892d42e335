//! Random commits: lines, merges, octopuses, cherry-picks and roots, with dates that prove nothing.

use std::collections::BTreeSet;

use bitbucket_simulator::git::{NewCommit, Person};

use super::dice::Dice;
use super::history::History;

/// Past this many commits a branch does not grow any more.
const LARGEST: usize = 70;

impl History {
    /// Commits on top of a tip, or a first line where there is none. Gives the new tip.
    pub fn grow(&mut self, dice: &mut Dice, tip: Option<usize>) -> usize {
        let Some(tip) = tip else { return self.line(dice, &[], 8) };
        if self.reach(tip).len() > LARGEST {
            return self.plain(dice, vec![tip]);
        }
        match dice.below(12) {
            0 => self.line(dice, &[tip], 30),
            1 => self.octopus(dice, tip, 2),
            2 => self.octopus(dice, tip, 5),
            3 if dice.one_in(2) => self.octopus(dice, tip, 11),
            4 => {
                let others: BTreeSet<usize> = self.nodes().collect();
                let others: Vec<usize> = others.difference(&self.reach(tip)).copied().collect();
                let small = |node: &usize| self.reach(*node).len() < LARGEST / 2;
                match dice.pick(others.into_iter().filter(small)) {
                    Some(other) if dice.one_in(2) => self.plain(dice, vec![other, tip]),
                    Some(other) => self.plain(dice, vec![tip, other]),
                    None => self.plain(dice, vec![tip]),
                }
            }
            5 => {
                let picked = dice.below(self.nodes().len());
                self.copy(dice, picked, tip)
            }
            6 => {
                // The old tip is the second parent of what comes from an ancestor.
                let base = dice.pick(self.reach(tip)).unwrap_or(tip);
                let side = self.line(dice, &[base], 3);
                self.plain(dice, vec![side, tip])
            }
            _ => self.line(dice, &[tip], 5),
        }
    }

    /// The last commits of the tip again, on another base.
    pub fn rebase(&mut self, dice: &mut Dice, tip: usize) -> usize {
        let mut segment = vec![tip];
        for _ in 0..dice.below(4) {
            let Some(parent) = self.parents_of(segment[segment.len() - 1]).first() else { break };
            segment.push(*parent);
        }
        let base = if dice.one_in(3) { Some(dice.below(self.nodes().len())) } else { dice.pick(self.reach(tip)) };
        let base = base.filter(|base| self.reach(*base).len() < LARGEST).unwrap_or(tip);
        segment.into_iter().rev().fold(base, |base, node| self.copy(dice, node, base))
    }

    /// A line from one of the bases, or from a root.
    pub fn line(&mut self, dice: &mut Dice, bases: &[usize], longest: usize) -> usize {
        let first = dice.pick(bases.iter().copied()).into_iter().collect();
        let first = self.plain(dice, first);
        (1..dice.between(1, longest)).fold(first, |tip, _| self.plain(dice, vec![tip]))
    }

    /// Several lines from the tip, its ancestors or new roots, joined in one merge.
    fn octopus(&mut self, dice: &mut Dice, tip: usize, arms: usize) -> usize {
        let mut parents = vec![tip];
        for _ in 0..dice.between(1, arms) {
            let base = match dice.below(6) {
                0 => None,
                1 | 2 => Some(tip),
                _ => dice.pick(self.reach(tip)),
            };
            let bases: Vec<usize> = base.into_iter().collect();
            parents.push(self.line(dice, &bases, 3));
        }
        let turn = dice.below(parents.len());
        parents.rotate_left(turn);
        self.plain(dice, parents)
    }

    /// A cherry-pick: author and message are the other commit's.
    fn copy(&mut self, dice: &mut Dice, from: usize, onto: usize) -> usize {
        let date = self.date(dice);
        let commit = self.commit(from).clone().committer(person(dice, date));
        self.add(commit, vec![onto])
    }

    fn plain(&mut self, dice: &mut Dice, parents: Vec<usize>) -> usize {
        let (written, committed) = (self.date(dice), self.date(dice));
        let message = format!("{} of {}\n", self.nodes().len(), dice.below(usize::MAX));
        let commit = NewCommit::new(message, person(dice, written)).committer(person(dice, committed));
        self.add(commit, parents)
    }

    /// Mostly forward, but also not at all, back, to the beginning and far ahead.
    fn date(&mut self, dice: &mut Dice) -> i64 {
        match dice.below(12) {
            0 => self.clock - 40_000_000,
            1 => 0,
            2 => self.clock + 200_000_000,
            3..=6 => self.clock,
            _ => {
                self.clock += 60;
                self.clock
            }
        }
    }
}

fn person(dice: &mut Dice, seconds: i64) -> Person {
    let (name, email) = dice.one_of(&[
        ("Ada", "ada@example.com"),
        ("Jürgen", "j@example.com"),
        ("Bot", "reader@example.com"),
        ("", ""),
    ]);
    Person::new(name, email, seconds)
}

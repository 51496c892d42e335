//! The commits of one repository: all that were ever made, which of them git has, and what git says of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use bitbucket_simulator::Order;
use bitbucket_simulator::git::{GitRepository, NewCommit, Parent};

/// A commit, whether or not git has it just now.
#[derive(Clone)]
struct Node {
    commit: NewCommit,
    parents: Vec<usize>,
    id: Option<String>,
}

pub struct History {
    pub git: GitRepository,
    nodes: Vec<Node>,
    /// What is in git's store.
    present: HashSet<usize>,
    branches: BTreeMap<String, usize>,
    /// `git rev-list ID`, of every id that was ever a head.
    lists: HashMap<String, BTreeSet<String>>,
    /// The parents of each commit, as git told them.
    parents: HashMap<String, Vec<String>>,
    pub clock: i64,
    /// Forks share it: in no other repository is there any of these commits.
    pub origin: usize,
}

impl History {
    pub fn create(path: &Path, origin: usize) -> Self {
        Self {
            origin,
            git: GitRepository::create(path).unwrap(),
            nodes: Vec::new(),
            present: HashSet::new(),
            branches: BTreeMap::new(),
            lists: HashMap::new(),
            parents: HashMap::new(),
            clock: 1_700_000_000,
        }
    }

    /// Another repository that knows the same commits. None of them is pushed yet.
    pub fn fork(&self, path: &Path) -> Self {
        Self { nodes: self.nodes.clone(), clock: self.clock, ..Self::create(path, self.origin) }
    }

    /// Thinks of a commit. Git has it as soon as a branch reaches it.
    pub fn add(&mut self, commit: NewCommit, parents: Vec<usize>) -> usize {
        self.nodes.push(Node { commit, parents, id: None });
        self.nodes.len() - 1
    }

    pub fn nodes(&self) -> std::ops::Range<usize> {
        0..self.nodes.len()
    }

    pub fn commit(&self, node: usize) -> &NewCommit {
        &self.nodes[node].commit
    }

    pub fn parents_of(&self, node: usize) -> &[usize] {
        &self.nodes[node].parents
    }

    /// The commit and its ancestors.
    pub fn reach(&self, node: usize) -> BTreeSet<usize> {
        let (mut found, mut open) = (BTreeSet::new(), vec![node]);
        while let Some(node) = open.pop() {
            if found.insert(node) {
                open.extend(&self.nodes[node].parents);
            }
        }
        found
    }

    pub fn tip(&self, branch: &str) -> Option<usize> {
        self.branches.get(branch).copied()
    }

    pub fn branches(&self) -> Vec<String> {
        self.branches.keys().cloned().collect()
    }

    /// The id of a commit that was pushed at some time.
    pub fn id(&self, node: usize) -> Option<&str> {
        self.nodes[node].id.as_deref()
    }

    /// Pushes: the branch points to the commit from now on.
    pub fn point(&mut self, branch: &str, node: usize) {
        let missing: Vec<usize> = self.reach(node).into_iter().filter(|node| !self.present.contains(node)).collect();
        let place: HashMap<usize, usize> = missing.iter().enumerate().map(|(place, node)| (*node, place)).collect();
        let commits = missing.iter().map(|node| {
            let Node { commit, parents, .. } = &self.nodes[*node];
            let parent = |parent: &usize| match place.get(parent) {
                Some(place) => Parent::Earlier(*place),
                None => Parent::Id(self.nodes[*parent].id.clone().unwrap()),
            };
            NewCommit { parents: parents.iter().map(parent).collect(), ..commit.clone() }
        });
        if !missing.is_empty() {
            let ids = self.git.import(commits.collect::<Vec<_>>()).unwrap();
            for (node, id) in missing.into_iter().zip(ids) {
                self.nodes[node].id = Some(id);
                self.present.insert(node);
            }
        }
        let id = self.nodes[node].id.clone().unwrap();
        self.git.set_branch(branch, &id).unwrap();
        self.branches.insert(branch.to_owned(), node);
        self.learn(&id);
    }

    pub fn remove(&mut self, branch: &str) {
        self.git.delete_branch(branch).unwrap();
        self.branches.remove(branch);
    }

    /// Git forgets what no branch reaches.
    pub fn prune(&mut self) {
        self.git.prune().unwrap();
        let tips: Vec<usize> = self.branches.values().copied().collect();
        self.present = tips.into_iter().flat_map(|tip| self.reach(tip)).collect();
    }

    /// Asks git for the list of a commit that it has.
    pub fn learn(&mut self, id: &str) {
        if self.lists.contains_key(id) {
            return;
        }
        let text = self.git.git(["rev-list", "--parents", id, "--"]).unwrap();
        let text = String::from_utf8(text).unwrap();
        let mut list = BTreeSet::new();
        for line in text.lines() {
            let mut ids = line.split(' ').map(str::to_owned);
            let id = ids.next().unwrap();
            self.parents.insert(id.clone(), ids.collect());
            list.insert(id);
        }
        self.lists.insert(id.to_owned(), list);
    }

    /// Whether git could be asked for the commit just now.
    pub fn has(&self, id: &str) -> bool {
        self.present.iter().any(|node| self.nodes[*node].id.as_deref() == Some(id))
    }

    /// `git rev-list ID`, if it was a head once.
    pub fn list(&self, id: &str) -> Option<&BTreeSet<String>> {
        self.lists.get(id)
    }

    pub fn parents(&self, id: &str) -> Option<&Vec<String>> {
        self.parents.get(id)
    }

    /// The list that the server pages through.
    pub fn order(&self, target: &str, since: Option<&str>, order: Order) -> Vec<String> {
        let flag = match order {
            Order::Date => "--date-order",
            Order::Topological => "--topo-order",
        };
        let not = since.map(|since| format!("^{since}"));
        let arguments: Vec<&str> = [flag, target].into_iter().chain(not.as_deref()).collect();
        self.git.rev_list(&arguments).unwrap()
    }
}

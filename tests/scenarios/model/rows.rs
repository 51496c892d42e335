//! What is stored, as one look at the database shows it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use crate::support::database::Database;

#[derive(Clone, Debug, Default)]
pub struct Rows {
    pub repositories: Vec<Row>,
    /// Key and name of each project, by its id at Bitbucket.
    pub projects: BTreeMap<i64, (String, String)>,
}

/// A repository with its commits.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "flags, each a column of its own")]
pub struct Row {
    pub id: i64,
    /// Bitbucket's id.
    pub source: i64,
    /// `KEY/slug`
    pub path: String,
    pub name: String,
    pub archived: bool,
    pub allowlisted: bool,
    pub listed: bool,
    pub accessible: bool,
    pub state: String,
    pub failure: Option<String>,
    pub branch: Option<String>,
    pub head: Option<String>,
    pub walk: Option<Walk>,
    pub commits: BTreeSet<String>,
    pub parents: HashMap<String, Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    pub target: String,
    pub since: Option<String>,
    pub next: usize,
}

const REPOSITORIES: &str =
    "SELECT r.id, r.source_id, p.key || '/' || r.slug, r.name, r.archived, r.allowlisted, r.listed, r.api_accessible,
            r.state, r.failure, r.default_branch, r.head, r.walk_target, r.walk_since, r.default_branch_commits_page_start
     FROM bitbucket_server_repositories r JOIN bitbucket_server_projects p ON p.id = r.project_id ORDER BY r.id";
const COMMITS: &str = "SELECT repository_id, sha, parents FROM bitbucket_server_repository_default_branch_commits";

impl Rows {
    /// Nothing, where no run has made the tables yet.
    pub async fn read(database: &Database) -> Self {
        if !database.has_tables().await {
            return Self::default();
        }
        let mut repositories: Vec<Row> =
            database.query(REPOSITORIES).await.rows.iter().map(|columns| row(columns)).collect();
        let places: HashMap<i64, usize> = repositories.iter().enumerate().map(|(at, row)| (row.id, at)).collect();
        for columns in database.query(COMMITS).await.rows {
            let row = &mut repositories[places[&columns[0].as_i64().unwrap()]];
            let sha = some(&columns[1]).unwrap();
            assert!(row.commits.insert(sha.clone()), "{}: {sha} is stored twice", row.path);
            row.parents.insert(sha, serde_json::from_str(columns[2].as_str().unwrap()).unwrap());
        }
        let projects = database.query("SELECT source_id, key, name FROM bitbucket_server_projects").await.rows;
        let project = |columns: Vec<Value>| {
            (columns[0].as_i64().unwrap(), (some(&columns[1]).unwrap(), some(&columns[2]).unwrap()))
        };
        Self { repositories, projects: projects.into_iter().map(project).collect() }
    }

    pub fn of(&self, source: i64) -> Option<&Row> {
        self.repositories.iter().find(|row| row.source == source)
    }

    /// The projects' keys.
    pub fn keys(&self) -> Vec<&String> {
        self.projects.values().map(|(key, _)| key).collect()
    }

    pub fn commits(&self) -> u64 {
        self.repositories.iter().map(|row| row.commits.len() as u64).sum()
    }
}

fn row(columns: &[Value]) -> Row {
    let start = columns[14].as_i64();
    let target = some(&columns[12]);
    assert_eq!(start.is_some(), target.is_some(), "{columns:?}: half a checkpoint");
    let walk = target.map(|target| Walk {
        target,
        since: some(&columns[13]),
        next: usize::try_from(start.unwrap()).unwrap_or(usize::MAX),
    });
    Row {
        id: columns[0].as_i64().unwrap(),
        source: columns[1].as_i64().unwrap(),
        path: some(&columns[2]).unwrap(),
        name: some(&columns[3]).unwrap(),
        archived: flag(&columns[4]),
        allowlisted: flag(&columns[5]),
        listed: flag(&columns[6]),
        accessible: flag(&columns[7]),
        state: some(&columns[8]).unwrap(),
        failure: some(&columns[9]),
        branch: some(&columns[10]),
        head: some(&columns[11]),
        walk,
        commits: BTreeSet::new(),
        parents: HashMap::new(),
    }
}

fn some(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// SQLite has no truth values but 0 and 1.
fn flag(value: &Value) -> bool {
    value.as_bool().unwrap_or_else(|| value.as_i64() == Some(1))
}

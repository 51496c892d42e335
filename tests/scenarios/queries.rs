//! The queries of docs/queries.md, and those that somebody has written for DX's tables, on both databases. What they must
//! give is worked out from git.

use std::collections::{BTreeMap, BTreeSet};

use bitbucket_simulator::git::{GitRepository, NewCommit, Person};
use bitbucket_simulator::{Action, Fault, JsonEdit, NewUser, histories};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::support::database::{Kind, on_both};
use crate::support::sync::Bench;

/// A commit as git has it.
struct Told {
    repository: &'static str,
    written: Timestamp,
    mail: String,
    merge: bool,
}

struct House {
    bench: Bench,
    told: Vec<Told>,
}

const ADA: (&str, &str) = ("Ada", "ada@example.com");
const EVE: (&str, &str) = ("Eve", "eve@elsewhere.example");
const ROBOT: (&str, &str) = ("Robot", "robot@example.com");
/// A Sunday evening; half a day later it is Monday.
const SUNDAY: i64 = 1_704_567_600;
const HOUR: i64 = 3600;

fn by(person: (&str, &str), seconds: i64) -> NewCommit {
    NewCommit::new(format!("change at {seconds}"), Person::new(person.0, person.1, seconds).zone("+0200"))
}

fn two_repositories(api: &GitRepository, web: &GitRepository) {
    let commits = [
        by(ADA, SUNDAY - 400 * HOUR),
        by(ADA, SUNDAY).parent(0),
        by(EVE, SUNDAY + HOUR).parent(0),
        by(ROBOT, SUNDAY + 12 * HOUR).parent(1),
        by(ADA, SUNDAY + 13 * HOUR).parent(3).parent(2),
        by(EVE, SUNDAY + 200 * HOUR).parent(4),
    ];
    api.set_branch("main", api.import(commits).unwrap().last().unwrap()).unwrap();
    let commits = [by(ROBOT, SUNDAY), by(ADA, SUNDAY + 24 * HOUR).parent(0)];
    web.set_branch("main", web.import(commits).unwrap().last().unwrap()).unwrap();
}

fn told(repository: &'static str, git: &GitRepository) -> Vec<Told> {
    let log = String::from_utf8(git.git(["log", "--format=%at %ae %P", "main"]).unwrap()).unwrap();
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let written = Timestamp::from_second(words.next().unwrap().parse().unwrap()).unwrap();
        Told { repository, written, mail: words.next().unwrap().to_owned(), merge: words.count() > 1 }
    };
    log.lines().map(line).collect()
}

impl House {
    async fn start(on: Kind) -> Self {
        let mut all = Vec::new();
        let mut bench = Bench::start(on, |builder, folder| {
            let git = |name: &str| GitRepository::create(folder.git(name)).unwrap();
            let (api, web) = (git("api"), git("web"));
            two_repositories(&api, &web);
            all.extend(told("PLAT/api", &api));
            all.extend(told("PLAT/web", &web));
            for name in ["broken", "other"] {
                histories::linear(folder.git(name), 1).unwrap();
            }
            all.extend(told("PLAT/gone", &histories::linear(folder.git("gone"), 1).unwrap()));
            let robot = NewUser {
                service: true,
                display_name: Some("Robot".to_owned()),
                ..NewUser::reader("robot", "hunter2")
            };
            let ada = NewUser { display_name: Some("Ada".to_owned()), ..NewUser::reader("ada", "hunter2") };
            let builder = builder.add_user(robot).add_user(ada).empty_repository("PLAT/empty");
            ["api", "web", "broken", "gone", "other"]
                .iter()
                .fold(builder, |builder, name| builder.repository(&format!("PLAT/{name}"), folder.git(name)))
        })
        .await;
        bench.filter = serde_json::from_value(json!({"mode": "Denylist", "repositories": ["PLAT/other"]})).unwrap();
        let cut = Action::EditJson(vec![JsonEdit::Remove("/values/0".to_owned())]);
        bench.simulator.faults().push(Fault::on_path("/repos/broken/commits", cut));
        // What is gone must have been there.
        bench.run().await.unwrap();
        bench.simulator.remove_repository("PLAT/gone").unwrap();
        let summary = bench.run().await.unwrap();
        assert_eq!((summary.failed.len(), summary.inaccessible.len()), (1, 1));
        Self { bench, told: all }
    }

    /// The rows of a query of the page.
    async fn ask(&self, on: Kind, heading: &str) -> Vec<Vec<Value>> {
        let dialect = if on == Kind::Sqlite { "sqlite" } else { "postgresql" };
        let found: Vec<_> = page()
            .into_iter()
            .filter(|query| query.heading == heading && (query.dialect.is_empty() || query.dialect == dialect))
            .collect();
        assert_eq!(found.len(), 1, "{heading}: one query for each database");
        self.bench.query(&found[0].sql).await.rows
    }
}

/// A query of the page.
struct Query {
    heading: String,
    /// Empty where both databases understand it.
    dialect: String,
    sql: String,
}

fn page() -> Vec<Query> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/queries.md");
    let (mut queries, mut heading, mut fence) = (Vec::<Query>::new(), String::new(), false);
    for line in std::fs::read_to_string(path).unwrap().lines() {
        match line {
            "```" => fence = false,
            line if fence => {
                let sql = &mut queries.last_mut().unwrap().sql;
                sql.push_str(line);
                sql.push('\n');
            }
            line => {
                if let Some(text) = line.strip_prefix("## ") {
                    text.clone_into(&mut heading);
                } else if let Some(dialect) = line.strip_prefix("```sql") {
                    fence = true;
                    let (heading, dialect) = (heading.clone(), dialect.trim().to_owned());
                    queries.push(Query { heading, dialect, sql: String::new() });
                } else {
                    assert!(!line.starts_with("```"), "every fence is SQL");
                }
            }
        }
    }
    queries
}

#[test]
fn every_query_of_the_page_is_asked_here() {
    let asked = [
        "Commits per week and repository",
        "Authors",
        "Bots",
        "Commits of people",
        "Merges",
        "Freshness",
        "What is missing, and why",
    ];
    let headings: BTreeSet<String> = page().into_iter().map(|query| query.heading).collect();
    assert_eq!(headings, asked.iter().map(|heading| (*heading).to_owned()).collect());
    assert!(page().iter().all(|query| ["", "sqlite", "postgresql"].contains(&query.dialect.as_str())));
}

async fn commits_are_counted_by_week_person_and_kind(on: Kind) {
    let house = House::start(on).await;
    let told = &house.told;
    let mut weeks = BTreeMap::<(&str, String), u32>::new();
    for commit in told {
        let day = commit.written.to_zoned(jiff::tz::TimeZone::UTC).date();
        let monday = day.checked_sub(i64::from(day.weekday().to_monday_zero_offset()).days()).unwrap();
        *weeks.entry((commit.repository, monday.to_string())).or_default() += 1;
    }
    let expected: Vec<_> = weeks.iter().map(|((repository, week), count)| json!([repository, week, count])).collect();
    assert!(expected.len() > 3);
    assert_eq!(json!(house.ask(on, "Commits per week and repository").await), json!(expected));

    let of = |mail: &str| told.iter().filter(|commit| commit.mail == mail).collect::<Vec<_>>();
    let rows = house.ask(on, "Authors").await;
    for (name, mail) in [ADA, EVE, ROBOT] {
        let commits = of(mail);
        let repositories: BTreeSet<_> = commits.iter().map(|commit| commit.repository).collect();
        let (first, last) =
            (commits.iter().map(|commit| commit.written).min(), commits.iter().map(|commit| commit.written).max());
        let row = rows.iter().find(|row| row[1] == mail).unwrap();
        let time = |time: Option<Timestamp>| time.unwrap().to_string();
        assert_eq!(json!(row), json!([name, mail, commits.len(), repositories.len(), time(first), time(last)]));
    }
    let counts: Vec<_> = rows.iter().map(|row| row[2].as_u64().unwrap()).collect();
    assert!(counts.is_sorted_by(|a, b| a >= b), "{counts:?}");

    assert_eq!(json!(house.ask(on, "Bots").await), json!([[ROBOT.0, ROBOT.1, of(ROBOT.1).len()]]));

    let count = |repository: &str, counts: &dyn Fn(&&Told) -> bool| {
        told.iter().filter(|commit| commit.repository == repository).filter(counts).count()
    };
    let person = |commit: &&Told| !commit.merge && commit.mail != ROBOT.1;
    let expected =
        ["PLAT/api", "PLAT/gone", "PLAT/web"].map(|repository| json!([repository, count(repository, &person)]));
    assert_eq!(json!(house.ask(on, "Commits of people").await), json!(expected));

    let expected = ["PLAT/api", "PLAT/gone", "PLAT/web"].map(|repository| {
        json!([repository, count(repository, &|commit: &&Told| commit.merge), count(repository, &|_| true)])
    });
    assert_eq!(expected[0], json!(["PLAT/api", 1, 6]));
    assert_eq!(json!(house.ask(on, "Merges").await), json!(expected));
}

async fn what_is_there_and_what_is_missing_is_told(on: Kind) {
    let house = House::start(on).await;
    let rows = house.ask(on, "Freshness").await;
    let row = |name: &str| rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("{name}"));
    for name in ["PLAT/api", "PLAT/web"] {
        assert!(row(name)[1] == json!(1) && row(name)[2..].iter().all(Value::is_string), "{:?}", row(name));
    }
    // Complete as it last was, and not looked at since it went.
    assert!(row("PLAT/gone")[1] == json!(1) && row("PLAT/gone")[4].is_null());
    for name in ["PLAT/broken", "PLAT/other"] {
        assert!(row(name)[1] == json!(0) && row(name)[4].is_null(), "{:?}", row(name));
    }
    let missing = house.ask(on, "What is missing, and why").await;
    let reasons: Vec<_> = missing.iter().map(|row| (row[0].as_str().unwrap(), row[1].as_str().unwrap())).collect();
    let expected = [
        ("PLAT/broken", "the last run left it behind: IncompleteListing"),
        ("PLAT/empty", "it has no commits"),
        ("PLAT/gone", "it is gone, or the account may not read it"),
        ("PLAT/other", "the import filter leaves it out"),
    ];
    assert_eq!(reasons, expected);
    assert_eq!(missing.iter().map(|row| row[2].is_string()).collect::<Vec<_>>(), [false, false, true, false]);
}

/// DX's pages of its schema, as far as this connector fills them.
const DX: [(&str, &str); 5] = [
    ("bitbucket_server_repository_default_branch_commits", "id, sha, author_id, repository_id, created, message"),
    (
        "bitbucket_server_repositories",
        "id, source_id, project_id, source_url, name, slug, description, public, default_branch,
         default_branch_commits_sync_to, default_branch_commits_page_start, commits_synced_at, api_accessible, allowlisted,
         archived",
    ),
    (
        "bitbucket_server_projects",
        "id, source_id, source_url, key, name, description, public, connection_id, api_accessible",
    ),
    (
        "bitbucket_server_users",
        "id, source_id, connection_id, source_url, name, email, created_at, active, bot, type",
    ),
    ("bitbucket_server_instances", "id, normalized_instance_url"),
];

async fn what_is_written_for_dx_runs_unchanged(on: Kind) {
    let house = House::start(on).await;
    for (table, columns) in DX {
        let rows = house.bench.query(&format!("SELECT {columns} FROM {table} ORDER BY id")).await;
        let names: Vec<_> = columns.split(',').map(str::trim).collect();
        assert_eq!(rows.columns, names);
        assert!(!rows.rows.is_empty(), "{table}");
    }
    let sql = "
        SELECT bitbucket_server_projects.key, bitbucket_server_repositories.name, bitbucket_server_users.email, COUNT(*)
        FROM bitbucket_server_repository_default_branch_commits
        INNER JOIN bitbucket_server_repositories
            ON bitbucket_server_repositories.id = bitbucket_server_repository_default_branch_commits.repository_id
        INNER JOIN bitbucket_server_projects
            ON bitbucket_server_projects.id = bitbucket_server_repositories.project_id
        LEFT JOIN bitbucket_server_users
            ON bitbucket_server_users.id = bitbucket_server_repository_default_branch_commits.author_id
        WHERE bitbucket_server_repositories.api_accessible AND NOT bitbucket_server_users.bot
            AND bitbucket_server_repository_default_branch_commits.created >= '2024-01-01'
        GROUP BY bitbucket_server_projects.key, bitbucket_server_repositories.name, bitbucket_server_users.email
        HAVING COUNT(*) > 0
        ORDER BY bitbucket_server_repositories.name, bitbucket_server_users.email";
    let mut counts = BTreeMap::<(&str, &str), u32>::new();
    let new_year: Timestamp = "2024-01-01T00:00:00Z".parse().unwrap();
    let counted =
        |commit: &&Told| commit.repository != "PLAT/gone" && commit.mail != ROBOT.1 && commit.written >= new_year;
    for commit in house.told.iter().filter(counted) {
        *counts.entry((commit.repository.trim_start_matches("PLAT/"), &commit.mail)).or_default() += 1;
    }
    let expected: Vec<_> = counts.iter().map(|((name, mail), count)| json!(["PLAT", name, mail, count])).collect();
    assert!(expected.len() > 2 && house.told.iter().any(|commit| commit.written < new_year));
    assert_eq!(json!(house.bench.query(sql).await.rows), json!(expected));
}

on_both! {
    commits_are_counted_by_week_person_and_kind,
    what_is_there_and_what_is_missing_is_told,
    what_is_written_for_dx_runs_unchanged,
}

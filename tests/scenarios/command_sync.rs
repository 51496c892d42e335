//! `sync` as a person or a script calls it.

use std::process::Stdio;

use bitbucket_simulator::git::GitRepository;
use bitbucket_simulator::{
    Access, Action, Fault, Hold, JsonEdit, Matches, NewRepository, NewUser, Simulator, histories,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::database::{Database, Kind, on_both};
use crate::support::leaks::assert_clean;
use crate::support::program::connector;
use crate::support::sync::text;
use crate::support::within;

struct Desk {
    simulator: Simulator,
    folder: TempDir,
    git: GitRepository,
    database: Database,
}

impl Desk {
    async fn start(on: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.git");
        let git = histories::linear(&path, 250).unwrap();
        let mut builder = Simulator::builder().user("reader", "hunter2").token("reader", "tok-hunter2");
        for (name, access) in [("lister", Access::Listing), ("stranger", Access::Nothing)] {
            builder = builder
                .add_user(NewUser::reader(name, "hunter2").access(access))
                .token(name, &format!("{name}-hunter2"));
        }
        let simulator = builder.repository("PLAT/api", path).empty_repository("PLAT/empty").start().await.unwrap();
        Self { simulator, folder, git, database: Database::new(on).await }
    }

    fn database(&self) -> String {
        self.database.text()
    }

    /// What is stored is git's.
    async fn assert_equal(&self) {
        let sql = "SELECT sha FROM bitbucket_server_repository_default_branch_commits";
        let stored = self.database.query(sql).await.rows;
        let mut stored: Vec<_> = stored.iter().map(|row| text(&row[0])).collect();
        let mut expected = self.git.rev_list(&["main"]).unwrap();
        stored.sort();
        expected.sort();
        assert_eq!(stored, expected);
    }

    fn spawn(&self, token: &str, more: &[&str]) -> Child {
        self.spawn_with(token, &[&["--output", "json"], more].concat())
    }

    fn spawn_with(&self, token: &str, arguments: &[&str]) -> Child {
        connector()
            .arg("sync")
            .args(arguments)
            .env("BITBUCKET_URL", self.simulator.url())
            .env("BITBUCKET_CONNECTOR_DATABASE", self.database())
            .env("BITBUCKET_TOKEN", token)
            .spawn()
            .unwrap()
    }

    /// The exit code, what is printed on standard output, and on standard error.
    async fn sync(&self, token: &str, more: &[&str]) -> (i32, Value, String) {
        let output = within("the command's end", self.spawn(token, more).wait_with_output()).await.unwrap();
        assert_clean("what sync prints", [output.stdout.as_slice(), &output.stderr].concat());
        let errors = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap_or_default(), errors)
    }
}

async fn sync_stores_the_commits_and_counts_what_it_did(on: Kind) {
    let desk = Desk::start(on).await;
    let (code, mut report, errors) = desk.sync("tok-hunter2", &[]).await;
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(report["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0));
    report["seconds"] = Value::Null;
    // application-properties, the listing, two heads, the repository itself, three pages, and the head once more.
    assert_eq!(report["requests"], desk.simulator.requests().len());
    assert_eq!(
        report,
        json!({
            "repositories": {"total": 2, "synced": 1, "empty": 1, "inaccessible": 0, "failed": 0},
            "commitsAdded": 250, "commitsRemoved": 0, "commits": 250, "requests": 9, "seconds": null
        })
    );
    desk.assert_equal().await;
    let sql = "SELECT cluster, namespace, name, uid FROM bitbucket_connections";
    let mut query = connector();
    query.env("BITBUCKET_CONNECTOR_DATABASE", desk.database()).args(["query", "--output", "csv", sql]);
    let output = within("the command's end", query.output()).await.unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "cluster,namespace,name,uid\n,,127.0.0.1,\n");
    let (code, report, _) = desk.sync("tok-hunter2", &[]).await;
    assert_eq!((code, &report["commitsAdded"], &report["requests"]), (0, &json!(0), &json!(4)));
}

async fn sync_says_by_its_exit_code_what_is_wrong(on: Kind) {
    let desk = Desk::start(on).await;
    let elsewhere = format!("{}/nowhere", desk.simulator.url());
    let missing = format!("sqlite://{}", desk.folder.path().join("missing/commits.db").display());
    for (token, more, expected, says) in [
        ("gone", &[][..], 3, "invalid_credentials: "),
        ("lister-hunter2", &["--repository", "PLAT/api"], 4, "invalid_permissions: "),
        ("stranger-hunter2", &[], 5, "no_resources: "),
        ("tok-hunter2", &["--project", "OTHER"], 5, "spec.import selects none"),
        ("tok-hunter2", &["--url", &elsewhere], 6, "InvalidURL: "),
        ("tok-hunter2", &["--database", &missing], 6, "missing/commits.db"),
        ("tok-hunter2", &["--url", "ftp://git.example.com"], 2, "https://"),
        ("tok-hunter2", &["--concurrency", "17"], 2, "1..=16"),
        ("tok-hunter2", &["--requests-per-second", "0"], 2, "1..=1000"),
        ("tok-hunter2", &["--database", "mysql://x"], 2, "sqlite://"),
    ] {
        let (code, _, errors) = desk.sync(token, more).await;
        assert_eq!(code, expected, "{more:?}: {errors}");
        assert!(errors.contains(says), "{more:?}: {errors}");
    }
    let broken = Action::EditJson(vec![JsonEdit::Remove("/values/7".to_owned())]);
    desk.simulator.faults().push(Fault::on_path("/commits", broken));
    let (code, report, errors) = desk.sync("tok-hunter2", &[]).await;
    assert_eq!((code, &report["repositories"]["failed"]), (7, &json!(1)));
    assert!(errors.contains("left behind: PLAT/api: IncompleteListing: "), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_keeps_to_the_rate_that_it_is_told() {
    let desk = Desk::start(Kind::Sqlite).await;
    // Whoever sends more is refused; and no budget is asked for.
    let limit = bitbucket_simulator::RateLimit { capacity: 3, fill_rate: 3 };
    desk.simulator.configure(|settings| settings.rate_limit = Some(limit));
    let (code, report, errors) = desk.sync("tok-hunter2", &["--requests-per-second", "2"]).await;
    assert_eq!((code, &report["requests"], errors.as_str()), (0, &json!(9), ""));
    assert!(desk.simulator.requests().iter().all(|seen| seen.status != Some(429)));
}

async fn an_interrupted_sync_goes_on_where_it_stopped(on: Kind) {
    let desk = Desk::start(on).await;
    let hold = Hold::new();
    let third = Matches::QueryContains("start=200".to_owned());
    desk.simulator.faults().push(Fault::new(Action::Hold(hold.clone())).matches(third).times(1));
    let child = desk.spawn("tok-hunter2", &[]);
    within("the third page", hold.wait_for(1)).await;
    let id = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = within("the command's end", child.wait_with_output()).await.unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    hold.release();
    desk.simulator.clear_requests();
    let (code, report, _) = desk.sync("tok-hunter2", &[]).await;
    assert_eq!((code, &report["commits"]), (0, &json!(250)));
    desk.assert_equal().await;
    let pages = desk.simulator.requests_to("/commits");
    let starts: Vec<_> = pages.iter().map(|seen| seen.parameter("start").unwrap().to_owned()).collect();
    assert_eq!(starts, ["200"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_shows_how_far_it_is() {
    let desk = Desk::start(Kind::Sqlite).await;
    desk.simulator.configure(|settings| settings.latency_ms = 300);
    let (url, database) = (desk.simulator.url(), desk.database());
    let command = format!("{} sync --url {url} --database {database}", env!("CARGO_BIN_EXE_bitbucket-connector"));
    // script(1) gives it a terminal.
    let script = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("BITBUCKET_TOKEN", "tok-hunter2")
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .output();
    let output = within("the command's end", script).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("/2 repositories, ") && text.contains(" commits (") && text.contains(" left"), "{text:?}");
    assert!(text.contains("2 repositories: 1 synced, 1 empty, 0 inaccessible, 0 left behind"), "{text:?}");
}

/// A line of how far it is, with whatever numbers.
fn is_progress(line: &str) -> bool {
    let words = line.split(|c: char| c.is_ascii_digit()).filter(|part| !part.is_empty()).collect::<Vec<_>>();
    words == [" of ", " repositories, ", " commits (", "/s)"] || line == "listing the repositories"
}

/// Lines that a log can hold, and a person can read in it.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_plain_lines_tell_how_far_it_is() {
    let desk = Desk::start(Kind::Sqlite).await;
    let hold = Hold::new();
    let third = Matches::QueryContains("start=200".to_owned());
    desk.simulator.faults().push(Fault::new(Action::Hold(hold.clone())).matches(third));
    let mut child = desk.spawn_with("tok-hunter2", &["--output", "text"]);
    let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut line = async || within("a line", errors.next_line()).await.unwrap();
    // One is empty, and two pages of the other one are stored. Whoever waits is told of it again and again.
    loop {
        let shown = line().await.expect("a line before the end");
        assert!(is_progress(&shown), "{shown:?}");
        if shown.starts_with("1 of 2 repositories, 200 commits (") {
            break;
        }
    }
    hold.release();
    while let Some(shown) = line().await {
        assert!(is_progress(&shown), "{shown:?}");
    }
    let output = within("the command's end", child.wait_with_output()).await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let (first, second) = text.split_once('\n').unwrap();
    assert_eq!(first, "2 repositories: 1 synced, 1 empty, 0 inaccessible, 0 left behind");
    let seconds = second.strip_prefix("250 commits: 250 added, 0 removed; 9 requests in ");
    let seconds = seconds.and_then(|rest| rest.strip_suffix(" s\n"));
    assert!(seconds.is_some_and(|seconds| seconds.parse::<f64>().is_ok()), "{second:?}");
}

async fn every_repository_that_is_left_behind_or_refused_is_named(on: Kind) {
    let desk = Desk::start(on).await;
    let names: Vec<_> = (0..12).map(|number| format!("PLAT/r{number:02}")).collect();
    for (number, name) in names.iter().enumerate() {
        desk.simulator.add_repository(NewRepository::at(name, desk.git.path())).unwrap();
        let (path, edit) = match number {
            // Two reasons.
            0..6 => ("/branches/default", JsonEdit::Set("/latestCommit".to_owned(), json!("HEAD"))),
            _ => ("/commits", JsonEdit::Remove("/values/7".to_owned())),
        };
        let of = vec![Matches::Repository(name.clone()), Matches::PathEndsWith(path.to_owned())];
        desk.simulator.faults().push(Fault::new(Action::EditJson(vec![edit])).matches(Matches::All(of)));
    }
    desk.simulator.add_repository(NewRepository::at("PLAT/secret", desk.git.path())).unwrap();
    desk.simulator.set_access_to("reader", "PLAT/secret", Access::Listing).unwrap();
    let (code, report, errors) = desk.sync("tok-hunter2", &[]).await;
    let counted = json!({"total": 15, "synced": 1, "empty": 1, "inaccessible": 1, "failed": 12});
    assert_eq!((code, &report["repositories"]), (7, &counted));
    let said: Vec<_> = errors.lines().map(|line| line.splitn(4, ": ").take(3).collect::<Vec<_>>().join(" ")).collect();
    let mut expected: Vec<_> = names.iter().map(|name| format!("left behind {name} UnexpectedAnswer")).collect();
    for (line, name) in expected.iter_mut().zip(&names).skip(6) {
        *line = format!("left behind {name} IncompleteListing");
    }
    expected.push("not readable for this account PLAT/secret".to_owned());
    assert_eq!(said, expected);
    let why = |line: &&str| line.contains("GET branches/default of PLAT/r") || line.contains("the list of commits");
    assert_eq!(errors.lines().filter(why).count(), 12, "{errors}");
}

async fn what_bitbucket_shows_no_more_is_told_of_and_stays(on: Kind) {
    let desk = Desk::start(on).await;
    desk.sync("tok-hunter2", &[]).await;
    // The listing is empty, and each repository answers as ever: nothing has changed.
    let nothing = Action::EditJson(vec![JsonEdit::Set("/values".to_owned(), json!([]))]);
    desk.simulator.faults().push(Fault::on_path("/1.0/repos", nothing));
    let (code, report, errors) = desk.sync("tok-hunter2", &[]).await;
    let counted = json!({"total": 2, "synced": 1, "empty": 1, "inaccessible": 0, "failed": 0});
    assert_eq!((code, &report["repositories"], errors.as_str()), (0, &counted, ""));
    // They do not: each is named, once, and that there is none.
    desk.simulator.faults().clear();
    desk.simulator.set_access("reader", Access::Nothing).unwrap();
    let named = ["api", "empty"].map(|slug| format!("not readable for this account: PLAT/{slug}\n")).concat();
    for (inaccessible, named) in [(2, named.as_str()), (0, "")] {
        let (code, report, errors) = desk.sync("tok-hunter2", &[]).await;
        assert_eq!(
            (code, &report["repositories"]["inaccessible"], &report["commits"]),
            (5, &json!(inaccessible), &json!(250))
        );
        let rest = errors.strip_prefix(named).unwrap();
        assert!(rest.starts_with("error: no_resources: ") && rest.lines().count() == 1, "{errors}");
        desk.assert_equal().await;
    }
    desk.simulator.set_access("reader", Access::Read).unwrap();
    let (code, report, errors) = desk.sync("tok-hunter2", &[]).await;
    assert_eq!((code, &report["repositories"], errors.as_str()), (0, &counted, ""));
    assert_eq!((&report["commitsAdded"], &report["requests"]), (&json!(0), &json!(4)));
    desk.assert_equal().await;
}

on_both! {
    what_bitbucket_shows_no_more_is_told_of_and_stays,
    every_repository_that_is_left_behind_or_refused_is_named,
    sync_stores_the_commits_and_counts_what_it_did,
    sync_says_by_its_exit_code_what_is_wrong,
    an_interrupted_sync_goes_on_where_it_stopped,
}

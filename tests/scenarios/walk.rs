//! After every run the stored commits are `git rev-list` of the default branch.

mod ahead;
mod begun;
mod broken;
mod census;
mod counted;
mod identity;
mod listing;
mod outage;
mod wrong;

use bitbucket_connector::sync::Summary;
use bitbucket_simulator::git::{GitRepository, NewCommit, Person};
use bitbucket_simulator::{Action, Command, Fault, Hold, Order, histories};

use crate::support::database::{Kind, on_both};
use crate::support::sync::{Bench, text};

async fn linear(on: Kind, commits: usize) -> (Bench, GitRepository) {
    let mut git = None;
    let bench = Bench::start(on, |builder, folder| {
        git = Some(histories::linear(folder.git("api"), commits).unwrap());
        builder.repository("PLAT/api", folder.git("api"))
    })
    .await;
    (bench, git.unwrap())
}

fn counts(summary: &Summary) -> (u64, u64, u64) {
    (summary.added, summary.removed, summary.commits)
}

async fn a_history_with_everything_odd_arrives_as_the_server_sent_it(on: Kind) {
    for order in [Order::Date, Order::Topological] {
        let mut git = None;
        let bench = Bench::start(on, |builder, folder| {
            git = Some(histories::odd(folder.git("odd"), 1000, 7).unwrap());
            builder.repository("PLAT/odd", folder.git("odd")).configure(|settings| settings.order = order)
        })
        .await;
        let git = git.unwrap();
        assert_eq!(counts(&bench.synced().await), (1000, 0, 1000));
        let pages: Vec<String> = (0..10).map(|page| format!("page@{}", page * 100)).collect();
        let mut expected =
            format!("list head who {} head", pages.join(" ")).split(' ').map(str::to_owned).collect::<Vec<_>>();
        expected.sort_unstable();
        assert_eq!(bench.sorted(), expected.join(" "), "some at a time, in any order");
        bench.assert_equal("PLAT/odd", &git, "main").await;

        // Git itself says what each commit is; Bitbucket shows bytes that are not UTF-8 as U+FFFD.
        let rows = bench
            .query(
                "SELECT sha, message, author_name, author_email, created, committed, parents
                 FROM bitbucket_server_repository_default_branch_commits",
            )
            .await;
        for row in rows.rows {
            let sha = text(&row[0]);
            let format = "--format=%an%x00%ae%x00%at%x00%ct%x00%P%x00%B";
            let shown =
                git.git(["-c", "i18n.logOutputEncoding=UTF-8", "show", "-s", "--no-show-signature", format, &sha]);
            let shown = String::from_utf8_lossy(&shown.unwrap()).into_owned();
            let fields: Vec<&str> = shown.splitn(6, '\0').collect();
            let seconds = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_second().to_string();
            assert_eq!(text(&row[2]).trim(), fields[0].trim(), "{sha}");
            assert_eq!(text(&row[3]), fields[1], "{sha}");
            assert_eq!(seconds(&text(&row[4])), fields[2], "{sha}");
            assert_eq!(seconds(&text(&row[5])), fields[3], "{sha}");
            let parents: Vec<String> = serde_json::from_str(&text(&row[6])).unwrap();
            assert_eq!(parents.join(" "), fields[4], "{sha}");
            assert_eq!(text(&row[1]).trim_end(), fields[5].trim_end(), "{sha}");
        }
    }
}

async fn an_unchanged_repository_costs_one_request_and_no_write(on: Kind) {
    let (bench, _git) = linear(on, 250).await;
    bench.synced().await;
    assert_eq!(bench.trace(), "list head who page@0 page@100 page@200 head");
    bench.database.watch_writes().await;
    assert_eq!(counts(&bench.synced().await), (0, 0, 250));
    assert_eq!(bench.trace(), "list head");
    assert_eq!(bench.database.written().await, ["UPDATE bitbucket_sync_runs"], "when it was last looked at");
}

async fn a_push_is_one_incremental_walk(on: Kind) {
    let (bench, git) = linear(on, 30).await;
    bench.synced().await;
    bench.requests();
    git.grow("main", 5).unwrap();
    assert_eq!(counts(&bench.synced().await), (5, 0, 35));
    assert_eq!(bench.trace(), "list head page@0");
    bench.assert_equal("PLAT/api", &git, "main").await;
}

async fn rewritten_history_leaves_no_ghosts(on: Kind) {
    let (bench, git) = linear(on, 30).await;
    bench.synced().await;
    let ids = git.rev_list(&["main"]).unwrap();
    bench.requests();

    // The head moves back, to the side, and to a history that shares nothing.
    git.set_branch("main", &ids[10]).unwrap();
    assert_eq!(counts(&bench.synced().await), (0, 10, 20));
    assert_eq!(bench.trace(), "list head page@0 who");
    bench.assert_equal("PLAT/api", &git, "main").await;

    let side = git.commit(NewCommit::at("side", 77).parent(&ids[20])).unwrap();
    git.set_branch("main", &side).unwrap();
    assert_eq!(counts(&bench.synced().await), (1, 10, 11));
    assert_eq!(bench.trace(), "list head page@0 who");
    bench.assert_equal("PLAT/api", &git, "main").await;

    let root = git.commit(NewCommit::new("unrelated", Person::new("a", "a@example.com", 5))).unwrap();
    git.set_branch("main", &root).unwrap();
    assert_eq!(counts(&bench.synced().await), (1, 11, 1));
    assert_eq!(bench.trace(), "list head page@0 who");
    bench.assert_equal("PLAT/api", &git, "main").await;
}

async fn a_base_that_the_server_has_forgotten_is_walked_around(on: Kind) {
    let (bench, git) = linear(on, 130).await;
    bench.synced().await;
    let ids = git.rev_list(&["main"]).unwrap();
    let side = git.commit(NewCommit::at("side", 77).parent(&ids[3])).unwrap();
    git.set_branch("main", &side).unwrap();
    git.prune().unwrap();
    bench.requests();
    assert_eq!(counts(&bench.synced().await), (1, 3, 128));
    bench.assert_equal("PLAT/api", &git, "main").await;
    assert_eq!(bench.trace(), "list head page@0 head who page@0", "one is refused, one meets the stored commits");
}

async fn a_bad_request_is_a_missing_commit_only_where_commits_are_asked_for(on: Kind) {
    let (bench, git) = linear(on, 3).await;
    bench.synced().await;
    git.grow("main", 2).unwrap();
    let body = r#"{"errors":[{"context":"since","message":"no","exceptionName":null}]}"#.to_owned();
    let bad = Action::Status { status: 400, headers: vec![], body };
    let id = bench.simulator.faults().push(Fault::on_path("/branches/default", bad.clone()));
    bench.requests();
    assert_eq!(bench.run().await.unwrap().failed[0].1, "Refused");
    assert_eq!(bench.trace(), "list head", "what is refused is refused again");
    bench.simulator.faults().remove(id);
    bench.simulator.faults().push(Fault::on_path("/commits", bad).times(1));
    assert_eq!(counts(&bench.synced().await), (2, 0, 5));
    assert_eq!(bench.trace(), "list head page@0 head who page@0");
    bench.assert_equal("PLAT/api", &git, "main").await;
}

async fn each_head_that_removes_commits_is_confirmed(on: Kind) {
    let (bench, git) = linear(on, 3).await;
    bench.synced().await;
    let root = git.commit(NewCommit::new("unrelated", Person::new("a", "a@example.com", 5))).unwrap();
    git.set_branch("main", &root).unwrap();
    git.grow("main", 150).unwrap();
    git.prune().unwrap();
    // The old base is refused, then come two pages. During the second the head moves back.
    let hold = Hold::new();
    bench.simulator.faults().push(Fault::on_path("/commits", Action::Hold(hold.clone())).after(2).times(1));
    let ids = git.rev_list(&["main"]).unwrap();
    let push = async {
        hold.wait_for(1).await;
        git.set_branch("main", &ids[10]).unwrap();
        hold.release();
    };
    bench.requests();
    let (summary, ()) = tokio::join!(bench.synced(), push);
    assert_eq!(counts(&summary), (151, 13, 141));
    bench.assert_equal("PLAT/api", &git, "main").await;
    assert_eq!(bench.trace(), "list head page@0 head who page@0 page@100 head page@0 who");
}

async fn empty_repositories_and_missing_branches_are_no_failures(on: Kind) {
    let (bench, git) = linear(on, 3).await;
    bench.simulator.apply(Command::AddRepository(empty("PLAT/empty"))).unwrap();
    let summary = bench.synced().await;
    assert_eq!((summary.synced, summary.empty), (1, 1));
    assert_eq!(bench.sorted(), "head head list page@0 who", "two at a time, in any order");
    // The branch goes: the rows stay.
    bench.simulator.set_default_branch("PLAT/api", "gone").unwrap();
    bench.requests();
    let summary = bench.synced().await;
    assert_eq!((summary.synced, summary.empty, summary.commits), (0, 2, 3));
    assert_eq!(bench.trace(), "list head head");
    bench.assert_equal("PLAT/api", &git, "main").await;
    let rows = bench.query("SELECT slug, state FROM bitbucket_server_repositories ORDER BY slug").await;
    assert_eq!(serde_json::json!(rows.rows), serde_json::json!([["api", "no_default_branch"], ["empty", "empty"]]));
}

fn empty(path: &str) -> bitbucket_simulator::NewRepository {
    bitbucket_simulator::NewRepository::empty(path)
}

async fn a_branch_that_is_renamed_is_one_small_write(on: Kind) {
    let (bench, git) = linear(on, 3).await;
    bench.synced().await;
    git.set_branch("trunk", &git.rev_list(&["main"]).unwrap()[0]).unwrap();
    bench.simulator.set_default_branch("PLAT/api", "trunk").unwrap();
    bench.requests();
    bench.database.watch_writes().await;
    assert_eq!(counts(&bench.synced().await), (0, 0, 3));
    assert_eq!(bench.trace(), "list head");
    assert_eq!(bench.database.written().await, ["UPDATE bitbucket_server_repositories", "UPDATE bitbucket_sync_runs"]);
    let rows = bench.query("SELECT default_branch FROM bitbucket_server_repositories").await;
    assert_eq!(text(&rows.rows[0][0]), "trunk");
}

async fn two_runs_at_once_store_no_mixture(on: Kind) {
    let (bench, git) = linear(on, 350).await;
    // While one waits for its second page, the other one takes over where the first page ends.
    let hold = Hold::new();
    bench.simulator.faults().push(Fault::on_path("/commits", Action::Hold(hold.clone())).after(1).times(1));
    let overtaking = async {
        hold.wait_for(1).await;
        let other = bench.synced().await;
        hold.release();
        other
    };
    let (one, other) = tokio::join!(bench.run(), overtaking);
    let failed = one.unwrap().failed;
    assert_eq!((failed[0].1, failed.len(), other.added), ("Superseded", 1, 250));
    let (first, second) = ("list head who page@0 page@100", "list page@100 page@200 page@300 head");
    let trace = bench.trace();
    // Pages behind the one whose place is taken may be on their way.
    assert!(trace.starts_with(&format!("{first} {second}")), "{trace}");
    bench.synced().await;
    assert_eq!(bench.trace(), "list head");
    bench.assert_equal("PLAT/api", &git, "main").await;
}

async fn a_mail_that_is_too_long_for_an_index_stops_no_other_repository(on: Kind) {
    let mut git = None;
    let bench = Bench::start(on, |builder, folder| {
        git = Some(histories::linear(folder.git("bad"), 300).unwrap());
        histories::linear(folder.git("good"), 3).unwrap();
        builder.repository("PLAT/bad", folder.git("bad")).repository("PLAT/good", folder.git("good"))
    })
    .await;
    let git = git.unwrap();
    let ids = git.rev_list(&["main"]).unwrap();
    // Nothing that repeats, which PostgreSQL would store shorter.
    let author = Person::new("Ada", format!("{}@example.com", ids.concat()), 1_704_067_200);
    let head = git.commit(NewCommit::new("odd", author).parent(&ids[0])).unwrap();
    git.set_branch("main", &head).unwrap();
    let summary = bench.prepare(1).await.run().await.unwrap();
    assert_eq!((summary.synced, summary.failed), (2, vec![]));
    bench.assert_equal("PLAT/bad", &git, "main").await;
}

on_both! {
    a_history_with_everything_odd_arrives_as_the_server_sent_it,
    an_unchanged_repository_costs_one_request_and_no_write,
    a_push_is_one_incremental_walk,
    rewritten_history_leaves_no_ghosts,
    a_base_that_the_server_has_forgotten_is_walked_around,
    a_bad_request_is_a_missing_commit_only_where_commits_are_asked_for,
    each_head_that_removes_commits_is_confirmed,
    empty_repositories_and_missing_branches_are_no_failures,
    a_branch_that_is_renamed_is_one_small_write,
    two_runs_at_once_store_no_mixture,
    a_mail_that_is_too_long_for_an_index_stops_no_other_repository,
}

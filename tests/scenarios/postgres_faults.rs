//! PostgreSQL's faults in the middle of a run: nothing is lost, who can help is told apart, and the next run completes.

mod midway;

use bitbucket_connector::destination::{Destination, Error};
use bitbucket_connector::sync::RunError;
use bitbucket_simulator::git::GitRepository;
use bitbucket_simulator::{Action, Fault, Hold, Matches, histories};
use serde_json::json;

use crate::support::database::Database;
use crate::support::postgres::{self, own_server, server};
use crate::support::sync::Bench;
use crate::support::until;

async fn bench(database: postgres::Database) -> (Bench, GitRepository) {
    let mut git = None;
    let bench = Bench::on(Database::Postgres(database), |builder, folder| {
        git = Some(histories::linear(folder.git("api"), 450).unwrap());
        builder.repository("PLAT/api", folder.git("api"))
    })
    .await;
    (bench, git.unwrap())
}

fn own(bench: &Bench) -> &postgres::Database {
    match &bench.database {
        Database::Postgres(database) => database,
        Database::Sqlite(_) => unreachable!("these tests are PostgreSQL's"),
    }
}

/// Waits until the third page is asked for, which may be before the second one is stored, and until it is.
async fn at_third(bench: &Bench, hold: &Hold) {
    hold.wait_for(1).await;
    until("the pages before it to be stored", async || bench.stored("PLAT/api").await.len() == 200).await;
}

/// Runs until the third page is asked for, breaks something, and gives what the run ends with.
async fn broken(bench: &Bench, breaks: impl AsyncFnOnce()) -> Error {
    let hold = Hold::new();
    let third = Matches::QueryContains("start=200".to_owned());
    bench.simulator.faults().push(Fault::new(Action::Hold(hold.clone())).matches(third).times(1));
    let meanwhile = async {
        at_third(bench, &hold).await;
        breaks().await;
        hold.release();
    };
    match tokio::join!(bench.result(), meanwhile).0 {
        Err(RunError::Destination(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// The next run goes on where the one that was broken has stopped.
async fn completes(bench: &Bench, git: &GitRepository) {
    assert_eq!(bench.stored("PLAT/api").await.len(), 200);
    bench.requests();
    assert_eq!(bench.synced().await.added, 250);
    assert_eq!(bench.sorted(), "head list page@200 page@300 page@400");
    bench.assert_equal("PLAT/api", git, "main").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_started_again_has_lost_nothing() {
    let (server, process) = own_server().await;
    let (bench, git) = bench(server.database().await).await;
    let error = broken(&bench, async || process.kill()).await;
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    let error = Destination::open(&bench.database()).await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable(text) if text.contains("refuses the connection")), "{error}");
    assert!(process.run(), "{}", process.log());
    completes(&bench, &git).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_does_not_hold_a_run_for_ever() {
    let (server, process) = own_server().await;
    let mut database = server.database().await;
    database.parameters = "?connect_timeout=1&options=-c%20statement_timeout%3D1s";
    let (bench, git) = bench(database).await;
    let mut backends = Vec::new();
    let error = broken(&bench, async || {
        let admin = own(&bench).admin().await;
        let sql = "SELECT pid::text FROM pg_stat_activity WHERE application_name = 'bitbucket-connector'";
        backends = admin.query(sql, &[]).await.unwrap().iter().map(|row| row.get::<_, String>(0)).collect();
        assert!(!backends.is_empty());
        for id in &backends {
            postgres::signal("-STOP", id);
        }
        process.signal("-STOP");
    })
    .await;
    assert!(matches!(&error, Error::Unavailable(text) if text.contains("does not answer")), "{error}");
    let error = Destination::open(&bench.database()).await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable(text) if text.contains("does not answer")), "{error}");
    process.signal("-CONT");
    for id in &backends {
        postgres::signal("-CONT", id);
    }
    completes(&bench, &git).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_an_admin_ends_between_two_pages_are_made_anew() {
    let (bench, git) = bench(server().await.database().await).await;
    let hold = Hold::new();
    let third = Matches::QueryContains("start=200".to_owned());
    bench.simulator.faults().push(Fault::new(Action::Hold(hold.clone())).matches(third).times(1));
    let meanwhile = async {
        at_third(&bench, &hold).await;
        let sql = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        assert!(own(&bench).admin().await.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 0);
        hold.release();
    };
    let (summary, ()) = tokio::join!(bench.synced(), meanwhile);
    assert_eq!(summary.added, 450);
    bench.assert_equal("PLAT/api", &git, "main").await;
}

/// Lets the next insertion of commits wait for a lock that this test holds.
const LOCK: &str = "BEGIN; LOCK TABLE bitbucket_server_repository_default_branch_commits IN SHARE MODE";

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_ended_is_no_lost_page() {
    for (ends, code) in [("pg_cancel_backend", "57014"), ("pg_terminate_backend", "57P01")] {
        let (bench, git) = bench(server().await.database().await).await;
        let admin = own(&bench).admin().await;
        let ended = async || {
            let sql = format!(
                "SELECT {ends}(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            );
            admin.query(&sql, &[]).await.unwrap().len() == 1
        };
        let hold = Hold::new();
        let third = Matches::QueryContains("start=200".to_owned());
        bench.simulator.faults().push(Fault::new(Action::Hold(hold.clone())).matches(third).times(1));
        let holder = own(&bench).admin().await;
        let meanwhile = async {
            at_third(&bench, &hold).await;
            holder.batch_execute(LOCK).await.unwrap();
            hold.release();
            until("the page to wait", ended).await;
        };
        match tokio::join!(bench.result(), meanwhile).0 {
            Err(RunError::Destination(Error::Unavailable(text))) => assert!(text.contains(code), "{text}"),
            other => panic!("{other:?}"),
        }
        holder.batch_execute("ROLLBACK").await.unwrap();
        completes(&bench, &git).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_admin_changes_during_a_run_is_told_apart() {
    for (breaks, invalid, code, mends) in [
        (
            "REVOKE INSERT ON bitbucket_server_repository_default_branch_commits FROM ROLE",
            true,
            "42501",
            "GRANT INSERT ON bitbucket_server_repository_default_branch_commits TO ROLE",
        ),
        (
            "ALTER TABLE bitbucket_server_repository_default_branch_commits ADD CONSTRAINT odd CHECK (id < 0) NOT VALID",
            false,
            "23514",
            "ALTER TABLE bitbucket_server_repository_default_branch_commits DROP CONSTRAINT odd",
        ),
    ] {
        let (bench, git) = bench(server().await.database().await).await;
        let role = own(&bench).role.clone();
        let error = broken(&bench, async || {
            own(&bench).admin().await.batch_execute(&breaks.replace("ROLE", &role)).await.unwrap();
        })
        .await;
        assert_eq!(matches!(error, Error::Invalid(_)), invalid, "{error}");
        assert!(error.to_string().contains(code), "{error}");
        own(&bench).admin().await.batch_execute(&mends.replace("ROLE", &role)).await.unwrap();
        completes(&bench, &git).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_changed_ends_new_connections_only() {
    let (bench, git) = bench(server().await.database().await).await;
    let role = own(&bench).role.clone();
    let admin = own(&bench).admin().await;
    admin.batch_execute(&format!("ALTER ROLE {role} PASSWORD 'other-hunter2'")).await.unwrap();
    let error = Destination::open(&bench.database()).await.unwrap_err();
    assert!(matches!(&error, Error::Invalid(text) if text.contains("refuses the login")));
    let password = postgres::PASSWORD.replace('\'', "''");
    admin.batch_execute(&format!("ALTER ROLE {role} PASSWORD '{password}'")).await.unwrap();
    bench.synced().await;
    bench.assert_equal("PLAT/api", &git, "main").await;
    let sql = "SELECT count(*) FROM bitbucket_server_repositories WHERE commits = 450";
    assert_eq!(json!(bench.query(sql).await.rows), json!([[1]]));
}

//! What happens to a server, or is done to it, while a run is under way.

use bitbucket_connector::destination::{Destination, Error};
use bitbucket_simulator::{Action, Fault, Hold, Matches};
use tokio_postgres::Client;

use super::{LOCK, at_third, bench, broken, completes, own};
use crate::support::postgres::{Setup, server, started};
use crate::support::until;

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_loses_no_page() {
    let (server, _) = started(Setup { small: Some("64m"), ..Setup::default() }).await;
    let database = server.database().await;
    let admin = server.admin("postgres").await;
    admin.batch_execute("CREATE TABLESPACE small LOCATION '/mnt'").await.unwrap();
    let name = &database.name;
    admin.batch_execute(&format!("ALTER DATABASE {name} SET TABLESPACE small")).await.unwrap();
    let (bench, git) = bench(database).await;
    let admin = own(&bench).admin().await;
    // The server's own user does it, who sees that disk.
    let program = async |command: &str| {
        let sql = format!("COPY (SELECT WHERE FALSE) TO PROGRAM '{command}'");
        admin.batch_execute(&sql).await.unwrap();
    };
    let error = broken(&bench, async || program("head -c 99999999 /dev/zero >/mnt/filler; true").await).await;
    assert!(matches!(&error, Error::Unavailable(text) if text.contains("53100, disk full")), "{error}");
    // As long as it is full, nothing changes.
    let error = bench.result().await.unwrap_err().to_string();
    assert!(error.contains("53100"), "{error}");
    program("rm /mnt/filler").await;
    completes(&bench, &git).await;
}

/// Whether so many transactions wait for a lock.
async fn waiting(admin: &Client, count: usize) -> bool {
    let sql = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    admin.query(sql, &[]).await.unwrap().len() == count
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_is_tried_again_and_nobody_notices() {
    let (bench, git) = bench(server().await.database().await).await;
    let [watcher, gate, other] = [own(&bench).admin().await, own(&bench).admin().await, own(&bench).admin().await];
    let hold = Hold::new();
    let third = Matches::QueryContains("start=200".to_owned());
    bench.simulator.faults().push(Fault::new(Action::Hold(hold.clone())).matches(third).times(1));
    let meanwhile = async {
        at_third(&bench, &hold).await;
        // The page stops between its first lock and its second.
        gate.batch_execute("BEGIN; LOCK TABLE bitbucket_server_users").await.unwrap();
        // The other one never looks for a deadlock, so that the page is who has to give way.
        other.batch_execute("SET deadlock_timeout = '1h'").await.unwrap();
        other.batch_execute(LOCK).await.unwrap();
        hold.release();
        until("the page to wait", async || waiting(&watcher, 1).await).await;
        let crossing = async {
            let rows = "SELECT id FROM bitbucket_server_repositories FOR UPDATE";
            assert_eq!(other.query(rows, &[]).await.unwrap().len(), 1);
            other.batch_execute("ROLLBACK").await.unwrap();
        };
        let opening = async {
            until("both to wait", async || waiting(&watcher, 2).await).await;
            gate.batch_execute("ROLLBACK").await.unwrap();
        };
        tokio::join!(crossing, opening);
    };
    let (summary, ()) = tokio::join!(bench.synced(), meanwhile);
    assert_eq!(summary.added, 450);
    bench.assert_equal("PLAT/api", &git, "main").await;
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database() AND deadlocks > 0";
    until("the deadlock to be counted", async || watcher.query(deadlocks, &[]).await.unwrap().len() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roles_own_limit_ends_a_statement_that_waits_too_long() {
    let (bench, git) = bench(server().await.database().await).await;
    let (admin, role) = (own(&bench).admin().await, own(&bench).role.clone());
    admin.batch_execute(&format!("ALTER ROLE {role} SET statement_timeout = '3s'")).await.unwrap();
    let holder = own(&bench).admin().await;
    let error = broken(&bench, async || holder.batch_execute(LOCK).await.unwrap()).await;
    assert!(matches!(&error, Error::Unavailable(text) if text.contains("57014")), "{error}");
    assert!(error.to_string().contains("raise the statement_timeout of role or server"), "{error}");
    holder.batch_execute("ROLLBACK").await.unwrap();
    completes(&bench, &git).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_becomes_read_only_is_waited_for() {
    let (bench, git) = bench(server().await.database().await).await;
    let (admin, name) = (own(&bench).admin().await, own(&bench).name.clone());
    let error = broken(&bench, async || {
        let turn = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
        admin.batch_execute(&turn).await.unwrap();
        let end = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        assert!(!admin.query(end, &[]).await.unwrap().is_empty());
    })
    .await;
    assert!(matches!(&error, Error::Unavailable(text) if text.contains("25006, read-only")), "{error}");
    let error = Destination::open(&bench.database()).await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable(text) if text.contains("25006, read-only")), "{error}");
    admin.batch_execute(&format!("ALTER DATABASE {name} RESET default_transaction_read_only")).await.unwrap();
    completes(&bench, &git).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_a_newer_version_changes_meanwhile_is_left_to_it() {
    let (bench, git) = bench(server().await.database().await).await;
    let admin = own(&bench).admin().await;
    let error = broken(&bench, async || {
        let newer = "BEGIN;
            ALTER TABLE bitbucket_server_repository_default_branch_commits RENAME message TO subject;
            INSERT INTO bitbucket_schema_versions (version) VALUES (99);
            COMMIT";
        admin.batch_execute(newer).await.unwrap();
    })
    .await;
    assert!(matches!(&error, Error::Invalid(text) if text.contains("42703, the tables are not as")), "{error}");
    let error = Destination::open(&bench.database()).await.unwrap_err();
    assert!(matches!(&error, Error::Invalid(text) if text.contains("version 99")), "{error}");
    let older = "BEGIN;
        ALTER TABLE bitbucket_server_repository_default_branch_commits RENAME subject TO message;
        DELETE FROM bitbucket_schema_versions WHERE version = 99;
        COMMIT";
    admin.batch_execute(older).await.unwrap();
    completes(&bench, &git).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_only_grows_meanwhile_disturbs_no_run() {
    let (bench, git) = bench(server().await.database().await).await;
    let admin = own(&bench).admin().await;
    let hold = Hold::new();
    let third = Matches::QueryContains("start=200".to_owned());
    bench.simulator.faults().push(Fault::new(Action::Hold(hold.clone())).matches(third).times(1));
    let meanwhile = async {
        at_third(&bench, &hold).await;
        let newer = "BEGIN;
            ALTER TABLE bitbucket_server_repositories ADD COLUMN stars bigint NOT NULL DEFAULT 0;
            ALTER TABLE bitbucket_server_users ADD COLUMN team text;
            ALTER TABLE bitbucket_server_repository_default_branch_commits ADD COLUMN verified boolean;
            INSERT INTO bitbucket_schema_versions (version) VALUES (99);
            COMMIT";
        admin.batch_execute(newer).await.unwrap();
        hold.release();
    };
    let (result, ()) = tokio::join!(bench.result(), meanwhile);
    assert_eq!(result.unwrap().added, 450);
    bench.assert_equal("PLAT/api", &git, "main").await;
    let error = Destination::open(&bench.database()).await.unwrap_err();
    assert!(matches!(&error, Error::Invalid(text) if text.contains("version 99")), "{error}");
}

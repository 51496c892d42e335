//! Numbered changes of the schema. They are never edited, only added to.

use tokio_postgres::error::SqlState;

use super::address::SchemaName;
use super::fault;
use super::rows::value;
use super::session::{Session, Tx};
use crate::destination::Error;

const MIGRATIONS: [&str; 2] =
    [include_str!("../schema/postgres/0001_tables.sql"), include_str!("../schema/postgres/0002_hints.sql")];

const VERSIONS: &str = "
    CREATE TABLE bitbucket_schema_versions (
        version integer PRIMARY KEY,
        migrated_at timestamptz NOT NULL DEFAULT now()
    );
    COMMENT ON TABLE bitbucket_schema_versions IS 'The changes of these tables that this database has seen'";

/// Keeps the programs apart that change the schema of one database at the same time. Any number would do.
const LOCK: i32 = 0x6262_6373;

/// Runs what this schema has not seen yet, all in one transaction, and looks whether it can be written.
pub(super) async fn migrate(session: &mut Session, schema: &SchemaName) -> Result<(), Error> {
    to(session, schema, &MIGRATIONS).await
}

async fn to(session: &mut Session, schema: &SchemaName, migrations: &[&str]) -> Result<(), Error> {
    let tx = session.begin().await?;
    // Where there is nothing to do, nobody waits for anybody.
    if version(&tx, schema, migrations.len()).await? != Some(migrations.len()) {
        run(&tx, schema, migrations).await?;
    }
    may_write(&tx, schema).await?;
    tx.commit().await
}

async fn run(tx: &Tx<'_>, schema: &SchemaName, migrations: &[&str]) -> Result<(), Error> {
    tx.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", &[&LOCK, &schema.as_str()]).await?;
    // Another program may have done it while this one waited.
    let version = if let Some(version) = version(tx, schema, migrations.len()).await? {
        version
    } else {
        // CREATE SCHEMA IF NOT EXISTS would ask for the privilege to create one even where it is there.
        let there = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";
        if !value::<bool>(&tx.one(there, &[&schema.as_str()]).await?, 0)? {
            tx.batch(&format!("CREATE SCHEMA {}", schema.quoted())).await?;
        }
        tx.batch(VERSIONS).await?;
        0
    };
    for (number, sql) in (1_i32..).zip(migrations).skip(version) {
        tx.batch(sql).await?;
        tx.execute("INSERT INTO bitbucket_schema_versions (version) VALUES ($1)", &[&number]).await?;
    }
    Ok(())
}

/// The newest change that the schema has seen; None, where it has none of ours.
async fn version(tx: &Tx<'_>, schema: &SchemaName, newest: usize) -> Result<Option<usize>, Error> {
    let there = "SELECT EXISTS (
        SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relname = 'bitbucket_schema_versions')";
    if !value::<bool>(&tx.one(there, &[&schema.as_str()]).await?, 0)? {
        return Ok(None);
    }
    let row = tx.one("SELECT coalesce(max(version), 0) FROM bitbucket_schema_versions", &[]).await?;
    let version = usize::try_from(value::<i32>(&row, 0)?).unwrap_or(0);
    if version > newest {
        return Err(Error::Invalid(format!(
            "the schema has version {version}, and this program knows {newest} only: use a newer version of it"
        )));
    }
    Ok(Some(version))
}

/// Finds out before the first run what would end it.
async fn may_write(tx: &Tx<'_>, schema: &SchemaName) -> Result<(), Error> {
    let row = tx
        .one(
            "SELECT current_setting('transaction_read_only') = 'on', coalesce(bool_and(
                 has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
                 AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')), FALSE)
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname LIKE 'bitbucket%'",
            &[&schema.as_str()],
        )
        .await?;
    if value(&row, 0)? {
        return Err(fault::of_code(&SqlState::READ_ONLY_SQL_TRANSACTION));
    }
    if value(&row, 1)? { Ok(()) } else { Err(fault::of_code(&SqlState::INSUFFICIENT_PRIVILEGE)) }
}

//! Rows into PostgreSQL by the best way known: several connections, and for each page one statement with arrays, which is a
//! transaction too.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::{StreamExt, TryStreamExt, stream};
use tokio_postgres::{Client, NoTls};

use super::{PAGE, Rows, page};
use crate::Result;

const TABLE: &str = r#"
    CREATE TABLE commits (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sha text COLLATE "C" NOT NULL, author_id bigint,
        repository_id bigint NOT NULL, created timestamptz, message text NOT NULL, parents jsonb NOT NULL,
        committed timestamptz, author_name text, author_email text, UNIQUE (repository_id, sha))"#;
/// What the connector's table has beside: another index, and people and repositories that a commit must belong to.
const WHOLE: &str = "
    CREATE INDEX ON commits (author_id);
    CREATE TABLE users (id bigint PRIMARY KEY);
    CREATE TABLE repositories (id bigint PRIMARY KEY);
    ALTER TABLE commits ADD FOREIGN KEY (author_id) REFERENCES users, ADD FOREIGN KEY (repository_id) REFERENCES repositories";
const USERS: &str = "INSERT INTO users SELECT generate_series(0, $1::bigint - 1)";
const REPOSITORIES: &str = "INSERT INTO repositories SELECT generate_series(0, $1::bigint - 1)";
const INSERT: &str = "
    INSERT INTO commits
      (repository_id, sha, author_id, created, committed, message, parents, author_name, author_email)
    SELECT $1, sha, author_id, created, created, message, parents::jsonb, author_name, author_email
    FROM unnest($2::text[], $3::bigint[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[])
         AS page (sha, author_id, created, message, parents, author_name, author_email)
    ON CONFLICT (repository_id, sha) DO NOTHING";

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    client.batch_execute("SET search_path = bitbucket").await?;
    Ok(client)
}

pub async fn insert(url: &str, rows: &Rows, connections: u64) -> Result<()> {
    let first = connect(url).await?;
    first.batch_execute(TABLE).await?;
    if !rows.bare {
        first.batch_execute(WHOLE).await?;
        first.execute(USERS, &[&rows.people().cast_signed()]).await?;
        first.execute(REPOSITORIES, &[&rows.repositories.cast_signed()]).await?;
    }
    // Each connection has its share of the pages, of one repository as well as of many.
    let shares = stream::iter(0..connections).map(|share| share_of(url, rows, share, connections));
    let shares = shares.buffer_unordered(usize::try_from(connections)?);
    let stored: u64 = shares.try_fold(0, async |all, one| Ok(all + one)).await?;
    if stored == rows.repositories * rows.commits { Ok(()) } else { Err(format!("{stored} rows").into()) }
}

async fn share_of(url: &str, rows: &Rows, share: u64, connections: u64) -> Result<u64> {
    let client = connect(url).await?;
    let statement = client.prepare(INSERT).await?;
    let starts = || (0..rows.commits).step_by(usize::try_from(PAGE).unwrap_or(1));
    let all = (0..rows.repositories).flat_map(|repository| starts().map(move |start| (repository, start)));
    let mut stored = 0;
    for (repository, start) in all.skip(usize::try_from(share)?).step_by(usize::try_from(connections)?) {
        let (mut shas, mut authors, mut dates) = (Vec::new(), Vec::new(), Vec::<SystemTime>::new());
        let (mut messages, mut parents, mut names, mut emails) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for row in page(rows, repository, start) {
            shas.push(row.sha);
            authors.push(row.author.cast_signed());
            dates.push(UNIX_EPOCH + Duration::from_secs(row.seconds.unsigned_abs()));
            messages.push(row.message);
            parents.push(row.parents);
            names.push(row.name);
            emails.push(row.email);
        }
        let repository = repository.cast_signed();
        stored += client
            .execute(&statement, &[&repository, &shas, &authors, &dates, &messages, &parents, &names, &emails])
            .await?;
    }
    Ok(stored)
}

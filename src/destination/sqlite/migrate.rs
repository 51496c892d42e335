//! Numbered changes of the schema. They are never edited, only added to.

use rusqlite::{Connection, TransactionBehavior};

use crate::destination::Error;

const NEWEST: u32 = 2;
const MIGRATIONS: [&str; NEWEST as usize] =
    [include_str!("../schema/sqlite/0001_tables.sql"), include_str!("../schema/sqlite/0002_many_repositories.sql")];

/// Runs what this database has not seen yet, each change in a transaction of its own.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), Error> {
    for (number, sql) in (1_u32..).zip(MIGRATIONS) {
        // Immediate takes the write lock, so that a second process waits and then finds the work done.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version > NEWEST {
            return Err(Error::Invalid(format!(
                "the database has schema version {version}, and this program knows {NEWEST} only: use a newer version of it"
            )));
        }
        if version < number {
            transaction.execute_batch(sql)?;
            transaction.pragma_update(None, "user_version", number)?;
        }
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_once_and_refuses_what_is_newer() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(migrate(&mut connection), Err(Error::Invalid(_))));
    }

    #[test]
    fn every_earlier_version_becomes_the_newest_and_keeps_its_rows() {
        let list = |connection: &Connection, sql: &str| -> Vec<String> {
            let mut statement = connection.prepare(sql).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
        };
        let catalog = "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master ORDER BY 1";
        let mut newest = Connection::open_in_memory().unwrap();
        migrate(&mut newest).unwrap();
        for earlier in 0..=NEWEST {
            let mut connection = Connection::open_in_memory().unwrap();
            for sql in &MIGRATIONS[..earlier as usize] {
                connection.execute_batch(sql).unwrap();
            }
            connection.pragma_update(None, "user_version", earlier).unwrap();
            if earlier > 0 {
                // What the first version could hold, all of which every later one must keep.
                connection.execute_batch(ROWS).unwrap();
            }
            if earlier > 1 {
                connection.execute_batch(COUNTS).unwrap();
            }
            migrate(&mut connection).unwrap();
            assert_eq!(list(&connection, catalog), list(&newest, catalog), "from version {earlier}");
            let kept = "SELECT c.sha || ' ' || u.name || ' ' || r.slug
                        FROM bitbucket_server_repository_default_branch_commits c
                        JOIN bitbucket_server_users u ON u.id = c.author_id
                        JOIN bitbucket_server_repositories r ON r.id = c.repository_id ORDER BY c.id";
            let counts = "SELECT slug || ' ' || commits FROM bitbucket_server_repositories ORDER BY id";
            let (rows, numbers): (&[&str], &[&str]) = match earlier {
                0 => (&[], &[]),
                _ => (&["1111 Jane api", "2222 Jane web", "3333 Jane web"], &["api 1", "web 2", "empty 0"]),
            };
            assert_eq!(list(&connection, kept), rows, "from version {earlier}");
            assert_eq!(list(&connection, counts), numbers, "from version {earlier}");
        }
    }

    const ROWS: &str = "
        INSERT INTO bitbucket_connections VALUES (1, 'c', 'n', 'a', '1', 'https://h');
        INSERT INTO bitbucket_server_instances VALUES (1, 'https://h');
        INSERT INTO bitbucket_server_projects (source_id, source_url, key, name, public, connection_id, instance_id)
            VALUES (1, 'https://h/projects/P', 'P', 'P', FALSE, 1, 1);
        INSERT INTO bitbucket_server_repositories
            (source_id, project_id, source_url, name, slug, public, connection_id, instance_id)
            VALUES (1, 1, 'https://h/1', 'api', 'api', FALSE, 1, 1), (2, 1, 'https://h/2', 'web', 'web', FALSE, 1, 1),
                   (3, 1, 'https://h/3', 'empty', 'empty', FALSE, 1, 1);
        INSERT INTO bitbucket_server_users (connection_id, instance_id, key, name) VALUES (1, 1, 'name:Jane', 'Jane');
        INSERT INTO bitbucket_server_repository_default_branch_commits (sha, author_id, repository_id, message, parents)
            VALUES ('1111', 1, 1, 'first', '[]'), ('2222', 1, 2, 'first', '[]'), ('3333', 1, 2, 'second', '[\"2222\"]');
    ";

    /// What whoever has stored these rows has written beside them since the second version.
    const COUNTS: &str =
        "UPDATE bitbucket_server_repositories SET commits = CASE id WHEN 1 THEN 1 WHEN 2 THEN 2 ELSE 0 END";
}

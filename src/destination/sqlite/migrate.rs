//! Numbered changes of the schema. They are never edited, only added to.

use rusqlite::{Connection, TransactionBehavior};

use crate::destination::Error;

const NEWEST: u32 = 1;
const MIGRATIONS: [&str; NEWEST as usize] = [include_str!("../schema/sqlite/0001_tables.sql")];

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
}

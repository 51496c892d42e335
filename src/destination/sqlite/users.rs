//! Authors: one row a person.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, Transaction, params};

use crate::destination::people::People;
use crate::destination::{Author, Scope};

/// The row of each person of the page, by key; written only where something changed.
pub(super) fn upsert(
    tx: &Transaction<'_>,
    scope: Scope,
    people: &People<'_>,
) -> rusqlite::Result<HashMap<String, i64>> {
    people.rows().iter().map(|(key, author)| Ok((key.clone(), row(tx, scope, author, key)?))).collect()
}

fn row(tx: &Transaction<'_>, scope: Scope, author: &Author, key: &str) -> rusqlite::Result<i64> {
    let find = |key: &str| {
        tx.prepare_cached(
            "SELECT id FROM bitbucket_server_users WHERE connection_id = ?1 AND instance_id = ?2 AND key = ?3",
        )?
        .query_row(params![scope.connection, scope.instance, key], |row| row.get::<_, i64>(0))
        .optional()
    };
    let mail = author.taken_over().map(|mail| find(&mail)).transpose()?.flatten();
    let known = match (find(key)?, mail) {
        (Some(id), Some(mail)) => {
            tx.execute(
                "UPDATE bitbucket_server_repository_default_branch_commits SET author_id = ?2 WHERE author_id = ?1",
                params![mail, id],
            )?;
            tx.execute("DELETE FROM bitbucket_server_users WHERE id = ?1", params![mail])?;
            Some(id)
        }
        (None, Some(mail)) => {
            tx.execute("UPDATE bitbucket_server_users SET key = ?2 WHERE id = ?1", params![mail, key])?;
            Some(mail)
        }
        (known, None) => known,
    };
    let Some(id) = known else {
        return tx
            .prepare_cached(
                "INSERT INTO bitbucket_server_users
                   (connection_id, instance_id, key, source_id, source_url, name, email, active, bot, type)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) RETURNING id",
            )?
            .query_row(
                params![
                    scope.connection,
                    scope.instance,
                    key,
                    author.account,
                    author.source_url,
                    author.name,
                    author.email,
                    author.active,
                    author.bot,
                    author.kind()
                ],
                |row| row.get(0),
            );
    };
    if author.account.is_some() {
        // Only accounts change: two spellings of one mail's name would rewrite the row for ever.
        tx.prepare_cached(
            "UPDATE bitbucket_server_users
             SET source_id = ?2, source_url = ?3, name = ?4, email = ?5, active = ?6, bot = ?7, type = ?8
             WHERE id = ?1 AND (source_id, source_url, name, email, active, bot, type)
                       IS NOT (?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            id,
            author.account,
            author.source_url,
            author.name,
            author.email,
            author.active,
            author.bot,
            author.kind()
        ])?;
    }
    Ok(id)
}

//! Authors: one row a person, looked for first, so that a page of known people writes and locks nothing.

use std::collections::{BTreeSet, HashMap};

use super::fault;
use super::rows::value;
use super::session::Tx;
use crate::destination::people::People;
use crate::destination::{Author, Error, Scope};

/// Looked for, inserted, taken over, looked for again; and once more where another transaction was faster.
const ROUNDS: usize = 5;

/// A row as it is stored.
struct Known {
    id: i64,
    account: Option<i64>,
    source_url: Option<String>,
    name: Option<String>,
    email: Option<String>,
    active: Option<bool>,
    bot: bool,
    kind: String,
}

/// What is to be written, in an order that all transactions keep to, so that they do not wait for each other in a
/// circle.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes<'a> {
    /// Rows of mails whose account has a row already: the row's id, and the account's.
    merge: Vec<(i64, i64)>,
    /// Rows that change: the row's id, and the key and person that it becomes.
    update: Vec<(i64, &'a str, &'a Author)>,
    insert: Vec<(&'a str, &'a Author)>,
}

/// The row of each person of the page, by key.
pub(super) async fn upsert(tx: &Tx<'_>, scope: Scope, people: &People<'_>) -> Result<HashMap<String, i64>, Error> {
    let keys: BTreeSet<String> =
        people.rows().iter().flat_map(|(key, author)| [Some(key.clone()), author.taken_over()]).flatten().collect();
    let keys: Vec<String> = keys.into_iter().collect();
    for _ in 0..ROUNDS {
        let known = find(tx, scope, &keys).await?;
        let changes = changes(people, &known);
        if changes == Changes::default() {
            return Ok(known.into_iter().map(|(key, row)| (key, row.id)).collect());
        }
        merge(tx, &changes.merge).await?;
        update(tx, &changes.update).await?;
        insert(tx, scope, &changes.insert).await?;
    }
    Err(fault::changed())
}

/// What is to be done before each person has a row that says what the person is.
fn changes<'a>(people: &'a People<'_>, known: &HashMap<String, Known>) -> Changes<'a> {
    let mut changes = Changes::default();
    let mut taken = BTreeSet::new();
    for (key, author) in people.rows() {
        let mail = author.taken_over().and_then(|mail| known.get(&mail)).filter(|row| taken.insert(row.id));
        match (known.get(key), mail) {
            (Some(row), mail) => {
                changes.merge.extend(mail.map(|mail| (mail.id, row.id)));
                // Only accounts change: two spellings of one mail's name would rewrite the row for ever.
                if author.account.is_some() && !row.is(author) {
                    changes.update.push((row.id, key, author));
                }
            }
            (None, Some(row)) => changes.update.push((row.id, key, author)),
            (None, None) => changes.insert.push((key, author)),
        }
    }
    changes
}

impl Known {
    fn is(&self, author: &Author) -> bool {
        self.account == author.account
            && self.source_url == author.source_url
            && self.name == author.name
            && self.email == author.email
            && self.active == author.active
            && self.bot == author.bot
            && self.kind == author.kind()
    }
}

async fn find(tx: &Tx<'_>, scope: Scope, keys: &[String]) -> Result<HashMap<String, Known>, Error> {
    let sql = "
        SELECT key, id, source_id, source_url, name, email, active, bot, type FROM bitbucket_server_users
        WHERE connection_id = $1 AND instance_id = $2 AND key = ANY ($3)";
    let rows = tx.rows(sql, &[&scope.connection, &scope.instance, &keys]).await?;
    rows.iter()
        .map(|row| {
            let known = Known {
                id: value(row, 1)?,
                account: value(row, 2)?,
                source_url: value(row, 3)?,
                name: value(row, 4)?,
                email: value(row, 5)?,
                active: value(row, 6)?,
                bot: value(row, 7)?,
                kind: value(row, 8)?,
            };
            Ok((value(row, 0)?, known))
        })
        .collect()
}

/// Gives an account the commits of its mail's row, which goes.
async fn merge(tx: &Tx<'_>, rows: &[(i64, i64)]) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let (mails, accounts): (Vec<i64>, Vec<i64>) = rows.iter().copied().unzip();
    // Whoever stores a commit of the row holds a lock on it until the commit can be seen. A row that another account has
    // taken over meanwhile is left to it.
    let lock = "
        SELECT id FROM bitbucket_server_users WHERE id = ANY ($1) AND key LIKE 'mail:%' ORDER BY id FOR UPDATE";
    let locked = tx.rows(lock, &[&mails]).await?.iter().map(|row| value(row, 0)).collect::<Result<Vec<i64>, _>>()?;
    let give = "
        UPDATE bitbucket_server_repository_default_branch_commits c SET author_id = m.account
        FROM unnest($1::bigint[], $2::bigint[]) AS m (mail, account)
        WHERE c.author_id = m.mail AND m.mail = ANY ($3)";
    tx.execute(give, &[&mails, &accounts, &locked]).await?;
    tx.execute("DELETE FROM bitbucket_server_users WHERE id = ANY ($1)", &[&locked]).await?;
    Ok(())
}

async fn update(tx: &Tx<'_>, changes: &[(i64, &str, &Author)]) -> Result<(), Error> {
    if changes.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = changes.iter().map(|(id, _, _)| *id).collect();
    let keys: Vec<_> = changes.iter().map(|(_, key, _)| *key).collect();
    let columns = Columns::new(changes.iter().map(|(_, _, author)| *author));
    // A row that another account has taken over meanwhile is left to it.
    let sql = "
        WITH locked AS (
            SELECT id, key FROM bitbucket_server_users WHERE id = ANY ($1) ORDER BY id FOR UPDATE)
        UPDATE bitbucket_server_users u
        SET key = c.key, source_id = c.source_id, source_url = c.source_url, name = c.name, email = c.email,
            active = c.active, bot = c.bot, type = c.type
        FROM locked l
        JOIN unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::boolean[],
                    $8::boolean[], $9::text[])
             AS c (id, key, source_id, source_url, name, email, active, bot, type) ON c.id = l.id
        WHERE u.id = l.id AND (l.key = c.key OR l.key LIKE 'mail:%')";
    tx.execute(
        sql,
        &[
            &ids,
            &keys,
            &columns.accounts,
            &columns.urls,
            &columns.names,
            &columns.emails,
            &columns.active,
            &columns.bots,
            &columns.kinds,
        ],
    )
    .await?;
    Ok(())
}

async fn insert(tx: &Tx<'_>, scope: Scope, people: &[(&str, &Author)]) -> Result<(), Error> {
    if people.is_empty() {
        return Ok(());
    }
    let keys: Vec<_> = people.iter().map(|(key, _)| *key).collect();
    let columns = Columns::new(people.iter().map(|(_, author)| *author));
    let sql = "
        INSERT INTO bitbucket_server_users
            (connection_id, instance_id, key, source_id, source_url, name, email, active, bot, type)
        SELECT $1, $2, c.key, c.source_id, c.source_url, c.name, c.email, c.active, c.bot, c.type
        FROM unnest($3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::boolean[], $9::boolean[],
                    $10::text[])
             WITH ORDINALITY AS c (key, source_id, source_url, name, email, active, bot, type, number)
        ORDER BY c.number
        ON CONFLICT DO NOTHING";
    tx.execute(
        sql,
        &[
            &scope.connection,
            &scope.instance,
            &keys,
            &columns.accounts,
            &columns.urls,
            &columns.names,
            &columns.emails,
            &columns.active,
            &columns.bots,
            &columns.kinds,
        ],
    )
    .await?;
    Ok(())
}

/// People, column by column.
#[derive(Default)]
struct Columns<'a> {
    accounts: Vec<Option<i64>>,
    urls: Vec<Option<&'a str>>,
    names: Vec<Option<&'a str>>,
    emails: Vec<Option<&'a str>>,
    active: Vec<Option<bool>>,
    bots: Vec<bool>,
    kinds: Vec<&'static str>,
}

impl<'a> Columns<'a> {
    fn new(people: impl Iterator<Item = &'a Author>) -> Self {
        let mut columns = Self::default();
        for author in people {
            columns.accounts.push(author.account);
            columns.urls.push(author.source_url.as_deref());
            columns.names.push(author.name.as_deref());
            columns.emails.push(author.email.as_deref());
            columns.active.push(author.active);
            columns.bots.push(author.bot);
            columns.kinds.push(author.kind());
        }
        columns
    }
}

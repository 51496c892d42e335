//! Authors: one row a person, looked for first, so that a page of known people writes and locks nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::fault;
use super::rows::value;
use super::session::Tx;
use crate::destination::{Author, Commit, Error, Scope};

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
    /// Rows that change: the row's id, and the key and person that it becomes.
    update: Vec<(i64, &'a str, &'a Author)>,
    insert: Vec<(&'a str, &'a Author)>,
}

/// The row of each author of the page, by key.
pub(super) async fn upsert(tx: &Tx<'_>, scope: Scope, commits: &[Commit]) -> Result<HashMap<String, i64>, Error> {
    let people = people(commits);
    let keys: BTreeSet<String> = people
        .iter()
        .flat_map(|(key, author)| [Some(key.clone()), author.account.and(author.mail_key())])
        .flatten()
        .collect();
    let keys: Vec<String> = keys.into_iter().collect();
    let mut ids = HashMap::new();
    for _ in 0..ROUNDS {
        let known = find(tx, scope, &keys).await?;
        // A row that an account takes over below is still the row of who had it.
        ids.extend(known.iter().map(|(key, row)| (key.clone(), row.id)));
        let changes = changes(&people, &known);
        if changes == Changes::default() {
            break;
        }
        update(tx, &changes.update).await?;
        insert(tx, scope, &changes.insert).await?;
    }
    if people.keys().all(|key| ids.contains_key(key)) { Ok(ids) } else { Err(fault::changed()) }
}

/// The people of the page. An account is what it was called last, the others what they were called first.
fn people(commits: &[Commit]) -> BTreeMap<String, &Author> {
    let mut people = BTreeMap::new();
    for author in commits.iter().filter_map(|commit| commit.author.as_ref()) {
        match author.key() {
            Some(key) if author.account.is_some() => drop(people.insert(key, author)),
            Some(key) => drop(people.entry(key).or_insert(author)),
            None => {}
        }
    }
    people
}

/// What is to be done before each person has a row that says what the person is.
fn changes<'a>(people: &'a BTreeMap<String, &'a Author>, known: &HashMap<String, Known>) -> Changes<'a> {
    let mut changes = Changes::default();
    let mut taken = BTreeSet::new();
    for (key, author) in people {
        let mail = author.account.and(author.mail_key());
        match (known.get(key), mail.as_ref().and_then(|mail| known.get(mail))) {
            // Only accounts change: two spellings of one mail's name would rewrite the row for ever.
            (Some(row), _) => {
                if author.account.is_some() && !row.is(author) {
                    changes.update.push((row.id, key, author));
                }
            }
            // The account takes over the row that its commits had before Bitbucket knew the mail.
            (None, Some(row)) if taken.insert(row.id) => changes.update.push((row.id, key, author)),
            // Of two accounts with one mail the second finds it taken, next time.
            (None, Some(_)) => {}
            // Whose mail is about to get a row takes that over.
            (None, None) if mail.is_some_and(|mail| people.contains_key(&mail)) => {}
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

//! Who is one person. The key is the account's id if there is one, else the lower-case mail, else the name; an account
//! takes over the row of its mail.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{Author, Commit};

/// Of a key that is written out. PostgreSQL refuses a row of more than 2704 bytes in an index. Bytes.
const LONGEST: usize = 1000;

/// A mail or a name as a key: its digest, where it is too long to be one.
fn spelled(kind: &str, text: &str) -> String {
    if text.len() <= LONGEST {
        return format!("{kind}:{text}");
    }
    Sha256::digest(text).iter().fold(format!("{kind}:sha256:"), |key, byte| format!("{key}{byte:02x}"))
}

impl Author {
    /// The key of the person's row; None for somebody without id, mail and name.
    fn key(&self) -> Option<String> {
        if let Some(account) = self.account {
            return Some(format!("id:{account}"));
        }
        self.mail_key().or_else(|| {
            let name = self.name.as_deref().filter(|name| !name.is_empty())?;
            Some(spelled("name", name))
        })
    }

    fn mail_key(&self) -> Option<String> {
        let email = self.email.as_deref().filter(|email| !email.is_empty())?;
        Some(spelled("mail", &email.to_lowercase()))
    }

    /// The key of the row that an account takes over: that of its commits from before Bitbucket knew the mail.
    pub(super) fn taken_over(&self) -> Option<String> {
        self.account.and(self.mail_key())
    }

    /// DX's word for what it is.
    pub(super) const fn kind(&self) -> &'static str {
        if self.bot { "bot" } else { "human" }
    }
}

/// The people who wrote the commits of a page.
#[derive(Debug, Default)]
pub(super) struct People<'a> {
    rows: BTreeMap<String, &'a Author>,
    /// The key of the account that has a mail, by the mail's key.
    accounts: BTreeMap<String, String>,
}

impl<'a> People<'a> {
    /// An account is what it was called last, the others what they were called first.
    pub fn of(commits: &'a [Commit]) -> Self {
        let mut people = Self::default();
        for author in commits.iter().filter_map(|commit| commit.author.as_ref()) {
            match author.key() {
                Some(key) if author.account.is_some() => {
                    if let Some(mail) = author.mail_key() {
                        people.accounts.entry(mail).or_insert_with(|| key.clone());
                    }
                    people.rows.insert(key, author);
                }
                Some(key) => drop(people.rows.entry(key).or_insert(author)),
                None => {}
            }
        }
        // Otherwise the account would take over the row as soon as it were made.
        let accounts = &people.accounts;
        people.rows.retain(|key, _| !accounts.contains_key(key));
        people
    }

    /// Each person, by key: accounts first.
    pub fn rows(&self) -> &BTreeMap<String, &'a Author> {
        &self.rows
    }

    /// The key of the row that an author of the page has.
    pub fn key(&self, author: &Author) -> Option<String> {
        let key = author.key()?;
        Some(self.accounts.get(&key).cloned().unwrap_or(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(account: Option<i64>, name: &str, email: &str) -> Commit {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let author = Author { account, name: text(name), email: text(email), ..Author::default() };
        Commit {
            sha: String::new(),
            parents: vec![],
            author: Some(author),
            created: None,
            committed: None,
            message: String::new(),
        }
    }

    #[test]
    fn a_mail_that_is_too_long_for_an_index_is_told_apart_by_its_digest() {
        let key = |mail: String| commit(None, "", &mail).author.unwrap().key().unwrap();
        let (longest, longer) = ("a".repeat(LONGEST), "a".repeat(LONGEST + 1));
        assert_eq!(key(longest.clone()), format!("mail:{longest}"));
        assert_eq!(key(longer.clone()).len(), "mail:sha256:".len() + 64);
        assert_eq!(key(longer.clone()), key(longer.to_uppercase()));
        assert_ne!(key(longer.clone()), key(format!("{longer}a")));
    }

    #[test]
    fn who_has_an_accounts_mail_is_that_account() {
        let commits = [
            commit(None, "Jane", "jane@x"),
            commit(Some(7), "Jane", "JANE@x"),
            commit(Some(9), "Jane's robot", "jane@x"),
            commit(Some(7), "Jane Doe", "jane@x"),
            commit(None, "Bob", "bob@x"),
            commit(None, "Bobby", "BOB@x"),
            commit(None, "Eve", ""),
            commit(None, "", ""),
        ];
        let people = People::of(&commits);
        let rows: Vec<_> = people.rows().iter().map(|(key, author)| (key.as_str(), author.name.as_deref())).collect();
        let expected = [("id:7", "Jane Doe"), ("id:9", "Jane's robot"), ("mail:bob@x", "Bob"), ("name:Eve", "Eve")];
        assert_eq!(rows, expected.map(|(key, name)| (key, Some(name))));
        let keys: Vec<_> = commits.iter().map(|commit| people.key(commit.author.as_ref().unwrap())).collect();
        let keys: Vec<_> = keys.iter().map(|key| key.as_deref().unwrap_or_default()).collect();
        assert_eq!(keys, ["id:7", "id:7", "id:9", "id:7", "mail:bob@x", "mail:bob@x", "name:Eve", ""]);
    }
}

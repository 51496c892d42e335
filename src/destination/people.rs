//! Who is one person. The key is the account's id if there is one, else the lower-case mail, else the name; an account
//! takes over the row of its mail.

use super::Author;

impl Author {
    /// The key of the person's row; None for somebody without id, mail and name.
    pub(super) fn key(&self) -> Option<String> {
        if let Some(account) = self.account {
            return Some(format!("id:{account}"));
        }
        self.mail_key().or_else(|| {
            let name = self.name.as_deref().filter(|name| !name.is_empty())?;
            Some(format!("name:{name}"))
        })
    }

    /// The key of the row that the person's commits have where Bitbucket knows no account.
    pub(super) fn mail_key(&self) -> Option<String> {
        let email = self.email.as_deref().filter(|email| !email.is_empty())?;
        Some(format!("mail:{}", email.to_lowercase()))
    }

    /// DX's word for what it is.
    pub(super) const fn kind(&self) -> &'static str {
        if self.bot { "bot" } else { "human" }
    }
}

//! All repositories that an account may read, page by page, to the last one.

use super::bounds::{EMPTY_PAGES, REPOSITORIES};
use super::client::Client;
use super::error::{Error, Fault};
use super::model::Repository;

/// A listing under way.
#[derive(Debug)]
pub struct Listing<'a> {
    client: &'a Client,
    /// Where the next page starts; None after the last.
    start: Option<u64>,
    listed: usize,
    empty: u32,
}

/// One page of a listing.
#[derive(Debug)]
pub struct Listed {
    /// What is on it.
    pub repositories: Vec<Repository>,
    /// As whom the server answered, where it says so.
    pub username: Option<String>,
}

impl Client {
    /// Begins to list. Nothing is sent yet.
    pub const fn listing(&self) -> Listing<'_> {
        Listing { client: self, start: Some(0), listed: 0, empty: 0 }
    }
}

impl Listing<'_> {
    /// The next page, None after the last. The end is only what the server calls its last page, whatever the pages'
    /// sizes.
    pub async fn next(&mut self) -> Result<Option<Listed>, Error> {
        let Some(start) = self.start else { return Ok(None) };
        let (page, username) = self.client.repositories(start).await?;
        self.listed += page.values.len();
        self.empty = if page.values.is_empty() { self.empty + 1 } else { 0 };
        self.start = match page.next_page_start {
            _ if page.is_last_page => None,
            Some(_) if self.empty >= EMPTY_PAGES || self.listed >= REPOSITORIES => {
                return Err(wrong("pages that do not end"));
            }
            Some(next) if next > start => Some(next),
            _ => return Err(wrong("a page that is not the last and names no next one")),
        };
        Ok(Some(Listed { repositories: page.values, username }))
    }
}

fn wrong(what: &'static str) -> Error {
    Error::Transport { request: "GET repos".to_owned(), fault: Fault::Unexpected { status: 200, what } }
}

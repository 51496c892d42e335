//! What is stored of a connection: commits per week, and its repositories.

use jiff::Timestamp;
use jiff::Zoned;
use jiff::tz::TimeZone;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::chart::{Chart, begin};
use super::paging::{Paging, ROWS};
use super::standing::ago;
use super::weeks::Weeks;
use crate::destination::{ConnectionKey, Destination, Error, Only, Overview, RepositoryOverview, Search};

/// What is looked for.
pub struct Asked {
    /// A part of the names.
    pub text: String,
    /// Which of them.
    pub only: Only,
    /// The page.
    pub page: Option<usize>,
}

/// What was found.
pub struct Stored {
    /// Commits per week, or why they are not shown.
    pub chart: Result<Chart, String>,
    /// How many, in words.
    pub counts: String,
    /// One page of repositories.
    pub rows: Vec<Row>,
    /// The other pages.
    pub paging: Paging,
}

/// A repository.
pub struct Row {
    pub name: String,
    pub url: String,
    pub class: &'static str,
    pub word: &'static str,
    pub synced: String,
    pub checked: String,
    pub failure: String,
}

/// The words of the address for `Only`.
pub const fn word(only: Only) -> &'static str {
    match only {
        Only::All => "all",
        Only::Failing => "failing",
        Only::Incomplete => "incomplete",
    }
}

/// What is shown in its place, where the database cannot be read.
pub fn unread(error: &Error) -> String {
    format!("The database cannot be read: {error}. Load the page again.")
}

/// Reads it. The error is what is shown in its place.
pub async fn stored(
    database: &Destination,
    weeks: &Weeks,
    key: ConnectionKey,
    asked: Asked,
    path: &str,
) -> Result<Stored, String> {
    let now = Zoned::now().with_time_zone(TimeZone::UTC);
    let Asked { text, only, page } = asked;
    let search = |offset| Search {
        text: text.clone(),
        only,
        offset: i64::try_from(offset).unwrap_or(i64::MAX),
        limit: i64::try_from(ROWS).unwrap_or(i64::MAX),
    };
    let wanted = page.unwrap_or(1).saturating_sub(1).saturating_mul(ROWS);
    let mut found = database.overview(key.clone(), search(wanted)).await.map_err(|error| unread(&error))?;
    let matching = usize::try_from(found.matching).unwrap_or_default();
    let query = [("q", text.as_str()), ("only", word(only))];
    let paging = Paging::new("Pages of repositories", matching, page, path, &query, "#repositories");
    if paging.skipped() != wanted {
        found = database.overview(key.clone(), search(paging.skipped())).await.map_err(|error| unread(&error))?;
    }
    let begin = begin(&now);
    let weeks = weeks.since(begin, database, key).await;
    let chart = weeks.map(|weeks| Chart::of(&weeks, begin)).map_err(|error| format!("There is no chart: {error}."));
    Ok(shown(found, chart, paging, now.timestamp()))
}

/// Pure.
fn shown(found: Overview, chart: Result<Chart, String>, paging: Paging, now: Timestamp) -> Stored {
    let Overview { total, imported, failing, matching, repositories } = found;
    let counts = if total == 0 {
        "Nothing is stored yet.".to_owned()
    } else {
        format!("{matching} found of {total}; {imported} are imported, {failing} fail.")
    };
    Stored { chart, counts, rows: repositories.into_iter().map(|one| row(one, now)).collect(), paging }
}

fn row(repository: RepositoryOverview, now: Timestamp) -> Row {
    let RepositoryOverview { name, url, state, complete, imported, accessible, synced_at, checked_at, failure } =
        repository;
    let (class, word) = match state.as_str() {
        _ if !imported => ("unsure", "not imported"),
        _ if failure.is_some() => ("bad", "left behind"),
        _ if !accessible => ("bad", "not accessible"),
        "empty" => ("good", "empty"),
        "no_default_branch" => ("good", "no default branch"),
        _ if complete => ("good", "complete"),
        _ => ("unsure", "not complete"),
    };
    let failure = failure.or_else(|| {
        (!accessible).then(|| "Bitbucket refuses it to this account, or it is gone. Its rows stay.".to_owned())
    });
    let ago = |time: Option<Timestamp>| ago(time.map(Time).as_ref(), now);
    Row {
        name,
        url,
        class,
        word,
        synced: ago(synced_at),
        checked: ago(checked_at),
        failure: failure.unwrap_or_default(),
    }
}

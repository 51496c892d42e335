//! A sync of an account whose requests Bitbucket limits: sixty at once, and five a second after that.

use serde_json::json;

use super::{Bench, percent};
use crate::connector::{Kind, Login};
use crate::histories::Histories;
use crate::report::{Report, Table, grouped};
use crate::{Result, say};

const CAPACITY: u64 = 60;
const RATE: u64 = 5;
/// Sent without credentials, and so not limited.
const FREE: u64 = 1;
const MOST: f64 = 1.05;

pub async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let repositories = bench.size.limited;
    say!("{repositories} repositories at {RATE} requests a second");
    let histories = Histories::alike(&bench.cache, repositories, 20)?;
    let bitbucket = bench.bitbucket(&histories).await?;
    let database = bench.database(Kind::Sqlite).await?;
    for _ in 0..2 {
        bench.sync(&bitbucket, &histories, &database, Login::Password).await?;
    }
    bitbucket.settings(json!({"rateLimit": {"capacity": CAPACITY, "fillRate": RATE}})).await?;
    // Once: another one would find the bucket empty.
    let taken = bench.sync(&bitbucket, &histories, &database, Login::Password).await?;
    database.check(&histories).await?;
    // Those that are refused take nothing from the bucket.
    let counts = bitbucket.counts().await?;
    let (answered, refused) = (counts.with(200), counts.with(429));
    let limited = answered.saturating_sub(FREE + CAPACITY);
    let (bound, seconds) = (limited as f64 / RATE as f64, taken.usage.seconds);
    let name = format!("{} repositories, nothing new", grouped(repositories));
    let mut table = Table::new(
        "A limited account",
        "Sixty requests at once, then five a second: Bitbucket's own default. The bound is what a full bucket lets through; the \
         connector takes it for half full, and leaves some of it to others.",
    );
    table.push_bound(&name, &name, taken, bound);
    report.tables.push(table);
    let found = format!("{}, {refused} requests refused", percent(seconds, bound));
    report.target(&format!("{name}: at most 105 % of the bucket's time"), &found, seconds <= bound * MOST);
    Ok(())
}

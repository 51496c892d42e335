//! Syncs after the first one: nothing is new, or little is.

use std::path::PathBuf;

use super::Bench;
use crate::connector::{Database, Kind, Login};
use crate::histories::{Histories, Repository};
use crate::report::{Report, Table, Taken, grouped};
use crate::{Result, say};

/// Commits of each repository.
const COMMITS: u64 = 20;
/// Repositories on a page of the listing.
const LISTED: u64 = 1_000;
/// Requests beside the listing and the repositories.
const MORE: u64 = 2;
/// Of a processor, for a thousand repositories.
const SECONDS: f64 = 1.0;

pub async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let mut table = Table::new("Nothing new", "A sync of repositories that are all stored already.");
    for repositories in &bench.size.unchanged {
        say!("nothing new in {repositories} repositories");
        let histories = Histories::alike(&bench.cache, *repositories, COMMITS)?;
        let bitbucket = bench.bitbucket(&histories).await?;
        for kind in Kind::BOTH {
            let database = bench.database(kind).await?;
            // The second one makes the simulator ready for those that count.
            for _ in 0..2 {
                bench.sync(&bitbucket, &histories, &database, Login::Password).await?;
            }
            let mut all = Vec::new();
            for _ in 0..bench.size.runs {
                all.push(bench.sync(&bitbucket, &histories, &database, Login::Password).await?);
            }
            database.check(&histories).await?;
            let taken = Taken::median(&all);
            let name = format!("{} repositories, {}", grouped(*repositories), kind.name());
            table.push(kind.name(), &name, taken);
            within(report, &name, taken.requests.unwrap_or_default(), repositories + repositories.div_ceil(LISTED));
            let cpu = taken.usage.processor;
            let wanted = format!("{name}: less than {SECONDS} s of a processor for a thousand");
            report.target(&wanted, &format!("{cpu:.2} s"), cpu < SECONDS * (*repositories as f64 / 1e3).max(1.0));
            if let (Kind::Sqlite, Database::Sqlite(path)) = (kind, &database)
                && Some(repositories) == bench.size.unchanged.first()
            {
                let again = bench.size.again;
                say!("{again} times more");
                let size = || std::fs::metadata(path).map(|file| file.len());
                let (before, mut last) = (size()?, taken);
                for _ in 0..again {
                    last = bench.sync(&bitbucket, &histories, &database, Login::Password).await?;
                }
                let (after, peak) = (size()?, |taken: Taken| taken.usage.peak >> 20);
                let found = format!("file {before} and {after} bytes, memory {} and {} MiB", peak(taken), peak(last));
                // The peak of a process varies by a few pages.
                let met = after == before && last.usage.peak < taken.usage.peak + (taken.usage.peak >> 3);
                report.target(&format!("{name}: no growth over {again} runs"), &found, met);
            }
            database.remove().await?;
        }
    }
    report.tables.push(table);
    Ok(())
}

fn within(report: &mut Report, name: &str, requests: u64, exact: u64) {
    let met = (exact..=exact + MORE).contains(&requests);
    report.target(&format!("{name}: {} requests, and at most {MORE} more", grouped(exact)), &grouped(requests), met);
}

pub async fn incremental(bench: &Bench, report: &mut Report) -> Result<()> {
    let repositories = bench.size.unchanged.first().copied().unwrap_or(LISTED);
    let pushed = (repositories / 100).max(1);
    say!("a push to {pushed} of {repositories} repositories");
    let mut histories = Histories::alike(&bench.cache, repositories, COMMITS)?;
    // Those that are pushed to are made anew each time.
    let own = Histories::of(&bench.folder().join("pushed"), pushed, COMMITS)?;
    for (place, Repository { path, head, .. }) in histories.repositories.iter_mut().zip(own.repositories) {
        (place.path, place.head) = (path, head);
    }
    let bitbucket = bench.bitbucket(&histories).await?;
    let Database::Sqlite(before) = bench.database(Kind::Sqlite).await? else { return Err("no file".into()) };
    bench.sync(&bitbucket, &histories, &Database::Sqlite(before.clone()), Login::Password).await?;
    for one in histories.repositories.iter_mut().take(usize::try_from(pushed)?) {
        one.push(3)?;
    }
    bitbucket.forget_replies().await?;
    let mut all = Vec::new();
    for run in 0..=bench.size.runs {
        let copy = PathBuf::from(format!("{}.{run}", before.display()));
        std::fs::copy(&before, &copy)?;
        let database = Database::Sqlite(copy);
        let taken = bench.sync(&bitbucket, &histories, &database, Login::Password).await?;
        database.check(&histories).await?;
        database.remove().await?;
        // The first one makes the simulator ready.
        if run > 0 {
            all.push(taken);
        }
    }
    let (taken, name) =
        (Taken::median(&all), format!("{pushed} of {} repositories pushed to, SQLite", grouped(repositories)));
    let mut table = Table::new("Little new", "A sync after a push of three commits to one repository in a hundred.");
    table.push("SQLite", &name, taken);
    // Each asks for the head, and those with a new one for the commits as well.
    let exact = repositories + repositories.div_ceil(LISTED) + pushed;
    within(report, &name, taken.requests.unwrap_or_default(), exact);
    report.tables.push(table);
    Ok(())
}

//! The first sync from a Bitbucket that answers at once, beside the least that it can take.

use std::path::Path;

use super::{Bench, percent};
use crate::bitbucket::{Bitbucket, CAP, pages};
use crate::chart::{Bar, bars};
use crate::connector::{Kind, Login};
use crate::histories::Histories;
use crate::measure::Program;
use crate::report::{Report, Table, Taken};
use crate::{Result, say};

const OURS: [&str; 2] = ["sync into SQLite", "sync into PostgreSQL"];
const READ: &str = "pages only read: the simulator's ceiling";
const PARSE: &str = "pages only read and parsed";
/// Of the least for the destination, at least so much.
const SHARE: f64 = 0.6;

pub async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let size = &bench.size;
    let many = Histories::of(&bench.cache, size.repositories, size.commits)?;
    of(bench, report, &many, "first.svg").await?;
    let one = Histories::of(&bench.cache, 1, size.single)?;
    of(bench, report, &one, "first-one.svg").await
}

async fn of(bench: &Bench, report: &mut Report, histories: &Histories, plot: &str) -> Result<()> {
    let (commits, what) = (histories.commits(), histories.say());
    say!("first sync: {what}");
    let bitbucket = bench.bitbucket(histories).await?;
    bench.warm(&bitbucket, histories).await?;
    let mut table = Table::new(
        &format!("First sync: {what}"),
        "Bitbucket answers at once. Each group begins with the connector, whose figures are 1.00; below it, the least that a \
         part of its work can take.",
    );
    for kind in Kind::BOTH {
        let (group, ours) = (kind.name(), OURS[usize::from(kind == Kind::Postgres)]);
        let taken = bench.first(&bitbucket, histories, kind, Login::Password, bench.size.runs).await?;
        table.push(group, ours, taken);
        for bare in [false, true] {
            let name =
                format!("rows only inserted into {group}{}", if bare { ", no indexes or keys but one" } else { "" });
            say!("{name}");
            table.push(group, &name, rows(bench, histories, kind, bare.then_some("--bare").as_slice()).await?);
        }
        if kind == Kind::Postgres {
            // As many as a repository has whose pages and checkpoint are one transaction.
            let name = "rows only inserted into PostgreSQL, over one connection";
            say!("{name}");
            table.push(group, name, rows(bench, histories, kind, &["--connections", "1"]).await?);
        }
        if kind == Kind::Sqlite {
            for (name, floor) in [(READ, "read"), (PARSE, "parse")] {
                say!("{name}");
                let (at_a_time, runs) = (Login::Password.at_a_time(), bench.size.runs);
                table.push(group, name, reading(bench, &bitbucket, histories, floor, at_a_time, runs).await?);
            }
        }
    }
    let seconds = |name: &str| table.taken(name).map_or(f64::NAN, |taken| taken.usage.seconds);
    for kind in Kind::BOTH {
        let ours = seconds(OURS[usize::from(kind == Kind::Postgres)]);
        let least = seconds(PARSE).max(seconds(&format!("rows only inserted into {}", kind.name())));
        report.target(
            &format!("{what}, no latency: at least 60 % of the speed of the slower of parsing and {}", kind.name()),
            &percent(least, ours),
            least / ours >= SHARE,
        );
    }
    let bar = |row: &crate::report::Row| Bar {
        name: row.name.replace(": the simulator's ceiling", ""),
        value: commits as f64 / row.taken.usage.seconds,
        ours: OURS.contains(&row.name.as_str()),
    };
    let all: Vec<_> = table.rows.iter().map(bar).collect();
    report.plots.push((plot.to_owned(), bars(&format!("Commits a second: {what}"), "/s", &all)));
    report.tables.push(table);
    Ok(())
}

/// This program's own command `floor`.
fn own(arguments: &[&str]) -> Result<Program> {
    Ok(Program::new(std::env::current_exe()?).arg("floor").args(arguments))
}

async fn rows(bench: &Bench, histories: &Histories, kind: Kind, more: &[&str]) -> Result<Taken> {
    let first = histories.repositories.first().ok_or("no repository")?;
    let (repositories, commits) = (histories.repositories.len().to_string(), first.commits.to_string());
    let mut all = Vec::new();
    for _ in 0..bench.size.runs {
        let database = bench.database(kind).await?;
        let (name, place) = match kind {
            Kind::Sqlite => ("sqlite", database.url().trim_start_matches("sqlite://").to_owned()),
            Kind::Postgres => ("postgres", database.url()),
        };
        let usual = [name, &place, "--repositories", &repositories, "--commits", &commits];
        let program = own(&[&usual, more].concat())?;
        let (usage, _) = program.measure().await?;
        database.remove().await?;
        all.push(Taken { usage, ..Taken::default() });
    }
    Ok(Taken::median(&all))
}

/// The pages alone, by a floor of this name.
pub async fn reading(
    bench: &Bench,
    bitbucket: &Bitbucket,
    histories: &Histories,
    floor: &str,
    at_a_time: u64,
    runs: usize,
) -> Result<Taken> {
    let file = bench.folder().join("addresses");
    let addresses = pages(&bitbucket.url, histories);
    debug_assert_eq!(addresses.len() as u64, histories.pages(CAP));
    std::fs::write(&file, addresses.join("\n"))?;
    let program = own(&[floor, &path(&file), &at_a_time.to_string()])?;
    let mut all = Vec::new();
    // The first time some of the answers may have to be made.
    for run in 0..=runs {
        let (taken, _) = bench.measured(bitbucket, &program).await?;
        if run > 0 {
            all.push(taken);
        }
    }
    Ok(Taken::median(&all))
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

//! How time, processor, memory and requests grow with the commits of a repository and with the number of repositories.

use super::Bench;
use crate::chart::{Line, lines};
use crate::connector::{Kind, Login};
use crate::histories::Histories;
use crate::report::{Report, Table, Taken, grouped};
use crate::{Result, say};

/// What the process may have in memory over a million commits, in MiB.
const MEMORY: [(Kind, u64); 2] = [(Kind::Sqlite, 128), (Kind::Postgres, 64)];

pub async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let size = &bench.size;
    let mut table = Table::new("Growth", "First syncs of ever more. The first line of each group is 1.00.");
    let mut commits = Vec::new();
    for count in &size.growing_commits {
        commits.push((*count, Histories::of(&bench.cache, 1, *count)?));
    }
    let mut repositories = Vec::new();
    for count in &size.growing_repositories {
        repositories.push((*count, Histories::alike(&bench.cache, *count, 10)?));
    }
    for (what, file, steps) in [
        ("commits in one repository", "growth-commits.svg", commits),
        ("repositories of ten commits", "growth-repositories.svg", repositories),
    ] {
        let mut plotted = Vec::new();
        let mut all = Kind::BOTH.map(|kind| (kind, Vec::new()));
        for (count, histories) in &steps {
            say!("growth: {} {what}", grouped(*count));
            let bitbucket = bench.bitbucket(histories).await?;
            bench.warm(&bitbucket, histories).await?;
            for (kind, points) in &mut all {
                let taken = bench.first(&bitbucket, histories, *kind, Login::Password, 1).await?;
                table.push(
                    &format!("{what}, {}", kind.name()),
                    &format!("{} {what}, {}", grouped(*count), kind.name()),
                    taken,
                );
                points.push((*count as f64, taken));
            }
        }
        for (kind, points) in all {
            let of = |name: &str, figure: fn(&Taken) -> f64| Line {
                name: format!("{name}, {}", kind.name()),
                points: points.iter().map(|(count, taken)| (*count, figure(taken))).collect(),
                // Dashed, in the colour of its seconds.
                bound: name == "MiB",
            };
            plotted.push(of("seconds", |taken| taken.usage.seconds));
            plotted.push(of("MiB", |taken| taken.usage.peak as f64 / f64::from(1 << 20)));
        }
        report.plots.push((file.to_owned(), lines(&format!("Seconds and memory, by {what}"), what, "", &plotted)));
    }
    if let Some(repositories) = size.memory {
        memory(bench, report, &mut table, repositories).await?;
    } else {
        table
            .missing
            .push("memory over a million commits, and the largest steps: `make bench BENCH=--full`".to_owned());
    }
    report.tables.push(table);
    Ok(())
}

async fn memory(bench: &Bench, report: &mut Report, table: &mut Table, repositories: u64) -> Result<()> {
    let histories = Histories::of(&bench.cache, repositories, 1_000)?;
    let bitbucket = bench.bitbucket(&histories).await?;
    bench.warm(&bitbucket, &histories).await?;
    for (kind, most) in MEMORY {
        let taken = bench.first(&bitbucket, &histories, kind, Login::Token(16), 1).await?;
        let name = format!("{}, 16 at a time, {}", histories.say(), kind.name());
        table.push(&name, &name, taken);
        let peak = taken.usage.peak >> 20;
        report.target(&format!("{name}: at most {most} MiB"), &format!("{peak} MiB"), peak <= most);
    }
    Ok(())
}

//! Others that do the same, beside the connector.

use serde_json::json;

use super::Bench;
use crate::chart::{Bar, bars};
use crate::connector::{Kind, Login};
use crate::histories::Histories;
use crate::peers::{Peer, all};
use crate::report::{Report, Table, Taken};
use crate::{Result, say};

const OURS: &str = "bitbucket-connector, into SQLite";

pub async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let histories = Histories::of(&bench.cache, bench.size.repositories, bench.size.commits)?;
    let bitbucket = bench.bitbucket(&histories).await?;
    bench.warm(&bitbucket, &histories).await?;
    let peers: Vec<(Peer, Result<()>)> = all(&bench.cache).into_iter().map(Peer::installed).collect();
    for latency in [0, 20] {
        bitbucket.settings(json!({"latencyMs": latency})).await?;
        let mut table = Table::new(
            &format!("Others: {}, {latency} ms an answer", histories.say()),
            "Each as its users would write it, with the settings that are best for it; all take gzip where they know it.",
        );
        say!("{OURS}, {latency} ms");
        table.push(
            "",
            OURS,
            bench.first(&bitbucket, &histories, Kind::Sqlite, Login::Password, bench.size.runs).await?,
        );
        for (peer, installed) in &peers {
            say!("{}, {latency} ms", peer.name);
            match installed {
                Err(error) => table.missing.push(format!("{}: {error}", peer.name)),
                Ok(()) if latency > 0 && !peer.asks => {}
                Ok(()) => match several(bench, &bitbucket, &histories, peer, latency == 0).await {
                    Ok(taken) => table.push("", &peer.name, taken),
                    Err(error) => table.missing.push(format!("{}: {}", peer.name, first_line(&error.to_string()))),
                },
            }
        }
        if latency == 0 {
            let bar = |row: &crate::report::Row| Bar {
                name: row.name.clone(),
                value: histories.commits() as f64 / row.taken.usage.seconds,
                ours: row.name == OURS,
            };
            let all: Vec<_> = table.rows.iter().map(bar).collect();
            report.plots.push(("others.svg".to_owned(), bars("Commits a second", "/s", &all)));
        }
        report.tables.push(table);
    }
    Ok(())
}

async fn several(
    bench: &Bench,
    bitbucket: &crate::bitbucket::Bitbucket,
    histories: &Histories,
    peer: &Peer,
    warm: bool,
) -> Result<Taken> {
    let mut all = Vec::new();
    for run in 0..bench.size.runs + usize::from(warm) {
        let folder = tempfile::tempdir_in(bench.folder())?;
        let (mut taken, said) = bench.measured(bitbucket, &peer.program(bitbucket, histories, folder.path())?).await?;
        say!("  {:.2} s, {:.2} s of a processor", taken.usage.seconds, taken.usage.processor);
        let stored = said.trim().lines().last().unwrap_or_default();
        if stored != histories.commits().to_string() {
            return Err(format!("it has {stored} commits of {}", histories.commits()).into());
        }
        if !peer.asks {
            (taken.requests, taken.bytes) = (None, None);
        }
        // The first one may ask for what the simulator has not got ready.
        if run > 0 || !warm {
            all.push(taken);
        }
    }
    Ok(Taken::median(&all))
}

fn first_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

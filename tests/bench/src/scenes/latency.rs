//! The first sync from a Bitbucket whose every answer takes a while: what counts then is how many requests are in flight.

use serde_json::json;

use super::first::reading;
use super::{Bench, percent};
use crate::bitbucket::CAP;
use crate::chart::{Line, lines};
use crate::connector::{Kind, Login};
use crate::histories::Histories;
use crate::report::{Report, Table};
use crate::{Result, say};

/// Pages of one repository that are asked for at a time, at most.
const OF_ONE: u64 = 4;
/// So many times the bound, and no more.
const MOST: f64 = 1.15;

pub async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let size = &bench.size;
    let mut table = Table::new(
        "First sync at a distance",
        "Into SQLite; each answer takes so long. The bound is latency × requests ÷ requests in flight: nobody can be faster \
         with as many requests.",
    );
    let mut plotted = Vec::new();
    let many = (Histories::of(&bench.cache, size.repositories, size.commits)?, vec![Login::Password, Login::Token(16)]);
    let one = (Histories::of(&bench.cache, 1, size.single)?, vec![Login::Token(16)]);
    for (histories, logins) in [many, one] {
        let repositories = histories.repositories.len() as u64;
        let bitbucket = bench.bitbucket(&histories).await?;
        bench.warm(&bitbucket, &histories).await?;
        for login in logins {
            let in_flight = login.at_a_time().min(OF_ONE * repositories);
            let what = format!("{}, {in_flight} at a time", histories.say());
            let [mut measured, mut bounds] = [Vec::new(), Vec::new()];
            for latency in &size.latencies {
                bitbucket.settings(json!({"latencyMs": latency})).await?;
                let name = format!("{latency} ms: {what}");
                say!("{name}");
                let taken = bench.first(&bitbucket, &histories, Kind::Sqlite, login, size.runs).await?;
                let each = *latency as f64 / 1000.0 / in_flight as f64;
                let requests = taken.requests.unwrap_or_default() as f64;
                let (bound, pages) = (each * requests, each * histories.pages(CAP) as f64);
                let seconds = taken.usage.seconds;
                table.push_bound(&what, &name, taken, bound);
                measured.push((*latency as f64, seconds));
                bounds.push((*latency as f64, bound));
                let read = reading(bench, &bitbucket, &histories, "read", in_flight, 1).await?;
                let answer = read.usage.seconds / histories.pages(CAP) as f64;
                table.push(&what, &format!("{latency} ms: pages only read"), read);
                let found = format!(
                    "{} ({} of what the pages of commits alone take; {} with the {:.1} ms that an answer takes in fact)",
                    percent(seconds, bound),
                    percent(seconds, pages),
                    percent(seconds, answer * requests),
                    answer * in_flight as f64 * 1000.0
                );
                report.target(
                    &format!("{name}: at most 115 % of latency × requests ÷ in flight"),
                    &found,
                    seconds <= bound * MOST,
                );
            }
            bitbucket.settings(json!({"latencyMs": 0})).await?;
            plotted.push(Line { name: what.clone(), points: measured, bound: false });
            plotted.push(Line { name: "its bound".to_owned(), points: bounds, bound: true });
        }
    }
    let svg =
        lines("Seconds of the first sync, by the time of an answer", "milliseconds of each answer", "s", &plotted);
    report.plots.push(("latency.svg".to_owned(), svg));
    report.tables.push(table);
    Ok(())
}

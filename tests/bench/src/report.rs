//! What was measured, and the tables that are made of it.

use std::fmt::Write;

use crate::measure::Usage;

/// What a run, or the median of several, took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    pub usage: Usage,
    /// As the simulator counted them; None, where it was not asked.
    pub requests: Option<u64>,
    /// Bytes of answers, headers included.
    pub bytes: Option<u64>,
}

impl Taken {
    /// The median of each figure by itself.
    pub fn median(runs: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| {
            let mut figures: Vec<f64> = runs.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures.get(figures.len() / 2).copied().unwrap_or_default()
        };
        let whole = |figure: fn(&Self) -> Option<u64>| {
            let mut figures: Vec<u64> = runs.iter().filter_map(figure).collect();
            figures.sort_unstable();
            figures.get(figures.len() / 2).copied()
        };
        Self {
            usage: Usage {
                seconds: of(|run| run.usage.seconds),
                processor: of(|run| run.usage.processor),
                peak: whole(|run| Some(run.usage.peak)).unwrap_or_default(),
            },
            requests: whole(|run| run.requests),
            bytes: whole(|run| run.bytes),
        }
    }
}

/// A line of a table.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    /// What this line is one of: the first line of a group is 1.0.
    pub group: String,
    pub taken: Taken,
    /// Seconds that nobody can do with less, by arithmetic.
    pub bound: Option<f64>,
}

/// A table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub title: String,
    pub about: String,
    pub rows: Vec<Row>,
    /// What could not be measured, and why.
    pub missing: Vec<String>,
}

/// What is wanted, and what was found.
#[derive(Clone, Debug)]
pub struct Target {
    pub wanted: String,
    pub found: String,
    pub met: bool,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub tables: Vec<Table>,
    pub targets: Vec<Target>,
    /// Plots: file names and SVG.
    pub plots: Vec<(String, String)>,
}

impl Table {
    pub fn new(title: &str, about: &str) -> Self {
        Self { title: title.to_owned(), about: about.to_owned(), ..Self::default() }
    }

    pub fn push(&mut self, group: &str, name: &str, taken: Taken) {
        self.rows.push(Row { name: name.to_owned(), group: group.to_owned(), taken, bound: None });
    }

    pub fn push_bound(&mut self, group: &str, name: &str, taken: Taken, bound: f64) {
        self.rows.push(Row { name: name.to_owned(), group: group.to_owned(), taken, bound: Some(bound) });
    }

    pub fn taken(&self, name: &str) -> Option<Taken> {
        self.rows.iter().find(|row| row.name == name).map(|row| row.taken)
    }

    /// As Markdown: the ratios, and then what was measured.
    fn markdown(&self) -> String {
        let mut text = format!("### {}\n\n{}\n\n", self.title, self.about);
        let bounded = self.rows.iter().any(|row| row.bound.is_some());
        text.push_str("| | wall | CPU | memory | requests |");
        text.push_str(if bounded { " of the bound |" } else { "" });
        text.push_str(" measured: wall | CPU | peak memory | requests | answers |\n|---|---|---|---|---|");
        text.push_str(if bounded { "---|" } else { "" });
        text.push_str("---|---|---|---|---|\n");
        for row in &self.rows {
            let of = self.rows.iter().find(|first| first.group == row.group).unwrap_or(row).taken;
            let Taken { usage, requests, bytes } = row.taken;
            let ratio = |own: f64, first: f64| if first > 0.0 { two(own / first) } else { String::new() };
            let whole = |own: Option<u64>, first: Option<u64>| match (own, first) {
                (Some(own), Some(first)) => ratio(own as f64, first as f64),
                _ => String::new(),
            };
            let _ = write!(
                text,
                "| {} | {} | {} | {} | {} |",
                row.name,
                ratio(usage.seconds, of.usage.seconds),
                ratio(usage.processor, of.usage.processor),
                whole(Some(usage.peak), Some(of.usage.peak)),
                whole(requests, of.requests)
            );
            if bounded {
                let bound = row.bound.map(|bound| format!("{} of {:.2} s", two(usage.seconds / bound), bound));
                let _ = write!(text, " {} |", bound.unwrap_or_default());
            }
            let _ = writeln!(
                text,
                " {:.2} s | {:.2} s | {:.0} MiB | {} | {} |",
                usage.seconds,
                usage.processor,
                usage.peak as f64 / f64::from(1 << 20),
                requests.map(grouped).unwrap_or_default(),
                bytes.map(size).unwrap_or_default()
            );
        }
        for missing in &self.missing {
            let _ = write!(text, "\nNot measured: {missing}\n");
        }
        text
    }
}

/// A count as it is read.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// Two digits that count.
fn two(ratio: f64) -> String {
    if ratio >= 10.0 { format!("{ratio:.0}") } else { format!("{ratio:.2}") }
}

fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    if bytes < 1e6 { format!("{:.1} KB", bytes / 1e3) } else { format!("{:.1} MB", bytes / 1e6) }
}

impl Report {
    pub fn target(&mut self, wanted: &str, found: &str, met: bool) {
        self.targets.push(Target { wanted: wanted.to_owned(), found: found.to_owned(), met });
    }

    /// All tables, with what the machine was.
    pub fn markdown(&self, machine: &str) -> String {
        let mut text = format!("{machine}\n");
        if !self.targets.is_empty() {
            text.push_str("\n### Targets\n\n| wanted | found | |\n|---|---|---|\n");
            for Target { wanted, found, met } in &self.targets {
                let _ = writeln!(text, "| {wanted} | {found} | {} |", if *met { "met" } else { "**not met**" });
            }
        }
        for table in &self.tables {
            let _ = write!(text, "\n{}", table.markdown());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(seconds: f64, requests: u64) -> Taken {
        let usage = Usage { seconds, processor: seconds / 2.0, peak: 10 << 20 };
        Taken { usage, requests: Some(requests), bytes: None }
    }

    #[test]
    fn each_figures_median_counts() {
        let median = Taken::median(&[taken(3.0, 7), taken(1.0, 9), taken(2.0, 8)]);
        assert_eq!((median.usage.seconds.to_bits(), median.requests), (2.0_f64.to_bits(), Some(8)));
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn ours_is_one_and_others_are_so_many_times_as_much() {
        let mut table = Table::new("First", "All.");
        table.push("a", "ours", taken(2.0, 10));
        table.push_bound("a", "theirs", taken(5.0, 40), 4.0);
        let text = table.markdown();
        assert!(text.contains("| ours | 1.00 | 1.00 | 1.00 | 1.00 |  |"), "{text}");
        assert!(
            text.contains("| theirs | 2.50 | 2.50 | 1.00 | 4.00 | 1.25 of 4.00 s | 5.00 s | 2.50 s | 10 MiB | 40 |"),
            "{text}"
        );
    }
}

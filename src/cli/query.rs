//! `bitbucket-connector query`: the image has no shell, and a user still wants to look.

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::{Map, Value};

use super::Failure;
use super::database::DatabaseArgs;
use crate::destination::{Rows, query_until};
use crate::runtime::shutdown;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    database: DatabaseArgs,
    /// How rows are written
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    /// The query
    sql: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Aligned columns, for people
    #[default]
    Table,
    /// RFC 4180, with a header
    Csv,
    /// An array of objects
    Json,
}

/// Runs the query and prints its rows.
pub(super) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let database = args.database.url()?;
    let stop = shutdown::on_signal()?;
    let rows = query_until(&database, &args.sql, &stop).await?.ok_or(Failure::Interrupted)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let result = match args.output {
        Output::Table => table(&mut out, &rows),
        Output::Csv => csv(&mut out, &rows),
        Output::Json => json(&mut out, rows),
    };
    match result.and_then(|()| out.flush()) {
        // A broken pipe is a reader who has seen enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn table(out: &mut impl Write, rows: &Rows) -> std::io::Result<()> {
    let line = |text: String| text.lines().next().unwrap_or_default().to_owned();
    let cells: Vec<Vec<String>> =
        rows.rows.iter().map(|row| row.iter().map(|value| line(text(value))).collect()).collect();
    let width = |column: usize, name: &str| {
        let longest = cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        longest.max(name.chars().count())
    };
    let widths: Vec<usize> = rows.columns.iter().enumerate().map(|(column, name)| width(column, name)).collect();
    for row in std::iter::once(&rows.columns).chain(&cells) {
        let padded: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(out, "{}", padded.join("  ").trim_end())?;
    }
    Ok(())
}

fn csv(out: &mut impl Write, rows: &Rows) -> std::io::Result<()> {
    let quoted = |text: String| {
        if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    };
    let mut line = |cells: Vec<String>| writeln!(out, "{}", cells.join(","));
    line(rows.columns.iter().cloned().map(quoted).collect())?;
    rows.rows.iter().try_for_each(|row| line(row.iter().map(|value| quoted(text(value))).collect()))
}

fn json(out: &mut impl Write, rows: Rows) -> std::io::Result<()> {
    let objects: Vec<Map<String, Value>> =
        rows.rows.into_iter().map(|row| rows.columns.iter().cloned().zip(row).collect()).collect();
    serde_json::to_writer_pretty(&mut *out, &objects)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(write: impl Fn(&mut Vec<u8>, Rows) -> std::io::Result<()>) -> String {
        let rows = Rows {
            columns: vec!["id".to_owned(), "message".to_owned()],
            rows: vec![vec![1.into(), "a \"b\"\nc".into()], vec![Value::Null, "ü".into()]],
        };
        let mut out = Vec::new();
        write(&mut out, rows).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_format() {
        assert_eq!(printed(|out, rows| table(out, &rows)), "id  message\n1   a \"b\"\n    ü\n");
        assert_eq!(printed(|out, rows| csv(out, &rows)), "id,message\n1,\"a \"\"b\"\"\nc\"\n,ü\n");
        assert!(printed(json).contains("\"message\": \"a \\\"b\\\"\\nc\""));
    }
}

//! `bitbucket-connector query`: the image has no shell, and a user still wants to look.

use std::io::{BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serializer;
use serde::ser::SerializeSeq;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};

use super::Failure;
use super::database::DatabaseArgs;
use crate::destination::{Piece, pieces, query_until};
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

/// Rows that choose how wide the columns of a table are. Later ones that are wider stick out.
const MEASURED: usize = 1000;

/// Runs the query and prints its rows as they come.
pub(super) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let database = args.database.url()?;
    let stop = shutdown::on_signal()?;
    let (pieces, answer) = pieces();
    let printed = print(args.output, Answer::new(answer))?;
    let asked = query_until(&database, &args.sql, &stop, pieces).await;
    // What has come before a fault is printed before it is told; but not where nobody waits for it.
    let printed = stop.run_until_cancelled(printed).await.ok_or(Failure::Interrupted)?;
    match printed? {
        // A broken pipe is a reader who has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(asked.map(|()| ExitCode::SUCCESS)?),
    }
}

/// Prints on a thread of its own, which nobody waits for who wants to end: a pipe may take nothing for ever.
fn print(output: Output, mut answer: Answer) -> std::io::Result<oneshot::Receiver<std::io::Result<()>>> {
    let (done, printed) = oneshot::channel();
    let work = move || {
        let mut out = BufWriter::new(std::io::stdout().lock());
        let result = match output {
            Output::Table => table(&mut out, &mut answer),
            Output::Csv => csv(&mut out, &mut answer),
            Output::Json => json(&mut out, &mut answer),
        };
        let result = result.and_then(|()| out.flush());
        // Nobody hears it after a signal.
        drop(done.send(result));
    };
    std::thread::Builder::new().name("print".to_owned()).spawn(work)?;
    Ok(printed)
}

/// The rows as they come.
struct Answer {
    pieces: mpsc::Receiver<Piece>,
    /// Whether the last row has come.
    whole: bool,
}

impl Answer {
    const fn new(pieces: mpsc::Receiver<Piece>) -> Self {
        Self { pieces, whole: false }
    }

    /// The names of the columns; None, where there is no answer.
    fn columns(&mut self) -> Option<Vec<String>> {
        match self.pieces.blocking_recv() {
            Some(Piece::Columns(names)) => Some(names),
            _ => None,
        }
    }
}

impl Iterator for Answer {
    type Item = Vec<Value>;

    fn next(&mut self) -> Option<Vec<Value>> {
        match self.pieces.blocking_recv() {
            Some(Piece::Row(row)) => return Some(row),
            Some(Piece::End) => self.whole = true,
            _ => {}
        }
        None
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn table(out: &mut impl Write, answer: &mut Answer) -> std::io::Result<()> {
    let Some(columns) = answer.columns() else { return Ok(()) };
    let line = |value: &Value| text(value).lines().next().unwrap_or_default().to_owned();
    let mut rows = answer.map(|row| row.iter().map(line).collect::<Vec<_>>());
    let first: Vec<_> = std::iter::once(columns).chain(rows.by_ref().take(MEASURED)).collect();
    let width = |column: usize| first.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..first[0].len()).map(width).collect();
    for row in first.into_iter().chain(rows) {
        let padded: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(out, "{}", padded.join("  ").trim_end())?;
    }
    Ok(())
}

fn csv(out: &mut impl Write, answer: &mut Answer) -> std::io::Result<()> {
    let quoted = |text: String| {
        if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    };
    let mut line = |cells: Vec<String>| writeln!(out, "{}", cells.join(","));
    let Some(columns) = answer.columns() else { return Ok(()) };
    line(columns.into_iter().map(quoted).collect())?;
    answer.try_for_each(|row| line(row.iter().map(|value| quoted(text(value))).collect()))
}

fn json(out: &mut impl Write, answer: &mut Answer) -> std::io::Result<()> {
    let Some(columns) = answer.columns() else { return Ok(()) };
    let mut printer = serde_json::Serializer::pretty(&mut *out);
    let mut array = printer.serialize_seq(None)?;
    for row in answer.by_ref() {
        array.serialize_element(&columns.iter().cloned().zip(row).collect::<Map<String, Value>>())?;
    }
    // Half an answer is no JSON.
    if answer.whole {
        array.end()?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: usize = MEASURED + 5;

    /// What is printed of an answer with these rows, or of its beginning.
    fn printed(
        print: impl FnOnce(&mut Vec<u8>, &mut Answer) -> std::io::Result<()>,
        rows: Vec<Vec<Value>>,
        whole: bool,
    ) -> String {
        let (sender, receiver) = mpsc::channel(rows.len() + 2);
        let columns = Piece::Columns(vec!["id".to_owned(), "message".to_owned()]);
        let end = whole.then_some(Piece::End);
        for piece in [columns].into_iter().chain(rows.into_iter().map(Piece::Row)).chain(end) {
            sender.try_send(piece).unwrap();
        }
        drop(sender);
        let mut out = Vec::new();
        print(&mut out, &mut Answer::new(receiver)).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn two() -> Vec<Vec<Value>> {
        vec![vec![1.into(), "a \"b\"\nc".into()], vec![Value::Null, "ü".into()]]
    }

    #[test]
    fn each_format() {
        assert_eq!(printed(table, two(), true), "id  message\n1   a \"b\"\n    ü\n");
        assert_eq!(printed(csv, two(), true), "id,message\n1,\"a \"\"b\"\"\nc\"\n,ü\n");
        let one = "[\n  {\n    \"id\": 1,\n    \"message\": \"a \\\"b\\\"\\nc\"\n  },\n";
        let rest = "  {\n    \"id\": null,\n    \"message\": \"ü\"\n  }\n]\n";
        assert_eq!(printed(json, two(), true), format!("{one}{rest}"));
    }

    #[test]
    fn an_answer_without_rows_has_columns_only() {
        assert_eq!(printed(table, vec![], true), "id  message\n");
        assert_eq!(printed(csv, vec![], true), "id,message\n");
        assert_eq!(printed(json, vec![], true), "[]\n");
    }

    #[test]
    fn half_an_answer_is_no_json() {
        let half = printed(json, two(), false);
        assert!(serde_json::from_str::<Value>(&half).is_err() && half.contains('ü'), "{half}");
    }

    #[test]
    fn the_first_rows_choose_the_widths_and_later_ones_may_stick_out() {
        let mut rows = vec![vec![1.into(), "x".into()]; MANY];
        (rows[MEASURED - 1][0], rows[MEASURED][0]) = ("wide".into(), "wider".into());
        let table = printed(table, rows, true);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 1 + MANY);
        assert_eq!((lines[0], lines[1], lines[MANY]), ("id    message", "1     x", "1     x"));
        assert_eq!((lines[MEASURED], lines[MEASURED + 1]), ("wide  x", "wider  x"));
    }
}

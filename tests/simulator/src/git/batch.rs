use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::process;
use crate::Error;

/// So many names are sent before their answers are read: both pipes hold that much, so neither side can block the other.
const AT_ONCE: usize = 400;

/// A running `git cat-file --batch`: names in, objects out.
pub(crate) struct Batch {
    // Held because dropping it ends the process.
    _child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// An object as git stores it.
pub(crate) struct Object {
    pub id: String,
    pub bytes: Vec<u8>,
}

impl Batch {
    pub fn start(directory: &Path) -> Result<Self, Error> {
        let mut command = tokio::process::Command::from(process::git(directory));
        let mut child = command
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::git("cat-file", "no pipes"));
        };
        Ok(Self { _child: child, input, output: BufReader::new(output) })
    }

    /// The objects the names stand for, in the order asked; `None` where there is none. A name must not hold a newline.
    pub async fn read(&mut self, names: &[String]) -> Result<Vec<Option<Object>>, Error> {
        let mut objects = Vec::with_capacity(names.len());
        for part in names.chunks(AT_ONCE) {
            let mut question = part.join("\n");
            question.push('\n');
            self.input.write_all(question.as_bytes()).await?;
            self.input.flush().await?;
            for _ in part {
                objects.push(self.answer().await?);
            }
        }
        Ok(objects)
    }

    async fn answer(&mut self) -> Result<Option<Object>, Error> {
        let mut line = Vec::new();
        self.output.read_until(b'\n', &mut line).await?;
        if line.pop() != Some(b'\n') {
            return Err(Error::git("cat-file", "ended early"));
        }
        let line = String::from_utf8_lossy(&line);
        if line.ends_with(" missing") || line.ends_with(" ambiguous") {
            return Ok(None);
        }
        let mut fields = line.split(' ');
        let (Some(id), Some(_), Some(size)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(Error::git("cat-file", line.as_bytes()));
        };
        let size: usize = size.parse().map_err(|_| Error::git("cat-file", line.as_bytes()))?;
        let mut bytes = vec![0; size + 1];
        self.output.read_exact(&mut bytes).await?;
        bytes.pop();
        Ok(Some(Object { id: id.to_owned(), bytes }))
    }
}

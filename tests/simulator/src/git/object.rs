use crate::Error;

/// An author or committer as git wrote it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ident {
    pub name: String,
    pub email: String,
    pub seconds: i64,
}

/// A commit object, decoded as far as the REST API shows it.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub id: String,
    pub parents: Vec<String>,
    pub author: Ident,
    pub committer: Ident,
    pub message: String,
}

impl Commit {
    /// Reads a raw commit object. The raw form is the only one no name or message can break.
    pub fn parse(id: &str, raw: &[u8]) -> Result<Self, Error> {
        let (head, message) = split_at_blank_line(raw);
        let mut parents = Vec::new();
        let (mut author, mut committer) = (None, None);
        let mut encoding = None;
        for line in head.split(|&byte| byte == b'\n') {
            // A line that begins with a space continues the header before it (a signature).
            let Some(space) = line.iter().position(|&byte| byte == b' ') else { continue };
            let value = &line[space + 1..];
            match &line[..space] {
                b"parent" => parents.push(String::from_utf8_lossy(value).into_owned()),
                b"author" => author = Some(value),
                b"committer" => committer = Some(value),
                b"encoding" => encoding = Some(value),
                _ => {}
            }
        }
        let text = Decoder::of(encoding);
        let ident = |line: Option<&[u8]>| {
            line.map(|line| parse_ident(line, &text))
                .ok_or_else(|| Error::git("cat-file", format!("{id} has no author or committer")))
        };
        Ok(Self {
            id: id.to_owned(),
            parents,
            author: ident(author)?,
            committer: ident(committer)?,
            message: text.decode(trim_newlines(message)),
        })
    }
}

fn split_at_blank_line(raw: &[u8]) -> (&[u8], &[u8]) {
    match raw.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&raw[..at], &raw[at + 2..]),
        None => (raw, &[]),
    }
}

/// Bitbucket shows messages without the newline git ends them with.
fn trim_newlines(mut message: &[u8]) -> &[u8] {
    while let [rest @ .., b'\n'] = message {
        message = rest;
    }
    message
}

/// `NAME <MAIL> SECONDS ZONE`, split where git's own `split_ident_line` splits it: the mail lies between the first `<` and
/// the first `>` after it, the date after the last `>`.
fn parse_ident(line: &[u8], text: &Decoder) -> Ident {
    let find = |from: usize, wanted: u8| line[from..].iter().position(|&byte| byte == wanted).map(|at| from + at);
    let open = find(0, b'<').unwrap_or(line.len());
    let mail = (open + 1).min(line.len());
    let close = find(mail, b'>').unwrap_or(line.len());
    let date = line.iter().rposition(|&byte| byte == b'>').map_or(line.len(), |at| at + 1);
    let seconds = String::from_utf8_lossy(&line[date..])
        .split_whitespace()
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0);
    Ident { name: text.decode(line[..open].trim_ascii()), email: text.decode(line[mail..close].trim_ascii()), seconds }
}

/// git converts a commit that names its encoding to UTF-8 before anyone sees it. Without a name the bytes pass as they are,
/// and Bitbucket replaces what is not UTF-8.
enum Decoder {
    Utf8,
    Latin1,
}

impl Decoder {
    fn of(encoding: Option<&[u8]>) -> Self {
        let name = encoding.map(<[u8]>::to_ascii_lowercase);
        match name.as_deref() {
            Some(b"iso-8859-1" | b"iso8859-1" | b"latin1" | b"latin-1") => Self::Latin1,
            _ => Self::Utf8,
        }
    }

    fn decode(&self, bytes: &[u8]) -> String {
        match self {
            Self::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Self::Latin1 => bytes.iter().copied().map(char::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n";

    fn commit(rest: &[u8]) -> Commit {
        Commit::parse("1234", &[TREE.as_bytes(), rest].concat()).unwrap()
    }

    #[test]
    fn odd_idents_survive() {
        let text = Decoder::Utf8;
        let ident = |line: &[u8]| parse_ident(line, &text);
        assert_eq!(ident(b"A B <a@b> 5 +0100"), Ident { name: "A B".into(), email: "a@b".into(), seconds: 5 });
        assert_eq!(ident(b"A <> 5 +0100"), Ident { name: "A".into(), email: String::new(), seconds: 5 });
        assert_eq!(ident(b"<a@b> 5 +0100").name, "");
        assert_eq!(ident(b"broken").name, "broken");
        assert_eq!(ident(b"\xff <a> -3 +0000"), Ident { name: "\u{fffd}".into(), email: "a".into(), seconds: -3 });
    }

    #[test]
    fn signatures_are_not_headers() {
        let raw = b"author A <a> 1 +0000\ncommitter B <b> 2 +0000\ngpgsig -----BEGIN\n author X <x> 9 +0000\n -----END\n\nm\n\nn\n\n";
        let commit = commit(raw);
        assert_eq!((commit.author.name.as_str(), commit.author.seconds), ("A", 1));
        assert_eq!(commit.message, "m\n\nn");
    }

    #[test]
    fn a_named_encoding_is_converted() {
        let commit = commit(b"author \xe4 <a> 1 +0000\ncommitter B <b> 2 +0000\nencoding ISO-8859-1\n\n\xfc\n");
        assert_eq!((commit.author.name.as_str(), commit.message.as_str()), ("ä", "ü"));
    }

    #[test]
    fn an_empty_message_is_empty() {
        assert_eq!(commit(b"author A <a> 1 +0000\ncommitter B <b> 2 +0000\n\n").message, "");
    }
}

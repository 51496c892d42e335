use std::io::{self, Write};

/// Who wrote or committed, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Any bytes but `<`, `>`, NUL and newline; may be empty.
    pub name: Vec<u8>,
    /// As `name`.
    pub email: Vec<u8>,
    /// Seconds since 1970.
    pub seconds: i64,
    /// `+HHMM` or `-HHMM`.
    pub zone: String,
}

impl Person {
    /// Someone at a moment, in UTC.
    pub fn new(name: impl AsRef<[u8]>, email: impl AsRef<[u8]>, seconds: i64) -> Self {
        let (name, email) = (name.as_ref().to_vec(), email.as_ref().to_vec());
        Self { name, email, seconds, zone: "+0000".to_owned() }
    }

    /// The same moment, written in another zone.
    #[must_use]
    pub fn zone(mut self, zone: &str) -> Self {
        zone.clone_into(&mut self.zone);
        self
    }
}

/// The parent of a commit to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parent {
    /// A commit that is in the repository.
    Id(String),
    /// The commit at this index of the same import.
    Earlier(usize),
}

impl From<&str> for Parent {
    fn from(id: &str) -> Self {
        Self::Id(id.to_owned())
    }
}

impl From<&String> for Parent {
    fn from(id: &String) -> Self {
        Self::Id(id.clone())
    }
}

impl From<usize> for Parent {
    fn from(index: usize) -> Self {
        Self::Earlier(index)
    }
}

/// A commit to be made. Its tree is empty: nothing here reads files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommit {
    /// None for a root commit, more than two for an octopus merge.
    pub parents: Vec<Parent>,
    /// Who wrote it.
    pub author: Person,
    /// Who committed it.
    pub committer: Person,
    /// Stored as it is: nothing is stripped or added.
    pub message: Vec<u8>,
    /// The encoding the commit says its texts are in; absent: UTF-8.
    pub encoding: Option<String>,
}

impl NewCommit {
    /// A root commit by one person.
    pub fn new(message: impl AsRef<[u8]>, person: Person) -> Self {
        let message = message.as_ref().to_vec();
        Self { parents: Vec::new(), author: person.clone(), committer: person, message, encoding: None }
    }

    /// A root commit of the first day of 2024 plus so many seconds.
    pub fn at(message: impl AsRef<[u8]>, seconds: i64) -> Self {
        Self::new(message, Person::new("Ada Lovelace", "ada@example.com", 1_704_067_200 + seconds))
    }

    /// Adds a parent.
    #[must_use]
    pub fn parent(mut self, parent: impl Into<Parent>) -> Self {
        self.parents.push(parent.into());
        self
    }

    /// Replaces the author.
    #[must_use]
    pub fn author(mut self, author: Person) -> Self {
        self.author = author;
        self
    }

    /// Replaces the committer.
    #[must_use]
    pub fn committer(mut self, committer: Person) -> Self {
        self.committer = committer;
        self
    }
}

/// The only ref an import touches; it is gone again when the import ends.
const SCRATCH: &str = "refs/simulator/import";

/// Writes one commit as `git fast-import` reads it. Its mark is its index plus one.
pub(super) fn write(out: &mut impl Write, index: usize, commit: &NewCommit) -> io::Result<()> {
    // Without the reset a root commit would go on top of the commit before it.
    write!(out, "reset {SCRATCH}\n\ncommit {SCRATCH}\nmark :{}\n", index + 1)?;
    for (role, person) in [("author", &commit.author), ("committer", &commit.committer)] {
        write!(out, "{role} ")?;
        out.write_all(&person.name)?;
        out.write_all(if person.name.is_empty() { b"<" } else { b" <" })?;
        out.write_all(&person.email)?;
        writeln!(out, "> {} {}", person.seconds, person.zone)?;
    }
    if let Some(encoding) = &commit.encoding {
        writeln!(out, "encoding {encoding}")?;
    }
    writeln!(out, "data {}", commit.message.len())?;
    out.write_all(&commit.message)?;
    out.write_all(b"\n")?;
    for (position, parent) in commit.parents.iter().enumerate() {
        let word = if position == 0 { "from" } else { "merge" };
        match parent {
            Parent::Id(id) => writeln!(out, "{word} {id}")?,
            Parent::Earlier(earlier) => writeln!(out, "{word} :{}", earlier + 1)?,
        }
    }
    out.write_all(b"\n")
}

/// Ends an import. The scratch ref is set to nothing, which removes it.
pub(super) fn finish(out: &mut impl Write) -> io::Result<()> {
    write!(out, "reset {SCRATCH}\nfrom {}\n\ndone\n", "0".repeat(40))
}

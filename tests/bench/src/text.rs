//! Commits as they might be: subjects of several words, a body now and then, fifty authors in each repository. The same for
//! the same numbers, for the histories and for the rows of the floors.

use std::fmt::Write;

use bitbucket_simulator::git::{NewCommit, Person};

const WORDS: [&str; 32] = [
    "fix",
    "add",
    "remove",
    "the",
    "retry",
    "of",
    "requests",
    "when",
    "server",
    "closes",
    "connection",
    "before",
    "answer",
    "update",
    "dependency",
    "to",
    "version",
    "tests",
    "for",
    "empty",
    "pages",
    "in",
    "listing",
    "refactor",
    "handler",
    "cache",
    "timeout",
    "and",
    "metrics",
    "docs",
    "of",
    "build",
];
/// Authors of a repository.
pub const PEOPLE: u64 = 50;
/// Of the first commit, in seconds since 1970.
const BEGIN: i64 = 1_600_000_000;

/// What a commit says.
pub struct Text {
    /// Which of the authors.
    pub author: u64,
    /// Seconds since 1970.
    pub seconds: i64,
    /// Subject and body.
    pub message: String,
}

impl Text {
    /// Of the commit with this number in the repository with this one.
    pub fn of(repository: u64, commit: u64) -> Self {
        let mut dice = mix(repository << 32 | commit);
        let mut draw = |bound: u64| {
            dice = mix(dice);
            dice % bound
        };
        let words = 5 + draw(8);
        let body = if draw(4) == 0 { 20 + draw(40) } else { 0 };
        let mut message = format!("PLAT-{}: ", draw(10_000));
        for at in 0..words + body {
            message.push_str(match at {
                0 => "",
                at if at == words => "\n\n",
                at if at > words && (at - words).is_multiple_of(10) => "\n",
                _ => " ",
            });
            message.push_str(WORDS[usize::try_from(draw(32)).unwrap_or(0)]);
        }
        message.push('\n');
        let seconds = BEGIN + 60 * i64::try_from(commit).unwrap_or(0);
        Self { author: draw(PEOPLE), seconds, message }
    }

    /// The same as a commit without parents.
    pub fn commit(self) -> NewCommit {
        let (name, mail) = person(self.author);
        NewCommit::new(self.message, Person::new(name, mail, self.seconds))
    }
}

/// Name and mail address of an author.
pub fn person(author: u64) -> (String, String) {
    (format!("Person Number {author}"), format!("person{author}@example.com"))
}

/// An id as good as any.
pub fn sha(repository: u64, commit: u64) -> String {
    let mut word = mix(repository << 32 | commit);
    let mut text = String::with_capacity(48);
    while text.len() < 40 {
        word = mix(word);
        let _ = write!(text, "{word:016x}");
    }
    text.truncate(40);
    text
}

/// `SplitMix64`.
fn mix(seed: u64) -> u64 {
    let mut word = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_always_the_same_and_never_the_same() {
        assert_eq!((Text::of(1, 2).message, sha(1, 2)), (Text::of(1, 2).message, sha(1, 2)));
        assert_ne!((Text::of(1, 2).message, sha(1, 2)), (Text::of(2, 1).message, sha(2, 1)));
        assert_eq!(sha(3, 4).len(), 40);
        let length: usize = (0..1000).map(|commit| Text::of(0, commit).message.len()).sum();
        assert!((80_000..200_000).contains(&length), "{length} in a thousand messages");
    }
}

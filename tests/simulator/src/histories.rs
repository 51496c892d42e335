//! Made-up histories, the same for the same seed.

use std::path::Path;

use crate::Error;
use crate::git::{GitRepository, NewCommit, Parent, Person};

/// A bare repository whose `main` reaches exactly `commits` commits that are as odd as git allows: merges, octopus merges,
/// several roots, empty and very long messages, names that are empty or not UTF-8, no mail addresses, equal dates, dates that
/// go backwards, author and committer that differ, a declared encoding.
pub fn odd(path: impl AsRef<Path>, commits: usize, seed: u64) -> Result<GitRepository, Error> {
    let repository = GitRepository::create(path)?;
    let mut dice = Dice(seed);
    let mut tips = Vec::new();
    let made = (0..commits).map(|index| commit(&mut dice, &mut tips, index, commits));
    let ids = repository.import(made)?;
    if let Some(last) = ids.last() {
        repository.set_branch("main", last)?;
    }
    Ok(repository)
}

/// A bare repository whose `main` is a line of so many plain commits, a minute apart: for speed, not for oddity.
pub fn linear(path: impl AsRef<Path>, commits: usize) -> Result<GitRepository, Error> {
    let repository = GitRepository::create(path)?;
    repository.grow("main", commits)?;
    Ok(repository)
}

/// So many lines of development go on at once, at most; an octopus can join them all.
const LINES: usize = 6;

/// The next commit. `tips` are those without a child so far.
fn commit(dice: &mut Dice, tips: &mut Vec<usize>, index: usize, commits: usize) -> NewCommit {
    let left = commits - index;
    // Two commits with the same parents could come out the same, and be one.
    let mut numbered = false;
    let parents = if tips.is_empty() || (tips.len() < LINES && left > LINES && dice.one_in(60)) {
        numbered = true;
        Vec::new()
    } else if left == 1 {
        // The last one joins everything, so that it reaches everything.
        std::mem::take(tips)
    } else if tips.len() > 2 && dice.one_in(12) {
        let count = 3 + dice.below(tips.len() - 2);
        (0..count.min(tips.len())).map(|_| tips.swap_remove(dice.below(tips.len()))).collect()
    } else if tips.len() > 1 && dice.one_in(5) {
        let second = tips.swap_remove(dice.below(tips.len()));
        vec![tips.swap_remove(dice.below(tips.len())), second]
    } else {
        let at = dice.below(tips.len());
        // Kept as a tip, it becomes the point where two lines part.
        let parts = tips.len() < LINES && left > LINES && dice.one_in(4);
        numbered = parts;
        vec![if parts { tips[at] } else { tips.swap_remove(at) }]
    };
    tips.push(index);
    let seconds = date(dice, index);
    let committer = match dice.below(4) {
        0 => person(dice, seconds + 86_400),
        1 => person(dice, seconds - 3_600),
        _ => person(dice, seconds),
    };
    NewCommit {
        parents: parents.into_iter().map(Parent::Earlier).collect(),
        author: person(dice, seconds),
        committer,
        message: if numbered { format!("begin {index}\n").into_bytes() } else { message(dice, index) },
        encoding: dice.one_in(30).then(|| "ISO-8859-1".to_owned()),
    }
}

/// Mostly forward, in steps of no time at all every now and then, and sometimes far back.
fn date(dice: &mut Dice, index: usize) -> i64 {
    let index = i64::try_from(index).unwrap_or(i64::MAX / 1000);
    let base = 1_500_000_000 + index / 3 * 90;
    match dice.below(20) {
        0 => base - 40_000_000,
        1 => base - 600,
        2 => 0,
        3 => base + 200_000_000,
        _ => base,
    }
}

fn person(dice: &mut Dice, seconds: i64) -> Person {
    const PEOPLE: [(&[u8], &[u8]); 12] = [
        (b"Ada Lovelace", b"ada@example.com"),
        (b"Grace Hopper", b"grace@example.com"),
        ("Jürgen Groß".as_bytes(), "jürgen@example.com".as_bytes()),
        ("山田 太郎".as_bytes(), b"yamada@example.jp"),
        ("Zoë 🦊 עברית".as_bytes(), b"zoe@example.com"),
        (b"J\xfcrgen Latin", b"latin@example.com"),
        (b"\xff\xfe\x80", b"\xe9@example.com"),
        (b"No Mail", b""),
        (b"", b"nameless@example.com"),
        (b"", b""),
        (b"Quote \" and \\ and, comma", b"quote@example.com"),
        (b"Tab\tand\x1bescape", b"not a mail address"),
    ];
    const ZONES: [&str; 5] = ["+0000", "+0200", "-0800", "+0530", "+1345"];
    let (name, email) = PEOPLE[dice.below(PEOPLE.len())];
    Person::new(name, email, seconds.max(0)).zone(ZONES[dice.below(ZONES.len())])
}

fn message(dice: &mut Dice, index: usize) -> Vec<u8> {
    match dice.below(14) {
        0 => Vec::new(),
        1 => b"\n".to_vec(),
        2 => format!("no newline at the end {index}").into_bytes(),
        3 => format!("subject {index}\n\nbody, line one\nline two\n\n\nafter two blank lines\n").into_bytes(),
        4 => format!("  leading blanks, trailing blanks {index}  \n\n\n\n").into_bytes(),
        5 => format!("emoji 🚀👩‍👩‍👧 and 漢字 and ا {index}\n").into_bytes(),
        6 => [b"not UTF-8: \xc3\x28 \xff \xed\xa0\x80 ".as_slice(), index.to_string().as_bytes()].concat(),
        7 => format!("controls \u{1}\u{7}\u{8}\u{b}\u{c}\u{1b}[31m\u{7f}\u{85}\u{2028} {index}\n").into_bytes(),
        8 => format!("carriage\r\nreturns\r\n{index}\r\n").into_bytes(),
        9 => b"a line that says\n\ncommit 1234\nAuthor: Nobody <n@example.com>\n\n    as git would\n".to_vec(),
        10 => format!("\"quotes\" 'and' \\back\\slashes $(and) `more` {{}} %H %x00 {index}\n").into_bytes(),
        11 if index < 50 || dice.one_in(20) => format!("long {index} {}\n", "lorem ipsum ".repeat(9_000)).into_bytes(),
        _ => format!("change {index}\n").into_bytes(),
    }
}

/// `SplitMix64`: good enough, and the same everywhere for ever.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

//! Rooms use only what stands below them in docs/architecture.md, and nothing of what they are said not to know.

use std::collections::BTreeSet;
use std::path::Path;

use super::root;

/// A row of the table.
struct Room {
    name: String,
    /// What it knows nothing of.
    without: String,
}

/// What words of the last column stand for, in code.
const WORDS: [(&str, &[&str]); 5] = [
    ("I/O", &["std::fs", "std::net", "tokio::", "reqwest::", "rusqlite::"]),
    ("HTTP to Bitbucket", &["reqwest::"]),
    ("HTTP", &["reqwest::", "axum::", "crate::bitbucket"]),
    ("Kubernetes", &["kube::", "k8s_openapi::", "crate::kubernetes"]),
    ("SQL", &["rusqlite::", "tokio_postgres::"]),
];

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn rooms() -> Vec<Room> {
    let page = read("docs/architecture.md");
    let rows = page.lines().skip_while(|line| !line.starts_with("| room |")).skip(2);
    let rooms = rows.take_while(|line| line.starts_with('|')).map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, _, without] = cells[..] else { panic!("three cells: {line}") };
        Room { name: name.trim_matches(['`', '/']).to_owned(), without: without.to_owned() }
    });
    rooms.collect()
}

/// The code in a folder, by file.
fn code(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(code(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path.strip_prefix(root()).unwrap().display().to_string(), text));
        }
    }
    found
}

/// The rooms that code names.
fn used(text: &str) -> BTreeSet<&str> {
    let after = text.split("crate::").skip(1);
    after.map(|rest| &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())]).collect()
}

/// Whether this path is written there, and not as the end of another one.
fn names(text: &str, path: &str) -> bool {
    let begins = |at: usize| !text[..at].ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c));
    text.match_indices(path).any(|(at, _)| begins(at))
}

/// What of the last column a room uses all the same.
fn known(room: &Room, rooms: &[Room], text: &str) -> Vec<String> {
    let others = rooms.iter().filter(|other| other.name != room.name);
    if let Some(but) = room.without.strip_prefix("all ") {
        // Of the others, but for those that are named.
        let others = others.filter(|other| !but.contains(&format!("`{}/`", other.name)));
        return others.filter(|other| used(text).contains(&*other.name)).map(|other| other.name.clone()).collect();
    }
    let words = room.without.split(", ").filter(|word| !word.is_empty());
    let paths = words.flat_map(|word| {
        let meant = WORDS.iter().find(|(name, _)| *name == word);
        meant.unwrap_or_else(|| panic!("what does {word} mean?")).1
    });
    paths.filter(|path| names(text, path)).map(|path| (*path).to_owned()).collect()
}

#[test]
fn both_maps_are_of_the_rooms_that_there_are() {
    let named: Vec<String> = rooms().into_iter().map(|room| room.name).collect();
    let lib = read("src/lib.rs");
    let listed = lib.lines().filter_map(|line| line.strip_prefix("//! | [`")?.split('`').next());
    assert_eq!(named, listed.collect::<Vec<_>>(), "src/lib.rs has the same order");
    let folders = std::fs::read_dir(root().join("src")).unwrap().map(|entry| entry.unwrap().path());
    let folders = folders.filter(|path| path.is_dir() && !path.ends_with("bin"));
    let there: BTreeSet<String> = folders.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(named.into_iter().collect::<BTreeSet<_>>(), there);
}

#[test]
fn dependencies_point_down() {
    let rooms = rooms();
    let (mut seen, mut wrong) = (0, Vec::new());
    for (place, room) in rooms.iter().enumerate() {
        for (file, text) in code(&root().join("src").join(&room.name)) {
            // Several at once are not looked into.
            assert!(!text.contains("crate::{"), "{file}: one use for each room");
            let used = used(&text);
            seen += used.len();
            let above = rooms[..place].iter().filter(|above| used.contains(&*above.name));
            wrong.extend(above.map(|above| format!("{file} uses {}/, which stands above {}/", above.name, room.name)));
            // What unit tests read and write is no matter of the room's.
            let own = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let own = if file.contains("/tests") { "" } else { own };
            wrong.extend(known(room, &rooms, own).iter().map(|what| format!("{file} knows of {what}")));
        }
    }
    assert!(wrong.is_empty() && seen > 200, "{seen} seen, of which wrong: {wrong:#?}");
}

#[test]
fn unit_tests_stand_where_they_are_looked_for() {
    for (file, text) in code(&root().join("src")) {
        assert!(!file.ends_with("_tests.rs") && !text.contains("#[path"), "{file}: see CONTRIBUTING.md");
    }
}

#[test]
fn what_is_used_is_seen() {
    assert_eq!(used("use crate::api::{self, Reason};\nlet x = crate::sync;"), BTreeSet::from(["api", "sync"]));
    assert!(names("use kube::Api;", "kube::") && names("(kube::Api)", "kube::"));
    assert!(!names("use crate::kube::Api;", "kube::") && !names("use mikube::Api;", "kube::"));
    let room = |name: &str, without: &str| Room { name: name.to_owned(), without: without.to_owned() };
    let all = [
        room("page", "SQL"),
        room("trust", "all of the others"),
        room("kubernetes", "all but `api/`"),
        room("api", ""),
    ];
    let text = "use crate::api; use crate::page; use rusqlite::Row;";
    let known = |at: usize| known(&all[at], &all, text);
    assert_eq!(
        [known(0), known(1), known(2), known(3)],
        [vec!["rusqlite::"], vec!["page", "api"], vec!["page"], vec![]]
    );
}

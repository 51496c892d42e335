//! What a page about one connection reads: its repositories, and the weeks in which its commits were written.

mod patience;
mod weeks;

use std::time::Duration;

use bitbucket_connector::destination::{
    Absent, Commit, ConnectionKey, Destination, Last, Listing, Next, Only, Overview, Page, Position, Project,
    Repository, RepositoryState, Scope, Search,
};
use jiff::{Timestamp, ToSpan};

use crate::support::database::{Database, Kind, on_both};

const HERE: &str = "https://git.example.com";

struct Scene {
    destination: Destination,
    scope: Scope,
    place: Database,
}

fn key(name: &str, uid: &str) -> ConnectionKey {
    let text = |text: &str| text.to_owned();
    ConnectionKey { cluster: text("c"), namespace: text("n"), name: text(name), uid: text(uid) }
}

/// `PROJECT/slug`, with ids of their own; a minus before it means that it is not imported.
fn listing(path: &str) -> Listing {
    let (allowlisted, path) = path.strip_prefix('-').map_or((true, path), |path| (false, path));
    let (project, slug) = path.split_once('/').unwrap();
    let text = |text: &str| text.to_owned();
    let id = |text: &str| text.bytes().fold(7, |id: i64, byte| id * 31 % 1_000_003 + i64::from(byte));
    Listing {
        repository: Repository {
            source_id: id(path),
            slug: text(slug),
            name: text("Some name"),
            description: None,
            public: false,
            archived: false,
            source_url: format!("{HERE}/{path}"),
        },
        project: Project {
            source_id: id(project),
            key: text(project),
            name: text("Some name"),
            description: None,
            public: false,
            source_url: format!("{HERE}/{project}"),
        },
        allowlisted,
    }
}

fn all() -> Search {
    Search { text: String::new(), only: Only::All, offset: 0, limit: 100 }
}

fn names(found: &Overview) -> Vec<&str> {
    found.repositories.iter().map(|repository| repository.name.as_str()).collect()
}

/// All that were listed, imported, failing, and looked for.
fn counts(found: &Overview) -> [i64; 4] {
    [found.total, found.imported, found.failing, found.matching]
}

impl Scene {
    async fn start(on: Kind, paths: &[&str]) -> Self {
        let place = Database::new(on).await;
        let destination = Destination::open(&place.url()).await.unwrap();
        let scope = destination.scope(key("a", "1"), HERE.to_owned()).await.unwrap();
        let scene = Self { destination, scope, place };
        scene.record(scene.scope, paths).await;
        scene
    }

    async fn record(&self, scope: Scope, paths: &[&str]) {
        self.destination.record(scope, paths.iter().map(|path| listing(path)).collect(), vec![]).await.unwrap();
    }

    async fn look(&self, search: Search) -> Overview {
        self.destination.overview(key("a", "1"), search).await.unwrap()
    }

    /// The row of a repository.
    async fn row(&self, scope: Scope, path: &str) -> i64 {
        let id = listing(path).repository.source_id;
        self.destination.repository(scope, id).await.unwrap().unwrap().id
    }

    async fn mark(&self, path: &str, state: RepositoryState) {
        self.destination.mark(self.row(self.scope, path).await, state).await.unwrap();
    }

    /// Stores a line of commits that were written then, the newest first, as a whole or as the beginning of a walk.
    async fn store(&self, scope: Scope, path: &str, times: &[Option<&str>], whole: bool) {
        let shas: Vec<_> = (0..times.len()).map(|number| format!("{number:040x}")).collect();
        let commit = |(number, created): (usize, Option<&str>)| Commit {
            sha: shas[number].clone(),
            parents: shas.get(number + 1).cloned().into_iter().collect(),
            author: None,
            created: created.map(str::to_owned),
            // Never looked at.
            committed: Some("2025-06-01T00:00:00Z".to_owned()),
            message: String::new(),
        };
        let commits = times.iter().copied().enumerate().map(commit).collect();
        let last = Last { branch: Some("main".to_owned()), confirmed: false };
        let next = if whole { Next::Last(last) } else { Next::Page(1) };
        let page = Page { target: shas[0].clone(), since: None, commits, next };
        let row = self.row(scope, path).await;
        self.destination.store(scope, row, Position::default(), page).await.unwrap();
    }
}

async fn a_part_of_the_name_is_looked_for_as_it_is_written(on: Kind) {
    let paths = ["PLAT/api", "PLAT/api_v2", "PLAT/apixv2", r"WEB/back\slash", "-WEB/100%", "WEB/1000"];
    let scene = Scene::start(on, &paths).await;
    for (text, expected) in [
        ("API", &["PLAT/api", "PLAT/api_v2", "PLAT/apixv2"][..]),
        ("plat/AP", &["PLAT/api", "PLAT/api_v2", "PLAT/apixv2"]),
        ("T/api_", &["PLAT/api_v2"]),
        ("00%", &["WEB/100%"]),
        ("%", &["WEB/100%"]),
        (r"\", &[r"WEB/back\slash"]),
        ("web/1", &["WEB/100%", "WEB/1000"]),
        ("", &["PLAT/api", "PLAT/api_v2", "PLAT/apixv2", "WEB/100%", "WEB/1000", r"WEB/back\slash"]),
        ("api v2", &[]),
        ("'", &[]),
        ("Some name", &[]),
        ("a\0i", &[]),
    ] {
        let found = scene.look(Search { text: text.to_owned(), ..all() }).await;
        assert_eq!(names(&found), expected, "{text}");
        let matching = i64::try_from(expected.len()).unwrap();
        assert_eq!(counts(&found), [6, 5, 0, matching], "{text}");
    }
}

async fn what_fails_and_what_is_incomplete_is_told_apart(on: Kind) {
    let paths = ["P/begun", "P/broken", "P/done", "P/empty", "P/headless", "P/new", "-P/out", "P/refused", "P/ahead"];
    let scene = Scene::start(on, &paths).await;
    for path in ["P/broken", "P/done", "P/ahead"] {
        scene.store(scene.scope, path, &[None], true).await;
    }
    scene.store(scene.scope, "P/begun", &[None, None], false).await;
    let head =
        scene.destination.repository(scene.scope, listing("P/ahead").repository.source_id).await.unwrap().unwrap();
    let (target, since) = ("f".repeat(40), head.position.head.clone());
    let page = Page { target, since, commits: vec![], next: Next::Page(1) };
    scene.destination.store(scene.scope, head.id, head.position, page).await.unwrap();
    scene.mark("P/broken", RepositoryState::Failed("Refused")).await;
    scene.mark("P/empty", RepositoryState::Empty).await;
    scene.mark("P/headless", RepositoryState::NoDefaultBranch).await;
    scene.mark("P/refused", RepositoryState::Inaccessible).await;
    // What is not imported fails no more.
    scene.mark("P/out", RepositoryState::Failed("Refused")).await;
    let before = Timestamp::now().checked_sub(1.minute()).unwrap();
    scene.destination.finish_run(scene.scope).await.unwrap();

    for (only, expected) in [
        (Only::Failing, &["P/broken", "P/refused"][..]),
        // Nothing is known of what is refused, either.
        (Only::Incomplete, &["P/refused", "P/ahead", "P/begun", "P/new"]),
    ] {
        let found = scene.look(Search { only, ..all() }).await;
        assert_eq!(names(&found), expected);
        assert_eq!(counts(&found), [9, 8, 2, i64::try_from(expected.len()).unwrap()]);
    }
    let none = scene.look(Search { text: "done".to_owned(), only: Only::Failing, ..all() }).await;
    assert_eq!((names(&none), none.matching), (vec![], 0));

    let found = scene.look(all()).await;
    assert_eq!(counts(&found), [9, 8, 2, 9]);
    let line = |path: &str| {
        let one = found.repositories.iter().find(|one| one.name == path).unwrap();
        assert_eq!(one.url, format!("{HERE}/{path}"));
        for time in [one.synced_at, one.checked_at].into_iter().flatten() {
            assert!(time >= before && time <= Timestamp::now(), "{path}: {time}");
        }
        let failure = one.failure.clone().unwrap_or_default();
        let flags = [one.complete, one.imported, one.accessible, one.synced_at.is_some(), one.checked_at.is_some()];
        (one.state.clone(), flags.map(u8::from), failure)
    };
    for (path, state, flags, failure) in [
        ("P/done", "synced", [1, 1, 1, 1, 1], ""),
        ("P/ahead", "synced", [0, 1, 1, 1, 1], ""),
        ("P/begun", "new", [0, 1, 1, 0, 1], ""),
        ("P/broken", "synced", [1, 1, 1, 1, 0], "Refused"),
        ("P/empty", "empty", [0, 1, 1, 0, 1], ""),
        ("P/headless", "no_default_branch", [0, 1, 1, 0, 1], ""),
        ("P/new", "new", [0, 1, 1, 0, 1], ""),
        ("P/out", "new", [0, 0, 1, 0, 0], "Refused"),
        ("P/refused", "new", [0, 1, 0, 0, 0], ""),
    ] {
        assert_eq!(line(path), (state.to_owned(), flags, failure.to_owned()), "{path}");
    }
}

async fn the_failing_come_first_and_portions_make_the_whole(on: Kind) {
    let scene = Scene::start(on, &["P/d", "~eve/a", "P/b", "PA/a", "P/c", "P-A/a"]).await;
    scene.mark("~eve/a", RepositoryState::Failed("Refused")).await;
    scene.mark("P/c", RepositoryState::Inaccessible).await;
    let order = ["P/c", "~eve/a", "P-A/a", "P/b", "P/d", "PA/a"];
    assert_eq!(names(&scene.look(all()).await), order);
    for (offset, limit, expected) in [
        (0, 2, &order[..2]),
        (2, 3, &order[2..5]),
        (5, 3, &order[5..]),
        (6, 3, &[]),
        (0, 0, &[]),
        (-1, 1, &order[..1]),
        (0, -1, &[]),
    ] {
        let found = scene.look(Search { offset, limit, ..all() }).await;
        assert_eq!(names(&found), expected, "{offset} {limit}");
        assert_eq!(counts(&found), [6, 6, 2, 6], "{offset} {limit}");
    }
}

async fn only_what_the_connections_own_bitbucket_has_listed_is_shown(on: Kind) {
    let scene = Scene::start(on, &["P/here", "P/gone"]).await;
    let gone = Absent { id: scene.row(scene.scope, "P/gone").await, allowlisted: true, inaccessible: false };
    scene.destination.record(scene.scope, vec![listing("P/here")], vec![gone]).await.unwrap();
    let other = scene.destination.scope(key("b", "2"), HERE.to_owned()).await.unwrap();
    scene.record(other, &["P/theirs"]).await;
    let found = scene.look(all()).await;
    assert_eq!((names(&found), counts(&found)), (vec!["P/here"], [1, 1, 0, 1]));
    // The name leads to another server now.
    let moved = scene.destination.scope(key("a", "1"), "https://new.example.com".to_owned()).await.unwrap();
    let found = scene.look(all()).await;
    assert_eq!((names(&found), counts(&found)), (vec![], [0; 4]), "nothing is listed there yet");
    scene.record(moved, &["P/there"]).await;
    assert_eq!(names(&scene.look(all()).await), ["P/there"]);
    for nobody in [key("a", "0"), key("z", "1")] {
        assert_eq!(counts(&scene.destination.overview(nobody, all()).await.unwrap()), [0; 4]);
    }
}

on_both! {
    a_part_of_the_name_is_looked_for_as_it_is_written,
    what_fails_and_what_is_incomplete_is_told_apart,
    the_failing_come_first_and_portions_make_the_whole,
    only_what_the_connections_own_bitbucket_has_listed_is_shown,
}

/// The writer's thread waits for somebody else, and the page does not wait for the writer's thread.
#[tokio::test]
async fn a_busy_writer_holds_up_no_page() {
    let scene = Scene::start(Kind::Sqlite, &["P/here"]).await;
    let Database::Sqlite(folder) = &scene.place else { panic!("it is SQLite") };
    let other = rusqlite::Connection::open(folder.path().join("commits.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let writing = scene.destination.scope(key("a", "1"), HERE.to_owned());
    let looking = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let found = tokio::time::timeout(Duration::from_secs(3), scene.look(all())).await;
        other.execute_batch("COMMIT").unwrap();
        found.unwrap()
    };
    let (written, found) = tokio::join!(writing, looking);
    assert_eq!((names(&found), written.unwrap()), (vec!["P/here"], scene.scope));
}

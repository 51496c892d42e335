//! What a run shows that nothing disturbed: exactly what is true.

use bitbucket_simulator::{Access, Filling};

use super::report::Report;
use super::rows::Rows;
use super::world::{Head, Repository, World};

/// Holds the summary and all rows against the truth.
pub fn assert_true(world: &World, report: &Report) {
    let summary = report.results[0].as_ref().unwrap();
    let (mut synced, mut empty) = (0, 0);
    for repository in &world.repositories {
        match (world.access(repository), world.is_selected(repository), repository.head()) {
            (Access::Read, true, Head::At(_)) => synced += 1,
            (Access::Read, true, _) => empty += 1,
            _ => {}
        }
        row(world, repository, report);
    }
    assert!(summary.failed.is_empty(), "{:?}", summary.failed);
    assert_eq!((summary.synced, summary.empty), (synced, empty));
    let (mut expected, mut told) = (inaccessible(world, &report.before), summary.inaccessible.clone());
    let exact: Vec<String> = expected.iter().filter(|path| told.contains(path)).cloned().collect();
    told.retain(|path| !exact.contains(path));
    expected.retain(|path| !exact.contains(path));
    for one in expected {
        // The first listing may have given its project another key.
        let row = report.before.repositories.iter().find(|row| row.path == one);
        let same = |path: &String| row.is_some_and(|row| report.had_path(row, path));
        let place = told.iter().position(same).unwrap_or_else(|| panic!("{one} is not called inaccessible: {told:?}"));
        told.remove(place);
    }
    assert_eq!(told, Vec::<String>::new(), "called inaccessible beside others");
}

/// What a run finds that this account may not read: listed, or known and gone.
pub fn inaccessible(world: &World, before: &Rows) -> Vec<String> {
    let refused =
        |repository: &&Repository| world.access(repository) == Access::Listing && world.is_selected(repository);
    let refused = world.repositories.iter().filter(refused).map(|repository| world.path(repository));
    refused.chain(gone(world, before)).collect()
}

/// Whether the account is shown nothing of it.
pub fn is_hidden(world: &World, source: i64) -> bool {
    world.by_id(source).is_none_or(|known| world.access(known) == Access::Nothing)
}

/// Known repositories that this run finds to be gone.
fn gone(world: &World, before: &Rows) -> Vec<String> {
    let lost = before.repositories.iter().filter(|row| is_hidden(world, row.source) && (row.listed || row.accessible));
    let asked = lost.filter(|row| row.path.split_once('/').is_some_and(|(key, slug)| world.filter.selects(key, slug)));
    asked.map(|row| row.path.clone()).collect()
}

fn row(world: &World, repository: &Repository, report: &Report) {
    let access = world.access(repository);
    let row = report.after.of(repository.id);
    if access == Access::Nothing {
        if let Some(row) = row {
            assert!(!row.listed, "{}: it is not listed", row.path);
            assert!(!row.accessible || !row.allowlisted, "{}: it is gone", row.path);
        }
        return;
    }
    let path = world.path(repository);
    let row = row.unwrap_or_else(|| panic!("{path}: listed, and no row"));
    let selected = world.is_selected(repository);
    assert_eq!(row.path, path, "where it is");
    assert_eq!(
        (&row.name, row.archived, row.listed, row.allowlisted),
        (&repository.slug, repository.archived, true, selected),
        "{path}: name, archived, listed, allowlisted"
    );
    let project = &world.projects[repository.project];
    assert_eq!(report.after.projects.get(&project.id), Some(&(project.key.clone(), project.name.clone())), "{path}");
    if !selected {
        return;
    }
    assert_eq!((row.accessible, &row.failure), (access == Access::Read, &None), "{path}: accessible, failure");
    if access == Access::Read {
        match repository.head() {
            Head::At(id) => {
                assert_eq!((row.state.as_str(), row.head.as_ref(), &row.walk), ("synced", Some(&id), &None), "{path}");
                assert_eq!(row.branch.as_ref(), Some(&repository.default), "{path}: the branch's name");
            }
            Head::Empty => assert_eq!(row.state, "empty", "{path}"),
            Head::Missing => assert_eq!(row.state, "no_default_branch", "{path}"),
        }
    }
}

/// Requests that a run costs in which nothing is new: to the listing, and to repositories.
pub fn idle_requests(world: &World) -> (usize, usize) {
    let settings = world.bench.simulator.settings();
    let visible = |repository: &&Repository| world.access(repository) > Access::Nothing;
    let listed: Vec<&Repository> = world.repositories.iter().filter(visible).collect();
    let rows = match settings.filling {
        Filling::Full => listed.len(),
        Filling::Short => world.living().len(),
    };
    let pages = rows.div_ceil(settings.caps.repositories).max(1);
    let heads = listed.iter().filter(|repository| world.is_selected(repository)).count();
    (pages, heads)
}

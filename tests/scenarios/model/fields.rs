//! What a commit is, as git shows it and as the rows have it.

use serde_json::Value;

use super::dice::Dice;
use super::world::{Head, World};
use crate::support::sync::text;

const TABLE: &str = "bitbucket_server_repository_default_branch_commits";

/// Holds some commits of a repository that is synced against `git show`, and its head's time against its row.
pub async fn assert_shown(world: &World, dice: &mut Dice) {
    let Some(place) = world.read(dice) else { return };
    let repository = &world.repositories[place];
    let Head::At(head) = repository.head() else { return };
    let mut ids: Vec<&String> = repository.history.list(&head).unwrap().iter().collect();
    while ids.len() > 5 {
        ids.swap_remove(dice.below(ids.len()));
    }
    let quoted: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    let sql = format!(
        "SELECT c.sha, c.created, c.committed, c.parents, c.message, coalesce(c.author_email, '') FROM {TABLE} c
         JOIN bitbucket_server_repositories r ON r.id = c.repository_id
         WHERE r.source_id = {} AND c.sha IN ({})",
        repository.id,
        quoted.join(", ")
    );
    let rows = world.bench.query(&sql).await.rows;
    assert_eq!(rows.len(), ids.len());
    for row in rows {
        let id = text(&row[0]);
        let shown = repository.history.git.git(["show", "-s", "--format=%at%x00%ct%x00%P%x00%ae%x00%B", &id]).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        let fields: Vec<&str> = shown.split('\0').collect();
        let parents: Vec<String> = serde_json::from_str(&text(&row[3])).unwrap();
        assert_eq!([seconds(&row[1]), seconds(&row[2])], fields[..2], "{id}: times");
        assert_eq!((parents.join(" "), text(&row[5])), (fields[2].to_owned(), fields[3].to_owned()), "{id}");
        assert_eq!(text(&row[4]).trim_end(), fields[4].trim_end(), "{id}: message");
    }
    let sql = format!(
        "SELECT r.default_branch_commits_sync_to, c.committed FROM bitbucket_server_repositories r
         JOIN {TABLE} c ON c.repository_id = r.id AND c.sha = r.head WHERE r.source_id = {}",
        repository.id
    );
    let times = world.bench.query(&sql).await.rows;
    assert_eq!(times[0][0], times[0][1], "the time of the head");
}

fn seconds(time: &Value) -> String {
    text(time).parse::<jiff::Timestamp>().unwrap().as_second().to_string()
}

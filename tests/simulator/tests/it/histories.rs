use std::collections::{BTreeMap, HashSet};

use bitbucket_simulator::git::GitRepository;
use bitbucket_simulator::histories;
use serde_json::{Value, json};

use crate::support::house;

/// What `git log` itself prints of each commit, fields divided by bytes that no commit of a generated history holds.
fn logged(git: &GitRepository) -> BTreeMap<String, Value> {
    let format = "--format=%H%x02%P%x02%an%x02%ae%x02%at%x02%cn%x02%ce%x02%ct%x02%B";
    let text = git.git(["log", "-z", format, "main"]).unwrap();
    let records = text.split(|&byte| byte == 0).filter(|record| !record.is_empty());
    let commits = records.map(|record| {
        let fields: Vec<_> = record.split(|&byte| byte == 2).map(String::from_utf8_lossy).collect();
        let [id, parents, an, ae, at, cn, ce, ct, message] = fields.as_slice() else { panic!("{fields:?}") };
        let parents: Vec<_> = parents.split(' ').filter(|id| !id.is_empty()).collect();
        let stamp = |text: &str| text.parse::<i64>().unwrap() * 1000;
        let commit = json!([parents, an, ae, stamp(at), cn, ce, stamp(ct), message.trim_end_matches('\n')]);
        (id.to_string(), commit)
    });
    commits.collect()
}

fn served(commit: &Value) -> (String, Value) {
    let parents: Vec<_> = commit["parents"].as_array().unwrap().iter().map(|parent| parent["id"].clone()).collect();
    let (author, committer) = (&commit["author"], &commit["committer"]);
    let fields = json!([
        parents,
        author["name"],
        author["emailAddress"],
        commit["authorTimestamp"],
        committer["name"],
        committer["emailAddress"],
        commit["committerTimestamp"],
        commit["message"],
    ]);
    (commit["id"].as_str().unwrap().to_owned(), fields)
}

#[tokio::test]
async fn odd_histories_arrive_as_git_has_them() {
    let house = house().await;
    for seed in 0..3 {
        let git = histories::odd(house.directory.path().join(format!("odd-{seed}")), 400, seed).unwrap();
        house.simulator.set_path("PLAT/api", git.path()).unwrap();
        let commits = house.all("/projects/PLAT/repos/api/commits", 77).await;
        let served: BTreeMap<_, _> = commits.iter().map(served).collect();
        let logged = logged(&git);
        for (id, fields) in &logged {
            assert_eq!(served.get(id), Some(fields), "seed {seed}");
        }
        assert_eq!((commits.len(), served.len(), logged.len()), (400, 400, 400));
    }
}

#[test]
fn an_odd_history_is_odd() {
    let directory = tempfile::tempdir().unwrap();
    let git = histories::odd(directory.path(), 400, 7).unwrap();
    let logged = logged(&git);
    let with_parents = |count: usize| logged.values().any(|fields| fields[0].as_array().unwrap().len() == count);
    assert!((0..=4).all(with_parents));
    let any = |test: &dyn Fn(&Value) -> bool| logged.values().any(test);
    let text = |fields: &Value, at: usize| fields[at].as_str().unwrap().to_owned();
    assert!(any(&|fields| text(fields, 7).is_empty()), "an empty message");
    assert!(any(&|fields| text(fields, 7).len() > 70_000), "a long message");
    assert!(any(&|fields| text(fields, 7).contains('\u{fffd}')), "a message that is not UTF-8");
    assert!(any(&|fields| text(fields, 7).contains("\n\n\n")), "blank lines");
    assert!(any(&|fields| text(fields, 7).contains('\u{1b}')), "control characters");
    assert!(any(&|fields| text(fields, 7).contains('🚀')), "emoji");
    assert!(any(&|fields| text(fields, 1).contains('\u{fffd}')), "a name that is not UTF-8");
    assert!(any(&|fields| text(fields, 1).is_empty() && text(fields, 2).is_empty()), "nobody");
    assert!(any(&|fields| fields[3] != fields[6]), "author date and committer date differ");
    let dates: HashSet<_> = logged.values().map(|fields| fields[6].as_i64()).collect();
    assert!(dates.len() < 380, "equal dates");
    let backwards = |fields: &Value| {
        let parents = fields[0].as_array().unwrap().iter().map(|id| &logged[id.as_str().unwrap()]);
        parents.into_iter().any(|parent| parent[6].as_i64() > fields[6].as_i64())
    };
    assert!(any(&backwards), "dates that go backwards");
}

#[test]
fn the_same_seed_makes_the_same_history() {
    let directory = tempfile::tempdir().unwrap();
    let made = |name: &str, seed| {
        let git = histories::odd(directory.path().join(name), 60, seed).unwrap();
        git.rev_list(&["main"]).unwrap()
    };
    assert_eq!(made("a", 1), made("b", 1));
    assert_ne!(made("c", 1), made("d", 2));
    for commits in 0..12 {
        let git = histories::odd(directory.path().join(format!("n{commits}")), commits, 5).unwrap();
        let count = if commits == 0 { 0 } else { git.rev_list(&["main"]).unwrap().len() };
        assert_eq!(count, commits);
    }
}

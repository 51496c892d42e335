use bitbucket_simulator::Order;
use bitbucket_simulator::git::{NewCommit, Person};
use serde_json::json;

use crate::support::{house, house_with};

const COMMITS: &str = "/projects/PLAT/repos/api/commits";

#[tokio::test]
async fn a_list_is_what_rev_list_says() {
    let house = house().await;
    let all = house.git.rev_list(&["--date-order", "main"]).unwrap();
    assert_eq!(all.len(), 12);
    assert_eq!(house.ids(COMMITS, 5).await, all);
    for name in ["main", "refs/heads/main", "refs%2Fheads%2Fmain", &all[0], &all[0][..9]] {
        assert_eq!(house.ids(&format!("{COMMITS}?until={name}"), 100).await, all, "{name}");
    }
}

#[tokio::test]
async fn since_excludes_whatever_it_reaches() {
    let house = house().await;
    let main = house.git.rev_list(&["main"]).unwrap();
    // A side line from the fourth commit, merged: `since` reaches it or not, whatever the dates say.
    let side = house
        .git
        .import([NewCommit::at("old date", -50_000).parent(&main[8]), NewCommit::at("new date", 50_000).parent(0)]);
    let side = side.unwrap();
    let merge = NewCommit::at("merge", 100_000).parent(&main[0]).parent(&side[1]);
    let merge = house.git.commit(merge).unwrap();
    let octopus = NewCommit::at("three", 100_001).parent(&merge).parent(&main[10]).parent(&side[0]);
    let octopus = house.git.commit(octopus).unwrap();
    house.git.set_branch("main", &octopus).unwrap();
    for (until, since) in [
        ("main", &main[0]),
        ("main", &side[1]),
        ("main", &side[0]),
        (merge.as_str(), &main[11]),
        (main[2].as_str(), &main[5]),
        (main[5].as_str(), &main[2]),
        (octopus.as_str(), &octopus),
    ] {
        let expected = house.git.rev_list(&["--date-order", until, &format!("^{since}")]).unwrap();
        assert_eq!(house.ids(&format!("{COMMITS}?until={until}&since={since}"), 2).await, expected);
    }
    let list = house.get(&format!("{COMMITS}?limit=1")).await.json();
    assert_eq!(list["values"][0]["parents"].as_array().unwrap().len(), 3);
    for (merges, option) in [("only", "--merges"), ("exclude", "--no-merges"), ("include", "--date-order")] {
        let expected = house.git.rev_list(&[option, "main"]).unwrap();
        let mut ids = house.ids(&format!("{COMMITS}?merges={merges}"), 100).await;
        let mut sorted = expected.clone();
        ids.sort();
        sorted.sort();
        assert_eq!(ids, sorted, "{merges}");
    }
}

#[tokio::test]
async fn both_orders_are_gits() {
    let house = house().await;
    let git = bitbucket_simulator::histories::odd(house.directory.path().join("odd"), 150, 3).unwrap();
    house.simulator.set_path("PLAT/api", git.path()).unwrap();
    let by_date = git.rev_list(&["--date-order", "main"]).unwrap();
    let by_topology = git.rev_list(&["--topo-order", "main"]).unwrap();
    assert_ne!(by_date, by_topology);
    assert_eq!(house.ids(COMMITS, 40).await, by_date);
    house.simulator.configure(|settings| settings.order = Order::Topological);
    assert_eq!(house.ids(COMMITS, 40).await, by_topology);
}

#[tokio::test]
async fn a_page_tells_the_limit_that_was_applied() {
    let house = house_with(|builder| builder.configure(|settings| settings.caps.commits = 5)).await;
    let page = house.get(&format!("{COMMITS}?limit=99999&pagelen=3&page=2")).await.json();
    assert_eq!((&page["limit"], &page["size"], &page["nextPageStart"]), (&json!(5), &json!(5), &json!(5)));
    assert_eq!(page["isLastPage"], false);
    house.simulator.configure(|settings| settings.caps.commits = 100);
    let page = house.get(COMMITS).await.json();
    assert_eq!((&page["limit"], &page["size"], page.get("nextPageStart")), (&json!(25), &json!(12), None));
    let page = house.get(&format!("{COMMITS}?start=12")).await.json();
    assert_eq!((&page["size"], &page["isLastPage"], &page["start"]), (&json!(0), &json!(true), &json!(12)));
}

#[tokio::test]
async fn counts_are_of_the_whole_range() {
    let house = house().await;
    let extra = NewCommit::new("x", Person::new("Grace", "grace@example.com", 1_800_000_000));
    let tip = house.git.branch("main").unwrap().unwrap();
    let id = house.git.commit(extra.parent(&tip)).unwrap();
    house.git.set_branch("main", &id).unwrap();
    let page = house.get(&format!("{COMMITS}?withCounts=true&limit=1")).await.json();
    assert_eq!((&page["totalCount"], &page["authorCount"]), (&json!(13), &json!(2)));
    let page = house.get(&format!("{COMMITS}?withCounts=true&since={id}")).await.json();
    assert_eq!((&page["totalCount"], &page["authorCount"]), (&json!(0), &json!(0)));
    assert_eq!(house.get(COMMITS).await.json().get("totalCount"), None);
}

#[tokio::test]
async fn pushes_force_pushes_and_pruning_are_seen_at_once() {
    let house = house().await;
    let old = house.git.rev_list(&["main"]).unwrap();
    assert_eq!(house.ids(COMMITS, 100).await, old);
    let new = house.git.grow("main", 3).unwrap();
    assert_eq!(house.ids(COMMITS, 100).await.len(), 15);
    house.git.set_branch("main", &old[6]).unwrap();
    let other = house.git.grow("main", 1).unwrap();
    assert_ne!(other[0], old[5]);
    assert_eq!(house.ids(COMMITS, 100).await.len(), 7);
    // Unreachable commits can be asked for as long as they are there.
    let range = format!("{COMMITS}?since={}", new[2]);
    assert_eq!(house.ids(&range, 100).await, other);
    house.git.prune().unwrap();
    assert_eq!(house.get(&range).await.exception(), (404, "NoSuchCommitException".to_owned()));
    // With ignoreMissing the exclusion is gone, and so everything is in.
    assert_eq!(house.ids(&format!("{range}&ignoreMissing=true"), 100).await.len(), 7);
    house.simulator.configure(|settings| settings.lenient_since = true);
    assert_eq!(house.ids(&range, 100).await.len(), 7);
}

#[tokio::test]
async fn a_commit_has_the_documented_shape() {
    let house = house().await;
    let author = Person::new("Grace Hopper", "grace@example.com", 1_000_000_001);
    let committer = Person::new("The Reader", "READER@example.com", 1_000_000_002).zone("+0500");
    let root = house.git.commit(NewCommit::new("subject\n\nbody\n\n", author).committer(committer)).unwrap();
    let id = house.git.commit(NewCommit::at("child", 0).parent(&root)).unwrap();
    let page = house.get(&format!("{COMMITS}?until={root}")).await;
    let link = format!("{}/users/reader", house.simulator.url());
    let account = format!(
        r#"{{"name":"reader","emailAddress":"reader@example.com","active":true,"displayName":"reader","id":1,"slug":"reader","type":"NORMAL","links":{{"self":[{{"href":"{link}"}}]}}}}"#
    );
    let commit = format!(
        r#"{{"id":"{root}","displayId":"{}","author":{{"name":"Grace Hopper","emailAddress":"grace@example.com"}},"authorTimestamp":1000000001000,"committer":{account},"committerTimestamp":1000000002000,"message":"subject\n\nbody","parents":[]}}"#,
        &root[..11]
    );
    let expected = format!(r#"{{"size":1,"limit":25,"isLastPage":true,"values":[{commit}],"start":0}}"#);
    assert_eq!(page.body, expected);
    // Asked for by its id, a commit shows its parents in full, and their parents as ids.
    let child = house.get(&format!("{COMMITS}/{id}")).await.json();
    assert_eq!(child["parents"][0], serde_json::from_str::<serde_json::Value>(&commit).unwrap());
    let short = house.get(&format!("{COMMITS}/{}", &id[..8])).await.json();
    assert_eq!(short, child);
}

#[tokio::test]
async fn an_empty_mail_address_is_empty_or_left_out() {
    let house = house().await;
    let nobody = Person::new("", "", 1_000_000_000);
    let id = house.git.commit(NewCommit::new("", nobody)).unwrap();
    let list = format!("{COMMITS}?until={id}");
    let author = house.get(&list).await.json()["values"][0]["author"].clone();
    assert_eq!(author, json!({"name": "", "emailAddress": ""}));
    house.simulator.configure(|settings| settings.omit_empty_email = true);
    let commit = house.get(&list).await.json()["values"][0].clone();
    assert_eq!((&commit["author"], &commit["message"]), (&json!({"name": ""}), &json!("")));
}

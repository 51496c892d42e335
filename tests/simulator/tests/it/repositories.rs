use bitbucket_simulator::MissingDefault;
use serde_json::json;

use crate::support::{house, house_with};

const EMPTY: &str = "/projects/PLAT/repos/empty";
const API: &str = "/projects/PLAT/repos/api";

#[tokio::test]
async fn an_empty_repository_is_empty_in_five_ways() {
    let house = house_with(|builder| builder.empty_repository("PLAT/never")).await;
    house.repository("PLAT/empty");
    for path in ["/projects/PLAT/repos/never", EMPTY] {
        let answer = house.get(&format!("{path}/branches/default")).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""));
        assert_eq!(house.get(&format!("{path}/default-branch")).await.status, 200);
        assert_eq!(house.get(&format!("{path}/branches")).await.json()["size"], 0);
        let answer = house.get(&format!("{path}/commits")).await;
        assert_eq!(answer.exception(), (404, "NoDefaultBranchException".to_owned()));
        let answer = house.get(&format!("{path}/commits?until=main")).await;
        assert_eq!(answer.exception(), (404, "NoSuchCommitException".to_owned()));
    }
}

#[tokio::test]
async fn a_branch_has_the_documented_shape() {
    let house = house().await;
    let tip = house.git.branch("main").unwrap().unwrap();
    let branch = format!(
        r#"{{"id":"refs/heads/main","displayId":"main","type":"BRANCH","latestCommit":"{tip}","latestChangeset":"{tip}","isDefault":true}}"#
    );
    assert_eq!(house.get(&format!("{API}/branches/default")).await.body, branch);
    let name = r#"{"id":"refs/heads/main","displayId":"main","type":"BRANCH"}"#;
    assert_eq!(house.get(&format!("{API}/default-branch")).await.body, name);
    house.git.set_branch("feature/x", &tip).unwrap();
    assert_eq!(house.get(&format!("{API}/branches")).await.values("displayId"), ["feature/x", "main"]);
    assert_eq!(house.get(&format!("{API}/branches?filterText=FEAT")).await.json()["values"][0]["isDefault"], false);
    house.simulator.configure(|settings| settings.version = "7.4.2".to_owned());
    assert_eq!(house.get(&format!("{API}/default-branch")).await.json()["status-code"], 404);
}

#[tokio::test]
async fn a_default_branch_that_is_not_there() {
    let house = house().await;
    house.simulator.set_default_branch("PLAT/api", "trunk").unwrap();
    for path in ["branches/default", "commits", "branches?details=true"] {
        let answer = house.get(&format!("{API}/{path}")).await;
        let message = "No default branch is defined".to_owned();
        assert_eq!(answer.error(), (404, "NoDefaultBranchException".to_owned(), message), "{path}");
    }
    assert_eq!(house.get(&format!("{API}/default-branch")).await.json()["id"], "refs/heads/trunk");
    assert_eq!(house.get(&format!("{API}/branches")).await.json()["size"], 1);
    house.simulator.configure(|settings| settings.missing_default = MissingDefault::NamedButMissing);
    let (_, _, message) = house.get(&format!("{API}/commits")).await.error();
    assert_eq!(message, "refs/heads/trunk is set as the default branch, but this branch does not exist");
    house.git.set_branch("trunk", &house.git.branch("main").unwrap().unwrap()).unwrap();
    assert_eq!(house.get(&format!("{API}/branches/default")).await.json()["displayId"], "trunk");
}

#[tokio::test]
async fn head_of_the_repository_names_the_default_branch() {
    let house = house().await;
    let tip = house.git.branch("main").unwrap().unwrap();
    house.git.set_branch("develop", &tip).unwrap();
    house.git.set_head("develop").unwrap();
    assert_eq!(house.get(&format!("{API}/branches/default")).await.json()["id"], "refs/heads/develop");
    house.simulator.set_default_branch("PLAT/api", "main").unwrap();
    assert_eq!(house.get(&format!("{API}/branches/default")).await.json()["id"], "refs/heads/main");
    house.simulator.set_default_branch("PLAT/api", "").unwrap();
    assert_eq!(house.get(&format!("{API}/branches/default")).await.json()["id"], "refs/heads/develop");
    house.git.delete_branch("develop").unwrap();
    assert_eq!(house.get(&format!("{API}/branches/default")).await.status, 404);
}

#[tokio::test]
async fn a_working_copy_is_served_like_a_bare_repository() {
    let house = house().await;
    let copy = house.directory.path().join("copy");
    let clone = ["clone", "--quiet", ".", copy.to_str().unwrap()];
    house.git.git(clone).unwrap();
    house.simulator.set_path("PLAT/api", &copy).unwrap();
    assert_eq!(house.ids(&format!("{API}/commits"), 10).await, house.git.rev_list(&["main"]).unwrap());
    assert_eq!(house.get(&format!("{API}/branches/default")).await.json()["displayId"], "main");
}

#[tokio::test]
async fn another_repository_may_take_the_path() {
    let house = house().await;
    assert_eq!(house.get(&format!("{API}/commits")).await.json()["size"], 12);
    std::fs::remove_dir_all(house.git.path()).unwrap();
    assert_eq!(house.get(&format!("{API}/commits")).await.status, 500);
    let new = bitbucket_simulator::histories::linear(house.git.path(), 3).unwrap();
    assert_eq!(house.ids(&format!("{API}/commits"), 10).await, new.rev_list(&["main"]).unwrap());
    assert_eq!(house.get(&format!("{API}/commits?withCounts=true")).await.json()["totalCount"], json!(3));
}

use serde_json::json;

use bitbucket_simulator::{Moved, NewRepository, RepositoryChange};

use crate::support::{house, house_with};

#[tokio::test]
async fn archived_repositories_are_hidden_from_one_list_only() {
    let house = house().await;
    house.repository("PLAT/old");
    house.simulator.archive("PLAT/old", true).unwrap();
    assert_eq!(house.get("/repos").await.values("slug"), ["api"]);
    assert_eq!(house.get("/repos?archived=ARCHIVED").await.values("slug"), ["old"]);
    assert_eq!(house.get("/repos?archived=ALL").await.values("slug"), ["api", "old"]);
    assert_eq!(house.get("/projects/PLAT/repos").await.values("slug"), ["api", "old"]);
    let page = house.get("/projects/PLAT/repos").await.json();
    assert_eq!((&page["values"][0]["archived"], &page["values"][1]["archived"]), (&json!(false), &json!(true)));
    // Before 8.0 there was no such thing.
    house.simulator.configure(|settings| settings.version = "7.21.4".to_owned());
    assert_eq!(house.get("/repos?archived=ARCHIVED&projectkey=X").await.values("slug"), ["api", "old"]);
    assert_eq!(house.get("/projects/PLAT/repos").await.json()["values"][0].get("archived"), None);
}

#[tokio::test]
async fn personal_repositories_are_in_one_list_only() {
    let house = house_with(|builder| builder.empty_repository("~reader/dot.files")).await;
    assert_eq!(house.get("/repos").await.values("slug"), ["api", "dot.files"]);
    assert_eq!(house.get("/projects").await.values("key"), ["PLAT"]);
    for path in
        ["/projects/~reader/repos/dot.files", "/projects/~READER/repos/DOT.files", "/users/reader/repos/dot.files"]
    {
        let found = house.get(path).await.json();
        assert_eq!((&found["project"]["type"], &found["project"]["key"]), (&json!("PERSONAL"), &json!("~reader")));
        assert_eq!(found["project"]["owner"]["slug"], "reader");
    }
}

#[tokio::test]
async fn names_match_in_any_case_and_come_back_canonical() {
    let house = house().await;
    let found = house.get("/projects/plAT/repos/API").await.json();
    assert_eq!((&found["slug"], &found["project"]["key"]), (&json!("api"), &json!("PLAT")));
    assert_eq!(house.get("/projects/plat/repos/API/commits?limit=1").await.status, 200);
    let latest = format!("!{}", "/rest/api/latest/projects/plat");
    let answer = crate::support::send(house.request(&latest).basic_auth("reader", Some("se:hunter2"))).await;
    assert_eq!(answer.json()["key"], "PLAT");
}

#[tokio::test]
async fn a_repository_has_the_documented_shape() {
    let house = house_with(|builder| {
        let described = NewRepository { description: Some("Web".to_owned()), ..NewRepository::empty("PLAT/Web-UI") };
        builder.context("/bitbucket").add_repository(described)
    })
    .await;
    let url = house.simulator.url();
    assert!(url.ends_with("/bitbucket"));
    let body = house.get("/projects/PLAT/repos/web-ui").await.body;
    let project = format!(
        r#"{{"key":"PLAT","id":1,"name":"PLAT","public":false,"type":"NORMAL","links":{{"self":[{{"href":"{url}/projects/PLAT"}}]}}}}"#
    );
    let start = r#"{"slug":"web-ui","id":2,"name":"Web-UI","description":"Web","hierarchyId":"00000000000000000002","scmId":"git","state":"AVAILABLE","statusMessage":"Available","forkable":true,"project":"#;
    let end = r#","public":false,"archived":false,"links":{"clone":["#;
    assert!(body.starts_with(&format!("{start}{project}{end}")), "{body}");
    assert!(body.contains(&format!(r#""self":[{{"href":"{url}/projects/PLAT/repos/web-ui/browse"}}]"#)), "{body}");
}

#[tokio::test]
async fn filters_narrow_the_list() {
    let house = house_with(|builder| builder.empty_repository("PLAT/web").empty_repository("DATA/api-docs")).await;
    let change = RepositoryChange { state: Some("OFFLINE".to_owned()), ..RepositoryChange::default() };
    house.simulator.change_repository("PLAT/web", change).unwrap();
    house.simulator.set_public("DATA/api-docs", true).unwrap();
    for (filter, slugs) in [
        ("name=API", vec!["api", "api-docs"]),
        ("projectname=data", vec!["api-docs"]),
        ("projectkey=pLat", vec!["api", "web"]),
        ("state=OFFLINE", vec!["web"]),
        ("visibility=public", vec!["api-docs"]),
        ("visibility=private&state=AVAILABLE", vec!["api"]),
        ("unknown=parameter", vec!["api", "api-docs", "web"]),
    ] {
        assert_eq!(house.get(&format!("/repos?{filter}")).await.values("slug"), slugs, "{filter}");
    }
    assert_eq!(house.get("/repos?visibility=grey").await.status, 400);
    assert_eq!(house.get("/projects?name=dat").await.values("key"), ["DATA"]);
}

#[tokio::test]
async fn a_moved_repository_keeps_its_id_and_its_old_name() {
    let house = house().await;
    let id = house.get("/projects/PLAT/repos/api").await.json()["id"].clone();
    house.simulator.move_repository("PLAT/api", "CORE/server").unwrap();
    let new = house.get("/projects/CORE/repos/server").await.json();
    assert_eq!((&new["id"], &new["name"]), (&id, &json!("server")));
    let answer = house.get("/projects/PLAT/repos/api/commits?limit=1&until=main").await;
    let location =
        format!("{}/rest/api/1.0/projects/CORE/repos/server/commits?limit=1&until=main", house.simulator.url());
    assert_eq!((answer.status, answer.header("location")), (307, Some(location.as_str())));
    house.simulator.configure(|settings| settings.moved = Moved::Alias);
    assert_eq!(house.get("/projects/PLAT/repos/api").await.json()["project"]["key"], "CORE");
    house.simulator.configure(|settings| settings.moved = Moved::Gone);
    assert_eq!(house.get("/projects/PLAT/repos/api").await.exception().1, "NoSuchRepositoryException");
    // A new repository of the old name is another one.
    house.simulator.configure(|settings| settings.moved = Moved::Alias);
    house.repository("PLAT/api");
    assert_ne!(house.get("/projects/PLAT/repos/api").await.json()["id"], id);
    house.simulator.rename_project("CORE", "HEART").unwrap();
    assert_eq!(house.get("/projects/CORE/repos/server").await.json()["id"], id);
    house.simulator.remove_repository("HEART/server").unwrap();
    assert_eq!(house.get("/projects/CORE/repos/server").await.exception().1, "NoSuchProjectException");
}

#[tokio::test]
async fn users_are_listed_by_login_and_found_by_slug() {
    let house = house_with(|builder| builder.user("Jo@Work", "hunter2")).await;
    assert_eq!(house.get("/users").await.values("name"), ["Jo@Work", "reader"]);
    assert_eq!(house.get("/users?filter=WORK").await.values("slug"), ["jo_work"]);
    assert_eq!(house.get("/users/jo_work").await.json()["name"], "Jo@Work");
    assert_eq!(house.get("/users/Jo@Work").await.exception(), (404, "NoSuchUserException".to_owned()));
    assert_eq!(house.get("/users?limit=1").await.json()["nextPageStart"], 1);
}

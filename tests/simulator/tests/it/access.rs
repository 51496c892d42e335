use bitbucket_simulator::{Access, Filling, NewUser};
use serde_json::json;

use crate::support::house;

const REFUSED: (u16, &str) = (401, "AuthorisationException");

#[tokio::test]
async fn a_known_user_without_permission_is_told_who_they_are() {
    let house = house().await;
    house.simulator.set_access("reader", Access::Nothing).unwrap();
    for path in
        ["/projects/PLAT", "/projects/PLAT/repos", "/projects/PLAT/repos/api", "/projects/PLAT/repos/api/commits"]
    {
        let answer = house.get(path).await;
        let (status, exception) = answer.exception();
        assert_eq!((status, exception.as_str()), REFUSED, "{path}");
        assert_eq!(answer.header("x-ausername"), Some("reader"));
    }
    for path in ["/projects", "/repos"] {
        let page = house.get(path).await.json();
        assert_eq!((&page["size"], &page["isLastPage"]), (&json!(0), &json!(true)), "{path}");
    }
    assert_eq!(house.get("/projects/PLAT/repos/none").await.status, 404);
}

#[tokio::test]
async fn one_repository_shows_its_project_but_does_not_open_it() {
    let house = house().await;
    house.repository("PLAT/web");
    house.simulator.set_access("reader", Access::Nothing).unwrap();
    house.simulator.grant("reader", "plat/WEB").unwrap();
    assert_eq!(house.get("/projects").await.values("key"), ["PLAT"]);
    assert_eq!(house.get("/projects/PLAT").await.status, 200);
    assert_eq!(house.get("/projects?permission=PROJECT_READ").await.values("key"), [""; 0]);
    assert_eq!(house.get("/projects/PLAT/repos").await.status, 401);
    assert_eq!(house.get("/repos?projectkey=plat").await.values("slug"), ["web"]);
    house.simulator.grant("reader", "PLAT").unwrap();
    house.simulator.revoke("reader", "PLAT/web").unwrap();
    assert_eq!(house.get("/projects/PLAT/repos").await.values("slug"), ["api"]);
}

#[tokio::test]
async fn a_listing_may_show_what_cannot_be_read() {
    let house = house().await;
    house.simulator.add_user(NewUser::reader("lister", "hunter2").access(Access::Listing)).unwrap();
    let login = Some(("lister", "hunter2"));
    assert_eq!(house.get_as(login, "/repos").await.values("slug"), ["api"]);
    assert_eq!(house.get_as(login, "/projects/PLAT/repos/api").await.status, 200);
    for path in ["commits", "branches/default", "branches", "default-branch"] {
        let answer = house.get_as(login, &format!("/projects/PLAT/repos/api/{path}")).await;
        assert_eq!(answer.exception(), (401, "AuthorisationException".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn next_page_start_counts_what_is_hidden() {
    let house = house().await;
    for key in ["A1", "B2", "C3", "D4", "E5", "F6"] {
        house.repository(&format!("{key}/one"));
    }
    // In the order of the list, PLAT being the last: hidden, seen, hidden, hidden, seen, hidden, seen.
    for key in ["A1", "C3", "D4", "F6"] {
        house.simulator.revoke("reader", key).unwrap();
    }
    let page = house.get("/projects?limit=1").await;
    assert_eq!((page.values("key"), &page.json()["nextPageStart"]), (vec!["B2".to_owned()], &json!(2)));
    let page = house.get("/projects?limit=1&start=2").await;
    assert_eq!((page.values("key"), &page.json()["nextPageStart"]), (vec!["E5".to_owned()], &json!(5)));
    let page = house.get("/projects?limit=1&start=5").await;
    assert_eq!((page.values("key"), page.json().get("nextPageStart")), (vec!["PLAT".to_owned()], None));

    house.simulator.configure(|settings| settings.filling = Filling::Short);
    let page = house.get("/projects?limit=2&start=2").await.json();
    assert_eq!((&page["size"], &page["isLastPage"], &page["nextPageStart"]), (&json!(0), &json!(false), &json!(4)));
    for filling in [Filling::Short, Filling::Full] {
        house.simulator.configure(|settings| settings.filling = filling);
        for limit in 1..=8 {
            let keys = house.all("/projects", limit).await;
            let keys: Vec<_> = keys.iter().map(|project| project["key"].as_str().unwrap()).collect();
            assert_eq!(keys, ["B2", "E5", "PLAT"], "{filling:?} {limit}");
            assert_eq!(house.all("/repos", limit).await.len(), 3);
        }
    }
}

#[tokio::test]
async fn a_permission_that_is_named_must_have_been_granted() {
    let house = house().await;
    house.repository("OPEN/one");
    house.simulator.set_public("OPEN/one", true).unwrap();
    house.simulator.set_access("reader", Access::Nothing).unwrap();
    house.simulator.grant("reader", "PLAT/api").unwrap();
    assert_eq!(house.get("/repos").await.values("slug"), ["api", "one"]);
    assert_eq!(house.get("/repos?permission=REPO_READ").await.values("slug"), ["api"]);
    assert_eq!(house.get("/repos?permission=REPO_ADMIN").await.values("slug"), [""; 0]);
    assert_eq!(house.get("/repos?permission=REPO_PAINT").await.status, 400);
    assert_eq!(house.get("/projects?permission=PAINT").await.status, 400);
}
